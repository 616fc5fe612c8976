//! S3's five checksums: names, text, computing, and combining those of parts into one of the whole.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use tandem_storage::types::{Checksum, ChecksumAlgorithm, ChecksumKind};

pub const ALGORITHMS: [ChecksumAlgorithm; 5] = [
    ChecksumAlgorithm::Crc32,
    ChecksumAlgorithm::Crc32c,
    ChecksumAlgorithm::Crc64Nvme,
    ChecksumAlgorithm::Sha1,
    ChecksumAlgorithm::Sha256,
];

/// As `x-amz-checksum-algorithm` and `ChecksumAlgorithm` say it.
pub const fn name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "CRC32",
        ChecksumAlgorithm::Crc32c => "CRC32C",
        ChecksumAlgorithm::Crc64Nvme => "CRC64NVME",
        ChecksumAlgorithm::Sha1 => "SHA1",
        ChecksumAlgorithm::Sha256 => "SHA256",
    }
}

/// Any case, as AWS takes it.
pub fn by_name(text: &str) -> Option<ChecksumAlgorithm> {
    ALGORITHMS.into_iter().find(|algorithm| name(*algorithm).eq_ignore_ascii_case(text))
}

pub const fn header(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "x-amz-checksum-crc32",
        ChecksumAlgorithm::Crc32c => "x-amz-checksum-crc32c",
        ChecksumAlgorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        ChecksumAlgorithm::Sha1 => "x-amz-checksum-sha1",
        ChecksumAlgorithm::Sha256 => "x-amz-checksum-sha256",
    }
}

/// The XML element that carries a value.
pub const fn element(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "ChecksumCRC32",
        ChecksumAlgorithm::Crc32c => "ChecksumCRC32C",
        ChecksumAlgorithm::Crc64Nvme => "ChecksumCRC64NVME",
        ChecksumAlgorithm::Sha1 => "ChecksumSHA1",
        ChecksumAlgorithm::Sha256 => "ChecksumSHA256",
    }
}

/// Bytes of a value.
pub const fn length(algorithm: ChecksumAlgorithm) -> usize {
    match algorithm {
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => 4,
        ChecksumAlgorithm::Crc64Nvme => 8,
        ChecksumAlgorithm::Sha1 => 20,
        ChecksumAlgorithm::Sha256 => 32,
    }
}

/// A value as clients write it: base64, exactly as long as the algorithm's.
pub fn parse_value(algorithm: ChecksumAlgorithm, text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok().filter(|value| value.len() == length(algorithm))
}

/// The value alone, in base64.
pub fn value_text(checksum: &Checksum) -> String {
    BASE64.encode(&checksum.value)
}

/// As headers and documents show it: base64, with `-N` behind a composite one.
pub fn text(checksum: &Checksum) -> String {
    let mut text = value_text(checksum);
    if let ChecksumKind::Composite { parts } = checksum.kind {
        text.push_str(&format!("-{parts}"));
    }
    text
}

/// As `x-amz-checksum-type` and `ChecksumType` say it.
pub const fn kind_name(kind: ChecksumKind) -> &'static str {
    match kind {
        ChecksumKind::FullObject => "FULL_OBJECT",
        ChecksumKind::Composite { .. } => "COMPOSITE",
    }
}

const fn crc(algorithm: ChecksumAlgorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
    }
}

/// Computes one checksum over bytes as they come.
pub struct Hasher {
    algorithm: ChecksumAlgorithm,
    state: State,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hasher({})", name(self.algorithm))
    }
}

enum State {
    Crc(Box<crc_fast::Digest>),
    Sha(digest::Context),
}

impl Hasher {
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        let state = match (algorithm, crc(algorithm)) {
            (_, Some(crc)) => State::Crc(Box::new(crc_fast::Digest::new(crc))),
            (ChecksumAlgorithm::Sha1, _) => State::Sha(digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
            _ => State::Sha(digest::Context::new(&digest::SHA256)),
        };
        Hasher { algorithm, state }
    }

    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Crc(digest) => digest.update(bytes),
            State::Sha(context) => context.update(bytes),
        }
    }

    /// The checksum of all bytes.
    pub fn finish(self) -> Checksum {
        let value = match self.state {
            State::Crc(digest) => crc_bytes(self.algorithm, digest.finalize()),
            State::Sha(context) => context.finish().as_ref().to_vec(),
        };
        Checksum { algorithm: self.algorithm, kind: ChecksumKind::FullObject, value }
    }
}

