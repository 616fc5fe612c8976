//! Two nodes in one process: two stores, real TLS on loopback, and clients that write to the stores.

mod cap;
mod client;
mod clocks;
mod conflict;
mod failover;
mod faults;
mod link;
mod node;
mod objects;
mod pairing;
mod paths;
mod repair;
mod speed;
mod sync;
mod versions;
mod world;
