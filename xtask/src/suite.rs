use crate::clients;
use crate::run::{Failed, cargo, run};

/// Everything: unit, model, crash and black-box tests on redb, the store's tests on sled, then the clients.
pub fn test() -> Result<(), Failed> {
    run(&mut cargo(&["test", "--profile", "ci", "--workspace"]))?;
    run(&mut cargo(&["test", "--profile", "ci", "--package", "tandem-storage", "--features", "sled"]))?;
    clients::test(&[])
}
