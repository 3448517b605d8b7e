//! Where a command saves a file that its user has named.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::ensure;

use super::output::one_line;

/// The place that a path names: with `force` what a link leads to, which is meant to be overwritten, and not the link.
///
/// # Errors
/// When it is a folder, or a pipe or a device, which a file would replace.
pub(super) fn place_of(path: &Path, force: bool) -> anyhow::Result<PathBuf> {
    let shown = one_line(&path.to_string_lossy());
    if let Ok(there) = fs::metadata(path) {
        ensure!(!there.is_dir(), "`{shown}` is a folder; name a file");
        ensure!(there.is_file(), "`{shown}` is a pipe or a device, and is not written to; name a file with --out");
    }
    Ok(if force { fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()) } else { path.to_owned() })
}
