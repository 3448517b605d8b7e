//! Whether there is room for more: the disk's floor of free space, and the quota.

use std::fmt;
use std::path::{Path, PathBuf};

use super::error::BlobError;

/// How much room blobs may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct BlobLimits {
    /// Bytes of the disk that stay free: a write that would leave less is refused.
    pub free_min: u64,
    /// Bytes that all blobs and incomplete downloads may take together; `None` is no limit but the disk's.
    pub bytes_max: Option<u64>,
}

/// Bytes that are free where a path is; `None` where nobody can tell.
type FreeSpace = Box<dyn Fn(&Path) -> Option<u64> + Send + Sync>;

/// The limits, and the disk that they are of.
pub(super) struct Room {
    root: PathBuf,
    limits: BlobLimits,
    free: FreeSpace,
}

impl Room {
    pub(super) fn new(root: &Path, limits: BlobLimits, free: impl Fn(&Path) -> Option<u64> + Send + Sync + 'static) -> Self {
        Self { root: root.to_owned(), limits, free: Box::new(free) }
    }

    /// Fails when so many bytes more would go below the floor, or over the quota beside those that are `used`. What other threads write at the
    /// same moment is not counted: the floor and the quota can be passed by one write of each.
    pub(super) fn check(&self, needed: u64, used: u64) -> Result<(), BlobError> {
        if let Some(quota) = self.limits.bytes_max
            && used.saturating_add(needed) > quota
        {
            return Err(BlobError::QuotaReached { used, quota, needed });
        }
        self.check_disk(needed)
    }

    /// The same without the quota, for what only moves bytes.
    pub(super) fn check_disk(&self, needed: u64) -> Result<(), BlobError> {
        let floor = self.limits.free_min;
        match (self.free)(&self.root) {
            Some(free) if free < floor.saturating_add(needed) => Err(BlobError::DiskFull { free, floor, needed }),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("root", &self.root).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Bytes that are free where a path is, for who is not root; `None` where the system does not say.
pub(super) fn free_space(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}
