//! The scrub: reads what is stored from the medium again, and says what is damaged and what refers to it. It changes nothing; whoever runs it
//! keeps the place it has reached.

mod page;
mod reference;
mod search;
#[cfg(test)]
mod tests;

pub use page::{Damaged, Page, Verified};
pub(crate) use page::{page, verify};
pub use reference::{Reference, WAY_MAX};
pub(crate) use reference::{leads, way};
pub use search::{Referent, Search, Sighting, What};
