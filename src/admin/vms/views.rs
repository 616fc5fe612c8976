//! `/views/`: a bucket is a view with protocol S3; a view with protocol ENDPOINT stands for every bucket there is.
//! Buckets are made and deleted through the same gate and the same changes as S3's CreateBucket and DeleteBucket.

use std::ops::ControlFlow;

use serde_json::{Value, json};
use tandem_storage::record::{BucketRow, Versioning};
use tandem_storage::types::{BucketGuid, BucketName};
use tandem_storage::{BucketView, Change, Lane, change};

use super::entity;
use super::error::VmsError;
use super::face::{Face, derived_id, time};
use super::index::Index;
use super::route::{Call, Outcome, Running, not_found};
use super::schema::{Field, Kind, Schema, Usage, both, field, neutral, read};
use super::view_rows::{self, EndpointView};
use super::viewpolicies;
use crate::clock::random_guid;
use crate::identity::{AccountId, Directory, User, account_row};
use crate::s3::access::setting;
use crate::s3::ops::delete_bucket;

pub const SCHEMA: Schema = Schema {
    name: "View",
    fields: &[
        entity::ID,
        entity::GUID,
        both("name", Kind::Text, "of a bucket: its own; of an endpoint: for people"),
        entity::TITLE,
        entity::URL,
        entity::STATE,
        entity::CREATED,
        field("path", Kind::Text, Usage::Create, "of a bucket: /BUCKET; of an endpoint: an alias of /").required(),
        read("alias", Kind::Text, "empty"),
        field("bucket", Kind::Text, Usage::Create, "the bucket's name"),
        both("bucket_owner", Kind::Text, "who made it: a user's name; none: the tenant itself").nullable(),
        both("bucket_creators", Kind::List(&Kind::Text), "of an endpoint: who is meant to make buckets"),
        field("protocols", Kind::List(&Kind::Text), Usage::Create, "S3 for a bucket, ENDPOINT for every bucket"),
        both("policy_id", Kind::Integer, "the default view policy"),
        read("policy", Kind::Text, "the default view policy's name"),
        field("tenant_id", Kind::Integer, Usage::Create, "its tenant; none: the default one").nullable(),
        entity::TENANT_NAME,
        both("s3_versioning", Kind::Flag, "whether the bucket keeps versions"),
        both("allow_s3_anonymous_access", Kind::Flag, "never: a bucket policy lets anybody in"),
        field("create_dir", Kind::Flag, Usage::Write, "a bucket is always made with its view"),
        read("directory", Kind::Flag, "always"),
        read("internal", Kind::Flag, "never"),
        read("is_remote", Kind::Flag, "whether this node is the destination of the path that covers it"),
        read("cluster", Kind::Text, "the node's name"),
        read("cluster_id", Kind::Integer, "the node's id"),
        read("locking", Kind::Flag, "whether the bucket has object lock"),
        neutral("allow_anonymous_access", Kind::Flag),
        neutral("s3_locks_retention_mode", Kind::Text),
        neutral("is_indestructible_object_enabled", Kind::Flag),
        neutral("share", Kind::Text),
        neutral("qos_policy_id", Kind::Integer),
    ],
};

/// What the path of a call names.
enum View {
    Bucket(BucketView),
    Endpoint(EndpointView),
}

fn id_of(bucket: &BucketRow) -> u64 {
    derived_id(bucket.guid.as_bytes())
}

fn show_bucket(face: &Face, index: &Index<'_>, call: &Call, bucket: &BucketRow) -> Value {
    let directory = index.directory;
    let account = bucket.owner.as_deref().map_or(Some(AccountId::DEFAULT), AccountId::parse);
    let tenant = account.and_then(|account| entity::tenant_of(directory, account));
    let name = bucket.name.as_str();
    let id = id_of(bucket);
    json!({
        "id": id,
        "guid": bucket.guid.to_string(),
        "name": name,
        "title": name,
        "url": call.url(&format!("views/{id}")),
        "state": "ACTIVE",
        "created": time(bucket.created),
        "path": format!("/{name}"),
        "alias": "",
        "bucket": name,
        "bucket_owner": creator_name(index, bucket),
        "bucket_creators": [],
        "protocols": ["S3"],
        "policy_id": viewpolicies::DEFAULT_ID,
        "policy": viewpolicies::DEFAULT_NAME,
        "tenant_id": tenant.as_ref().map(|tenant| tenant.number),
        "tenant_name": tenant.as_ref().map(|tenant| tenant.name.as_str()),
        "s3_versioning": bucket.versioning == Versioning::Enabled,
        "allow_s3_anonymous_access": false,
        "directory": true,
        "internal": false,
        "is_remote": face.writes.permit(&bucket.name).is_err(),
        "cluster": face.facts.name,
        "cluster_id": 1,
        "locking": bucket.object_lock,
    })
}

/// A bucket may have been made on another node, by a user who does not exist here.
fn creator_name(index: &Index<'_>, bucket: &BucketRow) -> Option<String> {
    let creator = bucket.creator.as_deref()?;
    index.creator(creator).map(|user| user.name.clone())
}

