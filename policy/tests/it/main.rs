//! The engine from outside: tables of what AWS documents, and two other evaluators asked the same questions.

mod bounds;
mod callers;
mod case;
mod decisions;
mod differential;
mod generate;
mod keys;
mod not_principal;
mod operators;
mod parse;
mod possible;
mod public;
mod random;
mod reference;
mod third_party;
mod validation;
