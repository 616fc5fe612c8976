//! Black-box tests of the server, one folder a behaviour, one binary for all.

mod replication;
mod tidy;
