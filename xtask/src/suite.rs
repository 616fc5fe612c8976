use crate::clients;
use crate::run::{Failed, THREADS, cargo, run};

/// Everything, built once with both engines: unit, model, crash and black-box tests; orders of threads; then the clients.
pub fn test() -> Result<(), Failed> {
    run(&mut cargo(&["test", "--profile", "ci", "--workspace", "--features", "sled"]))?;
    run(cargo(&THREADS).arg("threads::"))?;
    clients::test(&[])
}
