//! Reading operations: each registered, over one consistent view, at the point that a bucket's path shows.

mod buckets;
mod objects;
#[cfg(test)]
mod tests;
mod versions;
mod walk;

use std::sync::Arc;

use self::walk::Step;
use super::at;
use super::core::{Core, Registered};
use super::engine::{Table, View};
use super::layout::{Span, meta_row};
use super::published::State;
use crate::blob::{BlobError, BodyReader};
use crate::record::{Record, RowKey};
use crate::store::{ReadError, ReadPoint};
use crate::types::{Body, Seq};

/// A reading operation: a consistent view of all tables, and the promise that the bytes it can name stay. Short: a page, a lookup.
pub struct Reader<'store> {
    core: &'store Core,
    view: Box<dyn View + 'store>,
    state: Arc<State>,
    registered: Arc<Registered>,
}

impl<'store> Reader<'store> {
    pub(crate) fn open(core: &'store Arc<Core>) -> Result<Self, ReadError> {
        let registered = Arc::new(Registered { core: Arc::clone(core), _registration: core.register() });
        let (view, state) = core.view()?;
        Ok(Reader { core, view, state, registered })
    }

    /// Opens `range` (bytes, end exclusive, inside the content) of a body that this reader has read a row of. What it returns
    /// outlives the reader and keeps the bytes.
    ///
    /// # Errors
    /// `Missing`, `Damaged`, `Io`: as the first bytes of the range are.
    pub fn open_body(&self, body: &Body, range: std::ops::Range<u64>) -> Result<BodyReader, BlobError> {
        let guard = Arc::clone(&self.registered);
        self.core.blobs.reader(body, range, guard.clone(), guard)
    }

    /// Whether the rows of a point can be read in this view.
    fn require_readable(&self, point: Seq) -> Result<(), ReadError> {
        if self.state.points.is_held(point) {
            return Ok(());
        }
        let applied = self.view.value(Table::Meta, meta_row::APPLIED)?;
        match applied.is_some_and(|applied| applied == point.to_bytes()) {
            true => Ok(()),
            false => Err(ReadError::NotHeld(point)),
        }
    }

    fn value(&self, key: &RowKey, point: ReadPoint) -> Result<Option<Vec<u8>>, ReadError> {
        let key = key.encode();
        match point {
            ReadPoint::Present => Ok(at::current(&*self.view, &key)?.map(|(_, value)| value)),
            ReadPoint::At(point) => at::value_at(&*self.view, &key, point),
        }
    }

    fn record<R: Record>(&self, key: &RowKey, point: ReadPoint) -> Result<Option<R>, ReadError> {
        match point {
            ReadPoint::Present => at::with_current(&*self.view, &key.encode(), |_, value| R::decode(value)),
            ReadPoint::At(_) => Ok(self.value(key, point)?.map(|value| R::decode(&value)).transpose()?),
        }
    }

    /// Visits the rows of a span at a point.
    fn walk(
        &self,
        span: Span,
        point: ReadPoint,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<Step, ReadError>,
    ) -> Result<(), ReadError> {
        walk::walk(&*self.view, span, point, visit)
    }
}
