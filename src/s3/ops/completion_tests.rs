use http::HeaderValue;
use tandem_storage::record::ContentHeaders;
use tandem_storage::types::{Body, ChecksumKind, ObjectKey, Timestamp};

use super::*;

const MIB: u64 = 1 << 20;

fn upload(checksum: Option<(ChecksumAlgorithm, bool)>) -> UploadRow {
    UploadRow {
        id: UploadId::from_bytes([7; 16]),
        key: ObjectKey::new("k").unwrap(),
        initiated: Timestamp::default(),
        headers: ContentHeaders::default(),
        metadata: Vec::new(),
        tags: Vec::new(),
        checksum,
        acl: None,
        lock: None,
        wrapped_key: None,
        initiator: None,
    }
}

fn part(algorithm: ChecksumAlgorithm, content: &[u8], size: u64) -> PartRow {
    let mut hasher = checksum::Hasher::new(algorithm);
    hasher.update(content);
    PartRow {
        size,
        md5: [content[0]; 16],
        body: Body::Empty,
        checksum: Some(hasher.finish()),
        modified: Timestamp::default(),
    }
}

fn asked(number: u16, row: &PartRow) -> AskedPart {
    let sum = row.checksum.as_ref().map(|sum| (sum.algorithm, checksum::text(sum)));
    AskedPart { number, md5: Some(row.md5), checksums: sum.into_iter().collect() }
}

fn document(parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|part| format!("<Part>{part}</Part>")).collect();
    format!(
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}</CompleteMultipartUpload>"
    )
}

fn code<T: std::fmt::Debug>(result: Result<T, S3Error>) -> ErrorCode {
    result.unwrap_err().code
}

#[test]
fn lists_are_read_in_order_or_refused() {
    let etag = "<ETag>&quot;0cc175b9c0f1b6a831c399e269772661&quot;</ETag>";
    let of = |number: &str| format!("<PartNumber>{number}</PartNumber>{etag}");
    let good = document(&[&of("1"), &of(" 3 "), &of("10000")]);
    let parts = parse(good.as_bytes()).unwrap();
    assert_eq!(parts.iter().map(|part| part.number).collect::<Vec<_>>(), [1, 3, 10_000]);
    assert!(parts.iter().all(|part| part.md5.is_some()));
    for (parts, expected) in [
        (vec![], ErrorCode::MalformedXML),
        (vec![of("2"), of("1")], ErrorCode::InvalidPartOrder),
        (vec![of("2"), of("2")], ErrorCode::InvalidPartOrder),
        (vec![of("0")], ErrorCode::InvalidArgument),
        (vec![of("-1")], ErrorCode::InvalidArgument),
        (vec![of("10001")], ErrorCode::InvalidArgument),
        (vec![of("one")], ErrorCode::MalformedXML),
        (vec![etag.to_owned()], ErrorCode::MalformedXML),
        (vec!["<PartNumber>1</PartNumber>".to_owned()], ErrorCode::MalformedXML),
        (vec![format!("{}{etag}", of("1"))], ErrorCode::MalformedXML),
        (vec![format!("{}<Other/>", of("1"))], ErrorCode::MalformedXML),
    ] {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        assert_eq!(code(parse(document(&parts).as_bytes())), expected, "{parts:?}");
    }
}