fn show_endpoint(face: &Face, directory: &Directory, call: &Call, view: &EndpointView) -> Value {
    let tenant = directory.account_numbered(view.tenant);
    json!({
        "id": view.number,
        "guid": face.guid("views", &view.number.to_string()),
        "name": view.name,
        "title": view.name,
        "url": call.url(&format!("views/{}", view.number)),
        "state": "ACTIVE",
        "created": time(tandem_storage::types::Timestamp::from_micros(view.created_micros)),
        "path": view.path,
        "alias": "",
        "bucket": "",
        "bucket_owner": null,
        "bucket_creators": view.bucket_creators,
        "protocols": ["ENDPOINT"],
        "policy_id": viewpolicies::DEFAULT_ID,
        "policy": viewpolicies::DEFAULT_NAME,
        "tenant_id": view.tenant,
        "tenant_name": tenant.map(|tenant| tenant.name.clone()),
        "s3_versioning": false,
        "allow_s3_anonymous_access": false,
        "directory": true,
        "internal": false,
        "is_remote": false,
        "cluster": face.facts.name,
        "cluster_id": 1,
        "locking": false,
    })
}

fn buckets(face: &Face) -> Result<Vec<BucketView>, VmsError> {
    let mut found = Vec::new();
    face.store.read()?.buckets(None, &mut |bucket| {
        found.push(bucket);
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

pub fn count(face: &Face) -> Result<usize, VmsError> {
    Ok(buckets(face)?.len() + view_rows::all(&face.store)?.len())
}

pub fn list(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    let endpoints = view_rows::all(&face.store)?;
    let endpoints = endpoints.iter().map(|view| show_endpoint(face, &directory, call, view));
    let (index, buckets) = (Index::new(&directory), buckets(face)?);
    let buckets = buckets.iter().map(|bucket| show_bucket(face, &index, call, &bucket.row));
    Ok(endpoints.chain(buckets).collect())
}

/// Ids of buckets are made from their GUIDs: two that were equal would be told apart by nothing, so neither is meant.
fn at(face: &Face, call: &Call) -> Result<View, VmsError> {
    let id = call.id()?;
    if let Some(view) = view_rows::all(&face.store)?.into_iter().find(|view| view.number == id) {
        return Ok(View::Endpoint(view));
    }
    let mut found = buckets(face)?.into_iter().filter(|bucket| id_of(&bucket.row) == id);
    match (found.next(), found.next()) {
        (Some(bucket), None) => Ok(View::Bucket(bucket)),
        (None, _) => Err(not_found()),
        (Some(_), Some(_)) => Err(VmsError::conflict("ambiguous", "two buckets have this id; use S3")),
    }
}

pub fn get(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    match at(face, call)? {
        View::Bucket(bucket) => Ok(show_bucket(face, &Index::new(&directory), call, &bucket.row)),
        View::Endpoint(view) => Ok(show_endpoint(face, &directory, call, &view)),
    }
}

pub fn create(face: Face, call: Call) -> Running {
    Box::pin(async move {
        check_policy(&call)?;
        let protocols = call.texts("protocols").unwrap_or_default();
        match protocols.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] | ["S3"] => create_bucket(&face, &call).await,
            ["ENDPOINT"] => create_endpoint(&face, &call).await,
            _ => Err(VmsError::field("protocols", "S3 or ENDPOINT is served here.")),
        }
    })
}

fn check_policy(call: &Call) -> Result<(), VmsError> {
    if call.flag("allow_s3_anonymous_access") == Some(true) {
        let message = "This is not supported here: a bucket policy lets anybody in.";
        return Err(VmsError::field("allow_s3_anonymous_access", message));
    }
    match call.integer::<u64>("policy_id")?.flatten() {
        None | Some(viewpolicies::DEFAULT_ID) => Ok(()),
        Some(other) => Err(VmsError::field("policy_id", format!("Invalid pk \"{other}\" - object does not exist."))),
    }
}

async fn create_endpoint(face: &Face, call: &Call) -> Outcome {
    let path = call.needed("path")?;
    let shaped = path.starts_with('/') && path.len() <= 1024 && !path.contains("//") && path.is_ascii();
    if !shaped || path.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(VmsError::field("path", "A path begins with / and has no empty parts."));
    }
    let name = call.text("name").filter(|name| !name.is_empty()).unwrap_or(path);
    let view = EndpointView {
        number: 0,
        name: name.chars().take(255).collect(),
        path: path.to_owned(),
        tenant: face.tenant(call)?.number,
        bucket_creators: call.texts("bucket_creators").unwrap_or_default(),
        created_micros: face.clock.now().as_micros(),
    };
    let view = view_rows::add(face, view).await?;
    Ok(show_endpoint(face, &face.directory(), call, &view))
}

