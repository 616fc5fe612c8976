use tandem_storage::types::ETag;

use crate::s3::md5::Md5;

/// The ETag of a multipart object: MD5 over the MD5s of its parts, and their number.
pub(super) fn of_parts<'a>(md5s: impl Iterator<Item = &'a [u8; 16]>) -> ETag {
    let mut hasher = Md5::default();
    let mut parts = 0;
    for md5 in md5s {
        hasher.update(md5);
        parts += 1;
    }
    ETag::Multipart { md5: hasher.finish(), parts }
}

/// A part's MD5 as clients give it back: 32 hexadecimal digits, quoted or not.
pub(super) fn part_md5(text: &str) -> Option<[u8; 16]> {
    let mut md5 = [0; 16];
    hex::decode_to_slice(super::condition::bare_etag(text), &mut md5).ok()?;
    Some(md5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_etag_that_s3_shows() {
        // Two parts: "a" and "b".
        let md5s = ["0cc175b9c0f1b6a831c399e269772661", "\"92eb5ffee6ae2fec3ad71c777531578f\""]
            .map(|md5| part_md5(md5).unwrap());
        assert_eq!(of_parts(md5s.iter()).to_string(), "96e024ba2074fe77e8e965ba43a704be-2");
        for bad in ["", "zz", "0cc175b9c0f1b6a831c399e26977266", "0cc175b9c0f1b6a831c399e269772661-1"] {
            assert_eq!(part_md5(bad), None);
        }
    }
}
