//! What makes replication happen: one task for each protected path, which alone owns its state; one for each peer, which says hello.
//! Both only ever wait for the peer, never a client for them.

mod account;
mod actor;
mod handle;
mod hello;
mod hub;
mod jobs;
mod keep;
mod mail;
mod serve;
mod shipping;
mod steps;
#[cfg(test)]
mod tests;

pub(crate) use handle::{PathHandle, Published};
pub(crate) use hub::{Hub, HubParts};
pub(crate) use mail::{Mail, Order};
pub(crate) use serve::Answers;
