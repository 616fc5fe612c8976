//! Reading one row at a point: FORMAT invariant 4.

use super::engine::{Cursor, Direction, Table, View};
use super::layout::{Span, history_key, history_prefix, parse_history_key, parse_stored};
use crate::record::CorruptRecord;
use crate::store::ReadError;
use crate::types::Seq;

/// A row's present: since when, and what.
pub(crate) fn current(view: &dyn View, key: &[u8]) -> Result<Option<(Seq, Vec<u8>)>, ReadError> {
    with_current(view, key, |from, value| Ok((from, value.to_vec())))
}

/// The same, decoded in place.
pub(crate) fn with_current<T>(
    view: &dyn View,
    key: &[u8],
    decode: impl Fn(Seq, &[u8]) -> Result<T, CorruptRecord>,
) -> Result<Option<T>, ReadError> {
    let mut found = Ok(None);
    view.get(Table::Current, key, &mut |value| {
        found = value.map(|value| parse_stored(value).and_then(|(from, value)| decode(from, value))).transpose();
    })?;
    Ok(found?)
}

/// A row's value at a readable point.
pub(crate) fn value_at(view: &dyn View, key: &[u8], point: Seq) -> Result<Option<Vec<u8>>, ReadError> {
    Ok(entry_at(view, key, point)?.map(|(_, value)| value))
}

/// A row's value at a readable point, with the Seq that wrote it.
pub(crate) fn entry_at(view: &dyn View, key: &[u8], point: Seq) -> Result<Option<(Seq, Vec<u8>)>, ReadError> {
    match current(view, key)? {
        Some((from, value)) if from <= point => Ok(Some((from, value))),
        _ => history_at(view, key, point),
    }
}

fn history_at(view: &dyn View, key: &[u8], point: Seq) -> Result<Option<(Seq, Vec<u8>)>, ReadError> {
    let span = Span::tail(&history_prefix(key), history_key(key, point.next()));
    let mut cursor = view.cursor(Table::History, span.range(), Direction::Forward)?;
    let Some((_, stored)) = cursor.next()? else { return Ok(None) };
    let (from, value) = parse_stored(stored)?;
    Ok((from <= point).then(|| (from, value.to_vec())))
}

/// Visits the rows of a span as they were at `point`, in key order, until `visit` says stop: key, since when, value.
pub(crate) fn scan_at<'view>(view: &'view dyn View, span: &Span, point: Seq) -> Result<PointCursor<'view>, ReadError> {
    let history = span.history();
    Ok(PointCursor {
        point,
        current: view.cursor(Table::Current, span.range(), Direction::Forward)?,
        history: view.cursor(Table::History, history.range(), Direction::Forward)?,
        next_current: None,
        next_history: None,
        state: Started::No,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Started {
    No,
    Yes,
}

/// A row as it was at a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowAt {
    pub key: Vec<u8>,
    pub from: Seq,
    pub value: Vec<u8>,
}

/// `current` and `history` merged at a point.
pub(crate) struct PointCursor<'view> {
    point: Seq,
    current: Box<dyn Cursor + 'view>,
    history: Box<dyn Cursor + 'view>,
    next_current: Option<RowAt>,
    /// The interval of its key that reaches beyond the point first.
    next_history: Option<RowAt>,
    state: Started,
}

impl PointCursor<'_> {
    pub fn next(&mut self) -> Result<Option<RowAt>, ReadError> {
        if self.state == Started::No {
            self.state = Started::Yes;
            self.advance_current()?;
            self.advance_history(None)?;
        }
        loop {
            let order = match (&self.next_current, &self.next_history) {
                (None, None) => return Ok(None),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(current), Some(history)) => current.key.cmp(&history.key),
            };
            let candidate = if order.is_gt() { self.take_history()? } else { self.take_current(order.is_eq())? };
            if let Some(row) = candidate.filter(|row| row.from <= self.point) {
                return Ok(Some(row));
            }
        }
    }

    /// The present row; if it is newer than the point, and history has the same key, that instead.
    fn take_current(&mut self, same_key: bool) -> Result<Option<RowAt>, ReadError> {
        let row = self.next_current.take();
        self.advance_current()?;
        if !same_key {
            return Ok(row);
        }
        let old = self.take_history()?;
        Ok(row.filter(|row| row.from <= self.point).or(old))
    }

    fn take_history(&mut self) -> Result<Option<RowAt>, ReadError> {
        let row = self.next_history.take();
        self.advance_history(row.as_ref().map(|row| &row.key[..]))?;
        Ok(row)
    }

    fn advance_current(&mut self) -> Result<(), ReadError> {
        self.next_current = match self.current.next()? {
            None => None,
            Some((key, stored)) => {
                let (from, value) = parse_stored(stored)?;
                Some(RowAt { key: key.to_vec(), from, value: value.to_vec() })
            }
        };
        Ok(())
    }

    /// Moves to the next key's first interval that ends after the point.
    fn advance_history(&mut self, done: Option<&[u8]>) -> Result<(), ReadError> {
        while let Some((key, stored)) = self.history.next()? {
            let (key, until) = parse_history_key(key)?;
            if until > self.point && done != Some(&key[..]) {
                let (from, value) = parse_stored(stored)?;
                self.next_history = Some(RowAt { key, from, value: value.to_vec() });
                return Ok(());
            }
        }
        self.next_history = None;
        Ok(())
    }
}
