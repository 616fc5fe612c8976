//! Tandem: an S3-compatible object server that always has an understudy. `README.md` has the room map.

pub mod admin;
pub mod audit;
pub mod aws;
pub mod bench;
pub mod cli;
pub mod clock;
pub mod config;
pub mod descriptors;
pub mod files;
pub mod identity;
pub mod node;
pub mod replication;
pub mod role;
pub mod s3;
pub mod telemetry;
pub mod terminal;
pub mod tls;
pub mod work;
