//! A client that does everything to its own few keys.

use crate::http::Ask;
use crate::ledger::Known;
use crate::listing::{inside, one};
use crate::writer::{Died, Write, Writer, etag};

/// Keys of one writer in each bucket.
const KEYS: u64 = 24;
/// Uploads that a writer leaves open.
const OPEN_MAX: usize = 3;

/// The places whose state is unknown, because the node died.
pub type Open = Vec<(usize, String)>;

pub struct Mixed {
    writer: usize,
    /// Uploads in progress: bucket, key, id.
    uploads: Vec<(usize, String, String)>,
    /// The versions that were put last: bucket, key, version id.
    versions: Vec<(usize, String, String)>,
}

impl Mixed {
    pub fn new(writer: usize) -> Mixed {
        Mixed { writer, uploads: Vec::new(), versions: Vec::new() }
    }

    /// A forced failover came between.
    pub fn forget(&mut self) {
        self.uploads.clear();
        self.versions.clear();
    }

    /// One thing, at random.
    ///
    /// # Errors
    /// The places whose state is unknown, because the node died.
    pub fn step(&mut self, writer: &mut Writer<'_>) -> Result<(), Open> {
        let bucket = writer.dice.below(writer.shared.round.buckets as u64) as usize;
        let key = self.key(writer);
        let at = vec![(bucket, key.clone())];
        match writer.dice.below(100) {
            0..55 => self.put(writer, bucket, &key),
            55..63 => delete(writer, bucket, &key, None),
            63..68 => return self.delete_many(writer, bucket),
            68..76 => tag(writer, bucket, &key),
            76..84 => copy(writer, bucket, &key),
            84..90 => self.upload(writer, bucket, &key),
            90..94 => self.leave_open(writer, bucket, &key),
            _ => return self.delete_version(writer),
        }
        .map_err(|_| at)
    }

    fn key(&self, writer: &mut Writer<'_>) -> String {
        format!("m{:03}/{:02}", self.writer, writer.dice.below(KEYS))
    }

    fn put(&mut self, writer: &mut Writer<'_>, bucket: usize, key: &str) -> Result<(), Died> {
        let size = match writer.dice.below(200) {
            0 => 300_000,
            1..4 => 70_000,
            4..12 => 0,
            _ => writer.shared.round.size,
        };
        let mark = writer.dice.below(1 << 30);
        let ask = Ask::body(writer.dice.bytes(size))
            .header("content-type", format!("application/x-load-{}", mark % 7))
            .header("x-amz-meta-mark", mark.to_string())
            .header("x-amz-tagging", format!("mark={mark}&writer={}", self.writer));
        let answer = writer.write(&Write { bucket, method: "PUT", key: Some(key.into()), ask, writes: 1 })?;
        note(writer, bucket, key, Known::Object(etag(&answer)));
        if let Some(version) = answer.header("x-amz-version-id") {
            self.versions.push((bucket, key.to_owned(), version.to_owned()));
            if self.versions.len() > 20 {
                self.versions.remove(0);
            }
        }
        Ok(())
    }

    fn delete_many(&mut self, writer: &mut Writer<'_>, bucket: usize) -> Result<(), Open> {
        let keys: std::collections::BTreeSet<String> = (0..8).map(|_| self.key(writer)).collect();
        let listed: String = keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
        let ask = Ask { query: "delete=".into(), body: format!("<Delete>{listed}</Delete>").into(), ..Ask::default() };
        let write = Write { bucket, method: "POST", key: None, ask: ask.digested(), writes: keys.len() as u64 };
        let answer = match writer.write(&write) {
            Ok(answer) => answer.text(),
            Err(Died) => return Err(keys.into_iter().map(|key| (bucket, key)).collect()),
        };
        // The gate may close between two keys of the list: such a key is told with an error, and is as it was.
        for key in keys {
            let refused = inside(&answer, "Error").any(|error| one(error, "Key") == key);
            if !refused {
                note(writer, bucket, &key, Known::Absent);
            }
        }
        Ok(())
    }

