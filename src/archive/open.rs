//! Opening an archive: making one where nothing is, and refusing whatever would lose something.
//!
//! # Correctness
//! - An archive is made beside its place and moved there when it is whole (an atomic rename), so what is at its place was whole once:
//!   whatever lacks something there has lost it, and is refused before anything is written.
//! - Before an archive is opened for writing it is opened for reading only: RocksDB deletes what it does not know of when it opens for
//!   writing, and what a damaged archive lacks may be just that.
//! - Commands that only read never open for writing; one of an older format they refuse, because it must be upgraded first.
//! - RocksDB's recovery mode is the one that takes a write-ahead log whose end is torn off (a killed process) and refuses damage before it.
//!   Point-in-time recovery, its default, ends at the first damage and throws away the rest in silence.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use rocksdb::properties::{NUM_DELETES_ACTIVE_MEM_TABLE, NUM_ENTRIES_ACTIVE_MEM_TABLE};
use rocksdb::{DB, DBRecoveryMode, ErrorKind, IteratorMode, Options};

use crate::model::Seq;
use crate::{failpoints, tables};

use super::epoch::{EPOCHS_SINCE, Epochs};
use super::family::{KeyRange, LOG};
use super::flush::{Flush, Flusher};
use super::folder::UNFINISHED;
use super::gate::Gate;
use super::marker::Marker;
use super::opened::{Identity, Opened};
use super::recent_peers::RecentPeers;
use super::schema::{self, Cf, FORMAT, FORMER_RAW, Memory};
use super::view::{Order, View};
use super::witness::{ExternalPosition, Witness};
use super::{Archive, ArchiveError, Damage, Writing, changes, files, marker, upgrade};

/// The families of which a start reads everything. A damaged block of them would end the start when the archive is open for writing already.
const READ_AT_START: [Cf; 3] = [Cf::Meta, Cf::Coverage, Cf::Cursor];

/// An archive opened for reading, and what was learnt of it.
pub(super) struct Inspection {
    pub(super) db: DB,
    id: String,
    /// None before format 3.
    epochs: Option<Epochs>,
    pub(super) format: u32,
    /// Whether an upgrade to that format was interrupted.
    upgrading: bool,
    pub(super) last: Seq,
}

impl Archive {
    /// Opens the archive at a path, making it where nothing is and upgrading it when it is older.
    ///
    /// # Errors
    /// When it is damaged or has lost something (then nothing of it was changed), RocksDB cannot open it, or it was written by a
    /// newer version.
    pub fn open(path: &Path, writing: impl Into<Writing>) -> Result<Self, ArchiveError> {
        Self::open_seen(path, writing, None)
    }

    /// The same, where somebody outside has seen the archive and says how far.
    ///
    /// The end of a log that is damaged, as a power cut may leave it, is given up where nobody has seen it; a warning says so.
    ///
    /// # Errors
    /// See [`Archive::open`]; also when less is there than was seen.
    pub fn open_seen(path: &Path, writing: impl Into<Writing>, seen: Option<&ExternalPosition>) -> Result<Self, ArchiveError> {
        let io = |source| ArchiveError::Io { path: path.to_owned(), source };
        if !files::is_taken(path).map_err(io)? {
            if let Some(seen) = witnesses(path, seen)?.into_iter().find(|seen| seen.position > Seq(0)) {
                return Err(ArchiveError::Gone { path: path.to_owned(), by: seen.by, position: seen.position });
            }
            make(path)?;
        }
        let writing = writing.into();
        match Self::open_existing(path, writing, seen) {
            Err(ArchiveError::Lost { missing, what, .. }) => {
                let Some((archive, loss)) = Self::open_without_unseen(path, writing, seen, what.clone())? else {
                    return Err(ArchiveError::Lost { path: path.to_owned(), missing, what });
                };
                tracing::warn!(
                    "the archive {what}; nobody has seen that, as after a power cut: it continues from change {} in the new epoch {}, and \
                     Telegram is asked again; the log as it was is kept in `{}`",
                    loss.last,
                    archive.epoch(),
                    loss.kept.display()
                );
                Ok(archive)
            }
            opened => opened,
        }
    }

