//! Who may do what: the IAM policy language as S3 uses it, ACLs, ownership and public access, decided in one place.
//!
//! *Architecture invariant:* pure. Nothing here reads a clock, a random source, a file or a socket; everything a decision
//! needs is an argument. Documents are compiled when they are parsed, so that [`evaluate`] only compares.

pub mod acl;
pub mod action;
mod caller;
mod condition;
mod context;
mod decision;
mod document;
mod evaluate;
pub mod key;
mod kind;
mod malformed;
mod ownership;
mod parse;
mod pattern;
mod principal;
mod public;
mod scope;
mod statement;
mod steps;
mod text;
mod value;

pub use acl::{Acl, CannedAcl, Grant, Grantee, Owner, Permission};
pub use action::Action;
pub use caller::{Account, Caller, Organization, Role, Root, Service, Session, Tag, User, UserKind};
pub use context::{Context, Entries, Nothing, TagSet, Values};
pub use decision::{Decision, Reason, Source, Why};
pub use document::Document;
pub use evaluate::{
    Attached, Bucket, Match, Policies, Prepared, Request, Resource, evaluate, evaluate_within, explain, is_possible,
};
pub use kind::{Kind, Limit};
pub use malformed::Malformed;
pub use ownership::ObjectOwnership;
pub use public::PublicAccessBlock;
pub use statement::Effect;
pub use steps::Steps;
