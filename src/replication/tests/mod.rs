//! A peer with a good key and bad intentions, against a whole node: its port, its tasks, its store.

mod damage;
mod deep;
mod downgrade;
mod frames;
mod lies;
mod pairing;
mod repair;
mod revoked;
mod rogue;
mod rows;
mod session;
mod victim;
