//! How two nodes speak: HTTP/2 over mutual TLS. A message is one POST of a version byte and postcard; blobs are a POST of frames.
//!
//! *Architecture invariant:* nothing is allocated by a length that a peer declared before that length was checked, every wait
//! has a deadline, and what a sender claims to be is checked against its certificate.

mod blobs;
mod body;
mod codec;
mod link;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use blobs::{BlobStream, ReceivedBlob, encode_blob, encode_end, encode_head};
pub(crate) use codec::{WireError, decode, encode};
pub(crate) use link::{Dialer, Link, LinkError, OtherProtocol};
pub(crate) use server::{Caller, Handler, Limits, serve};

/// Where a message goes. Strangers reach [`PAIR`] only.
pub(crate) const CALL: &str = "/tandem/1/call";
pub(crate) const BLOBS: &str = "/tandem/1/blobs";
pub(crate) const PAIR: &str = "/tandem/1/pair";
/// Says in every answer, refusals too, which version the answering node speaks. Builds of version 1 do not send it.
const PROTOCOL_HEADER: &str = "tandem-protocol";
