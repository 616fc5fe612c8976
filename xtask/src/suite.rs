use crate::clients;
use crate::run::{Failed, cargo, run};

/// Everything, built once with both engines: unit, model, crash and black-box tests, then the clients.
pub fn test() -> Result<(), Failed> {
    run(&mut cargo(&["test", "--profile", "ci", "--workspace", "--features", "sled"]))?;
    clients::test(&[])
}
