//! A store's state, and a model's, as lines that can be compared.

use std::ops::ControlFlow;

use bytes::BytesMut;
use tandem_storage::record::{ObjectRow, UploadRow};
use tandem_storage::types::{Body, BucketName, ContentHash, Seq, Version};
use tandem_storage::{BucketView, ReadError, Reader, Store, Visit};

use crate::model::{Bucket, Model, Stored};
use crate::world::{BUCKETS, SETTINGS};

pub fn read_body(reader: &Reader<'_>, body: &Body, size: u64) -> Result<ContentHash, ReadError> {
    let mut body = reader.open_body(body, 0..size)?;
    let mut hasher = blake3::Hasher::new();
    let mut chunk = BytesMut::new();
    while body.next_chunk(&mut chunk)? {
        hasher.update(&chunk);
        chunk.clear();
    }
    Ok(ContentHash::from_bytes(*hasher.finalize().as_bytes()))
}

fn kind(version: &Version) -> String {
    match version {
        Version::Null { .. } => "null".to_owned(),
        Version::Id(id) => id.to_string(),
    }
}

/// The present, bytes included.
pub fn present(store: &Store) -> Result<Vec<String>, ReadError> {
    let reader = store.read()?;
    let mut views = Vec::new();
    reader.buckets(None, &mut |view| {
        views.push(view);
        ControlFlow::Continue(())
    })?;
    let mut lines = Vec::new();
    for view in &views {
        bucket(&reader, view, &mut lines)?;
    }
    Ok(lines)
}

/// A held point, bytes included.
pub fn at(store: &Store, seq: Seq) -> Result<Vec<String>, ReadError> {
    let reader = store.read()?;
    let mut lines = Vec::new();
    for name in BUCKETS {
        let name = BucketName::new(name).expect("a valid name");
        if let Some(view) = reader.bucket_at(&name, seq)? {
            bucket(&reader, &view, &mut lines)?;
        }
    }
    Ok(lines)
}

fn bucket(reader: &Reader<'_>, view: &BucketView, lines: &mut Vec<String>) -> Result<(), ReadError> {
    let row = &view.row;
    lines.push(format!("{} {} {:?} {:?}", row.name, row.guid, row.created, row.versioning));
    for setting in SETTINGS {
        if let Some(value) = reader.setting(view, setting)? {
            lines.push(format!("  setting {setting} {value:?}"));
        }
    }
    let mut versions: Vec<(String, ObjectRow, bool)> = Vec::new();
    reader.versions(view, b"", &mut |key, row, latest| {
        versions.push((key.to_owned(), row, latest));
        Visit::Next
    })?;
    let mut newest: Vec<(String, ObjectRow)> = Vec::new();
    reader.objects(view, b"", &mut |key, row| {
        newest.push((key.to_owned(), row));
        Visit::Next
    })?;
    let latest: Vec<(String, ObjectRow)> =
        versions.iter().filter(|(_, _, latest)| *latest).map(|(key, row, _)| (key.clone(), row.clone())).collect();
    assert_eq!(newest, latest, "objects and versions differ in what is newest");
    for (key, row, latest) in &versions {
        let what = match row.content() {
            None => "marker".to_owned(),
            Some(content) => {
                let hash = read_body(reader, &content.body, content.size)?;
                let parts = content.parts.as_ref().map(|parts| parts.count);
                format!("{} {} {hash} {:?} {parts:?}", content.etag, content.size, content.tags)
            }
        };
        lines.push(format!("  {key} {latest} {} {:?} {what}", kind(&row.version), row.modified));
    }
    let mut uploads: Vec<UploadRow> = Vec::new();
    reader.uploads(view, b"", &mut |row| {
        uploads.push(row);
        Visit::Next
    })?;
    for upload in uploads {
        lines.push(format!("  upload {:?}", upload));
        let mut parts = Vec::new();
        reader.parts(view, upload.id, 0, &mut |number, part| {
            parts.push((number, part));
            ControlFlow::Continue(())
        })?;
        for (number, part) in parts {
            let hash = read_body(reader, &part.body, part.size)?;
            lines.push(format!("    part {number} {} {hash} {:?} {:?}", part.size, part.md5, part.modified));
        }
    }
    Ok(())
}

pub fn expected(model: &Model) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, bucket) in &model.buckets {
        expected_bucket(name, bucket, &mut lines);
    }
    lines
}

fn expected_bucket(name: &BucketName, bucket: &Bucket, lines: &mut Vec<String>) {
    lines.push(format!("{name} {} {:?} {:?}", bucket.guid, bucket.created, bucket.versioning));
    for (setting, value) in &bucket.settings {
        lines.push(format!("  setting {setting} {value:?}"));
    }
    for (key, versions) in &bucket.keys {
        for (at, Stored { version, modified, object }) in versions.iter().enumerate() {
            let what = match object {
                None => "marker".to_owned(),
                Some(object) => {
                    let content = &object.content;
                    format!("{} {} {} {:?} {:?}", object.etag, content.size, content.hash, object.tags, object.parts)
                }
            };
            lines.push(format!("  {} {} {} {modified:?} {what}", key.as_str(), at == 0, kind(version)));
        }
    }
    for upload in bucket.uploads.values() {
        lines.push(format!("  upload {:?}", upload.row));
        for (number, part) in &upload.parts {
            let content = &part.content;
            lines.push(format!(
                "    part {number} {} {} {:?} {:?}",
                content.size, content.hash, part.md5, part.modified
            ));
        }
    }
}