    fn upload(&mut self, writer: &mut Writer<'_>, bucket: usize, key: &str) -> Result<(), Died> {
        let Some((id, part)) = begin(writer, bucket, key)? else { return Ok(()) };
        let parts = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"{part}\"</ETag></Part>\
             </CompleteMultipartUpload>"
        );
        let ask = Ask { query: format!("uploadId={id}"), body: parts.into(), ..Ask::default() };
        let answer = writer.write(&Write { bucket, method: "POST", key: Some(key.into()), ask, writes: 1 })?;
        note(writer, bucket, key, Known::Object(one(&answer.text(), "ETag").replace("&quot;", "").replace('"', "")));
        Ok(())
    }

    /// Begins an upload, and gives an older one up.
    fn leave_open(&mut self, writer: &mut Writer<'_>, bucket: usize, key: &str) -> Result<(), Died> {
        let Some((id, _)) = begin(writer, bucket, key)? else { return Ok(()) };
        self.uploads.push((bucket, key.to_owned(), id));
        if self.uploads.len() > OPEN_MAX {
            let (bucket, key, id) = self.uploads.remove(0);
            let ask = Ask::query(format!("uploadId={id}"));
            writer.write(&Write { bucket, method: "DELETE", key: Some(key), ask, writes: 0 })?;
        }
        Ok(())
    }

    /// Deletes one of the versions that this writer put: the one before comes to light.
    fn delete_version(&mut self, writer: &mut Writer<'_>) -> Result<(), Open> {
        let Some((bucket, key, version)) = self.versions.pop() else { return Ok(()) };
        note(writer, bucket, &key, Known::Open);
        delete(writer, bucket, &key, Some(&version)).map_err(|_| vec![(bucket, key)])
    }
}

fn note(writer: &mut Writer<'_>, bucket: usize, key: &str, known: Known) {
    let name = writer.shared.round.bucket(bucket);
    writer.ledger.note(&name, key, known);
}

fn delete(writer: &mut Writer<'_>, bucket: usize, key: &str, version: Option<&str>) -> Result<(), Died> {
    let ask = Ask::query(version.map_or(String::new(), |version| format!("versionId={version}")));
    writer.write(&Write { bucket, method: "DELETE", key: Some(key.into()), ask, writes: 1 })?;
    if version.is_none() {
        note(writer, bucket, key, Known::Absent);
    }
    Ok(())
}

/// Tags an object, if it is there.
fn tag(writer: &mut Writer<'_>, bucket: usize, key: &str) -> Result<(), Died> {
    if !is_there(writer, bucket, key) {
        return Ok(());
    }
    let (method, body) = match writer.dice.below(3) {
        0 => ("DELETE", String::new()),
        _ => {
            let mark = writer.dice.below(1 << 30);
            let tag = format!("<Tag><Key>again</Key><Value>{mark}</Value></Tag>");
            ("PUT", format!("<Tagging><TagSet>{tag}</TagSet></Tagging>"))
        }
    };
    let ask = Ask { query: "tagging=".into(), body: body.into(), ..Ask::default() }.digested();
    writer.write(&Write { bucket, method, key: Some(key.into()), ask, writes: 1 }).map(|_| ())
}

/// Copies an object onto another key of the writer, with other metadata.
fn copy(writer: &mut Writer<'_>, bucket: usize, key: &str) -> Result<(), Died> {
    if !is_there(writer, bucket, key) {
        return Ok(());
    }
    let to = format!("{}-copy", key);
    let ask = Ask::default()
        .header("x-amz-copy-source", format!("/{}/{key}", writer.shared.round.bucket(bucket)))
        .header("x-amz-metadata-directive", "REPLACE")
        .header("x-amz-meta-copied", writer.dice.below(1 << 30).to_string());
    let answer = writer.write(&Write { bucket, method: "PUT", key: Some(to.clone()), ask, writes: 1 })?;
    let etag = one(&answer.text(), "ETag").replace("&quot;", "").replace('"', "");
    note(writer, bucket, &to, Known::Object(etag));
    Ok(())
}

/// Begins an upload and sends its first part. Returns its id and the part's ETag.
fn begin(writer: &mut Writer<'_>, bucket: usize, key: &str) -> Result<Option<(String, String)>, Died> {
    let ask = Ask::query("uploads=").header("x-amz-meta-upload", writer.dice.below(1 << 30).to_string());
    let answer = writer.write(&Write { bucket, method: "POST", key: Some(key.into()), ask, writes: 0 })?;
    let id = one(&answer.text(), "UploadId").to_owned();
    let size = writer.shared.round.size;
    let body = writer.dice.bytes(size);
    let ask = Ask { query: format!("partNumber=1&uploadId={id}"), body, ..Ask::default() };
    let answer = writer.write(&Write { bucket, method: "PUT", key: Some(key.into()), ask, writes: 1 })?;
    Ok(Some((id, etag(&answer))))
}

/// Whether the writer knows that the object is there: a request about another would be refused.
fn is_there(writer: &Writer<'_>, bucket: usize, key: &str) -> bool {
    let place = (writer.shared.round.bucket(bucket), key.to_owned());
    matches!(writer.ledger.keys.get(&place), Some(Known::Object(_)))
}
