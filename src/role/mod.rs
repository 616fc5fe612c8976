//! A protected path's life: roles, epochs, handovers (pure), and the gate that turns a role into permits.

pub mod gate;
pub mod machine;