#[test]
fn parts_must_be_stored_as_listed_and_large_enough() {
    let upload = upload(None);
    let big = part(ChecksumAlgorithm::Crc32, b"a", 5 * MIB);
    let small = part(ChecksumAlgorithm::Crc32, b"b", 5 * MIB - 1);
    let stored = |rows: &[(u16, &PartRow)]| rows.iter().map(|(number, row)| (*number, (*row).clone())).collect();
    let list = [asked(1, &big), asked(4, &small)];
    assert_eq!(matched(&upload, &list, stored(&[(1, &big), (2, &big), (4, &small)])).unwrap().len(), 2);
    assert_eq!(code(matched(&upload, &list, stored(&[(1, &big)]))), ErrorCode::InvalidPart);
    assert_eq!(code(matched(&upload, &list, stored(&[(1, &big), (4, &big)]))), ErrorCode::InvalidPart);
    let reversed = [asked(1, &small), asked(4, &big)];
    assert_eq!(code(matched(&upload, &reversed, stored(&[(1, &small), (4, &big)]))), ErrorCode::EntityTooSmall);
    let mut unknown = asked(1, &small);
    unknown.md5 = None;
    assert_eq!(code(matched(&upload, &[unknown], stored(&[(1, &small)]))), ErrorCode::InvalidPart);
    let mut wrong = asked(1, &small);
    wrong.checksums = vec![(ChecksumAlgorithm::Crc32, "AAAAAA==".into())];
    assert_eq!(code(matched(&upload, &[wrong], stored(&[(1, &small)]))), ErrorCode::InvalidPart);
}

#[test]
fn a_composite_upload_needs_every_checksum_listed() {
    let row = part(ChecksumAlgorithm::Sha256, b"a", 1);
    let mut bare = asked(1, &row);
    bare.checksums.clear();
    let stored = || BTreeMap::from([(1, row.clone())]);
    let composite = upload(Some((ChecksumAlgorithm::Sha256, false)));
    assert_eq!(code(matched(&composite, std::slice::from_ref(&bare), stored())), ErrorCode::InvalidRequest);
    assert!(matched(&composite, &[asked(1, &row)], stored()).is_ok());
    assert!(matched(&upload(None), &[bare], stored()).is_ok());
}

#[test]
fn checksums_of_parts_make_the_objects() {
    let crc = ChecksumAlgorithm::Crc64Nvme;
    let parts = [(1, part(crc, b"hello ", 6)), (2, part(crc, b"world", 5))];
    let whole = part(crc, b"hello world", 11).checksum;
    assert_eq!(checksum_of(&upload(None), &parts), whole);
    assert_eq!(checksum_of(&upload(Some((crc, true))), &parts), whole);
    let composite = checksum_of(&upload(Some((crc, false))), &parts).unwrap();
    assert_eq!(composite.kind, ChecksumKind::Composite { parts: 2 });
    let sha = ChecksumAlgorithm::Sha256;
    let shas = [(1, part(sha, b"a", 1)), (2, part(sha, b"b", 1))];
    assert_eq!(checksum_of(&upload(None), &shas).unwrap().kind, ChecksumKind::Composite { parts: 2 });
    let mixed = [(1, part(crc, b"a", 1)), (2, part(sha, b"b", 1))];
    assert_eq!(checksum_of(&upload(None), &mixed), None);
}

#[test]
fn what_the_client_foretells_must_hold() {
    let crc = ChecksumAlgorithm::Crc32;
    let parts = [(1, part(crc, b"hello ", 6)), (2, part(crc, b"world", 5))];
    let headers = |pairs: &[(&'static str, String)]| -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
    };
    assert_eq!(size(&parts, &headers(&[("x-amz-mp-object-size", "11".into())])).unwrap(), 11);
    assert_eq!(code(size(&parts, &headers(&[("x-amz-mp-object-size", "12".into())]))), ErrorCode::InvalidRequest);
    assert_eq!(code(size(&parts, &headers(&[("x-amz-mp-object-size", "-1".into())]))), ErrorCode::InvalidArgument);
    let upload = upload(Some((crc, false)));
    let found = checksum_of(&upload, &parts);
    let text = checksum::text(found.as_ref().unwrap());
    let bare = text.split('-').next().unwrap().to_owned();
    for good in [text, bare] {
        assert!(check_declared(&headers(&[("x-amz-checksum-crc32", good)]), &upload, found.as_ref()).is_ok());
    }
    let wrong = headers(&[("x-amz-checksum-crc32", "AAAAAA==".into())]);
    assert_eq!(code(check_declared(&wrong, &upload, found.as_ref())), ErrorCode::BadDigest);
    let other = headers(&[("x-amz-checksum-type", "FULL_OBJECT".into())]);
    assert_eq!(code(check_declared(&other, &upload, found.as_ref())), ErrorCode::InvalidRequest);
}
