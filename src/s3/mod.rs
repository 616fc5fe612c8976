//! The only room that knows S3's HTTP and XML.
//!
//! ```text
//! socket -> server -> route (pure) -> auth::authenticate -> authorize -> gate (writes) -> ops::<verb> -> storage
//! ```
//!
//! *Architecture invariants:* a handler takes `Authorized<Op>`, so none runs without authentication and a policy decision;
//! only authentication hands out a `Payload`; this room never imports `replication`.

pub mod access;
mod activity;
pub mod auth;
pub mod checksum;
mod cors;
pub mod deciding;
pub(in crate::s3) mod dispatch;
pub mod error;
mod hoisted;
pub(in crate::s3) mod md5;
pub mod operation;
pub mod ops;
pub mod payload;
pub mod query;
pub mod request;
pub mod response;
pub mod route;
pub mod server;
pub mod service;
pub mod xml;
