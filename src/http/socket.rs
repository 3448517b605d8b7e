//! Sockets in folders with long names: a socket's address holds 107 bytes, a path many more.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

/// Bytes of a path that fit into a socket's address (`sun_path`), its closing zero not counted.
const ADDRESS_MAX: usize = 107;

/// Binds or connects by a name of a socket that is short enough: the path itself or, where that is too long, the folder as the
/// kernel's `/proc` names it for this process.
pub(crate) fn reachable<T>(path: &Path, reach: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().len() <= ADDRESS_MAX {
        return reach(path);
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = File::open(path.parent().unwrap_or(Path::new(".")))?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
    reach(&short)
}
