//! What can go wrong with blobs, by what whoever meets it does next.

use std::io;
use std::path::{Path, PathBuf};

use super::hash::BlobHash;

/// An operation on blobs did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is nothing to open for reading.
    #[error("there are no files in `{}` yet: nothing was downloaded", path.display())]
    NoBlobs {
        /// The folder.
        path: PathBuf,
    },
    /// Another process has the folder.
    #[error("the files in `{}` are in use by another telescribe; stop that one first, or use its HTTP API", path.display())]
    BlobsInUse {
        /// The folder.
        path: PathBuf,
    },
    /// A newer version wrote the folder.
    #[error("the files in `{}` have format {found}, this version knows {known}; install a newer telescribe", path.display())]
    NewerFormat {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// What is in the folder's place is not ours, and is left as it is.
    #[error("`{}` {what}; nothing in it was changed: name another folder for files, or move that one away", path.display())]
    NotOurs {
        /// The folder, or what is in it.
        path: PathBuf,
        /// What it is instead, as it follows the path in a sentence.
        what: String,
    },
    /// A part of the folder is gone or unreadable.
    #[error(
        "the folder of files `{}` {what}; restore it from a backup or a mirror, or move it away to have all files downloaded again",
        path.display()
    )]
    Lost {
        /// The folder.
        path: PathBuf,
        /// What is missing, as it follows the path in a sentence.
        what: String,
    },
    /// Opened for reading only.
    #[error("the files in `{}` were opened for reading only", path.display())]
    ReadOnly {
        /// The folder.
        path: PathBuf,
    },
    /// A write would leave less of the disk free than is to stay free.
    #[error(
        "the disk has {} MiB left, and a file of {needed} bytes would go below the {} MiB that are to stay free: make room", free >> 20, floor >> 20
    )]
    DiskFull {
        /// Bytes that are free.
        free: u64,
        /// Bytes that are to stay free.
        floor: u64,
        /// Bytes that were to be written.
        needed: u64,
    },
    /// A write would go over the quota.
    #[error(
        "files take {used} bytes, and {needed} more would go over the {quota} that they may take: raise the limit, or delete some"
    )]
    QuotaReached {
        /// Bytes of all blobs, and of downloads that are not complete.
        used: u64,
        /// Bytes that they may take.
        quota: u64,
        /// Bytes that were to be written.
        needed: u64,
    },
    /// A stored blob is not what it was.
    #[error("the stored file {hash} is damaged ({why}): delete it and have it downloaded again")]
    DamagedBlob {
        /// Which.
        hash: BlobHash,
        /// What is wrong with it.
        why: String,
    },
    /// The bytes are in the mirror only, which cannot be asked at present.
    #[error("the stored file {hash} is in the mirror only, and {why}")]
    Unreachable {
        /// Which.
        hash: BlobHash,
        /// Why not, as it follows in the sentence.
        why: String,
    },
    /// Somebody holds on to the blob.
    #[error("the stored file {hash} is being used: try again later")]
    Pinned {
        /// Which.
        hash: BlobHash,
    },
    /// The same download is open already.
    #[error("the download `{key}` is under way already")]
    DownloadOpen {
        /// Its key.
        key: String,
    },
    /// A download was to be finished that lacks bytes.
    #[error("{missing} bytes of the download are missing, the first at {first}: fetch them")]
    Incomplete {
        /// How many.
        missing: u64,
        /// The offset of the first.
        first: u64,
    },
    /// A download is not as large as it was said to be.
    #[error("the download has {found} bytes where {expected} were announced: discard it and begin again")]
    WrongSize {
        /// As announced.
        expected: u64,
        /// As found; an offset behind the end where a write went there.
        found: u64,
    },
    /// A download is written in more separate pieces than are kept track of.
    #[error("the download has more than {max} separate pieces: write larger ones, or in order")]
    TooScattered {
        /// The most there may be.
        max: usize,
    },
    /// A sync of this download failed, so nobody knows what the disk has of its newest bytes.
    #[error("the disk did not take a part of the download: open it again, which tells what is missing")]
    Unsynced,
    /// Two collections at once.
    #[error("unreferenced files are being removed already: wait for that to end")]
    CollectionRunning,
    /// The system refuses.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The database refuses.
    #[error("the database of files `{}`: {source}; check free space, permissions, the limit of open files and the disk's health", path.display())]
    Store {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: rocksdb::Error,
    },
}

impl BlobError {
    /// For `map_err`: what the system said of a path.
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self + Copy + '_ {
        |source| Self::Io { path: path.to_owned(), source }
    }
}
