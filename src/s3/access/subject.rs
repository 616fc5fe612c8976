//! What one permission is about: a bucket, or an object of it, looked at no further than policies ask.

use std::cell::OnceCell;

use tandem_policy::{Bucket, Resource, TagSet, Values};
use tandem_storage::change::{Seen, SeenSlots, VersionSelector};
use tandem_storage::record::ObjectRow;
use tandem_storage::types::ObjectKey;
use tandem_storage::{Reader, Store};

use super::known::KnownBucket;
use super::setting::StoredAcl;
use crate::s3::error::S3Error;

/// Where rows are read, should a decision need any.
pub trait Rows {
    /// # Errors
    /// No view can be opened.
    fn reader(&self) -> Result<&Reader<'_>, S3Error>;
}

impl Rows for Reader<'_> {
    fn reader(&self) -> Result<&Reader<'_>, S3Error> {
        Ok(self)
    }
}

/// Opens its reader at the first need: most decisions have none.
pub struct Later<'a> {
    store: &'a Store,
    opened: OnceCell<Reader<'a>>,
}

impl<'a> Later<'a> {
    pub fn of(store: &'a Store) -> Self {
        Later { store, opened: OnceCell::new() }
    }

    /// Whether anything was read.
    pub fn is_open(&self) -> bool {
        self.opened.get().is_some()
    }
}

impl Rows for Later<'_> {
    fn reader(&self) -> Result<&Reader<'_>, S3Error> {
        if let Some(reader) = self.opened.get() {
            return Ok(reader);
        }
        let reader = self.store.read()?;
        Ok(self.opened.get_or_init(|| reader))
    }
}

/// A version of a key, as the request names it.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    pub key: &'a ObjectKey,
    pub version: VersionSelector,
}

/// What is asked for, with its ARN.
pub struct Subject<'a> {
    arn: String,
    whose: Whose<'a>,
    named: Option<Named<'a>>,
    version_id: Option<String>,
    listed_for: Option<String>,
    rows: Option<&'a dyn Rows>,
    found: OnceCell<Found>,
}

