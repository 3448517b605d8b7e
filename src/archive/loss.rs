//! Going on with an archive that has lost something, because the operator has said so.
//!
//! What can be read without a gap stays; it is an earlier state of the archive, in which coverage and cursors are as they were then,
//! so the crawl asks again for what is missing. Change numbers after it are given again, so the archive gets a new id: the id is part
//! of every event's deduplication key, and the index knows by it that it must be rebuilt.
//!
//! The log that is damaged is kept beside the archive. Nothing here is called by a start: only by the operator's own words.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rocksdb::{DB, DBRecoveryMode, Direction, IteratorMode, WriteBatch};

use crate::model::Seq;

use super::open::{Look, Seen, gap, look, open_for_writing, read_only, shorter_than_seen};
use super::schema::{self, Cf};
use super::{Archive, ArchiveError, Durability, changes, files, key, upgrade};

/// What an archive goes on without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// What was found, in words.
    pub what: String,
    /// The newest change that is left.
    pub last: Seq,
    /// Where the log as it was found is kept.
    pub kept: PathBuf,
}

impl Archive {
    /// Opens an archive without what it has lost; one that has lost nothing is opened as it is.
    ///
    /// # Errors
    /// When it is damaged in another way, or the disk refuses.
    pub fn open_without_lost(path: &Path, seen: Option<&Seen>) -> Result<(Self, Option<Loss>), ArchiveError> {
        match look(path, seen).and_then(|look| check_positions(&look, path)) {
            Ok(()) => Ok((Self::open_existing(path, Durability::Os, seen)?, None)),
            Err(ArchiveError::Lost { what, .. }) => {
                let kept = keep_logs(path)?;
                cut_logs(path)?;
                drop_logs_after_a_gap(path)?;
                let archive = Self::begin_again(path)?;
                let last = archive.last_seq();
                Ok((archive, Some(Loss { what, last, kept })))
            }
            Err(error) => Err(error),
        }
    }

    fn begin_again(path: &Path) -> Result<Self, ArchiveError> {
        let older = read_only(path, DBRecoveryMode::PointInTime)?.older();
        let db = open_for_writing(path, older, DBRecoveryMode::PointInTime)?;
        upgrade::bring_to_current(&db, path)?;
        let last = changes::last(&db, path)?;
        let mut batch = WriteBatch::default();
        let id = upgrade::renew_id(&db, &mut batch);
        take_back_positions(&db, path, last, &mut batch)?;
        db.write(batch).map_err(|source| ArchiveError::Store { path: path.to_owned(), source })?;
        let archive = Self::with(db, path, Durability::Os, id)?;
        archive.flush()?;
        Ok(archive)
    }
}

/// Copies the logs into a new folder beside the archive.
fn keep_logs(path: &Path) -> Result<PathBuf, ArchiveError> {
    let io = |source| ArchiveError::Io { path: path.to_owned(), source };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = format!("{}.lost-", path.file_name().unwrap_or_default().display());
    let kept = tempfile::Builder::new().prefix(&name).tempdir_in(parent).map_err(io)?.keep();
    // As the operator names it.
    let kept = parent.join(kept.file_name().unwrap_or_default());
    for log in files::logs(path).map_err(io)? {
        fs::copy(&log, kept.join(log.file_name().unwrap_or_default())).map_err(io)?;
    }
    Ok(kept)
}

/// Ends each log before what RocksDB would not get past.
fn cut_logs(path: &Path) -> Result<(), ArchiveError> {
    let io = |source| ArchiveError::Io { path: path.to_owned(), source };
    for log in files::logs(path).map_err(io)? {
        if let Some(at) = files::foreign_record(&log).map_err(io)? {
            File::options().write(true).open(&log).and_then(|file| file.set_len(at)).map_err(io)?;
        }
    }
    Ok(())
}

/// Takes the newest logs away until what is left has no gap.
fn drop_logs_after_a_gap(path: &Path) -> Result<(), ArchiveError> {
    let io = |source| ArchiveError::Io { path: path.to_owned(), source };
    let mut logs = files::logs(path).map_err(io)?;
    loop {
        let look = read_only(path, DBRecoveryMode::PointInTime)?;
        let Some((before, after)) = gap(&look.db, path)? else { return Ok(()) };
        let Some(newest) = logs.pop() else {
            let why = format!("it jumps from change {before} to {after} outside of its log");
            return Err(ArchiveError::Damaged { path: path.to_owned(), why });
        };
        fs::remove_file(newest).map_err(io)?;
    }
}

/// Fails when any reader whose position is kept in the archive has seen more than is there.
fn check_positions(look: &Look, path: &Path) -> Result<(), ArchiveError> {
    let mut positions = positions(&look.db, path)?.into_iter();
    positions.try_for_each(|(name, position)| {
        shorter_than_seen(path, look.last, &format!("the reader `{}`", String::from_utf8_lossy(&name)), position)
    })
}

/// Readers cannot have seen what is no longer there.
fn take_back_positions(db: &DB, path: &Path, last: Seq, batch: &mut WriteBatch) -> Result<(), ArchiveError> {
    for (name, position) in positions(db, path)? {
        if position > last {
            batch.put_cf(schema::handle(db, Cf::Meta), [changes::position_key("").as_bytes(), &name].concat(), key::seq(last));
        }
    }
    Ok(())
}

/// Every reader's position that can be read, by its name.
fn positions(db: &DB, path: &Path) -> Result<Vec<(Vec<u8>, Seq)>, ArchiveError> {
    let prefix = changes::position_key("");
    let mut found = Vec::new();
    for entry in db.iterator_cf(schema::handle(db, Cf::Meta), IteratorMode::From(prefix.as_bytes(), Direction::Forward)) {
        let (name, position) = entry.map_err(|source| ArchiveError::Store { path: path.to_owned(), source })?;
        let Some(name) = name.strip_prefix(prefix.as_bytes()) else { break };
        found.extend(key::read_seq(&position).ok().map(|position| (name.to_vec(), position)));
    }
    Ok(found)
}