    /// The same, but never makes one.
    ///
    /// # Errors
    /// See [`Archive::open_seen`]; also when there is none.
    pub fn open_existing(
        path: &Path,
        writing: impl Into<Writing>,
        seen: Option<&ExternalPosition>,
    ) -> Result<Self, ArchiveError> {
        let Inspection { db, format, .. } = inspect(path, &witnesses(path, seen)?)?;
        drop(db);
        let mut db = open_for_writing(path, format, DBRecoveryMode::TolerateCorruptedTailRecords)?;
        upgrade::bring_to_current(&mut db, path)?;
        Self::with(db, path, Some(writing.into()))
    }

    /// Opens the archive at a path for reading: nothing in its folder is written.
    ///
    /// # Errors
    /// See [`Archive::open_existing`]; also when it is of an older format.
    pub fn open_to_read(path: &Path, seen: Option<&ExternalPosition>) -> Result<Self, ArchiveError> {
        Self::inspected(path, &witnesses(path, seen)?)
    }

    /// The same, where the caller finds out what was seen of it and is not there: see [`seen_by_marker`](super::seen_by_marker).
    ///
    /// # Errors
    /// See [`Archive::open_to_read`].
    pub fn open_to_verify(path: &Path) -> Result<Self, ArchiveError> {
        Self::inspected(path, &[])
    }

    fn inspected(path: &Path, seen: &[ExternalPosition]) -> Result<Self, ArchiveError> {
        let Inspection { db, format, upgrading, .. } = inspect(path, seen)?;
        if format < FORMAT || upgrading {
            return Err(ArchiveError::Older { path: path.to_owned(), found: format, known: FORMAT });
        }
        Self::with(db, path, None)
    }

    /// An open database as an archive. One that is written to has a thread that flushes it, and a marker.
    pub(super) fn with(db: DB, path: &Path, writing: Option<Writing>) -> Result<Self, ArchiveError> {
        let end = changes::end(&db, path)?;
        let identity = Identity { id: upgrade::id(&db, path)?, epochs: upgrade::epochs(&db, path)? };
        let gate = Gate::of(&View::over(&db, path).erasures()?);
        let mut marker = Marker::of(path, &identity);
        let opened =
            Opened { db: Arc::new(db), path: path.into(), identity: Arc::new(identity), damage: Arc::new(Damage::default()) };
        let Opened { db, path, identity, damage } = opened.clone();
        let Writing { durability, free_min } = writing.unwrap_or_default();
        let flush = Arc::new(Flush::new(opened, end, free_min));
        let flusher = match writing {
            None => None,
            Some(_) => {
                marker.note(end.last(), end.at);
                // Before anything is asked for that could not be kept.
                flush.look();
                let io = |source| ArchiveError::Io { path: path.to_path_buf(), source };
                Some(Flusher::start(&flush, marker).map_err(io)?)
            }
        };
        Ok(Self {
            db,
            path,
            identity,
            damage,
            durability,
            recent_peers: RecentPeers::new(),
            gate,
            crawled_generation: Default::default(),
            followed_generation: Default::default(),
            flush,
            flusher,
        })
    }

    /// Fails when any reader whose position is kept in the archive has seen more than is there.
    ///
    /// # Errors
    /// Also when the disk refuses.
    pub fn check_positions(&self) -> Result<(), ArchiveError> {
        let mut positions = self.view().undamaged_positions()?.into_iter();
        positions.try_for_each(|(name, position)| {
            shorter_than_seen(&self.path, self.last_seq(), &format!("the reader `{name}`"), position)
        })
    }
}

/// Who has seen the archive at a path: its marker, and somebody who says so himself.
pub(super) fn witnesses(path: &Path, seen: Option<&ExternalPosition>) -> Result<Vec<ExternalPosition>, ArchiveError> {
    Ok(marker::seen(path)?.into_iter().chain(seen.cloned()).collect())
}

