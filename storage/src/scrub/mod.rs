//! The scrub: reads what is stored from the medium again, and says what is damaged and what refers to it. It changes nothing; whoever runs it
//! keeps the place it has reached.

mod page;
mod search;
#[cfg(test)]
mod tests;

pub(crate) use page::page;
pub use page::{Damaged, Page};
pub use search::{Referent, Search, What};
