//! Two nodes learn each other's certificates. Each proves that it knows the shared secret (of a one-time token, or of both nodes'
//! configuration) by a MAC over both certificates and both nonces, so that a man in the middle, who has other certificates, has nothing to show.

mod exchange;
mod join;
mod proof;
#[cfg(test)]
mod tests;
mod token;

pub(crate) use exchange::Pairing;
pub(crate) use join::{JoinError, join};
pub(crate) use proof::Secret;
pub(crate) use token::{InvalidToken, Token};
