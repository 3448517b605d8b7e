//! The format's number on disk, and the migrations from older formats to this one, run in order.
//!
//! A step may be too large for one write. Then the number is raised first, together with a mark that the step is under way, so that no
//! older program opens what is half done, and whoever opens it next goes on where it was interrupted (idempotent); the mark goes when
//! it is done.
//!
//! What is here, and `loss`, writes without [`Write`](super::Write): there is no [`Archive`](super::Archive) yet that it could be of, and so
//! no reader and no second writer. Keys and values are of the same families all the same.

mod by_account;
mod merge_raw;

use std::path::Path;

use rocksdb::{DB, WriteBatch};

use super::ArchiveError;
use super::codec::RecordError;
use super::epoch::Epochs;
use super::family::{ARCHIVE_ID, EPOCHS, FORMAT_NUMBER, UPGRADE};
use super::key::{ArchiveIdKey, EpochsKey, FormatKey, UpgradeKey};
use super::schema::FORMAT;
use super::view::View;

/// One step, which turns format `from` into `from + 1`.
struct Step {
    from: u32,
    /// What becomes true at once, with the new number.
    begin: fn(&DB, &mut WriteBatch),
    /// What is left to do then, in as many writes as it takes.
    go_on: fn(&mut DB, &Path) -> Result<(), ArchiveError>,
}

/// The steps, oldest first.
const STEPS: [Step; 5] = [
    // Memberships, counters and topics came, in column families of their own. What an older archive could not know is learnt
    // from the next dialogs and pages; only an older program must not open what holds them.
    Step { from: 1, begin: |_, _| {}, go_on: |_, _| Ok(()) },
    // Epochs came, and Telegram's bytes moved into the message's own value.
    Step { from: 2, begin: |db, batch| EPOCHS.put(db, batch, &EpochsKey, &Epochs::first()), go_on: merge_raw::merge_raw },
    // Outside channels keys name the account whose ids they are.
    Step { from: 3, begin: |_, _| {}, go_on: by_account::name_accounts },
    // Files came, in column families of their own. The reader of the change log that judges them finds those of older messages in their bytes.
    Step { from: 4, begin: |_, _| {}, go_on: |_, _| Ok(()) },
    // Erasing came, in column families of its own. An older program would archive what was erased again, and takes what is left of it for damage.
    Step { from: 5, begin: |_, _| {}, go_on: |_, _| Ok(()) },
];

/// Marks a new archive.
pub(super) fn mark_new(db: &DB, path: &Path) -> Result<(), ArchiveError> {
    let mut batch = WriteBatch::default();
    FORMAT_NUMBER.put(db, &mut batch, &FormatKey, &FORMAT);
    ARCHIVE_ID.put(db, &mut batch, &ArchiveIdKey, &uuid::Uuid::new_v4().simple().to_string());
    EPOCHS.put(db, &mut batch, &EpochsKey, &Epochs::first());
    write(db, path, batch)
}

fn write(db: &DB, path: &Path, batch: WriteBatch) -> Result<(), ArchiveError> {
    db.write(batch).map_err(|source| ArchiveError::Store { path: path.to_owned(), source })
}

/// The number of an archive's format; `None` where it has none.
pub(super) fn format(db: &DB, path: &Path) -> Result<Option<u32>, ArchiveError> {
    let Some(format) = View::over(db, path).get(&FORMAT_NUMBER, &FormatKey)? else { return Ok(None) };
    if format > FORMAT {
        return Err(ArchiveError::TooNew { path: path.to_owned(), found: format, known: FORMAT });
    }
    Ok(Some(format))
}

/// An archive's id.
pub(super) fn id(db: &DB, path: &Path) -> Result<String, ArchiveError> {
    let id = View::over(db, path).get(&ARCHIVE_ID, &ArchiveIdKey)?;
    Ok(id.ok_or_else(|| RecordError::value("archive id", "missing"))?)
}

/// The epochs of an archive of a format that has them.
pub(super) fn epochs(db: &DB, path: &Path) -> Result<Epochs, ArchiveError> {
    let epochs = View::over(db, path).get(&EPOCHS, &EpochsKey)?;
    Ok(epochs.ok_or_else(|| RecordError::value("list of epochs", "missing"))?)
}

/// Whether an upgrade was interrupted.
pub(super) fn is_under_way(db: &DB, path: &Path) -> Result<bool, ArchiveError> {
    Ok(View::over(db, path).get(&UPGRADE, &UpgradeKey)?.is_some())
}

/// Upgrades an older archive.
pub(super) fn bring_to_current(db: &mut DB, path: &Path) -> Result<(), ArchiveError> {
    let format = format(db, path)?.ok_or_else(|| RecordError::value("format number", "missing"))?;
    let under_way = View::over(db, path).get(&UPGRADE, &UpgradeKey)?;
    for step in &STEPS {
        let reached = step.from + 1;
        if step.from >= format {
            let mut batch = WriteBatch::default();
            (step.begin)(db, &mut batch);
            FORMAT_NUMBER.put(db, &mut batch, &FormatKey, &reached);
            UPGRADE.put(db, &mut batch, &UpgradeKey, &reached);
            write(db, path, batch)?;
        } else if under_way != Some(reached) {
            continue;
        }
        (step.go_on)(db, path)?;
        let mut batch = WriteBatch::default();
        UPGRADE.delete(db, &mut batch, &UpgradeKey);
        write(db, path, batch)?;
        tracing::info!(format = reached, "upgraded the archive to format {reached}");
    }
    Ok(())
}