/// Makes a new archive beside its place and moves it there when it is whole.
fn make(path: &Path) -> Result<(), ArchiveError> {
    let io = |source| ArchiveError::Io { path: path.to_owned(), source };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(io)?;
    // A name of its own each time, so that nothing is ever cleared away for it.
    let beside = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(parent).map_err(io)?;
    let made = beside.path().join("archive");
    let memory = Memory::new();
    let mut options = schema::db_options(&memory);
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_error_if_exists(true);
    let store = |source| ArchiveError::Store { path: path.to_owned(), source };
    let db = DB::open_cf_descriptors(&options, &made, schema::descriptors(&memory)).map_err(store)?;
    upgrade::mark_new(&db, path)?;
    db.flush_cf(schema::handle(&db, Cf::Meta)).map_err(store)?;
    drop(db);
    File::open(&made).and_then(|folder| folder.sync_all()).map_err(io)?;
    failpoints::hit("archive-make").map_err(io)?;
    fs::rename(&made, path).and_then(|()| File::open(parent)?.sync_all()).map_err(io)?;
    failpoints::pass("archive-made");
    Ok(())
}

/// Opens for writing. Where the log holds something, RocksDB writes it to tables now, and tells its manifest of one family after another: cut
/// short there, it would name some of them and not the others. So it is opened a second time then, for a manifest that begins with all of them.
pub(super) fn open_for_writing(path: &Path, format: u32, recovery: DBRecoveryMode) -> Result<DB, ArchiveError> {
    let io = |source| ArchiveError::Io { path: path.to_owned(), source };
    let lengths = files::logs(path).and_then(|logs| logs.iter().map(|log| Ok(log.metadata()?.len())).collect());
    let lengths: Vec<u64> = lengths.map_err(io)?;
    let db = open_once_for_writing(path, format, recovery)?;
    if lengths.iter().all(|length| *length == 0) {
        return Ok(db);
    }
    drop(db);
    open_once_for_writing(path, format, recovery)
}

fn open_once_for_writing(path: &Path, format: u32, recovery: DBRecoveryMode) -> Result<DB, ArchiveError> {
    let memory = Memory::new();
    let mut options = schema::db_options(&memory);
    options.set_wal_recovery_mode(recovery);
    let mut families = DB::list_cf(&options, path).map_err(|e| refused(path, e))?;
    // Families that came with later formats.
    options.create_missing_column_families(format < FORMAT);
    if format < FORMAT {
        let known = Cf::ALL.iter().map(|cf| cf.name().to_owned());
        families = known.chain(families.into_iter().filter(|name| Cf::ALL.iter().all(|cf| cf.name() != name))).collect();
    }
    let db = DB::open_cf_descriptors(&options, path, schema::descriptors_of(&families, &memory)).map_err(|e| refused(path, e))?;
    schema::bound_dictionary_buffers(&db).map_err(|source| ArchiveError::Store { path: path.to_owned(), source })?;
    Ok(db)
}

/// Looks at an archive without writing anything, and says no to one that has lost something.
pub(super) fn inspect(path: &Path, seen: &[ExternalPosition]) -> Result<Inspection, ArchiveError> {
    let io = |source| ArchiveError::Io { path: path.to_owned(), source };
    let damaged = |why| ArchiveError::Damaged { path: path.to_owned(), why };
    if !files::is_taken(path).map_err(io)? {
        return Err(ArchiveError::Missing { path: path.to_owned() });
    }
    if let Some(why) = files::missing(path).map_err(io)? {
        return Err(damaged(why));
    }
    if files::giving_up(path).map_err(io)?.is_some() {
        let what = "has lost changes, and `telescribe repair` was interrupted";
        return Err(lost(path, None, what.to_owned()));
    }
    for log in files::logs(path).map_err(io)? {
        if let Some(at) = files::foreign_record(&log).map_err(io)? {
            let log = log.file_name().unwrap_or_default().display().to_string();
            return Err(lost(path, None, format!("has a damaged log (`{log}` from byte {at} on): what follows is missing")));
        }
    }
    let inspected = match read_only(path, DBRecoveryMode::TolerateCorruptedTailRecords) {
        Err(error) => return Err(damage_of_the_log(path, seen).unwrap_or(error)),
        Ok(inspected) => inspected,
    };
    if let Some((before, after)) = gap(&inspected.db, path)? {
        let missing = after.0.saturating_sub(before.0).saturating_sub(1);
        return Err(lost(path, Some(missing), format!("jumps from change {before} to {after}: {missing} changes are missing")));
    }
    seen.iter().try_for_each(|seen| inspected.check_seen(path, seen))?;
    READ_AT_START.iter().try_for_each(|cf| whole_blocks(&inspected.db, *cf)).map_err(|error| refused(path, error))?;
    Ok(inspected)
}

