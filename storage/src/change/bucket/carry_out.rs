//! What the committer does for changes of buckets.

use std::ops::ControlFlow;

use super::{CreateBucket, DeleteBucket, SetBucketSetting, SetVersioning};
use crate::change::Refusal;
use crate::meta::Tx;
use crate::meta::engine::Direction;
use crate::meta::layout::{Span, bucket_prefix};
use crate::record::{RowKey, Versioning, tag};
use crate::store::Change;

impl Change for CreateBucket {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        tx.check_permit(&self.row.name, self.permit)?;
        let key = RowKey::Bucket(self.row.guid);
        if tx.bucket_named(&self.row.name)?.is_some() || tx.row_exists(&key)? {
            return Err(Refusal::BucketExists);
        }
        tx.room_for_rows()?;
        for (name, value) in self.settings {
            tx.put_row(&RowKey::Setting(self.row.guid, name), value)?;
        }
        tx.put_record(&key, &self.row)
    }
}

impl Change for DeleteBucket {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        let row = tx.writable_bucket(self.guid, self.permit)?;
        if row.name != self.name {
            return Err(Refusal::NoSuchBucket);
        }
        for tag in [tag::LATEST, tag::VERSION, tag::UPLOAD] {
            if !tx.is_empty(&bucket_prefix(tag, self.guid))? {
                return Err(Refusal::BucketNotEmpty);
            }
        }
        let mut settings = Vec::new();
        let span = Span::prefix(&bucket_prefix(tag::SETTING, self.guid));
        tx.scan_rows(&span, Direction::Forward, &mut |key, _| {
            settings.push(RowKey::decode(key));
            ControlFlow::Continue(())
        })?;
        for setting in settings {
            tx.delete_row(&setting?)?;
        }
        tx.delete_row(&RowKey::Bucket(self.guid))
    }
}

impl Change for SetBucketSetting {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        tx.writable_bucket(self.bucket, self.permit)?;
        let key = RowKey::Setting(self.bucket, self.name);
        match self.value {
            Some(value) => tx.put_row(&key, value),
            None => tx.delete_row(&key),
        }
    }
}

impl Change for SetVersioning {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        let mut row = tx.writable_bucket(self.bucket, self.permit)?;
        if self.versioning == Versioning::Unversioned && row.versioning != Versioning::Unversioned {
            return Err(Refusal::PreconditionFailed);
        }
        row.versioning = self.versioning;
        tx.put_record(&RowKey::Bucket(self.bucket), &row)
    }
}
