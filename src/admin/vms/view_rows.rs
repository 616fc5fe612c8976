//! Endpoint views, which are rows of their own: the path of one is an alias of `/`.

use serde::{Deserialize, Serialize};
use tandem_storage::change::{NodeWrite, WriteNodeRows};
use tandem_storage::record::Record;
use tandem_storage::{Lane, ReadError, Store};

use super::error::VmsError;
use super::face::Face;

const PREFIX: &[u8] = b"vms/view/";
/// The number of the next view.
const NEXT: &[u8] = b"vms/next-view";
const VIEWS_MAX: usize = 1_000;

/// An endpoint: every bucket there is and will be, under the alias `path`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointView {
    pub number: u64,
    pub name: String,
    pub path: String,
    pub tenant: u64,
    pub bucket_creators: Vec<String>,
    pub created_micros: i64,
}

impl Record for EndpointView {
    const KIND: &'static str = "endpoint view";
    const VERSION: u8 = 1;
}

fn key(number: u64) -> Vec<u8> {
    [PREFIX, &number.to_be_bytes()].concat()
}

/// In the order of their numbers.
pub fn all(store: &Store) -> Result<Vec<EndpointView>, ReadError> {
    let rows = store.node_rows(PREFIX)?;
    rows.iter().map(|(_, row)| EndpointView::decode(row).map_err(ReadError::from)).collect()
}

/// Stores a new view; its number is not used again.
pub async fn add(face: &Face, mut view: EndpointView) -> Result<EndpointView, VmsError> {
    let known = all(&face.store)?;
    if known.len() >= VIEWS_MAX {
        return Err(VmsError::conflict("limit_exceeded", format!("there are {VIEWS_MAX} endpoint views")));
    }
    if known.iter().any(|other| other.path == view.path) {
        return Err(VmsError::conflict("already_exists", format!("there is a view of {}", view.path)));
    }
    let before = face.store.node_row(NEXT)?;
    view.number = match &before {
        None => 1,
        Some(bytes) => match <[u8; 8]>::try_from(bytes.as_slice()) {
            Ok(bytes) => u64::from_be_bytes(bytes),
            Err(_) => return Err(VmsError::internal(&"the row of the next view's number is damaged")),
        },
    };
    let next =
        NodeWrite { key: NEXT.to_vec(), value: Some((view.number + 1).to_be_bytes().to_vec()), expected: Some(before) };
    let row = NodeWrite { key: key(view.number), value: Some(view.encode()), expected: Some(None) };
    let _ = face.store.commit(Lane::Client, face.clock.now(), WriteNodeRows(vec![next, row])).await?;
    Ok(view)
}

pub async fn replace(face: &Face, before: &EndpointView, after: &EndpointView) -> Result<(), VmsError> {
    write(face, before, Some(after.encode())).await
}

pub async fn remove(face: &Face, view: &EndpointView) -> Result<(), VmsError> {
    write(face, view, None).await
}

async fn write(face: &Face, before: &EndpointView, value: Option<Vec<u8>>) -> Result<(), VmsError> {
    let row = NodeWrite { key: key(before.number), value, expected: Some(Some(before.encode())) };
    let _ = face.store.commit(Lane::Client, face.clock.now(), WriteNodeRows(vec![row])).await?;
    Ok(())
}