/// Fails when a block of a family is damaged.
fn whole_blocks(db: &DB, cf: Cf) -> Result<(), rocksdb::Error> {
    db.iterator_cf(schema::handle(db, cf), IteratorMode::Start).try_for_each(|row| row.map(drop))
}

/// Opens for reading, however much of the log it takes.
pub(super) fn read_only(path: &Path, recovery: DBRecoveryMode) -> Result<Inspection, ArchiveError> {
    let there = DB::list_cf(&Options::default(), path).map_err(|e| refused(path, e))?;
    let damaged = |why: String| ArchiveError::Damaged { path: path.to_owned(), why };
    let absent: Vec<Cf> = Cf::ALL.into_iter().filter(|cf| there.iter().all(|name| name != cf.name())).collect();
    let missing = |name: &str| damaged(format!("its column family `{name}` is missing"));
    if let Some(cf) = absent.iter().find(|cf| cf.since() == 1) {
        return Err(missing(cf.name()));
    }
    let memory = Memory::new();
    let mut options = schema::db_options(&memory);
    options.set_wal_recovery_mode(recovery);
    let families = schema::descriptors_of(&there, &memory);
    let db = DB::open_cf_descriptors_read_only(&options, path, families, false).map_err(|e| refused(path, e))?;
    if let Some(why) = tables::missing(&db).map_err(|source| ArchiveError::Io { path: path.to_owned(), source })? {
        return Err(damaged(why));
    }
    let format = upgrade::format(&db, path)?.ok_or_else(|| damaged("its format number is missing".to_owned()))?;
    if let Some(cf) = absent.iter().find(|cf| cf.since() <= format) {
        return Err(missing(cf.name()));
    }
    if format < FORMAT && there.iter().all(|name| name != FORMER_RAW) {
        return Err(missing(FORMER_RAW));
    }
    let (id, upgrading, last) = (upgrade::id(&db, path)?, upgrade::is_under_way(&db, path)?, changes::last(&db, path)?);
    let epochs = if format < EPOCHS_SINCE { None } else { Some(upgrade::epochs(&db, path)?) };
    Ok(Inspection { db, id, epochs, format, upgrading, last })
}

impl Inspection {
    /// Whether what somebody has seen was the history that goes on here.
    pub(super) fn is_current(&self, seen: &ExternalPosition) -> bool {
        self.id == seen.archive && self.epochs.as_ref().map(Epochs::current) == seen.epoch
    }

    /// Fails when somebody outside has seen more of it than is there.
    pub(super) fn check_seen(&self, path: &Path, seen: &ExternalPosition) -> Result<(), ArchiveError> {
        if self.id != seen.archive {
            return match seen.by {
                Witness::Marker => Err(ArchiveError::Another { path: path.to_owned() }),
                Witness::Index => Ok(()),
            };
        }
        let of_epoch = |epoch| self.epochs.as_ref().and_then(|epochs| epochs.common_with(epoch));
        match seen.epoch.map(of_epoch) {
            // The archive has begun a new epoch since: what is behind its beginning is known to be gone.
            Some(Some(common)) if seen.position > common => Ok(()),
            Some(None) => {
                let what = format!("is an earlier state of itself: {} has seen an epoch that it does not know", seen.by);
                Err(lost(path, None, what))
            }
            _ => shorter_than_seen(path, self.last, &seen.by.to_string(), seen.position),
        }
    }
}

