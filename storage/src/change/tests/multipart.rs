use super::*;
use crate::blob::StagedBody;
use crate::record::{PartRow, UploadRow};
use crate::types::{Body, UploadId};

const UPLOAD: UploadId = UploadId::from_bytes([9; 16]);

impl Client {
    fn key() -> ObjectKey {
        ObjectKey::new("big").unwrap()
    }

    fn create_upload(&self) {
        self.commit(self.begin(UPLOAD, None)).unwrap();
    }

    fn begin(&self, id: UploadId, initiator: Option<&str>) -> CreateUpload {
        let row = UploadRow {
            id,
            key: Self::key(),
            initiated: Timestamp::default(),
            headers: ContentHeaders::default(),
            metadata: vec![("content".to_owned(), "parts".to_owned())],
            tags: vec![],
            checksum: None,
            acl: None,
            lock: None,
            wrapped_key: None,
            initiator: initiator.map(str::to_owned),
        };
        CreateUpload { permit: self.permit, bucket: guid(1), row, most: 2 }
    }

    fn put_part(&self, number: u16, content: &[u8]) -> PutPart {
        PutPart {
            permit: self.permit,
            bucket: guid(1),
            key: Self::key(),
            upload: UPLOAD,
            number,
            body: self.stage(content),
            md5: [0; 16],
            checksum: None,
        }
    }

    fn stage(&self, content: &[u8]) -> StagedBody {
        let mut writer = self.fixture.store.body_writer();
        writer.write(content).unwrap();
        writer.finish().unwrap()
    }

    fn complete(&self, parts: &[(u16, PartRow)]) -> CompleteUpload {
        let bodies: Vec<(Body, u64)> = parts.iter().map(|(_, row)| (row.body, row.size)).collect();
        CompleteUpload {
            permit: self.permit,
            bucket: guid(1),
            key: Self::key(),
            upload: UPLOAD,
            parts: parts.iter().map(|(number, row)| CompletePart { number: *number, row: row.clone() }).collect(),
            body: self.fixture.store.assemble(&bodies).unwrap(),
            part_map: self.stage(b"the list of parts"),
            etag: ETag::Multipart { md5: [1; 16], parts: 2 },
            checksum: None,
            precondition: Precondition::None,
            random: 3,
        }
    }

    fn abort(&self) -> AbortUpload {
        AbortUpload { permit: self.permit, bucket: guid(1), key: Self::key(), upload: UPLOAD }
    }
}

#[test]
fn parts_make_one_object_and_those_left_over_go() {
    let client = Client::new(Versioning::Unversioned);
    assert_eq!(client.refused(client.put_part(1, b"x")), Refusal::NoSuchUpload);
    client.create_upload();
    let large = "l".repeat(100_000);
    let two = client.commit(client.put_part(2, large.as_bytes())).unwrap();
    let one = client.commit(client.put_part(1, b"small ")).unwrap();
    client.commit(client.put_part(3, b"left over")).unwrap();
    let parts = [(1, one), (2, two)];
    let outcome = client.commit(client.complete(&parts)).unwrap();
    let content = outcome.row.content().unwrap();
    assert_eq!((content.size, content.parts.unwrap().count), (100_006, 2));
    assert_eq!(client.latest("big").unwrap(), format!("small {large}"));
    assert_eq!(client.refused(client.complete(&parts)), Refusal::NoSuchUpload);
    assert_eq!(client.refused(client.abort()), Refusal::NoSuchUpload);
    client.fixture.collect();
    assert_eq!(client.latest("big").unwrap(), format!("small {large}"));
    client.check();
    client.delete("big", VersionSelector::Latest);
    client.fixture.collect();
    client.fixture.check_nothing_left();
    assert!(client.fixture.table(crate::meta::engine::Table::Blobs).is_empty());
}

