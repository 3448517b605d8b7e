//! Recovery: continuing with an archive that has lost something, because the operator has said so, or because nobody has seen it.
//!
//! What can be read without a gap stays; it is an earlier state of the archive, in which coverage and crawl states are as they were then,
//! so the crawl asks again for what is missing. Change numbers after it are given again, so the archive begins a new epoch: it is part of
//! every event's id and of every cursor, and the index knows by it whether it must be rebuilt.
//!
//! The archive as it was is kept beside it, whole: also tables that nothing names any more (a manifest that was cut short forgets them),
//! which RocksDB deletes when it opens for writing. That is done by the operator's own words, and never by a start.
//!
//! What a start gives up by itself is the end of the log behind what the marker says the disk had, where no reader has seen any of it:
//! a power cut may leave a hole between writes that were not synced. Then the logs alone are kept, because nothing else is hurt.
//!
//! # Correctness
//! Once its logs are cut the archive looks whole, in the epoch whose numbers are about to be given again. So a marker is on the disk before
//! the first cut and is removed when the disk has the new epoch; opening the archive in between is refused. The marker is written after
//! the copies of the logs are on the disk, so what is cut is kept, and a retry copies nothing that was cut (idempotent).

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rocksdb::{DB, DBRecoveryMode, WriteBatch};

use crate::model::Seq;

use super::family::{EPOCHS, FILE_TOTALS, POSITION};
use super::folder::UNFINISHED;
use super::key::{EpochsKey, FileTotalsKey, PositionKey};
use super::open::{Inspection, gap, inspect, open_for_writing, read_only, shorter_than_seen, witnesses};
use super::view::View;
use super::witness::ExternalPosition;
use super::{Archive, ArchiveError, Durability, Writing, changes, files, marker, upgrade};

/// What an archive continues without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// What was found, in words.
    pub what: String,
    /// The newest change that is left.
    pub last: Seq,
    /// Where its files are kept as they were found.
    pub kept: PathBuf,
}

/// Why something is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// The operator has said so.
    Repair,
    /// Nobody has seen it: the end of the log after a power cut.
    Unseen,
}

impl Archive {
    /// Opens an archive without what it has lost; one that has lost nothing is opened as it is.
    ///
    /// # Errors
    /// When it is damaged in another way, or the disk refuses.
    pub fn open_without_lost(path: &Path, seen: Option<&ExternalPosition>) -> Result<(Self, Option<Loss>), ArchiveError> {
        match inspect(path, &witnesses(path, seen)?).and_then(|inspected| check_positions(&inspected, path)) {
            Ok(()) => Ok((Self::open_existing(path, Durability::Os, seen)?, None)),
            Err(ArchiveError::Lost { what, .. }) => {
                let (archive, loss) = Self::give_up(path, Durability::Os.into(), Reason::Repair, what)?;
                Ok((archive, Some(loss)))
            }
            Err(error) => Err(error),
        }
    }

    /// Opens an archive that was refused without the end of its log, where nobody has seen what that held. `what` was found.
    pub(super) fn open_without_unseen(
        path: &Path,
        writing: Writing,
        seen: Option<&ExternalPosition>,
        what: String,
    ) -> Result<Option<(Self, Loss)>, ArchiveError> {
        let io = |source| ArchiveError::Io { path: path.to_owned(), source };
        let begun = files::giving_up(path).map_err(io)?;
        let is_unseen = match begun {
            Some(text) => GivingUp::parse(&text).reason == Reason::Unseen,
            None => is_unseen(path, seen)?,
        };
        is_unseen.then(|| Self::give_up(path, writing, Reason::Unseen, what)).transpose()
    }

