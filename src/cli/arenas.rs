//! How many arenas malloc has.
//!
//! glibc gives threads arenas of their own, up to eight for each core. What a thread frees goes back to the arena that it came from, and serves the threads of other
//! arenas no more. The pages of the engine's cache go from thread to thread, so a cache of 64 MiB took several times as much memory. malloc reads
//! the limit only when a program starts. So the server starts itself again with one; it is the same process still.

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::output;

const LIMIT: &str = "MALLOC_ARENA_MAX";
/// The other way to set it.
const TUNABLES: &str = "GLIBC_TUNABLES";

/// Starts this program again with few arenas, unless somebody has chosen how many. Returns if that is done, or cannot be done.
pub fn limit() {
    let is_chosen = [LIMIT, TUNABLES].iter().any(|name| std::env::var_os(name).is_some());
    let (true, false, Ok(program)) = (cfg!(target_env = "gnu"), is_chosen, std::env::current_exe()) else { return };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    let error = again.args(arguments).env(LIMIT, arenas(cores).to_string()).exec();
    output::note(format!("tandem: malloc keeps its own number of arenas, which takes more memory: {error}"));
}

/// Enough that threads seldom wait for one another: small allocations have a cache for each thread in front.
fn arenas(cores: usize) -> usize {
    (cores / 2).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_arena_for_two_cores_and_two_at_least() {
        assert_eq!([1, 2, 4, 5, 8, 64].map(arenas), [2, 2, 2, 2, 4, 32]);
    }
}