enum Whose<'a> {
    /// What has no bucket: the account it is asked of.
    Account(&'a str),
    /// A bucket that the caller makes.
    Fresh {
        account: &'a str,
        creator: &'a str,
    },
    Known(&'a KnownBucket),
}

/// An object's row, read once.
#[derive(Default)]
struct Found {
    row: Option<ObjectRow>,
    acl: Option<StoredAcl>,
    tags: OnceCell<TagSet>,
    failed: Option<S3Error>,
}

impl<'a> Subject<'a> {
    pub fn account(account: &'a str) -> Self {
        Subject::new("arn:aws:s3:::*".to_owned(), Whose::Account(account))
    }

    /// A bucket to be made: who makes it decides.
    pub fn bucket_to_be(name: &str, account: &'a str) -> Self {
        Subject::new(format!("arn:aws:s3:::{name}"), Whose::Account(account))
    }

    /// A bucket that is being made, as its maker's.
    pub fn fresh_bucket(name: &str, account: &'a str, creator: &'a str) -> Self {
        Subject::new(format!("arn:aws:s3:::{name}"), Whose::Fresh { account, creator })
    }

    pub fn bucket(known: &'a KnownBucket) -> Self {
        Subject::new(format!("arn:aws:s3:::{}", known.view.row.name), Whose::Known(known))
    }

    /// A bucket as policies are asked about it.
    pub fn bucket_alone(known: &'a KnownBucket) -> Resource<'a> {
        Resource::Bucket(hanging_on(known))
    }

    pub fn object(known: &'a KnownBucket, rows: &'a dyn Rows, named: Named<'a>) -> Self {
        let (bucket, key) = (known.view.row.name.as_str(), named.key.as_str());
        let mut arn = String::with_capacity(16 + bucket.len() + key.len());
        for part in ["arn:aws:s3:::", bucket, "/", key] {
            arn.push_str(part);
        }
        let version_id = match named.version {
            VersionSelector::Latest => None,
            VersionSelector::Null => Some("null".to_owned()),
            VersionSelector::Id(id) => Some(id.to_string()),
        };
        Subject { named: Some(named), version_id, rows: Some(rows), ..Subject::new(arn, Whose::Known(known)) }
    }

    fn new(arn: String, whose: Whose<'a>) -> Self {
        Subject { arn, whose, named: None, version_id: None, listed_for: None, rows: None, found: OnceCell::new() }
    }

    /// A bucket of which it is asked whether the key that is not there would have been in a list: then `s3:prefix` is that key, as with AWS.
    #[must_use]
    pub fn listed_for(self, key: Option<&str>) -> Self {
        Subject { listed_for: key.map(str::to_owned), ..self }
    }

    /// The prefix of the list that is asked about, if the request does not say it itself.
    pub fn prefix(&self) -> Option<&str> {
        self.listed_for.as_deref()
    }

    pub fn arn(&self) -> &str {
        &self.arn
    }

    pub fn known(&self) -> Option<&'a KnownBucket> {
        match self.whose {
            Whose::Known(known) => Some(known),
            _ => None,
        }
    }

    pub fn key(&self) -> Option<&str> {
        self.named.map(|named| named.key.as_str())
    }

    /// The id of the version that is named, however the request wrote it: so that no way of writing it slips past a policy.
    pub fn version_id(&self) -> Option<&str> {
        self.version_id.as_deref()
    }

    /// A tag of the object that is there.
    pub fn tag(&self, name: &str) -> Values<'_> {
        let of = |found: &Found| {
            let content = found.row.as_ref().and_then(ObjectRow::content);
            TagSet::of(content.into_iter().flat_map(|content| &content.tags).map(|(key, value)| (&**key, &**value)))
        };
        let found = self.found();
        found.tags.get_or_init(|| of(found)).get(name)
    }

    /// A tag of the bucket that it is, or is in.
    pub fn bucket_tag(&self, name: &str) -> Values<'_> {
        self.known().map_or(Values::Absent, |known| known.tags.get(name))
    }

    /// The account that owns it; empty: nobody's.
    pub fn owner(&self) -> &'a str {
        match self.whose {
            Whose::Account(account) | Whose::Fresh { account, .. } => account,
            Whose::Known(known) => known.account(),
        }
    }

    pub fn has_tags(&self) -> bool {
        let content = self.found().row.as_ref().and_then(ObjectRow::content);
        content.is_some_and(|content| !content.tags.is_empty())
    }

    /// Whether ACLs count, and there is no object to have one.
    pub fn is_absent(&self) -> bool {
        let acls = self.known().is_some_and(|known| known.ownership.acls_count());
        acls && self.named.is_some() && self.found().row.as_ref().and_then(ObjectRow::content).is_none()
    }

    /// Why the object's row could not be read, if it was asked for and could not.
    pub fn failure(&self) -> Option<S3Error> {
        self.found.get().and_then(|found| found.failed.clone())
    }

    /// What of the object's row decisions may have gone by; none: it was not read.
    pub fn seen(&self) -> Option<Seen> {
        let (found, known, named) = (self.found.get()?, self.known()?, self.named?);
        Some(Seen::Slots {
            bucket: known.view.row.guid,
            key: named.key.clone(),
            version: named.version,
            slots: found.row.as_ref().and_then(SeenSlots::of),
        })
    }

    /// What hangs on it but for the object itself, whose row is not read.
    pub fn whole(&self) -> Resource<'_> {
        match self.whose {
            Whose::Known(known) => Resource::Bucket(hanging_on(known)),
            _ => self.resource(),
        }
    }

    /// As policies are asked about it. The object's row is read only where ACLs count.
    pub fn resource(&self) -> Resource<'_> {
        match self.whose {
            Whose::Account(account) => Resource::Account(account),
            Whose::Fresh { account, creator } => {
                Resource::Bucket(Bucket { creator: Some(creator), ..Bucket::of(account) })
            }
            Whose::Known(known) => Resource::Bucket(self.in_bucket(known)),
        }
    }

    fn in_bucket<'s>(&'s self, known: &'s KnownBucket) -> Bucket<'s> {
        let acls = self.named.is_some() && known.ownership.acls_count();
        let found = acls.then(|| self.found());
        let acl = found.and_then(|found| found.acl.as_ref());
        let owner = acl.map_or_else(|| known.account(), |acl| acl.account.as_str());
        Bucket {
            object_owner: found.and_then(|found| found.row.as_ref()).map(|_| owner),
            object_acl: acl.map(|stored| &stored.acl),
            ..hanging_on(known)
        }
    }

    fn found(&self) -> &Found {
        self.found.get_or_init(|| self.look().unwrap_or_else(|error| Found { failed: Some(error), ..Found::default() }))
    }

    fn look(&self) -> Result<Found, S3Error> {
        let (Some(known), Some(rows), Some(named)) = (self.known(), self.rows, self.named) else {
            return Ok(Found::default());
        };
        let reader = rows.reader()?;
        let view = known.view_by(reader)?;
        let row = view.map(|view| reader.object(&view, named.key, named.version)).transpose()?.flatten();
        let slot = row.as_ref().and_then(ObjectRow::content).and_then(|content| content.acl.as_deref());
        let acl = slot.map(StoredAcl::decode).transpose()?;
        Ok(Found { row, acl, ..Found::default() })
    }
}

/// What hangs on a bucket, apart from any object.
fn hanging_on(known: &KnownBucket) -> Bucket<'_> {
    Bucket {
        creator: known.view.row.creator.as_deref(),
        policy: known.document(),
        ownership: known.ownership,
        public_access: known.public_access,
        acl: known.acl.as_ref().map(|stored| &stored.acl),
        ..Bucket::of(known.account())
    }
}
