//! Which rows a path's scope has at a point.

use super::at::value_at;
use super::engine::View;
use super::layout::{Span, parse_name_row};
use crate::record::{RowKey, Scope, tag};
use crate::store::ReadError;
use crate::types::{BucketGuid, BucketName, Seq};

/// The kinds of rows that a scope has, as keys begin. Names are derived, and are none of them.
const KINDS: [u8; 6] = [tag::BUCKET, tag::SETTING, tag::LATEST, tag::VERSION, tag::UPLOAD, tag::PART];

/// The bucket that a name points to at a readable point.
pub(crate) fn bucket_named(view: &dyn View, name: &BucketName, point: Seq) -> Result<Option<BucketGuid>, ReadError> {
    let value = value_at(view, &RowKey::BucketName(name.clone()).encode(), point)?;
    Ok(value.map(|value| parse_name_row(&value)).transpose()?)
}

/// All rows of all buckets, in key order.
pub(crate) fn endpoint_spans() -> Vec<Span> {
    let below = Span { from: Vec::new(), until: Some(vec![tag::NAME]) };
    let above = Span { from: vec![tag::NAME + 1], until: None };
    vec![below, above]
}

/// All rows of these buckets (in GUID order), in key order: each span with its bucket.
pub(crate) fn bucket_spans(buckets: &[BucketGuid]) -> Vec<(BucketGuid, Span)> {
    let kinds = KINDS.iter().flat_map(|kind| buckets.iter().map(move |bucket| (kind, bucket)));
    kinds.map(|(kind, bucket)| (*bucket, Span::prefix(&[&[*kind], &bucket.as_bytes()[..]].concat()))).collect()
}

/// All rows that a scope has at a readable point, in key order.
pub(crate) fn spans_at(view: &dyn View, scope: &Scope, point: Seq) -> Result<Vec<Span>, ReadError> {
    match scope {
        Scope::Endpoint => Ok(endpoint_spans()),
        Scope::Bucket(name) => {
            let bucket: Vec<_> = bucket_named(view, name, point)?.into_iter().collect();
            Ok(bucket_spans(&bucket).into_iter().map(|(_, span)| span).collect())
        }
    }
}

/// The part of a span behind a key; none if that is nothing.
pub(crate) fn behind(span: Span, after: Option<&[u8]>) -> Option<Span> {
    let Some(after) = after.filter(|after| **after >= span.from[..]) else { return Some(span) };
    let mut from = after.to_vec();
    from.push(0);
    let some = span.until.as_ref().is_none_or(|until| from < *until);
    some.then_some(Span { from, until: span.until })
}

/// The part of a span between two keys, without them; none if that is nothing.
pub(crate) fn between(span: &Span, after: Option<&[u8]>, before: Option<&[u8]>) -> Option<Span> {
    let Span { from, until } = behind(span.clone(), after)?;
    let until = match (until, before) {
        (Some(until), Some(before)) => Some(until.min(before.to_vec())),
        (until, before) => until.or(before.map(<[u8]>::to_vec)),
    };
    until.as_ref().is_none_or(|until| from < *until).then_some(Span { from, until })
}
