//! How many files and sockets the process may have open, and who gets how many of them. A client that takes what S3 may
//! have leaves the store, the operators and the peers theirs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The store's own: journal, tables, the files that it reads and writes for itself. And listeners, logs, the runtime.
const BASE: usize = 128;
/// What the admin and the replication port have at most.
const ADMIN_MAX: usize = 256;
const REPLICATION_MAX: usize = 328;
/// Ports never get less than this, however low the limit is.
const LEAST: usize = 8;

/// Raises the soft limit to the hard one, and tells the limit in force.
pub fn raise() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // What a kernel without this right says is found by the next look.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
    limit()
}

/// The limit in force; without one, as many as a number can say.
pub fn limit() -> usize {
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Who gets how many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    pub s3: usize,
    pub admin: usize,
    pub replication: usize,
}

impl Shares {
    pub fn of(limit: usize) -> Self {
        let (admin, replication) = ((limit / 8).clamp(LEAST, ADMIN_MAX), (limit / 8).clamp(LEAST, REPLICATION_MAX));
        let rest = limit.saturating_sub(BASE + admin + replication);
        // A request has a socket, and a file that it reads or writes.
        Shares { s3: (rest / 2).max(LEAST), admin, replication }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_have_together_is_below_the_limit() {
        for limit in [192, 256, 512, 1024, 4096, 65_536, 524_288] {
            let Shares { s3, admin, replication } = Shares::of(limit);
            assert!(BASE + 2 * s3 + admin + replication <= limit, "{limit}");
            assert!(s3 >= LEAST && admin >= LEAST && replication >= LEAST, "{limit}");
        }
        assert_eq!(Shares::of(65_536), Shares { s3: 32_412, admin: 256, replication: 328 });
        assert_eq!(Shares::of(256), Shares { s3: 32, admin: 32, replication: 32 });
        assert_eq!(Shares::of(1), Shares { s3: 8, admin: 8, replication: 8 });
        assert!(Shares::of(usize::MAX).s3 > 1 << 40);
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let raised = raise();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
        assert_eq!(raised, limit());
    }
}
