//! Two nodes in one process: two stores, real TLS on loopback, and clients that write to the stores.

mod failover;
mod faults;
mod pairing;
mod sync;
mod world;
