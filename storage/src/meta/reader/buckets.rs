//! Buckets and their settings, each at the point its path shows.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::walk::Step;
use super::{ReadError, Reader};
use crate::meta::layout::{Span, corrupt, parse_name_row};
use crate::meta::published::Catalogue;
use crate::record::{Access, BucketRow, PathRow, RowKey, Scope, tag};
use crate::store::{BucketView, ReadPoint};
use crate::types::{BucketGuid, BucketName, Seq};

impl Reader<'_> {
    /// The mark of all buckets, settings and paths that this reader sees.
    pub fn catalogue(&self) -> Catalogue {
        Catalogue::of(&self.state)
    }

    /// Whether this reader sees the same buckets, settings and paths as the one that `catalogue` is of.
    pub fn has(&self, catalogue: &Catalogue) -> bool {
        catalogue.is_of(&self.state)
    }

    /// A bucket by name, at the point its path shows.
    ///
    /// # Errors
    /// [`ReadError::Engine`], [`ReadError::Corrupt`]: so for all reads of rows.
    pub fn bucket(&self, name: &BucketName) -> Result<Option<BucketView>, ReadError> {
        let path = self.state.gates.covering(name);
        self.bucket_of(name, path, path.map_or(ReadPoint::Present, shown))
    }

    /// A bucket by name at a given readable point (a snapshot's).
    ///
    /// # Errors
    /// Also [`ReadError::NotHeld`].
    pub fn bucket_at(&self, name: &BucketName, at: Seq) -> Result<Option<BucketView>, ReadError> {
        self.require_readable(at)?;
        self.bucket_of(name, self.state.gates.covering(name), ReadPoint::At(at))
    }

    fn bucket_of(
        &self,
        name: &BucketName,
        path: Option<&PathRow>,
        point: ReadPoint,
    ) -> Result<Option<BucketView>, ReadError> {
        let Some(guid) = self.value(&RowKey::BucketName(name.clone()), point)? else { return Ok(None) };
        let row = self.record(&RowKey::Bucket(parse_name_row(&guid)?), point)?;
        Ok(row.map(|row| BucketView { row, point, path: path.map(|path| path.guid) }))
    }

    /// Whether any bucket guid row is left; used by checks.
    ///
    /// # Errors
    /// As all reads of rows.
    pub fn bucket_by_guid(&self, guid: BucketGuid, point: ReadPoint) -> Result<Option<BucketRow>, ReadError> {
        self.record(&RowKey::Bucket(guid), point)
    }

    /// Buckets by name after `after`, each at the point its path shows.
    ///
    /// # Errors
    /// As all reads of rows.
    pub fn buckets(
        &self,
        after: Option<&str>,
        visit: &mut dyn FnMut(BucketView) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let paths = self.state.gates.paths();
        let endpoint = paths.iter().find(|path| path.scope == Scope::Endpoint);
        let point = endpoint.map_or(ReadPoint::Present, shown);
        // Bucket paths that show a point of their own: the present says nothing about their names.
        let apart = paths.iter().filter_map(|path| match (&path.scope, path.access) {
            (Scope::Bucket(name), Access::ReadAt(_)) => Some(name.clone()),
            _ => None,
        });
        let mut apart: BTreeSet<BucketName> =
            apart.filter(|name| after.is_none_or(|after| name.as_str() > after)).collect();
        let mut span = Span::prefix(&[tag::NAME]);
        if let Some(after) = after {
            span.from.extend_from_slice(after.as_bytes());
            span.from.push(0);
        }
        let mut stopped = false;
        self.walk(span, point, &mut |key, _| {
            let RowKey::BucketName(name) = RowKey::decode(key)? else { return Err(corrupt("bucket name", key).into()) };
            while apart.first().is_some_and(|first| *first < name) {
                stopped |= self.visit_bucket(apart.pop_first(), visit)?.is_break();
                if stopped {
                    return Ok(Step::Stop);
                }
            }
            apart.remove(&name);
            stopped = self.visit_bucket(Some(name), visit)?.is_break();
            Ok(if stopped { Step::Stop } else { Step::Next })
        })?;
        while !stopped && !apart.is_empty() {
            stopped = self.visit_bucket(apart.pop_first(), visit)?.is_break();
        }
        Ok(())
    }

    fn visit_bucket(
        &self,
        name: Option<BucketName>,
        visit: &mut dyn FnMut(BucketView) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ReadError> {
        let Some(name) = name else { return Ok(ControlFlow::Continue(())) };
        Ok(self.bucket(&name)?.map_or(ControlFlow::Continue(()), visit))
    }

    /// One setting of a bucket.
    ///
    /// # Errors
    /// As all reads of rows.
    pub fn setting(&self, bucket: &BucketView, name: &str) -> Result<Option<Vec<u8>>, ReadError> {
        self.value(&RowKey::Setting(bucket.row.guid, name.into()), bucket.point)
    }
}

/// What a path shows its readers.
fn shown(path: &PathRow) -> ReadPoint {
    match path.access {
        Access::Writable | Access::Closed => ReadPoint::Present,
        Access::ReadAt(point) => ReadPoint::At(point),
    }
}
