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
pub mod delete_bucket_tagging;
pub mod delete_object;
pub mod delete_object_tagging;
pub mod delete_objects;
pub mod get_bucket_location;
pub mod get_bucket_tagging;
pub mod get_bucket_versioning;
pub mod get_object;
pub mod get_object_attributes;
pub mod get_object_tagging;
pub mod head_bucket;
pub mod head_object;
pub mod list_buckets;
pub mod list_multipart_uploads;
pub mod list_object_versions;
pub mod list_objects;
pub mod list_objects_v2;
pub mod list_parts;
pub mod put_bucket_tagging;
pub mod put_bucket_versioning;
pub mod put_object;
pub mod put_object_tagging;
pub mod upload_part;
pub mod upload_part_copy;

mod access;
mod answer;
mod argument;
mod attributes;
mod body;
mod completion;
mod condition;
mod copy;
mod copy_source;
mod cursor;
mod etag;
mod listing;
mod object_listing;
mod part_list;
mod range;
mod read;
mod slots;
mod tagging;
mod time;
mod upload;
mod version;

#[cfg(test)]
mod tests;
