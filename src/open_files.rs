//! Open files (file descriptors): the process's limit, how many are open, and the archive's share of them.
//!
//! Tables of the archive, sockets, session files and the index draw on one limit. Where it is reached, nothing can be opened: no log
//! for the next write, no connection, no session file. So the soft limit is raised as far as the system lets us, and the archive,
//! which alone would take more and more as it grows, is held to a share.

use std::io;

use rlimit::Resource;

/// The most tables that the archive keeps open. With 64 MiB each that is 4 TiB; an open table also holds some memory.
const ARCHIVE_TABLES_MAX: u64 = 65_536;
/// The fewest that RocksDB takes as a bound.
const ARCHIVE_TABLES_MIN: u64 = 20;

/// Raises the soft limit of open files to the hard one; returns it.
///
/// # Errors
/// When the system refuses.
pub fn raise_limit() -> io::Result<u64> {
    rlimit::increase_nofile_limit(u64::MAX)
}

/// The soft limit of open files; `None` where the system does not say.
#[must_use]
pub fn limit() -> Option<u64> {
    rlimit::getrlimit(Resource::NOFILE).ok().map(|(soft, _)| soft)
}

/// How many files this process has open, sockets included; `None` where the system does not say.
#[must_use]
pub fn count() -> Option<u64> {
    // Without the one that reads the folder.
    let open = std::fs::read_dir("/dev/fd").ok()?.count().saturating_sub(1);
    u64::try_from(open).ok()
}

/// How many tables the archive may keep open under a limit: half of it, so that as many are left for connections, sessions and the index.
/// A table that is not open is opened when it is read.
#[must_use]
pub fn archive_tables_max(limit: Option<u64>) -> u64 {
    // POSIX promises no process more than a few; Linux gives 1,024 where nobody has said anything.
    (limit.unwrap_or(1_024) / 2).clamp(ARCHIVE_TABLES_MIN, ARCHIVE_TABLES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_gets_half_of_the_limit_within_reason() {
        for (limit, tables) in [(Some(0), 20), (Some(1_024), 512), (Some(524_288), 65_536), (Some(u64::MAX), 65_536), (None, 512)]
        {
            assert_eq!(archive_tables_max(limit), tables, "{limit:?}");
        }
    }

    #[test]
    fn what_is_opened_is_counted() {
        let before = count().unwrap();
        // More than other tests close meanwhile.
        let open: Vec<_> = (0..500).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        assert!(count().unwrap() > before + 250, "{before} before {} more", open.len());
        assert!(limit().unwrap() >= count().unwrap());
    }
}