fn crc_bytes(algorithm: ChecksumAlgorithm, value: u64) -> Vec<u8> {
    value.to_be_bytes()[8 - length(algorithm)..].to_vec()
}

fn crc_value(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The checksum of the parts' checksums.
pub fn composite<'a>(algorithm: ChecksumAlgorithm, parts: impl Iterator<Item = &'a [u8]>) -> Checksum {
    let mut hasher = Hasher::new(algorithm);
    let mut count = 0;
    for part in parts {
        hasher.update(part);
        count += 1;
    }
    Checksum { kind: ChecksumKind::Composite { parts: count }, ..hasher.finish() }
}

/// The CRC of the whole from the CRCs and lengths of its parts, without reading a byte; none for SHAs, which have no such sum.
pub fn full_object<'a>(algorithm: ChecksumAlgorithm, parts: impl Iterator<Item = (&'a [u8], u64)>) -> Option<Checksum> {
    let crc = crc(algorithm)?;
    let mut total = None;
    for (value, bytes) in parts {
        let value = crc_value(value);
        total = Some(match total {
            None => value,
            Some(before) => crc_fast::checksum_combine(crc, before, value, bytes),
        });
    }
    let value = crc_bytes(algorithm, total.unwrap_or_else(|| crc_fast::checksum(crc, b"")));
    Some(Checksum { algorithm, kind: ChecksumKind::FullObject, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn published_check_values() {
        let cases = [
            (ChecksumAlgorithm::Crc32, "cbf43926"),
            (ChecksumAlgorithm::Crc32c, "e3069283"),
            (ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888"),
            (ChecksumAlgorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (ChecksumAlgorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ];
        for (algorithm, expected) in cases {
            let checksum = of(algorithm, b"123456789");
            assert_eq!(hex::encode(&checksum.value), expected, "{algorithm:?}");
            assert_eq!(parse_value(algorithm, &text(&checksum)), Some(checksum.value));
            assert_eq!(by_name(name(algorithm)), Some(algorithm));
        }
    }

    #[test]
    fn crcs_of_parts_combine_to_the_crc_of_the_whole() {
        let whole: Vec<u8> = (0..100_000u32).map(|n| (n * 7 % 251) as u8).collect();
        for algorithm in [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme] {
            for cuts in [&[100_000][..], &[1, 50_000, 100_000], &[0, 0, 99_999, 100_000], &[65_536, 65_537, 100_000]] {
                let mut from = 0;
                let parts: Vec<(Vec<u8>, u64)> = cuts
                    .iter()
                    .map(|to| {
                        let part = &whole[from..*to];
                        from = *to;
                        (of(algorithm, part).value, part.len() as u64)
                    })
                    .collect();
                let combined = full_object(algorithm, parts.iter().map(|(value, bytes)| (&value[..], *bytes)));
                assert_eq!(combined, Some(of(algorithm, &whole)), "{algorithm:?} {cuts:?}");
            }
            assert_eq!(full_object(algorithm, std::iter::empty()), Some(of(algorithm, b"")));
        }
    }

    #[test]
    fn a_composite_is_over_the_values_and_counts_them() {
        let parts = [of(ChecksumAlgorithm::Sha256, b"one").value, of(ChecksumAlgorithm::Sha256, b"two").value];
        let checksum = composite(ChecksumAlgorithm::Sha256, parts.iter().map(Vec::as_slice));
        assert_eq!(checksum.value, of(ChecksumAlgorithm::Sha256, &parts.concat()).value);
        assert!(text(&checksum).ends_with("-2"));
        assert_eq!(full_object(ChecksumAlgorithm::Sha256, std::iter::empty()), None);
    }
}
