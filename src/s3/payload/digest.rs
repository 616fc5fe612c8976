//! The sums of a body, taken in one pass while it streams.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use crc_fast::CrcAlgorithm;
use md5::{Digest as _, Md5};
use tandem_storage::types::ChecksumAlgorithm;

/// Slices small enough to stay in the cache while each sum passes over them.
const SLICE: usize = 32 * 1024;

/// The header that carries a checksum of this algorithm.
pub fn header_name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "x-amz-checksum-crc32",
        ChecksumAlgorithm::Crc32c => "x-amz-checksum-crc32c",
        ChecksumAlgorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        ChecksumAlgorithm::Sha1 => "x-amz-checksum-sha1",
        ChecksumAlgorithm::Sha256 => "x-amz-checksum-sha256",
    }
}

/// As `x-amz-sdk-checksum-algorithm` and error messages name it.
pub fn algorithm_name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "CRC32",
        ChecksumAlgorithm::Crc32c => "CRC32C",
        ChecksumAlgorithm::Crc64Nvme => "CRC64NVME",
        ChecksumAlgorithm::Sha1 => "SHA1",
        ChecksumAlgorithm::Sha256 => "SHA256",
    }
}

pub const ALGORITHMS: [ChecksumAlgorithm; 5] = [
    ChecksumAlgorithm::Crc32,
    ChecksumAlgorithm::Crc32c,
    ChecksumAlgorithm::Crc64Nvme,
    ChecksumAlgorithm::Sha1,
    ChecksumAlgorithm::Sha256,
];

/// Bytes of a checksum.
pub fn width(algorithm: ChecksumAlgorithm) -> usize {
    match algorithm {
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => 4,
        ChecksumAlgorithm::Crc64Nvme => 8,
        ChecksumAlgorithm::Sha1 => 20,
        ChecksumAlgorithm::Sha256 => 32,
    }
}

/// One running checksum.
pub enum ChecksumHasher {
    Crc { digest: Box<crc_fast::Digest>, width: usize },
    Sha(Context),
}

impl ChecksumHasher {
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        let crc = |name| ChecksumHasher::Crc { digest: Box::new(crc_fast::Digest::new(name)), width: width(algorithm) };
        match algorithm {
            ChecksumAlgorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc),
            ChecksumAlgorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi),
            ChecksumAlgorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme),
            ChecksumAlgorithm::Sha1 => ChecksumHasher::Sha(Context::new(&SHA1_FOR_LEGACY_USE_ONLY)),
            ChecksumAlgorithm::Sha256 => ChecksumHasher::Sha(Context::new(&SHA256)),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            ChecksumHasher::Crc { digest, .. } => digest.update(bytes),
            ChecksumHasher::Sha(context) => context.update(bytes),
        }
    }

    /// Big-endian, as S3 sends it.
    pub fn finish(self) -> Vec<u8> {
        match self {
            ChecksumHasher::Crc { digest, width } => digest.finalize().to_be_bytes()[8 - width..].to_vec(),
            ChecksumHasher::Sha(context) => context.finish().as_ref().to_vec(),
        }
    }
}

/// The running sums of one body.
#[derive(Default)]
pub struct Digests {
    md5: Option<Md5>,
    sha256: Option<Context>,
    checksum: Option<(ChecksumAlgorithm, ChecksumHasher)>,
}

/// The finished sums.
#[derive(Debug, Default)]
pub struct Sums {
    pub md5: Option<[u8; 16]>,
    pub sha256: Option<[u8; 32]>,
    pub checksum: Option<(ChecksumAlgorithm, Vec<u8>)>,
}

impl Digests {
    pub fn want_md5(&mut self) {
        self.md5 = Some(Md5::new());
    }

    pub fn want_sha256(&mut self) {
        self.sha256 = Some(Context::new(&SHA256));
    }

    pub fn want(&mut self, algorithm: ChecksumAlgorithm) {
        self.checksum = Some((algorithm, ChecksumHasher::new(algorithm)));
    }

    pub fn has_checksum(&self) -> bool {
        self.checksum.is_some()
    }

    pub fn update(&mut self, bytes: &[u8]) {
        for slice in bytes.chunks(SLICE) {
            if let Some(md5) = &mut self.md5 {
                md5.update(slice);
            }
            if let Some(sha256) = &mut self.sha256 {
                sha256.update(slice);
            }
            if let Some((_, checksum)) = &mut self.checksum {
                checksum.update(slice);
            }
        }
    }

    pub fn finish(&mut self) -> Sums {
        Sums {
            md5: self.md5.take().map(|md5| md5.finalize().into()),
            sha256: self.sha256.take().map(|context| {
                let mut sum = [0; 32];
                sum.copy_from_slice(context.finish().as_ref());
                sum
            }),
            checksum: self.checksum.take().map(|(algorithm, hasher)| (algorithm, hasher.finish())),
        }
    }
}

#[cfg(test)]
mod tests {
    use tandem_storage::types::ChecksumAlgorithm;

    use super::{ALGORITHMS, ChecksumHasher, Digests, width};

    #[test]
    fn sums_are_the_published_ones_of_123456789() {
        let expected = [
            "cbf43926",
            "e3069283",
            "ae8b14860a799888",
            "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
        ];
        for (algorithm, expected) in ALGORITHMS.into_iter().zip(expected) {
            let mut hasher = ChecksumHasher::new(algorithm);
            hasher.update(b"1234");
            hasher.update(b"56789");
            let sum = hasher.finish();
            assert_eq!(sum.len(), width(algorithm));
            assert_eq!(hex::encode(sum), expected, "{algorithm:?}");
        }
    }

    #[test]
    fn one_pass_gives_all_sums() {
        let mut digests = Digests::default();
        digests.want_md5();
        digests.want_sha256();
        digests.want(ChecksumAlgorithm::Crc32);
        digests.update(&vec![0; 100_000]);
        let sums = digests.finish();
        assert_eq!(sums.md5.map(hex::encode).as_deref(), Some("0019d23bef56a136a1891211d7007f6f"));
        assert!(sums.sha256.is_some() && sums.checksum.is_some());
    }
}
