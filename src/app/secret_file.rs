//! Files that hold a secret: read only where nobody but their owner can.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use zeroize::Zeroizing;

/// Bytes of such a file at most: session tokens have a few KiB.
const FILE_MAX: u64 = 64 << 10;

/// What is in a file that holds a secret; the configuration names it with `key`.
pub(super) fn read_secret_file(key: &str, path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let shown = path.display();
    let place = || format!("`{key}` `{shown}`");
    let file = File::open(path).with_context(place)?;
    let mode = file.metadata().with_context(place)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        anyhow::bail!("{} can be read by others (mode {mode:o}); run `chmod 600 {shown}`", place());
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_MAX).read_to_string(&mut text).with_context(place)?;
    Ok(text)
}
