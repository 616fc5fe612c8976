//! Buckets with what hangs on them, compiled once: until a bucket, a setting or a path changes, a request costs no look-up.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tandem_policy::{Document, Kind, ObjectOwnership, PublicAccessBlock, TagSet};
use tandem_storage::types::BucketName;
use tandem_storage::{BucketView, Catalogue, Reader, Store};

use super::DEFAULT_ACCOUNT;
use super::setting::{self, StoredAcl};
use crate::s3::error::S3Error;
use crate::s3::ops::documents;

/// Buckets remembered; and about how many bytes they may take, by the length of what they were compiled from.
const ENTRIES_MAX: usize = 4_096;
const WEIGHT_MAX: usize = 8 << 20;

/// A bucket as one catalogue shows it.
#[derive(Debug)]
pub struct KnownBucket {
    pub view: BucketView,
    catalogue: Catalogue,
    pub policy: BucketPolicy,
    pub ownership: ObjectOwnership,
    pub public_access: PublicAccessBlock,
    pub acl: Option<StoredAcl>,
    pub tags: TagSet,
    weight: usize,
}

/// A bucket's policy, compiled.
#[derive(Debug)]
pub enum BucketPolicy {
    None,
    Compiled(Box<Document>),
    /// Stored bytes that this build does not take for a policy. Nobody passes, but to replace or remove it.
    Unreadable,
}

impl std::ops::Deref for KnownBucket {
    type Target = BucketView;

    fn deref(&self) -> &BucketView {
        &self.view
    }
}

impl KnownBucket {
    fn read(reader: &Reader<'_>, view: BucketView) -> Result<Self, S3Error> {
        let stored = reader.setting(&view, setting::POLICY)?;
        let mut weight = 512 + stored.as_ref().map_or(0, Vec::len);
        let policy = match &stored {
            None => BucketPolicy::None,
            Some(bytes) => compile(bytes, &view),
        };
        let acl = reader.setting(&view, setting::ACL)?;
        let tags = reader.setting(&view, documents::BUCKET_TAGS)?;
        weight += acl.as_ref().map_or(0, Vec::len) + tags.as_ref().map_or(0, Vec::len);
        let tags = tags.as_deref().map(documents::bucket_tags).transpose()?.unwrap_or_default();
        Ok(KnownBucket {
            policy,
            ownership: setting::ownership(reader.setting(&view, setting::OWNERSHIP)?.as_deref())?
                .unwrap_or(ObjectOwnership::ObjectWriter),
            public_access: setting::public_access(reader.setting(&view, setting::PUBLIC_ACCESS)?.as_deref())?
                .unwrap_or_default(),
            acl: acl.as_deref().map(StoredAcl::decode).transpose()?,
            tags: TagSet::of(tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))),
            catalogue: reader.catalogue(),
            view,
            weight,
        })
    }

    /// The bucket of this name as `reader` sees it.
    ///
    /// # Errors
    /// `InternalError`: rows that cannot be read.
    pub fn find(reader: &Reader<'_>, name: &BucketName) -> Result<Option<Self>, S3Error> {
        reader.bucket(name)?.map(|view| KnownBucket::read(reader, view)).transpose()
    }

    /// Whether `reader` sees it just so.
    pub fn is_seen_by(&self, reader: &Reader<'_>) -> bool {
        reader.has(&self.catalogue)
    }

    /// The same bucket for reads by `reader`, which may have come after a change of buckets or paths: then it is read where it stands
    /// now. None: it is there no more.
    ///
    /// # Errors
    /// `InternalError`: rows that cannot be read.
    pub fn view_by(&self, reader: &Reader<'_>) -> Result<Option<Cow<'_, BucketView>>, S3Error> {
        if self.is_seen_by(reader) {
            return Ok(Some(Cow::Borrowed(&self.view)));
        }
        let now = reader.bucket(&self.view.row.name)?;
        Ok(now.filter(|now| now.row.guid == self.view.row.guid).map(Cow::Owned))
    }

    /// Whether a reader that began now would.
    pub fn is_current(&self, store: &Store) -> bool {
        store.has(&self.catalogue)
    }

    /// The account that owns it.
    pub fn account(&self) -> &str {
        self.view.row.owner.as_deref().unwrap_or(DEFAULT_ACCOUNT)
    }

    pub fn document(&self) -> Option<&Document> {
        match &self.policy {
            BucketPolicy::Compiled(document) => Some(document),
            BucketPolicy::None | BucketPolicy::Unreadable => None,
        }
    }
}

fn compile(bytes: &[u8], view: &BucketView) -> BucketPolicy {
    match Document::parse(bytes, Kind::Bucket { name: view.row.name.as_str() }) {
        Ok(document) => BucketPolicy::Compiled(Box::new(document)),
        Err(fault) => {
            tracing::error!(bucket = %view.row.name, %fault, "a stored bucket policy is not taken by this build");
            BucketPolicy::Unreadable
        }
    }
}

/// The buckets that requests asked for lately. Clones share them.
#[derive(Clone, Default)]
pub struct Buckets(Arc<RwLock<Shelf>>);

#[derive(Default)]
struct Shelf {
    entries: HashMap<BucketName, Arc<KnownBucket>>,
    weight: usize,
}

impl Buckets {
    /// The bucket of this name as it is now, if it is remembered.
    pub fn recall(&self, store: &Store, name: &BucketName) -> Option<Arc<KnownBucket>> {
        let shelf = self.0.read().unwrap_or_else(PoisonError::into_inner);
        shelf.entries.get(name).filter(|known| known.is_current(store)).map(Arc::clone)
    }

    /// The bucket of this name as `reader` sees it. Never what another reader saw: an entry holds for its catalogue only.
    ///
    /// # Errors
    /// `InternalError`: rows that cannot be read.
    pub fn find(&self, reader: &Reader<'_>, name: &BucketName) -> Result<Option<Arc<KnownBucket>>, S3Error> {
        let shelf = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shelf.entries.get(name).filter(|known| known.is_seen_by(reader)) {
            return Ok(Some(Arc::clone(known)));
        }
        drop(shelf);
        let Some(known) = KnownBucket::find(reader, name)?.map(Arc::new) else { return Ok(None) };
        self.0.write().unwrap_or_else(PoisonError::into_inner).put(name, Arc::clone(&known));
        Ok(Some(known))
    }
}

impl Shelf {
    fn put(&mut self, name: &BucketName, known: Arc<KnownBucket>) {
        if let Some(old) = self.entries.remove(name) {
            self.weight -= old.weight;
        }
        if self.entries.len() >= ENTRIES_MAX || self.weight + known.weight > WEIGHT_MAX {
            self.entries.clear();
            self.weight = 0;
        }
        self.weight += known.weight;
        self.entries.insert(name.clone(), known);
    }
}
