//! The framing and the proofs, against AWS's published examples, split at every byte, and against what an attacker may change.

use aws_sigv4::sign::v4::generate_signing_key;
use bytes::Bytes;
use http::HeaderMap;
use tandem_storage::types::ChecksumAlgorithm;
use zeroize::Zeroizing;

use super::{ChunkChain, Payload, PayloadHash, Plan, Source, Verified};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::Operation;

const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
const CHUNKS: [&str; 3] = [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
];
const TRAILER_SEED: &str = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
const TRAILER_CHUNKS: [&str; 3] = [
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
];
const TRAILER_SIGNATURE: &str = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
const LENGTH: usize = 66_560;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().expect("a value"))).collect()
}

fn chain(seed: &str) -> ChunkChain {
    let day = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_369_353_600);
    let derived = generate_signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", day, "us-east-1", "s3");
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(derived.as_ref());
    ChunkChain::new(key, "20130524T000000Z".into(), "20130524/us-east-1/s3/aws4_request".into(), seed.into())
}

/// The body of AWS's example: 65,536 and 1,024 times `a`.
fn body(signatures: [&str; 3], tail: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (size, signature) in [65_536, 1024, 0].into_iter().zip(signatures) {
        body.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
        body.resize(body.len() + size, b'a');
        if size > 0 {
            body.extend_from_slice(b"\r\n");
        }
    }
    body.extend_from_slice(tail.as_bytes());
    body
}

fn trailer_headers() -> HeaderMap {
    headers(&[("x-amz-decoded-content-length", "66560"), ("x-amz-trailer", "x-amz-checksum-crc32c")])
}

