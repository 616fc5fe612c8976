//! A peer with a good key and bad intentions, against a whole node: its port, its tasks, its store. And two nodes with good intentions, one of
//! which makes a mistake.

mod account;
mod damage;
mod deep;
mod downgrade;
mod frames;
mod lies;
mod mutants;
mod pair;
mod pairing;
mod repair;
mod revoked;
mod rogue;
mod rows;
mod session;
mod victim;
