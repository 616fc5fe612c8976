//! What refers to a blob: recipes upwards, then rows of the present and of the past.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::blob::decode_recipe;
use crate::meta::at::current;
use crate::meta::core::Core;
use crate::meta::engine::{Direction, Table, View};
use crate::meta::layout::{Span, parse_history_key, parse_stored, row_blobs};
use crate::record::{BlobKind, BlobRow, BucketRow, CorruptRecord, ObjectRow, Record, RowKey};
use crate::store::ReadError;
use crate::types::{BucketGuid, ContentHash, Seq};

/// Rows that one step looks at.
const ROWS_A_STEP: usize = 4096;
/// Recipes that one step reads.
const RECIPES_A_STEP: usize = 256;
/// Pairs of a recipe and a blob it leads to that a search remembers: some 30 MB. What only further recipes lead to is not named.
const LEADING_MAX: usize = 1 << 16;
/// Turns through all recipes. Each finds at least one level more of those above a blob; what is above still more than that is not named.
const TURNS_MAX: u32 = 100;

/// A row that names a blob, itself or through recipes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Referent {
    /// Its name; its GUID if the bucket is gone.
    pub bucket: String,
    pub what: What,
    /// Not of the present any more: a snapshot, or another hold, keeps it.
    pub past: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Version { key: String, version: String },
    Part { upload: String, number: u16 },
}

/// Keys come from clients: they are shown escaped.
impl fmt::Display for Referent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Version { key, version } => {
                write!(f, "{}/{}, version {version}", self.bucket, key.escape_debug())?;
            }
            What::Part { upload, number } => write!(f, "{}, part {number} of upload {upload}", self.bucket)?,
        }
        if self.past { f.write_str(", in the past") } else { Ok(()) }
    }
}

/// A row that leads to a blob, and when it stood so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub key: RowKey,
    /// What the row names: the blob itself, or a recipe above it.
    pub root: ContentHash,
    from: Seq,
    /// None: it is of the present.
    until: Option<Seq>,
}

impl Sighting {
    pub fn stood_at(&self, point: Seq) -> bool {
        self.from <= point && self.until.is_none_or(|until| point < until)
    }
}

/// A row that leads to a searched blob, as it is stored.
struct Met {
    blob: ContentHash,
    root: ContentHash,
    key: Vec<u8>,
    value: Vec<u8>,
    from: Seq,
    until: Option<Seq>,
}

/// What is told of each.
type Meet<'a> = dyn FnMut(&dyn View, Met) -> Result<(), ReadError> + 'a;

/// A search in progress, from step to step. What is written meanwhile may or may not be met. Memory and time are bounded: of very many recipes above a
/// blob, or very many levels of them, some are left out, and what they alone lead from is not named.
#[derive(Clone, Debug)]
pub struct Search {
    /// Blobs that lead to what is searched for, and to which of it.
    leading: BTreeMap<ContentHash, BTreeSet<ContentHash>>,
    /// How many more of them, in pairs, are remembered.
    room: usize,
    place: Place,
    /// This turn through the recipes has found one more: another turn may find what lists that.
    grown: bool,
    turns_left: u32,
}

/// Behind which key it goes on.
#[derive(Clone, Debug)]
enum Place {
    Recipes(Vec<u8>),
    Present(Vec<u8>),
    Past(Vec<u8>),
    Over,
}

impl Search {
    pub fn new(blobs: impl IntoIterator<Item = ContentHash>) -> Self {
        let leading = blobs.into_iter().map(|hash| (hash, BTreeSet::from([hash]))).collect();
        Search { leading, room: 0, place: Place::Recipes(Vec::new()), grown: false, turns_left: TURNS_MAX }
            .remembering(LEADING_MAX)
    }

    /// With room for so many pairs; the searched blobs have theirs.
    pub(super) fn remembering(mut self, most: usize) -> Self {
        self.room = most.saturating_sub(self.leading.len());
        self
    }

    /// Goes on, and tells of each blob what refers to it, by name. False: the search is over.
    pub(crate) fn trace(
        &mut self,
        core: &Core,
        found: &mut dyn FnMut(ContentHash, Referent),
    ) -> Result<bool, ReadError> {
        self.step(core, &mut |view, met| {
            if let Some(referent) = referent(view, &met)? {
                found(met.blob, referent);
            }
            Ok(())
        })
    }

    /// The same, by row.
    pub(crate) fn sight(
        &mut self,
        core: &Core,
        found: &mut dyn FnMut(ContentHash, Sighting),
    ) -> Result<bool, ReadError> {
        self.step(core, &mut |_, Met { blob, root, key, from, until, .. }| {
            // As with rows that do not decode.
            if let Ok(key) = RowKey::decode(&key) {
                found(blob, Sighting { key, root, from, until });
            }
            Ok(())
        })
    }

    /// Whether one blob is known to lead to another, which is searched for.
    pub(super) fn leads(&self, from: &ContentHash, to: &ContentHash) -> bool {
        self.leading.get(from).is_some_and(|searched| searched.contains(to))
    }

    fn step(&mut self, core: &Core, met: &mut Meet<'_>) -> Result<bool, ReadError> {
        let _registration = core.register();
        // After an error it goes on where it was.
        self.place = match self.place.clone() {
            Place::Recipes(after) => match self.recipes(core, &after)? {
                Some(reached) => Place::Recipes(reached),
                None => self.turned(),
            },
            Place::Present(after) => match self.rows(core, Table::Current, &after, met)? {
                Some(reached) => Place::Present(reached),
                None => Place::Past(Vec::new()),
            },
            Place::Past(after) => match self.rows(core, Table::History, &after, met)? {
                Some(reached) => Place::Past(reached),
                None => Place::Over,
            },
            Place::Over => Place::Over,
        };
        Ok(!matches!(self.place, Place::Over))
    }

