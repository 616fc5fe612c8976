//! Handlers, one file a verb. Each takes [`Authorized`](super::request::Authorized) of its own operation, so none runs unasked.
//!
//! *Architecture invariants:* a handler holds no [`Reader`](tandem_storage::Reader) while it waits; a body is verified to its
//! end before its change is committed; an answer is given only after the commit is durable.

pub mod abort_multipart_upload;
pub mod complete_multipart_upload;
pub mod copy_object;
pub mod create_bucket;
pub mod create_multipart_upload;
pub mod delete_bucket;
pub mod delete_bucket_ownership_controls;
pub mod delete_bucket_policy;
pub mod delete_bucket_tagging;
pub mod delete_object;
pub mod delete_object_tagging;
pub mod delete_objects;
pub mod delete_public_access_block;
pub mod get_bucket_acl;
pub mod get_bucket_location;
pub mod get_bucket_ownership_controls;
pub mod get_bucket_policy;
pub mod get_bucket_policy_status;
pub mod get_bucket_tagging;
pub mod get_bucket_versioning;
pub mod get_object;
pub mod get_object_acl;
pub mod get_object_attributes;
pub mod get_object_tagging;
pub mod get_public_access_block;
pub mod head_bucket;
pub mod head_object;
pub mod list_buckets;
pub mod list_multipart_uploads;
pub mod list_object_versions;
pub mod list_objects;
pub mod list_objects_v2;
pub mod list_parts;
pub mod put_bucket_acl;
pub mod put_bucket_ownership_controls;
pub mod put_bucket_policy;
pub mod put_bucket_tagging;
pub mod put_bucket_versioning;
pub mod put_object;
pub mod put_object_acl;
pub mod put_object_tagging;
pub mod put_public_access_block;
pub mod unset;
pub mod upload_part;
pub mod upload_part_copy;

mod access;
mod acl;
mod answer;
mod argument;
mod attributes;
mod body;
mod completion;
mod condition;
mod copy;
mod copy_source;
mod cursor;
pub(in crate::s3) mod documents;
mod etag;
mod listing;
mod object_listing;
mod part_list;
mod public_access_block;
mod range;
mod read;
mod slots;
mod tagging;
mod time;
mod upload;
mod version;

#[cfg(test)]
mod tests;
