//! Whether the limit of open files is enough for what is configured, and how it stands.

use crate::config::Config;
use crate::open_files;
use crate::views::OpenFilesView;

/// Files that the program has open whatever is configured: the archive's and the index's logs and locks, the runtime, session files
/// while they are replaced, the segments of a merge. Some 60 were counted in a small program; the rest is room.
const BASE: u64 = 256;
/// Files of an account: its lock, and a connection to each of the data centres that it may speak to at once.
const PER_ACCOUNT: u64 = 8;

/// How many files may be open in a program with so many accounts.
fn needed(config: &Config, accounts: usize) -> u64 {
    // The commands' socket has its bound, too.
    let listeners = config.http.listeners.len() + config.http.metrics.len() + 1;
    let connections = (listeners as u64).saturating_mul(config.http.connections_max as u64);
    // Archive tables are not among them: they have a share of their own, as large again.
    BASE.saturating_add(connections).saturating_add(PER_ACCOUNT.saturating_mul(accounts as u64))
}

/// Warns where fewer files may be open than what is configured can take.
pub(super) fn warn_if_few(config: &Config, accounts: usize) {
    let (needed, Some(limit)) = (needed(config, accounts), open_files::limit()) else { return };
    let left = limit.saturating_sub(open_files::archive_tables_max(Some(limit)));
    if left < needed {
        tracing::warn!(
            "the limit of open files ({limit}) is small: besides the archive it leaves {left}, and what is configured may take {needed}; \
             raise it (`LimitNOFILE` of the service, `ulimit -Hn`), or lower `http.connections_max`"
        );
    }
}

/// The limit, how much of it is used, and the archive's share.
pub(super) fn view() -> Option<OpenFilesView> {
    let (limit, open) = (open_files::limit()?, open_files::count()?);
    Some(OpenFilesView { open, limit, archive_max: open_files::archive_tables_max(Some(limit)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_says_how_many_files_may_be_open() {
        let mut config = Config::default();
        config.http.listeners = Vec::new();
        config.http.metrics = Vec::new();
        config.http.connections_max = 100;
        assert_eq!(needed(&config, 2), 256 + 100 + 16);
        config.http.metrics = vec![([127, 0, 0, 1], 0).into()];
        assert_eq!(needed(&config, 0), 256 + 200);
    }
}
