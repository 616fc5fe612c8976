//! The sums of a body, taken in one pass while it streams.

use aws_lc_rs::digest::{Context, SHA256};
use tandem_storage::types::{Checksum, ChecksumAlgorithm};

use crate::s3::checksum::Hasher;
use crate::s3::md5::Md5;

/// Slices small enough to stay in the cache while each sum passes over them.
const SLICE: usize = 32 * 1024;

/// The running sums of one body.
#[derive(Default)]
pub struct Digests {
    md5: Option<Md5>,
    sha256: Option<Context>,
    checksum: Option<Hasher>,
}

/// The finished sums.
#[derive(Debug, Default)]
pub struct Sums {
    pub md5: Option<[u8; 16]>,
    pub sha256: Option<[u8; 32]>,
    pub checksum: Option<Checksum>,
}

impl Digests {
    pub fn want_md5(&mut self) {
        self.md5 = Some(Md5::default());
    }

    pub fn want_sha256(&mut self) {
        self.sha256 = Some(Context::new(&SHA256));
    }

    pub fn want(&mut self, algorithm: ChecksumAlgorithm) {
        self.checksum = Some(Hasher::new(algorithm));
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
            if let Some(checksum) = &mut self.checksum {
                checksum.update(slice);
            }
        }
    }

    pub fn finish(&mut self) -> Sums {
        Sums {
            md5: self.md5.take().map(Md5::finish),
            sha256: self.sha256.take().map(|context| {
                let mut sum = [0; 32];
                sum.copy_from_slice(context.finish().as_ref());
                sum
            }),
            checksum: self.checksum.take().map(Hasher::finish),
        }
    }
}

#[cfg(test)]
mod tests {
    use tandem_storage::types::ChecksumAlgorithm;

    use super::Digests;

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