    /// A turn through the recipes is over.
    fn turned(&mut self) -> Place {
        self.turns_left = self.turns_left.saturating_sub(1);
        match std::mem::take(&mut self.grown) {
            true if self.turns_left > 0 && self.room > 0 => Place::Recipes(Vec::new()),
            cut => {
                if cut {
                    tracing::warn!(
                        recipes = self.leading.len(),
                        "not all that refers to damaged blobs is looked for: too many recipes lead to them"
                    );
                }
                Place::Present(Vec::new())
            }
        }
    }

    /// Adds the recipes that list what leads to the searched blobs. The last key looked at; none: that was all.
    fn recipes(&mut self, core: &Core, after: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let (recipes, reached) = {
            let (view, _) = core.view()?;
            recipes_behind(&*view, after)?
        };
        for hash in recipes {
            // One that cannot be read is damaged itself, or has been collected.
            let Ok(Ok(children)) = core.blobs.read(hash, core).map(|bytes| decode_recipe(&bytes)) else { continue };
            let below: BTreeSet<ContentHash> =
                children.iter().filter_map(|child| self.leading.get(&child.hash)).flatten().copied().collect();
            for blob in below {
                self.lead(hash, blob);
            }
        }
        Ok(reached)
    }

    /// Remembers that a recipe leads to a searched blob, if there is room for it.
    fn lead(&mut self, recipe: ContentHash, blob: ContentHash) {
        if self.room > 0 && self.leading.entry(recipe).or_default().insert(blob) {
            self.room -= 1;
            self.grown = true;
        }
    }

    fn rows(&self, core: &Core, table: Table, after: &[u8], meet: &mut Meet<'_>) -> Result<Option<Vec<u8>>, ReadError> {
        let (view, _) = core.view()?;
        let mut cursor = view.cursor(table, behind(after).range(), Direction::Forward)?;
        let mut reached = Vec::new();
        for _ in 0..ROWS_A_STEP {
            let Some((key, stored)) = cursor.next()? else { return Ok(None) };
            reached = key.to_vec();
            // Rows that do not decode are for the check to find.
            let Ok(all) = self.met(table, key, stored) else { continue };
            for met in all {
                meet(&*view, met)?;
            }
        }
        Ok(Some(reached))
    }

    /// Each searched blob that a row leads to, with the row.
    fn met(&self, table: Table, key: &[u8], stored: &[u8]) -> Result<Vec<Met>, CorruptRecord> {
        let (from, value) = parse_stored(stored)?;
        let (key, until) = match table {
            Table::History => parse_history_key(key).map(|(key, until)| (key, Some(until)))?,
            _ => (key.to_vec(), None),
        };
        let mut roots = BTreeMap::new();
        for root in row_blobs(&key, value)?.into_iter().flatten() {
            for blob in self.leading.get(&root).into_iter().flatten() {
                roots.entry(*blob).or_insert(root);
            }
        }
        let met = |(blob, root)| Met { blob, root, key: key.clone(), value: value.to_vec(), from, until };
        Ok(roots.into_iter().map(met).collect())
    }
}

fn behind(after: &[u8]) -> Span {
    let from = if after.is_empty() { Vec::new() } else { [after, &[0]].concat() };
    Span::tail(&[], from)
}

fn recipes_behind(view: &dyn View, after: &[u8]) -> Result<(Vec<ContentHash>, Option<Vec<u8>>), ReadError> {
    let mut recipes = Vec::new();
    let mut reached = None;
    let mut cursor = view.cursor(Table::Blobs, behind(after).range(), Direction::Forward)?;
    for _ in 0..ROWS_A_STEP {
        let Some((key, value)) = cursor.next()? else { return Ok((recipes, None)) };
        reached = Some(key.to_vec());
        if let Ok(bytes) = <[u8; 32]>::try_from(key)
            && BlobRow::decode(value).is_ok_and(|row| row.kind == BlobKind::Recipe)
        {
            recipes.push(ContentHash::from_bytes(bytes));
        }
        if recipes.len() == RECIPES_A_STEP {
            break;
        }
    }
    Ok((recipes, reached))
}

/// None for rows that name no blob.
fn referent(view: &dyn View, met: &Met) -> Result<Option<Referent>, ReadError> {
    let (bucket, what) = match RowKey::decode(&met.key)? {
        RowKey::Object(bucket, key, _) => {
            let version = ObjectRow::decode(&met.value)?.version.to_string();
            (bucket, What::Version { key: key.as_str().to_owned(), version })
        }
        RowKey::Part(bucket, upload, number) => (bucket, What::Part { upload: upload.to_string(), number }),
        RowKey::Bucket(_) | RowKey::BucketName(_) | RowKey::Setting(..) | RowKey::Upload(..) => return Ok(None),
    };
    Ok(Some(Referent { bucket: bucket_name(view, bucket)?, what, past: met.until.is_some() }))
}

fn bucket_name(view: &dyn View, bucket: BucketGuid) -> Result<String, ReadError> {
    let row = current(view, &RowKey::Bucket(bucket).encode())?;
    Ok(match row.map(|(_, value)| BucketRow::decode(&value)).transpose()? {
        Some(row) => row.name.as_str().to_owned(),
        None => bucket.to_string(),
    })
}