fn read(
    headers: &HeaderMap,
    hash: PayloadHash,
    chain: Option<ChunkChain>,
    parts: Vec<Bytes>,
) -> Result<(Vec<u8>, Verified), ErrorCode> {
    let run = async {
        let plan = Plan::of(Operation::PutObject, headers, hash)?;
        let mut payload = Payload::new(plan, chain, Source::memory(parts));
        let mut content = Vec::new();
        while let Some(data) = payload.next().await? {
            content.extend_from_slice(&data);
        }
        Ok::<_, S3Error>((content, payload.verified()?))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(run).map_err(|error| error.code)
}

fn signed(body: Vec<u8>) -> Result<(Vec<u8>, Verified), ErrorCode> {
    let headers = headers(&[("x-amz-decoded-content-length", "66560")]);
    read(&headers, PayloadHash::StreamingSigned, Some(chain(SEED)), vec![body.into()])
}

fn signed_trailer(tail: &str) -> Result<(Vec<u8>, Verified), ErrorCode> {
    let hash = PayloadHash::StreamingSignedTrailer;
    read(&trailer_headers(), hash, Some(chain(TRAILER_SEED)), vec![body(TRAILER_CHUNKS, tail).into()])
}

#[test]
fn the_published_chunked_upload_verifies() {
    let (content, verified) = signed(body(CHUNKS, "\r\n")).expect("verified");
    assert_eq!((content.len(), verified.size), (LENGTH, LENGTH as u64));
    assert!(content.iter().all(|byte| *byte == b'a'));
}

#[test]
fn the_published_chunked_upload_with_a_trailer_verifies() {
    let sum = "x-amz-checksum-crc32c:sOO8/Q==";
    for tail in [
        format!("{sum}\r\nx-amz-trailer-signature:{TRAILER_SIGNATURE}\r\n\r\n"),
        format!("{sum}\n\r\nx-amz-trailer-signature:{TRAILER_SIGNATURE}\r\n\r\n"),
        format!("{sum}\r\nx-amz-trailer-signature: {TRAILER_SIGNATURE}\r\n\r\n\r\n"),
    ] {
        let (content, verified) = signed_trailer(&tail).expect("verified");
        let checksum = verified.checksum.expect("a checksum");
        assert_eq!(content.len(), LENGTH);
        assert_eq!((checksum.algorithm, hex::encode(checksum.value).as_str()), (ChecksumAlgorithm::Crc32c, "b0e3bcfd"));
    }
}

#[test]
fn it_verifies_wherever_the_network_splits_it() {
    let tail = format!("x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:{TRAILER_SIGNATURE}\r\n\r\n");
    let whole = Bytes::from(body(TRAILER_CHUNKS, &tail));
    let interesting = (0..200).chain(65_500..65_800).chain(whole.len() - 400..whole.len());
    for at in interesting {
        let parts = vec![whole.slice(..at), whole.slice(at..)];
        let hash = PayloadHash::StreamingSignedTrailer;
        let read = read(&trailer_headers(), hash, Some(chain(TRAILER_SEED)), parts);
        assert!(read.is_ok_and(|(content, _)| content.len() == LENGTH), "split at {at}");
    }
}

#[test]
fn it_verifies_byte_by_byte_without_signatures() {
    let body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let headers = headers(&[("x-amz-decoded-content-length", "5"), ("x-amz-trailer", "x-amz-checksum-crc32")]);
    let parts = body.iter().map(|byte| Bytes::copy_from_slice(&[*byte])).collect();
    let (content, verified) = read(&headers, PayloadHash::StreamingUnsignedTrailer, None, parts).expect("verified");
    assert_eq!(content, b"hello");
    assert_eq!(hex::encode(verified.md5), "5d41402abc4b2a76b9719d911017c592");
}

#[test]
fn every_tampered_chunk_is_refused() {
    for index in 0..3 {
        let mut signatures = CHUNKS;
        signatures[index] = SEED;
        assert_eq!(signed(body(signatures, "\r\n")).err(), Some(ErrorCode::SignatureDoesNotMatch), "chunk {index}");
    }
    let mut changed = body(CHUNKS, "\r\n");
    changed[100] = b'b';
    assert_eq!(signed(changed).err(), Some(ErrorCode::SignatureDoesNotMatch));
    let swapped = body([CHUNKS[1], CHUNKS[0], CHUNKS[2]], "\r\n");
    assert_eq!(signed(swapped).err(), Some(ErrorCode::SignatureDoesNotMatch));
    let unsigned = body(CHUNKS, "\r\n");
    let unsigned =
        String::from_utf8(unsigned).expect("text").replacen(&format!(";chunk-signature={}", CHUNKS[0]), "", 1);
    assert_eq!(signed(unsigned.into_bytes()).err(), Some(ErrorCode::SignatureDoesNotMatch));
}

#[test]
fn a_body_that_is_cut_or_goes_on_is_refused() {
    let whole = body(CHUNKS, "\r\n");
    for length in [0, 10, 100, 65_640, whole.len() - 90, whole.len() - 1] {
        assert_eq!(signed(whole[..length].to_vec()).err(), Some(ErrorCode::IncompleteBody), "cut at {length}");
    }
    assert_eq!(signed(body(CHUNKS, "\r\nmore")).err(), Some(ErrorCode::IncompleteBody));
    assert_eq!(signed(body(CHUNKS, "\r\n\r\nx")).err(), Some(ErrorCode::IncompleteBody));
}

#[test]
fn trailers_that_differ_from_what_was_announced_are_refused() {
    let signature = format!("x-amz-trailer-signature:{TRAILER_SIGNATURE}\r\n\r\n");
    let good = "x-amz-checksum-crc32c:sOO8/Q==\r\n";
    for (tail, expected) in [
        (format!("x-amz-checksum-crc32c:sOO8/A==\r\n{signature}"), ErrorCode::SignatureDoesNotMatch),
        (format!("{good}x-amz-trailer-signature:{SEED}\r\n\r\n"), ErrorCode::SignatureDoesNotMatch),
        (format!("x-amz-checksum-crc32:sOO8/Q==\r\n{signature}"), ErrorCode::MalformedTrailerError),
        (format!("{good}{good}{signature}"), ErrorCode::MalformedTrailerError),
        (format!("{good}x-amz-meta-a:b\r\n{signature}"), ErrorCode::MalformedTrailerError),
        (format!("no colon\r\n{signature}"), ErrorCode::MalformedTrailerError),
        (signature.clone(), ErrorCode::MalformedTrailerError),
        (format!("{good}\r\n"), ErrorCode::IncompleteBody),
        (format!("{}\r\n\r\n", "x".repeat(2000)), ErrorCode::MalformedTrailerError),
    ] {
        assert_eq!(signed_trailer(&tail).err(), Some(expected), "{tail}");
    }
}

#[test]
fn unsigned_chunks_are_held_to_their_framing() {
    let read_unsigned = |body: &str, length: &str| {
        let headers = headers(&[("x-amz-decoded-content-length", length), ("x-amz-trailer", "x-amz-checksum-crc32")]);
        let parts = vec![Bytes::copy_from_slice(body.as_bytes())];
        read(&headers, PayloadHash::StreamingUnsignedTrailer, None, parts).map(|_| ())
    };
    let tail = "0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    assert_eq!(read_unsigned(&format!("5\r\nhello\r\n{tail}"), "5"), Ok(()));
    for (body, length, expected) in [
        (format!("5\r\nhello\r\n{tail}"), "6", ErrorCode::IncompleteBody),
        (format!("5\r\nhello\r\n{tail}"), "4", ErrorCode::IncompleteBody),
        (format!("ffffffffffffffff\r\nhello\r\n{tail}"), "5", ErrorCode::IncompleteBody),
        (format!("g\r\nhello\r\n{tail}"), "5", ErrorCode::IncompleteBody),
        (format!("5\nhello\r\n{tail}"), "5", ErrorCode::IncompleteBody),
        (format!("5\r\nhelloXX{tail}"), "5", ErrorCode::IncompleteBody),
        (format!("5;{}\r\nhello\r\n{tail}", "x".repeat(200)), "5", ErrorCode::IncompleteBody),
        (format!("2\r\nhe\r\n3\r\nllo\r\n{tail}"), "5", ErrorCode::InvalidChunkSizeError),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n".into(), "5", ErrorCode::BadDigest),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:!\r\n\r\n".into(), "5", ErrorCode::InvalidRequest),
        ("5\r\nhello\r\n0\r\n\r\n".into(), "5", ErrorCode::MalformedTrailerError),
        (format!("5\r\nhello\r\n{tail}"), "-5", ErrorCode::MissingContentLength),
        (format!("5\r\nhello\r\n{tail}"), "x", ErrorCode::MissingContentLength),
        (String::new(), "5368709121", ErrorCode::EntityTooLarge),
    ] {
        assert_eq!(read_unsigned(&body, length), Err(expected), "{body}");
    }
}

