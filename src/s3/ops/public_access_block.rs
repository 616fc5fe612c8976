//! The document of PublicAccessBlock.

use tandem_policy::PublicAccessBlock;

use crate::s3::xml::{MalformedXml, XmlReader, XmlWriter, set_once};

const ROOT: &str = "PublicAccessBlockConfiguration";

/// A switch that is not named is off.
pub(super) fn parse(document: &[u8]) -> Result<PublicAccessBlock, MalformedXml> {
    let mut xml = XmlReader::open(document, ROOT)?;
    let (mut acls, mut ignore, mut policy, mut restrict) = (None, None, None, None);
    while let Some(name) = xml.child()? {
        let slot = match name.as_str() {
            "BlockPublicAcls" => &mut acls,
            "IgnorePublicAcls" => &mut ignore,
            "BlockPublicPolicy" => &mut policy,
            "RestrictPublicBuckets" => &mut restrict,
            _ => return Err(MalformedXml),
        };
        let value = match xml.text()?.trim() {
            "true" | "TRUE" | "True" => true,
            "false" | "FALSE" | "False" => false,
            _ => return Err(MalformedXml),
        };
        set_once(slot, value)?;
    }
    xml.finish()?;
    Ok(PublicAccessBlock {
        block_public_acls: acls.unwrap_or(false),
        ignore_public_acls: ignore.unwrap_or(false),
        block_public_policy: policy.unwrap_or(false),
        restrict_public_buckets: restrict.unwrap_or(false),
    })
}

pub(super) fn write(block: PublicAccessBlock) -> bytes::Bytes {
    let mut xml = XmlWriter::document(ROOT);
    xml.raw("BlockPublicAcls", block.block_public_acls);
    xml.raw("IgnorePublicAcls", block.ignore_public_acls);
    xml.raw("BlockPublicPolicy", block.block_public_policy);
    xml.raw("RestrictPublicBuckets", block.restrict_public_buckets);
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::{parse, write};

    #[test]
    fn what_is_written_is_read_and_what_is_unknown_refused() {
        let document = "<PublicAccessBlockConfiguration><BlockPublicPolicy>TRUE</BlockPublicPolicy></PublicAccessBlockConfiguration>";
        let block = parse(document.as_bytes()).unwrap();
        assert!(block.block_public_policy && !block.block_public_acls);
        assert_eq!(parse(&write(block)), Ok(block));
        for inside in ["<Other>true</Other>", "<BlockPublicAcls>1</BlockPublicAcls>"] {
            let document = format!("<PublicAccessBlockConfiguration>{inside}</PublicAccessBlockConfiguration>");
            assert!(parse(document.as_bytes()).is_err(), "{inside}");
        }
    }
}
