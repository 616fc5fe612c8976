//! Walking rows at a point, with seeks.

use crate::meta::at::{self, PointCursor, RowAt};
use crate::meta::engine::{Cursor, Direction, Table, View};
use crate::meta::layout::{Span, parse_stored};
use crate::store::{ReadError, ReadPoint};

/// What a walk does after a row.
pub(super) enum Step {
    Next,
    Stop,
    /// Go on at the first row at or after this key. Backward seeks go nowhere: the walk goes on at the next row.
    Seek(Vec<u8>),
}

/// Visits the rows of a span at a point in key order: key, value. The present is read in place.
pub(super) fn walk(
    view: &dyn View,
    mut span: Span,
    point: ReadPoint,
    visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<Step, ReadError>,
) -> Result<(), ReadError> {
    loop {
        let sought = match point {
            ReadPoint::Present => walk_present(view, &span, visit)?,
            ReadPoint::At(point) => walk_at(at::scan_at(view, &span, point)?, visit)?,
        };
        match sought {
            Some(key) => span.from = key,
            None => return Ok(()),
        }
    }
}

/// Until the end, or until a seek: its key.
fn walk_present(
    view: &dyn View,
    span: &Span,
    visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<Step, ReadError>,
) -> Result<Option<Vec<u8>>, ReadError> {
    let mut cursor = view.cursor(Table::Current, span.range(), Direction::Forward)?;
    while let Some((key, stored)) = cursor.next()? {
        match visit(key, parse_stored(stored)?.1)? {
            Step::Next => {}
            Step::Stop => return Ok(None),
            Step::Seek(to) if to.as_slice() > key => return Ok(Some(to)),
            Step::Seek(_) => {}
        }
    }
    Ok(None)
}

fn walk_at(
    mut cursor: PointCursor<'_>,
    visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<Step, ReadError>,
) -> Result<Option<Vec<u8>>, ReadError> {
    while let Some(row) = cursor.next()? {
        match visit(&row.key, &row.value)? {
            Step::Next => {}
            Step::Stop => return Ok(None),
            Step::Seek(to) if to > row.key => return Ok(Some(to)),
            Step::Seek(_) => {}
        }
    }
    Ok(None)
}

/// Rows at a point, one by one, copied: for walks that look at two spans at once.
pub(super) enum Rows<'view> {
    Present(Box<dyn Cursor + 'view>),
    At(PointCursor<'view>),
}

impl<'view> Rows<'view> {
    pub fn open(view: &'view dyn View, span: &Span, point: ReadPoint) -> Result<Self, ReadError> {
        Ok(match point {
            ReadPoint::Present => Rows::Present(view.cursor(Table::Current, span.range(), Direction::Forward)?),
            ReadPoint::At(point) => Rows::At(at::scan_at(view, span, point)?),
        })
    }

    pub fn next(&mut self) -> Result<Option<RowAt>, ReadError> {
        match self {
            Rows::At(cursor) => cursor.next(),
            Rows::Present(cursor) => match cursor.next()? {
                None => Ok(None),
                Some((key, stored)) => {
                    let (from, value) = parse_stored(stored)?;
                    Ok(Some(RowAt { key: key.to_vec(), from, value: value.to_vec() }))
                }
            },
        }
    }
}
