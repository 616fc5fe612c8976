//! What a peer's rows must be before they are staged.

use super::StagedRow;
use crate::change::Refusal;
use crate::meta::Tx;
use crate::meta::digest::LtHash;
use crate::meta::engine::Table;
use crate::meta::layout::row_blobs;
use crate::meta::staged::{StoredRow, staged_key};
use crate::record::{
    BlobKind, BucketRow, ObjectRow, PartRow, PathRow, Place, Record, RowKey, Scope, TransferRow, UploadRow,
};
use crate::types::{Body, BucketGuid, BucketName, ContentHash, TransferGuid, Version};

/// At most two buckets, the one that was and the one that is, can bear the name of a bucket path, and their own rows come first.
const BUCKET_ROWS: u64 = 2;

/// S3's.
const PARTS_MAX: u16 = 10_000;
/// No setting's document is longer.
const SETTING_MAX: usize = 1024 * 1024;

/// Checks rows in the order of the transfer.
pub(super) struct Validator {
    scope: Scope,
    /// The buckets whose rows a path over one bucket may have.
    inside: Vec<BucketGuid>,
    order: Order,
}

/// What is asked of a transfer's keys.
enum Order {
    Any,
    /// A seed's ascend: the key before.
    Ascending(Option<Vec<u8>>),
}

impl Validator {
    /// For the rows from `next` on.
    pub fn new(tx: &mut Tx<'_>, transfer: &TransferRow, path: &PathRow, next: u64) -> Result<Self, Refusal> {
        let scope = path.scope.clone();
        let inside = match &scope {
            Scope::Endpoint => Vec::new(),
            Scope::Bucket(name) => {
                let mut inside = staged_buckets(tx, transfer.id, name)?;
                inside.extend(tx.bucket_named(name)?);
                inside
            }
        };
        let order = match (transfer.base, next.checked_sub(1)) {
            (Some(_), _) => Order::Any,
            (None, None) => Order::Ascending(None),
            (None, Some(before)) => Order::Ascending(staged_row(tx, transfer.id, before)?.map(|row| row.key)),
        };
        Ok(Validator { scope, inside, order })
    }

    /// The row as it is stored, and the blobs it names.
    pub fn check(
        &mut self,
        tx: &mut Tx<'_>,
        row: StagedRow,
        number: u64,
    ) -> Result<(StoredRow, impl Iterator<Item = ContentHash> + use<>), Refusal> {
        let key = row.key.encode();
        if !LtHash::counts(&row.key) || RowKey::decode(&key).ok().as_ref() != Some(&row.key) {
            return Err(wrong("a key that does not travel"));
        }
        self.check_order(&key, row.value.is_some())?;
        self.check_scope(tx, &row, number)?;
        let blobs = match &row.value {
            None => [None; 2],
            Some(value) => {
                check_value(tx, &row.key, value)?;
                row_blobs(&key, value)?
            }
        };
        Ok((StoredRow { key, value: row.value }, blobs.into_iter().flatten()))
    }

    fn check_order(&mut self, key: &[u8], has_value: bool) -> Result<(), Refusal> {
        let Order::Ascending(before) = &mut self.order else { return Ok(()) };
        if !has_value || before.as_deref().is_some_and(|before| before >= key) {
            return Err(wrong("a seed out of order"));
        }
        *before = Some(key.to_vec());
        Ok(())
    }

    fn check_scope(&mut self, tx: &mut Tx<'_>, row: &StagedRow, number: u64) -> Result<(), Refusal> {
        let Scope::Bucket(name) = &self.scope else { return Ok(()) };
        if let (RowKey::Bucket(guid), Some(value)) = (&row.key, &row.value) {
            if decoded::<BucketRow>(value)?.name != *name {
                return Err(wrong("a bucket of another name"));
            }
            // Else a peer could call any bucket of this node by the path's name, and so write to it.
            let here: Option<BucketRow> = tx.record(&row.key)?;
            if here.is_some_and(|here| here.name != *name) {
                return Err(wrong("a bucket that is another one here"));
            }
            if number < BUCKET_ROWS {
                self.inside.push(*guid);
            }
        }
        let inside = row.key.bucket().is_some_and(|bucket| self.inside.contains(&bucket));
        inside.then_some(()).ok_or_else(|| wrong("a row outside the path"))
    }
}