/// The bucket's name: given as `bucket`, or the last part of the path. The rest of the path is an endpoint's alias.
fn bucket_name(face: &Face, call: &Call) -> Result<BucketName, VmsError> {
    let path = call.needed("path")?;
    let (above, last) = path.rsplit_once('/').ok_or_else(|| VmsError::field("path", "A path begins with /."))?;
    let known = above.is_empty() || view_rows::all(&face.store)?.iter().any(|view| view.path == above);
    if !known {
        return Err(VmsError::field(
            "path",
            "A bucket's path is /BUCKET, or /BUCKET below the path of an endpoint view.",
        ));
    }
    let name = call.text("bucket").filter(|name| !name.is_empty()).unwrap_or(last);
    if name != last {
        return Err(VmsError::field("bucket", "The path ends with the bucket's name."));
    }
    BucketName::new(name).map_err(|_| VmsError::field("bucket", "This is no name for a bucket."))
}

async fn create_bucket(face: &Face, call: &Call) -> Outcome {
    let name = bucket_name(face, call)?;
    let permit = face.writes.permit(&name)?;
    let directory = face.directory();
    let tenant = face.tenant(call)?;
    let creator = match call.text("bucket_owner").filter(|owner| !owner.is_empty()) {
        None => None,
        Some(owner) => {
            let user = directory.find::<User>(tenant.id, owner);
            let user = user.ok_or_else(|| VmsError::field("bucket_owner", format!("There is no user {owner}.")))?;
            Some(user.creator_id())
        }
    };
    let versioning = match call.flag("s3_versioning") {
        Some(true) => Versioning::Enabled,
        _ => Versioning::Unversioned,
    };
    let row = BucketRow {
        guid: BucketGuid::from_bytes(random_guid(&*face.clock)),
        name,
        created: face.clock.now(),
        location: None,
        versioning,
        object_lock: false,
        owner: Some(tenant.id.to_string()),
        creator,
    };
    // Ownership is always written down, as S3's CreateBucket does it.
    let ownership = setting::encode_ownership(face.facts.default_ownership);
    let settings = vec![(Box::from(setting::OWNERSHIP), ownership)];
    let still = vec![change::Seen::NodeRow(account_row(tenant.id))];
    let change = change::CreateBucket { permit, row: row.clone(), settings };
    commit(face, change::OnlyIf { still, change }).await?;
    Ok(show_bucket(face, &Index::new(&directory), call, &row))
}

async fn commit<C: Change>(face: &Face, change: C) -> Result<C::Output, VmsError> {
    Ok(face.store.commit(Lane::Client, face.clock.now(), change).await?.into_inner())
}

pub fn modify(face: Face, call: Call) -> Running {
    Box::pin(async move {
        check_policy(&call)?;
        let directory = face.directory();
        match at(&face, &call)? {
            View::Endpoint(view) => {
                let mut after = view.clone();
                if let Some(creators) = call.texts("bucket_creators") {
                    after.bucket_creators = creators;
                }
                if let Some(name) = call.text("name") {
                    after.name = name.chars().take(255).collect();
                }
                view_rows::replace(&face, &view, &after).await?;
                Ok(show_endpoint(&face, &directory, &call, &after))
            }
            View::Bucket(bucket) => modify_bucket(&face, &directory, &call, bucket).await,
        }
    })
}

async fn modify_bucket(face: &Face, directory: &Directory, call: &Call, bucket: BucketView) -> Outcome {
    let mut row = bucket.row;
    if call.text("name").is_some_and(|name| name != row.name.as_str()) {
        return Err(VmsError::field("name", "A bucket keeps its name."));
    }
    let owner = call.text("bucket_owner").filter(|owner| !owner.is_empty());
    if owner.is_some() && owner.map(str::to_owned) != creator_name(&Index::new(directory), &row) {
        return Err(VmsError::field("bucket_owner", "A bucket keeps its owner."));
    }
    let wanted = match (call.flag("s3_versioning"), row.versioning) {
        (Some(true), _) => Versioning::Enabled,
        (Some(false), Versioning::Enabled) => Versioning::Suspended,
        (_, as_it_is) => as_it_is,
    };
    if wanted != row.versioning {
        let permit = face.writes.permit(&row.name)?;
        if row.object_lock && wanted != Versioning::Enabled {
            return Err(VmsError::field("s3_versioning", "A bucket with object lock keeps its versions."));
        }
        commit(face, change::SetVersioning { permit, bucket: row.guid, versioning: wanted }).await?;
        row.versioning = wanted;
    }
    Ok(show_bucket(face, &Index::new(directory), call, &row))
}

/// Of a bucket: as DeleteBucket does it. Of an endpoint: the view goes, the buckets stay.
pub fn delete(face: Face, call: Call) -> Running {
    Box::pin(async move {
        match at(&face, &call)? {
            View::Endpoint(view) => view_rows::remove(&face, &view).await?,
            View::Bucket(bucket) => delete_bucket(&face, &bucket).await?,
        }
        Ok(Value::Null)
    })
}

async fn delete_bucket(face: &Face, bucket: &BucketView) -> Result<(), VmsError> {
    let permit = face.writes.permit(&bucket.row.name)?;
    Ok(delete_bucket::remove(&face.store, &face.clock, permit, bucket).await?)
}

pub const DELETE_PARAMETERS: &[Field] = &[read("force", Kind::Flag, "has no meaning here: a bucket must be empty")];