/// What an archive that RocksDB refuses has lost, where its log is what is damaged.
fn damage_of_the_log(path: &Path, seen: &[ExternalPosition]) -> Option<ArchiveError> {
    let kept = read_only(path, DBRecoveryMode::PointInTime).ok()?;
    let behind = read_only(path, DBRecoveryMode::SkipAnyCorruptedRecord).map_or(kept.last, |all| all.last);
    let seen = seen.iter().filter(|seen| seen.archive == kept.id).map(|seen| seen.position).max().unwrap_or_default();
    let missing = behind.max(seen).0.saturating_sub(kept.last.0);
    let (missing, follows) = match missing {
        // The newest write is damaged and nobody has seen it, as a power cut can leave it.
        0 => (None, "what follows, perhaps only the newest write, is missing".to_owned()),
        _ => (Some(missing), format!("at least {missing} changes are missing")),
    };
    let what = format!("has a damaged log: it can be read up to change {}, and {follows}", kept.last);
    Some(lost(path, missing, what))
}

/// The numbers before and after a jump in what the log has brought, as a log that is missing or was cut short leaves it, and tables
/// that the manifest has forgotten.
pub(super) fn gap(db: &DB, path: &Path) -> Result<Option<(Seq, Seq)>, ArchiveError> {
    let store = |source| ArchiveError::Store { path: path.to_owned(), source };
    let cf = schema::handle(db, Cf::Change);
    let count = |name| db.property_int_value_cf(cf, name).map(Option::unwrap_or_default).map_err(store);
    let from_log = count(NUM_ENTRIES_ACTIVE_MEM_TABLE)?.saturating_sub(count(NUM_DELETES_ACTIVE_MEM_TABLE)?);
    let mut newer: Option<Seq> = None;
    let mut left = from_log.saturating_add(1);
    for row in View::over(db, path).lenient(&LOG, KeyRange::all(), Order::NewestFirst) {
        if left == 0 {
            return Ok(None);
        }
        left -= 1;
        let row = row?;
        // A key that is none, or a number that so few writes cannot have reached: no loss, but damage, which `verify` tells of.
        let Some(last) = row.key().ok().filter(|last| last.0 <= db.latest_sequence_number()) else { return Ok(None) };
        if let Some(after) = newer.filter(|after| last.next() != *after) {
            return Ok(Some((last, after)));
        }
        // How far back a damaged entry goes nobody knows.
        let Ok(entry) = row.value(&last) else { return Ok(None) };
        newer = Some(entry.first());
    }
    // All were looked at: numbers begin with 1.
    Ok(newer.filter(|first| *first > Seq(1)).map(|first| (Seq(0), first)))
}

pub(super) fn shorter_than_seen(path: &Path, last: Seq, by: &str, position: Seq) -> Result<(), ArchiveError> {
    let missing = position.0.saturating_sub(last.0);
    if missing == 0 {
        return Ok(());
    }
    let what = format!("ends at change {last}, but {by} has seen change {position}: {missing} changes are missing");
    Err(lost(path, Some(missing), what))
}

fn lost(path: &Path, missing: Option<u64>, what: String) -> ArchiveError {
    ArchiveError::Lost { path: path.to_owned(), missing, what }
}

/// What RocksDB's refusal means: damage, or a system that says no.
fn refused(path: &Path, source: rocksdb::Error) -> ArchiveError {
    let text = source.as_ref();
    let of_the_system = ["Permission denied", "Too many open files", "No space left"];
    let gone = text.contains("No such file or directory");
    let damage = match source.kind() {
        ErrorKind::Corruption | ErrorKind::InvalidArgument | ErrorKind::NotFound => true,
        ErrorKind::IOError => gone,
        _ => false,
    };
    if damage && !of_the_system.iter().any(|why| text.contains(why)) {
        return ArchiveError::Damaged { path: path.to_owned(), why: text.to_owned() };
    }
    ArchiveError::Store { path: path.to_owned(), source }
}
