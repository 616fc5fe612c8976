use super::*;

/// Reads `<Delete><Object><Key>` documents as an operation would.
fn keys(document: &[u8]) -> Result<Vec<String>, MalformedXml> {
    let mut xml = XmlReader::open(document, "Delete")?;
    let mut keys = Vec::new();
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Object" => {
                let mut key = None;
                while let Some(name) = xml.child()? {
                    match name.as_str() {
                        "Key" => set_once(&mut key, xml.text()?)?,
                        _ => return Err(MalformedXml),
                    }
                }
                keys.push(key.ok_or(MalformedXml)?);
            }
            _ => return Err(MalformedXml),
        }
    }
    xml.finish()?;
    Ok(keys)
}

#[test]
fn takes_documents_with_and_without_a_namespace() {
    let plain = b"<Delete><Object><Key>a</Key></Object><Object><Key/></Object></Delete>";
    assert_eq!(keys(plain), Ok(vec!["a".to_owned(), String::new()]));
    let spaced = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n <Object> <Key>a b </Key>\n</Object></Delete>\n<!-- end -->\n";
    assert_eq!(keys(spaced), Ok(vec!["a b ".to_owned()]));
    let prefixed = b"<s3:Delete xmlns:s3=\"http://s3.amazonaws.com/doc/2006-03-01/\"><s3:Object><s3:Key>k</s3:Key></s3:Object></s3:Delete>";
    assert_eq!(keys(prefixed), Ok(vec!["k".to_owned()]));
    assert_eq!(keys(b"\xef\xbb\xbf<Delete/>"), Ok(vec![]));
}

#[test]
fn resolves_character_references_and_the_five_entities() {
    let document =
        b"<Delete><Object><Key>&lt;&amp;&gt;&quot;&apos;&#65;&#x42;<![CDATA[<raw>]]></Key></Object></Delete>";
    assert_eq!(keys(document), Ok(vec!["<&>\"'AB<raw>".to_owned()]));
}

#[test]
fn refuses_what_a_document_has_no_use_for() {
    let deep = [b"<Delete>".as_slice(), &b"<Object>".repeat(100_000)].concat();
    let attribute = format!("<Delete a=\"{}\"/>", "x".repeat(1 << 20));
    let utf16: Vec<u8> = "<Delete/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: &[&[u8]] = &[
        b"",
        b"   ",
        b"junk",
        b"<Delete>",
        b"<Delete></Remove>",
        b"<Remove></Remove>",
        b"<Delete/>junk",
        b"<Delete/><Delete/>",
        b"<Delete/>\0",
        b"<Delete>text</Delete>",
        b"<Delete><Object><Key>a<b/></Key></Object></Delete>",
        b"<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
        b"<Delete><Object><Key>&undefined;</Key></Object></Delete>",
        b"<Delete><Object><Key>&#0;</Key></Object></Delete>",
        b"<Delete><Object><Key>&#xD800;</Key></Object></Delete>",
        b"<Delete><Object><Key>a & b</Key></Object></Delete>",
        b"<!DOCTYPE Delete><Delete/>",
        b"<!DOCTYPE d [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><Delete><Object><Key>&x;</Key></Object></Delete>",
        b"<!DOCTYPE d [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><Delete><Object><Key>&b;</Key></Object></Delete>",
        b"<?xml-stylesheet href=\"x\"?><Delete/>",
        b"<?xml version=\"1.0\" encoding=\"UTF-16\"?><Delete/>",
        b" <?xml version=\"1.0\"?><Delete/>",
        b"<Delete><?php x?></Delete>",
        b"<Delete xmlns=\"urn:other\"/>",
        b"<x:Delete/>",
        b"<x:Delete xmlns:x=\"urn:other\"/>",
        b"<Delete><Object xmlns=\"urn:other\"><Key>a</Key></Object></Delete>",
        b"<Delete other=\"1\"/>",
        b"<Delete xmlns=\"a\" xmlns=\"b\"/>",
        b"<Delete><Object><Key>\xff\xfe</Key></Object></Delete>",
        &deep,
        attribute.as_bytes(),
        &utf16,
    ];
    for case in cases {
        let shown = String::from_utf8_lossy(&case[..case.len().min(80)]);
        assert_eq!(keys(case), Err(MalformedXml), "{shown}");
    }
}

#[test]
fn writes_escaped_text_and_closes_what_is_open() {
    let mut xml = XmlWriter::document("R");
    xml.open("C");
    xml.text("Key", "<a>&\"'\r\u{1}\n]]>");
    xml.etag("abc");
    xml.raw("N", 7);
    xml.optional("O", None);
    let out = xml.finish();
    assert_eq!(
        str::from_utf8(&out).unwrap(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<R xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><C>\
         <Key>&lt;a&gt;&amp;&quot;&apos;&#xd;&#x1;\n]]&gt;</Key><ETag>&quot;abc&quot;</ETag><N>7</N></C></R>"
    );
}

#[test]
fn what_is_written_reads_back() {
    let odd = "a<b>&'\"\r\n\t \u{7f}\u{10ffff}z";
    let mut xml = XmlWriter::document("Delete");
    xml.open("Object");
    xml.text("Key", odd);
    assert_eq!(keys(&xml.finish()), Ok(vec![odd.to_owned()]));
}

#[test]
fn url_encoding_keeps_slashes_and_tells_spaces_from_pluses() {
    assert_eq!(url_encode("a/b c+d\u{e9}\u{1}~*"), "a/b%20c%2Bd%C3%A9%01%7E*");
}
