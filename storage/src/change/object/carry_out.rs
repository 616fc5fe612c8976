//! What the committer does for changes of objects.

use super::versions::Versions;
use super::{DeleteObject, Deleted, PutObject, PutOutcome, ReplaceObjectSlots, Slots, VersionSelector};
use crate::change::{Precondition, Refusal};
use crate::meta::Tx;
use crate::record::{Content, ObjectRow, ObjectState, Versioning};
use crate::store::Change;

impl Change for PutObject {
    type Output = PutOutcome;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<PutOutcome, Refusal> {
        let bucket = tx.writable_bucket(self.bucket, self.permit)?;
        let versions = Versions::of(&bucket, &self.key);
        let latest = versions.latest(tx)?;
        self.precondition.check(latest.as_ref())?;
        tx.room_for_rows()?;
        let size = self.body.size();
        let body = tx.stage(self.body)?;
        let object = self.object;
        let content = Content {
            size,
            body,
            etag: object.etag,
            checksum: object.checksum,
            parts: object.parts,
            headers: object.headers,
            metadata: object.metadata,
            tags: object.tags,
            acl: object.acl,
            lock: object.lock,
            wrapped_key: object.wrapped_key,
        };
        let version = versions.next(tx, latest.as_ref(), self.random);
        let row = ObjectRow { version, modified: tx.now(), state: ObjectState::Content(Box::new(content)) };
        versions.insert_newest(tx, latest, &row)?;
        Ok(PutOutcome { row })
    }
}

impl Change for DeleteObject {
    type Output = Deleted;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<Deleted, Refusal> {
        let bucket = tx.writable_bucket(self.bucket, self.permit)?;
        let versions = Versions::of(&bucket, &self.key);
        let latest = versions.latest(tx)?;
        if self.version == VersionSelector::Latest {
            self.precondition.check(latest.as_ref())?;
        }
        if self.version == VersionSelector::Latest && bucket.versioning != Versioning::Unversioned {
            let version = versions.next(tx, latest.as_ref(), self.random);
            let marker = ObjectRow { version, modified: tx.now(), state: ObjectState::DeleteMarker };
            versions.insert_newest(tx, latest, &marker)?;
            return Ok(Deleted::MarkerWritten(version));
        }
        let Some((place, row)) = versions.find(tx, latest, self.version)? else {
            return match self.precondition {
                Precondition::None => Ok(Deleted::Gone),
                _ if self.version == VersionSelector::Latest => Ok(Deleted::Gone),
                _ => Err(Refusal::NoSuchVersion),
            };
        };
        if self.version != VersionSelector::Latest {
            self.precondition.check(Some(&row))?;
        }
        versions.remove(tx, place)?;
        if self.version == VersionSelector::Latest {
            return Ok(Deleted::Gone);
        }
        Ok(Deleted::VersionGone { version: row.version, was_marker: row.content().is_none() })
    }
}

impl Change for ReplaceObjectSlots {
    type Output = ObjectRow;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<ObjectRow, Refusal> {
        let bucket = tx.writable_bucket(self.bucket, self.permit)?;
        let versions = Versions::of(&bucket, &self.key);
        let absent = match self.version {
            VersionSelector::Latest => Refusal::NoSuchKey,
            VersionSelector::Null | VersionSelector::Id(_) => Refusal::NoSuchVersion,
        };
        let latest = versions.latest(tx)?;
        let Some((place, mut row)) = versions.find(tx, latest, self.version)? else { return Err(absent) };
        let ObjectState::Content(content) = &mut row.state else { return Err(absent) };
        match self.slots {
            Slots::Tags(tags) => content.tags = tags,
            Slots::Acl { held, .. } if held != content.acl => return Err(Refusal::Stale),
            Slots::Acl { acl, .. } => content.acl = acl,
            Slots::Lock(lock) => content.lock = lock,
        }
        tx.put_record(&versions.row_key(place), &row)?;
        Ok(row)
    }
}
