//! The store against its model, crashes and faults.

mod busy;
mod concurrent;
mod content;
mod crash;
mod crowd;
mod dump;
mod faults;
mod model;
mod objects;
mod points;
mod random;
mod sequences;
mod totals;
mod upgrade;
mod uploads;
mod world;