#[test]
fn a_part_that_changed_since_it_was_read_is_refused() {
    let client = Client::new(Versioning::Unversioned);
    client.create_upload();
    let one = client.commit(client.put_part(1, b"one")).unwrap();
    let stale = client.complete(&[(1, one.clone())]);
    client.commit(client.put_part(1, b"another")).unwrap();
    assert_eq!(client.refused(stale), Refusal::InvalidPart(1));
    assert_eq!(client.refused(client.complete(&[(2, one)])), Refusal::InvalidPart(2));
    assert_eq!(client.latest("big"), None);
    let bucket = DeleteBucket { permit: WritePermit::Unprotected, name: name("one"), guid: guid(1) };
    assert_eq!(client.refused(bucket.clone()), Refusal::BucketNotEmpty);
    client.commit(client.abort()).unwrap();
    client.check();
    client.commit(bucket).unwrap();
}

#[test]
fn uploads_and_parts_are_listed_in_order() {
    let client = Client::new(Versioning::Unversioned);
    client.create_upload();
    for number in [10, 2, 300] {
        client.commit(client.put_part(number, b"x")).unwrap();
    }
    let reader = client.fixture.store.read().unwrap();
    let bucket = reader.bucket(&name("one")).unwrap().unwrap();
    let mut numbers = vec![];
    let mut visit = |number, _| {
        numbers.push(number);
        std::ops::ControlFlow::Continue(())
    };
    reader.parts(&bucket, UPLOAD, 2, &mut visit).unwrap();
    assert_eq!(numbers, [10, 300]);
    let mut uploads = vec![];
    reader
        .uploads(&bucket, b"big", &mut |row| {
            uploads.push(row.id);
            Visit::Next
        })
        .unwrap();
    assert_eq!(uploads, [UPLOAD]);
    assert!(reader.upload(&bucket, &Client::key(), UPLOAD).unwrap().is_some());
}

#[test]
fn one_may_have_so_many_uploads_in_progress_and_another_as_many() {
    let client = Client::new(Versioning::Unversioned);
    let id = |byte: u8| UploadId::from_bytes([byte; 16]);
    client.commit(client.begin(UPLOAD, Some("ann"))).unwrap();
    client.commit(client.begin(id(1), Some("ann"))).unwrap();
    assert_eq!(client.refused(client.begin(id(2), Some("ann"))), Refusal::TooManyUploads);
    client.commit(client.begin(id(3), Some("bob"))).unwrap();
    client.commit(client.begin(id(4), None)).unwrap();
    client.commit(client.abort()).unwrap();
    client.commit(client.begin(id(5), Some("ann"))).unwrap();
    assert_eq!(client.refused(client.begin(id(6), Some("ann"))), Refusal::TooManyUploads);
}

#[test]
fn sessions_of_a_role_are_one_and_local_users_are_each_their_own() {
    let client = Client::new(Versioning::Unversioned);
    let begin = |byte: u8, who: &str| client.begin(UploadId::from_bytes([byte; 16]), Some(who));
    client.commit(client.begin(UPLOAD, Some("AROA1:monday"))).unwrap();
    client.commit(begin(1, "AROA1:tuesday")).unwrap();
    assert_eq!(client.refused(begin(2, "AROA1:wednesday")), Refusal::TooManyUploads);
    client.commit(client.abort()).unwrap();
    client.commit(begin(3, "AROA1:wednesday")).unwrap();
    assert_eq!(client.refused(begin(4, "AROA1:monday")), Refusal::TooManyUploads);
    for (byte, who) in [(5, "AROA2:monday"), (6, "7:uid:1"), (7, "7:uid:1"), (8, "7:uid:2"), (9, "7")] {
        client.commit(begin(byte + 10, who)).unwrap();
    }
    assert_eq!(client.refused(begin(30, "7:uid:1")), Refusal::TooManyUploads);
    // As many rows of counts as there are of them: nothing is left of the sessions.
    let counts = client.fixture.table(crate::meta::engine::Table::Meta);
    assert_eq!(counts.into_iter().filter(|(key, _)| key.starts_with(b"uploads/")).count(), 5);
}