#[test]
fn promises_of_a_plain_body_are_kept_or_refused() {
    let read_plain = |pairs: &[(&'static str, &str)], hash| {
        let headers = headers(pairs);
        read(&headers, hash, None, vec![Bytes::from_static(b"hello")]).map(|(_, verified)| verified)
    };
    let length = ("content-length", "5");
    let unsigned = PayloadHash::Unsigned;
    let sum = PayloadHash::parse("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824").expect("a sum");
    for (pairs, hash) in [
        (vec![length], unsigned),
        (vec![length], sum),
        (vec![length, ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==")], unsigned),
        (vec![length, ("x-amz-checksum-crc32", "NhCmhg=="), ("x-amz-sdk-checksum-algorithm", "CRC32")], unsigned),
        (vec![length, ("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=")], sum),
    ] {
        assert!(read_plain(&pairs, hash).is_ok(), "{pairs:?}");
    }
    // F15: AWS takes no body without a length, and says which header asks for that.
    let plan = Plan::of(Operation::PutObject, &headers(&[("transfer-encoding", "chunked")]), unsigned);
    let refused = plan.expect_err("no length");
    assert_eq!(
        (refused.code, &refused.details[..]),
        (ErrorCode::NotImplemented, &[("Header", "Transfer-Encoding".to_owned())][..])
    );
    let wrong = PayloadHash::Sha256([0; 32]);
    for (pairs, hash, expected) in [
        (vec![], unsigned, ErrorCode::MissingContentLength),
        (vec![("content-length", "6")], unsigned, ErrorCode::IncompleteBody),
        (vec![("content-length", "5368709121")], unsigned, ErrorCode::EntityTooLarge),
        (vec![length], wrong, ErrorCode::XAmzContentSHA256Mismatch),
        (vec![length, ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")], unsigned, ErrorCode::BadDigest),
        (vec![length, ("content-md5", "abc")], unsigned, ErrorCode::InvalidDigest),
        (vec![length, ("content-md5", "YWJj")], unsigned, ErrorCode::InvalidDigest),
        (vec![length, ("x-amz-checksum-crc32", "AAAAAA==")], unsigned, ErrorCode::BadDigest),
        (vec![length, ("x-amz-checksum-crc32", "AAAA")], unsigned, ErrorCode::InvalidRequest),
        (vec![length, ("x-amz-checksum-md4", "AAAA")], unsigned, ErrorCode::InvalidRequest),
        (
            vec![length, ("x-amz-checksum-crc32", "NhCmhg=="), ("x-amz-checksum-sha1", "a")],
            unsigned,
            ErrorCode::InvalidRequest,
        ),
        (vec![length, ("x-amz-sdk-checksum-algorithm", "CRC32")], unsigned, ErrorCode::InvalidRequest),
        (
            vec![length, ("x-amz-checksum-crc32", "NhCmhg=="), ("x-amz-sdk-checksum-algorithm", "SHA1")],
            unsigned,
            ErrorCode::InvalidRequest,
        ),
        (vec![length, ("x-amz-trailer", "x-amz-checksum-crc32")], unsigned, ErrorCode::InvalidRequest),
    ] {
        assert_eq!(read_plain(&pairs, hash).err(), Some(expected), "{pairs:?}");
    }
}

#[test]
fn documents_are_small_and_never_in_chunks() {
    let of = |operation, pairs: &[(&'static str, &str)], hash| {
        Plan::of(operation, &headers(pairs), hash).map(|_| ()).map_err(|error| error.code)
    };
    let (delete, unsigned) = (Operation::DeleteObjects, PayloadHash::Unsigned);
    let md5 = ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==");
    assert_eq!(of(delete, &[("content-length", "5"), md5], unsigned), Ok(()));
    assert_eq!(of(delete, &[("content-length", "5")], unsigned), Err(ErrorCode::InvalidRequest));
    assert_eq!(of(delete, &[("content-length", "9999999"), md5], unsigned), Err(ErrorCode::MaxMessageLengthExceeded));
    let chunked = [("x-amz-decoded-content-length", "5"), ("x-amz-trailer", "x-amz-checksum-crc32")];
    for operation in [delete, Operation::PutBucketPolicy, Operation::GetObject] {
        assert_eq!(of(operation, &chunked, PayloadHash::StreamingUnsignedTrailer), Err(ErrorCode::InvalidRequest));
    }
    let summary = [("x-amz-checksum-crc32", "not of the document")];
    assert_eq!(of(Operation::CompleteMultipartUpload, &summary, unsigned), Ok(()));
}

#[test]
fn hashes_are_one_of_the_known_values() {
    for bad in [
        "",
        "STREAMING",
        "UNSIGNED",
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
        "abc",
        &"A".repeat(64),
        &"g".repeat(64),
    ] {
        assert_eq!(PayloadHash::parse(bad).err().map(|error| error.code), Some(ErrorCode::InvalidArgument), "{bad}");
    }
}