/// The buckets that a transfer of one bucket's path brings.
pub(super) fn staged_buckets(
    tx: &Tx<'_>,
    transfer: TransferGuid,
    name: &BucketName,
) -> Result<Vec<BucketGuid>, Refusal> {
    let mut buckets = Vec::new();
    for number in 0..BUCKET_ROWS {
        let Some(StoredRow { key, value: Some(value) }) = staged_row(tx, transfer, number)? else { continue };
        if let RowKey::Bucket(guid) = RowKey::decode(&key)?
            && BucketRow::decode(&value)?.name == *name
        {
            buckets.push(guid);
        }
    }
    Ok(buckets)
}

/// Of the buckets that bear a bucket path's name, one at most is there afterwards.
pub(super) fn check_buckets(tx: &mut Tx<'_>, transfer: &TransferRow, path: &PathRow) -> Result<(), Refusal> {
    let Scope::Bucket(name) = &path.scope else { return Ok(()) };
    // A seed takes the place of whatever is there.
    let present = if transfer.base.is_some() { tx.bucket_named(name)? } else { None };
    let mut buckets: Vec<BucketGuid> = present.into_iter().collect();
    for number in 0..BUCKET_ROWS {
        let Some(StoredRow { key, value }) = staged_row(tx, transfer.id, number)? else { continue };
        if let RowKey::Bucket(guid) = RowKey::decode(&key)? {
            buckets.retain(|known| *known != guid);
            buckets.extend(value.map(|_| guid));
        }
    }
    if buckets.len() <= 1 { Ok(()) } else { Err(wrong("two buckets of one name")) }
}

pub(super) fn staged_row(tx: &Tx<'_>, transfer: TransferGuid, number: u64) -> Result<Option<StoredRow>, Refusal> {
    let row = tx.table_get(Table::Staged, &staged_key(transfer, number))?;
    Ok(row.map(|row| StoredRow::decode(&row)).transpose()?)
}

/// A value decodes as what its key says, and says of itself what its key and its blobs say.
fn check_value(tx: &mut Tx<'_>, key: &RowKey, value: &[u8]) -> Result<(), Refusal> {
    let agrees = match key {
        RowKey::Bucket(guid) => decoded::<BucketRow>(value)?.guid == *guid,
        RowKey::Object(_, _, place) => {
            let row: ObjectRow = decoded(value)?;
            check_content(tx, &row)?;
            match place {
                Place::Latest => true,
                Place::Null => !row.version.has_id(),
                Place::Id(id) => row.version == Version::Id(*id),
            }
        }
        RowKey::Upload(_, key, id) => {
            let row: UploadRow = decoded(value)?;
            (&row.key, row.id) == (key, *id)
        }
        RowKey::Part(_, _, number) => {
            let row: PartRow = decoded(value)?;
            check_body(tx, &row.body, row.size)?;
            (1..=PARTS_MAX).contains(number)
        }
        RowKey::Setting(..) => value.len() <= SETTING_MAX,
        RowKey::BucketName(_) => false,
    };
    agrees.then_some(()).ok_or_else(|| wrong("a row that contradicts its key"))
}

fn check_content(tx: &mut Tx<'_>, row: &ObjectRow) -> Result<(), Refusal> {
    let Some(content) = row.content() else { return Ok(()) };
    check_body(tx, &content.body, content.size)?;
    match &content.parts {
        Some(parts) if tx.blob(parts.blob)?.ok_or(Refusal::BytesGone)?.kind != BlobKind::Data => {
            Err(wrong("a list of parts that is none"))
        }
        _ => Ok(()),
    }
}

/// What a recipe's pieces come to, its receiver has counted.
fn check_body(tx: &mut Tx<'_>, body: &Body, size: u64) -> Result<(), Refusal> {
    let agrees = match body {
        Body::Empty => size == 0,
        Body::Blob(hash) => {
            let blob = tx.blob(*hash)?.ok_or(Refusal::BytesGone)?;
            blob.kind == BlobKind::Data && blob.len == size
        }
        Body::Recipe(hash) => tx.blob(*hash)?.ok_or(Refusal::BytesGone)?.kind == BlobKind::Recipe,
    };
    agrees.then_some(()).ok_or_else(|| wrong("a size that is not its bytes'"))
}

fn decoded<R: Record>(value: &[u8]) -> Result<R, Refusal> {
    R::decode(value).map_err(|_| wrong("a row that does not decode"))
}

fn wrong(what: &'static str) -> Refusal {
    Refusal::Malformed(what)
}