    /// Sums up all files again, and takes over the sums where others are stored. Returns whether others were.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn mend_file_totals(&self) -> Result<bool, ArchiveError> {
        let mut end = self.flush.writer();
        let sums = self.view().sum_file_totals()?;
        if end.files == sums {
            return Ok(false);
        }
        let mut batch = WriteBatch::default();
        FILE_TOTALS.put(&self.db, &mut batch, &FileTotalsKey, &sums);
        self.db.write(batch).map_err(|e| self.store(e))?;
        end.files = sums;
        drop(end);
        self.flush()?;
        Ok(true)
    }

    fn give_up(path: &Path, writing: Writing, reason: Reason, what: String) -> Result<(Self, Loss), ArchiveError> {
        let kept = cut_what_is_lost(path, reason)?;
        let archive = Self::begin_again(path, writing)?;
        unmark(path)?;
        let last = archive.last_seq();
        Ok((archive, Loss { what, last, kept }))
    }

    fn begin_again(path: &Path, writing: Writing) -> Result<Self, ArchiveError> {
        let format = read_only(path, DBRecoveryMode::PointInTime)?.format;
        let mut db = open_for_writing(path, format, DBRecoveryMode::PointInTime)?;
        upgrade::bring_to_current(&mut db, path)?;
        let last = changes::last(&db, path)?;
        let mut batch = WriteBatch::default();
        let mut epochs = upgrade::epochs(&db, path)?;
        epochs.begin(last);
        EPOCHS.put(&db, &mut batch, &EpochsKey, &epochs);
        take_back_positions(&db, path, last, &mut batch)?;
        db.write(batch).map_err(|source| ArchiveError::Store { path: path.to_owned(), source })?;
        let archive = Self::with(db, path, Some(writing))?;
        archive.flush()?;
        Ok(archive)
    }
}

/// Whether everything that anybody may have seen is there when the logs end before their damage. It is tried beside the archive, of
/// which nothing is changed.
fn is_unseen(path: &Path, seen: Option<&ExternalPosition>) -> Result<bool, ArchiveError> {
    let io = |source| ArchiveError::Io { path: path.to_owned(), source };
    // Without the marker nobody knows what the disk had.
    let Some(marker) = marker::seen(path)? else { return Ok(false) };
    let trial = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(beside(path)).map_err(io)?;
    copy_files(path, trial.path(), Which::All).map_err(io)?;
    let look = || {
        cut_logs(trial.path())?;
        drop_logs_after_a_gap(trial.path())?;
        let left = read_only(trial.path(), DBRecoveryMode::PointInTime)?;
        // An earlier history knows nothing of how far this one went.
        let current = left.is_current(&marker);
        seen.into_iter().chain([&marker]).try_for_each(|seen| left.check_seen(path, seen))?;
        check_positions(&left, path)?;
        Ok::<_, ArchiveError>(current)
    };
    // Whatever else is wrong: the first refusal says it.
    Ok(look().unwrap_or(false))
}

/// Takes from the logs what cannot be read, and marks that the archive has not begun its new epoch yet. Returns where its files are kept.
fn cut_what_is_lost(path: &Path, reason: Reason) -> Result<PathBuf, ArchiveError> {
    let io = |source| ArchiveError::Io { path: path.to_owned(), source };
    // A marker that names no such folder was cut short itself: then nothing else was cut yet.
    let earlier = files::giving_up(path).map_err(io)?.map(|text| GivingUp::parse(&text).kept);
    let kept = match earlier.filter(|name| is_kept(path, name)) {
        Some(name) => beside(path).join(name),
        None => {
            let kept = keep_files(path, reason)?;
            GivingUp::of(&kept, reason).write(path).map_err(io)?;
            kept
        }
    };
    cut_logs(path)?;
    drop_logs_after_a_gap(path)?;
    Ok(kept)
}

/// What the marker file says while something is being given up.
#[derive(Clone, Debug, PartialEq, Eq)]
struct GivingUp {
    /// The name of the folder that the archive's files are kept in.
    kept: String,
    reason: Reason,
}

impl GivingUp {
    /// The second line, where nobody had to say so.
    const UNSEEN: &str = "unseen";

    fn of(kept: &Path, reason: Reason) -> Self {
        Self { kept: kept.file_name().unwrap_or_default().to_string_lossy().into_owned(), reason }
    }

    fn parse(text: &str) -> Self {
        let (kept, rest) = text.split_once('\n').unwrap_or((text, ""));
        let reason = if rest == Self::UNSEEN { Reason::Unseen } else { Reason::Repair };
        Self { kept: kept.to_owned(), reason }
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut marker = File::create(path.join(files::GIVING_UP))?;
        marker.write_all(self.kept.as_bytes())?;
        if self.reason == Reason::Unseen {
            marker.write_all(format!("\n{}", Self::UNSEEN).as_bytes())?;
        }
        marker.sync_all()?;
        sync_folder(path)
    }
}

fn unmark(path: &Path) -> Result<(), ArchiveError> {
    let removed = fs::remove_file(path.join(files::GIVING_UP)).and_then(|()| sync_folder(path));
    removed.map_err(|source| ArchiveError::Io { path: path.to_owned(), source })
}

/// The folder that an archive is in.
fn beside(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// How the names of the folders begin in which an archive's files are kept.
fn kept_prefix(path: &Path) -> String {
    format!("{}.lost-", path.file_name().unwrap_or_default().display())
}

fn is_kept(path: &Path, name: &str) -> bool {
    name.starts_with(&kept_prefix(path)) && !name.contains('/') && beside(path).join(name).is_dir()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Keeps the archive's files in a new folder beside it; the disk has them when this returns.
fn keep_files(path: &Path, reason: Reason) -> Result<PathBuf, ArchiveError> {
    let io = |source| ArchiveError::Io { path: path.to_owned(), source };
    let parent = beside(path);
    let kept = tempfile::Builder::new().prefix(&kept_prefix(path)).tempdir_in(parent).map_err(io)?.keep();
    // As the operator names it.
    let kept = parent.join(kept.file_name().unwrap_or_default());
    let which = match reason {
        Reason::Repair => Which::All,
        Reason::Unseen => Which::Logs,
    };
    copy_files(path, &kept, which).and_then(|()| sync_folder(&kept)).and_then(|()| sync_folder(parent)).map_err(io)?;
    Ok(kept)
}

/// Which of an archive's files are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    All,
    /// The write-ahead logs alone: nothing else is changed.
    Logs,
}

/// Copies an archive's files to the disk. Tables never change, so they are linked, and take no space before RocksDB has replaced them.
fn copy_files(path: &Path, to: &Path, which: Which) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        let copy = to.join(file.file_name().unwrap_or_default());
        let name = file.file_name().unwrap_or_default().as_encoded_bytes();
        let has_extension = |wanted| file.extension().is_some_and(|extension| extension == wanted);
        // RocksDB's own notes, and no data.
        let is_note = name.starts_with(b"LOG") || name == b"LOCK";
        if is_note || (which == Which::Logs && !has_extension("log")) {
            continue;
        }
        // Not every file system has links.
        if !file.is_file() || (has_extension("sst") && fs::hard_link(&file, &copy).is_ok()) {
            continue;
        }
        fs::copy(&file, &copy).and_then(|_| File::open(&copy)?.sync_all())?;
    }
    Ok(())
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
        let inspected = read_only(path, DBRecoveryMode::PointInTime)?;
        let Some((before, after)) = gap(&inspected.db, path)? else { return Ok(()) };
        let Some(newest) = logs.pop() else {
            let why = format!("it jumps from change {before} to {after} outside of its log");
            return Err(ArchiveError::Damaged { path: path.to_owned(), why });
        };
        fs::remove_file(newest).map_err(io)?;
    }
}

/// Fails when any reader whose position is kept in the archive has seen more than is there.
fn check_positions(inspected: &Inspection, path: &Path) -> Result<(), ArchiveError> {
    let mut positions = View::over(&inspected.db, path).undamaged_positions()?.into_iter();
    positions.try_for_each(|(name, position)| shorter_than_seen(path, inspected.last, &format!("the reader `{name}`"), position))
}

/// Readers cannot have seen what is no longer there.
fn take_back_positions(db: &DB, path: &Path, last: Seq, batch: &mut WriteBatch) -> Result<(), ArchiveError> {
    for (name, position) in View::over(db, path).undamaged_positions()? {
        if position > last {
            POSITION.put(db, batch, &PositionKey(name), &last);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsString;

    use super::*;
    use crate::archive::Epoch;
    use crate::model::{Message, MessageId, MessageKey, Peer, PeerId, PeerKind, Timestamp};

    /// An archive with ten messages, of which the log alone has all but the first, and a log that is damaged in its middle.
    fn damaged(path: &Path) -> Epoch {
        let archive = Archive::open(path, Durability::Os).unwrap();
        for id in 1..=10 {
            let mut write = archive.write(Timestamp(1_706_702_400));
            let peer = PeerId(-1_001_500_000_001);
            write.peer(Peer::new(peer, PeerKind::Supergroup, "kept".to_owned()));
            let key = MessageKey::new(peer, MessageId(id));
            write.message(
                Message::new(key, Timestamp(1_706_600_000)),
                super::super::Raw { layer: 230, tl: vec![7; 60], account: None },
                0,
            );
            write.commit().unwrap();
            if id == 1 {
                archive.flush().unwrap();
            }
        }
        let epoch = archive.epoch();
        drop(archive);
        let log = files::logs(path).unwrap().pop().unwrap();
        let mut bytes = fs::read(&log).unwrap();
        // The kind of the log's first record becomes one that is never written.
        bytes[6] ^= 4;
        fs::write(&log, bytes).unwrap();
        epoch
    }

    /// Every file of a folder but RocksDB's own notes, with its content.
    fn everything(folder: &Path) -> BTreeMap<OsString, Vec<u8>> {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let data = files.filter(|file| !file.file_name().unwrap().to_string_lossy().starts_with("LO"));
        data.map(|file| (file.file_name().unwrap().to_owned(), fs::read(file).unwrap())).collect()
    }

    #[test]
    fn all_of_an_archive_is_kept_before_anything_of_it_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        damaged(&path);
        let before = everything(&path);
        assert!(before.keys().any(|name| Path::new(name).extension().is_some_and(|extension| extension == "sst")));
        let (archive, loss) = Archive::open_without_lost(&path, None).unwrap();
        // What is written and compacted from here on changes nothing that is kept.
        archive.compact().unwrap();
        drop(archive);
        assert_eq!(everything(&loss.unwrap().kept), before);
    }

    fn begins_again(path: &Path, kept: &Path, epoch: Epoch) {
        for _ in 0..2 {
            for opened in [Archive::open(path, Durability::Os), Archive::open_to_read(path, None)] {
                let refused = opened.unwrap_err();
                assert!(matches!(refused, ArchiveError::Lost { .. }), "{refused}");
                assert!(refused.to_string().contains("was interrupted; nothing was changed: restore a backup, or continue"));
            }
        }
        let log = |folder: &Path| fs::read(files::logs(folder).unwrap().pop().unwrap()).unwrap();
        let as_it_was = log(kept);
        let (archive, loss) = Archive::open_without_lost(path, None).unwrap();
        assert_eq!((loss.unwrap().kept.as_path(), log(kept)), (kept, as_it_was), "what was cut is not copied over what was kept");
        assert_ne!(archive.epoch(), epoch, "numbers are given again");
        let (epoch, last) = (archive.epoch(), archive.last_seq());
        drop(archive);
        let (archive, loss) = Archive::open_without_lost(path, None).unwrap();
        assert_eq!((archive.epoch(), archive.last_seq(), loss), (epoch, last, None), "and that is the end of it");
    }

    #[test]
    fn an_archive_whose_loss_was_accepted_half_way_is_refused_until_that_is_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        let epoch = damaged(&path);
        let kept = cut_what_is_lost(&path, Reason::Repair).unwrap();
        begins_again(&path, &kept, epoch);
    }

    #[test]
    fn an_archive_that_has_its_new_epoch_but_was_not_said_to_be_done_gets_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        damaged(&path);
        let kept = cut_what_is_lost(&path, Reason::Repair).unwrap();
        let epoch = Archive::begin_again(&path, Durability::Os.into()).unwrap().epoch();
        begins_again(&path, &kept, epoch);
    }

    #[test]
    fn what_a_start_gave_up_half_way_the_next_start_gives_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        let epoch = damaged(&path);
        let kept = cut_what_is_lost(&path, Reason::Unseen).unwrap();
        let archive = Archive::open(&path, Durability::Os).unwrap();
        assert_eq!((archive.last_seq(), kept.is_dir()), (Seq(2), true), "a peer and a message");
        assert_ne!(archive.epoch(), epoch, "numbers are given again");
        let epoch = archive.epoch();
        drop(archive);
        assert_eq!(Archive::open(&path, Durability::Os).unwrap().epoch(), epoch, "and that is the end of it");
    }

    #[test]
    fn a_marker_that_was_cut_short_has_the_logs_kept_once_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        damaged(&path);
        fs::write(path.join(files::GIVING_UP), "archive.lo").unwrap();
        let (archive, loss) = Archive::open_without_lost(&path, None).unwrap();
        assert_eq!(archive.last_seq(), Seq(2), "a peer and a message");
        assert!(!files::logs(&loss.unwrap().kept).unwrap().is_empty());
    }
}
