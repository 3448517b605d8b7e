//! The format's number on disk, and the migrations from older formats to this one: one file a step, run in order, each one atomic write.
//!
//! What is here, and `loss`, writes without [`Write`](super::Write): there is no [`Archive`](super::Archive) yet that it could be of, and so
//! no reader and no second writer. Keys and values are of the same families all the same.

use std::path::Path;

use rocksdb::{DB, WriteBatch};

use super::ArchiveError;
use super::codec::RecordError;
use super::family::{ARCHIVE_ID, FORMAT_NUMBER};
use super::key::{ArchiveIdKey, FormatKey};
use super::schema::FORMAT;
use super::view::View;

/// One step: fills a batch that turns format `from` into `from + 1`.
struct Step {
    from: u32,
    fill: fn(&DB, &mut WriteBatch) -> Result<(), ArchiveError>,
}

/// The steps, oldest first.
const STEPS: [Step; 1] = [
    // Memberships, counters and topics came, in column families of their own. What an older archive could not know is learnt
    // from the next dialogs and pages; only an older program must not open what holds them.
    Step { from: 1, fill: |_, _| Ok(()) },
];

/// Marks a new archive.
pub(super) fn mark_new(db: &DB, path: &Path) -> Result<(), ArchiveError> {
    let mut batch = WriteBatch::default();
    FORMAT_NUMBER.put(db, &mut batch, &FormatKey, &FORMAT);
    renew_id(db, &mut batch);
    db.write(batch).map_err(|source| ArchiveError::Store { path: path.to_owned(), source })
}

/// Gives an archive an id that none had before.
pub(super) fn renew_id(db: &DB, batch: &mut WriteBatch) -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    ARCHIVE_ID.put(db, batch, &ArchiveIdKey, &id);
    id
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

/// Upgrades an older archive; returns the archive's id.
pub(super) fn bring_to_current(db: &DB, path: &Path) -> Result<String, ArchiveError> {
    let store = |source| ArchiveError::Store { path: path.to_owned(), source };
    let format = format(db, path)?.ok_or_else(|| RecordError::value("format number", "missing"))?;
    for step in &STEPS {
        if step.from < format {
            continue;
        }
        let mut batch = WriteBatch::default();
        (step.fill)(db, &mut batch)?;
        let reached = step.from + 1;
        FORMAT_NUMBER.put(db, &mut batch, &FormatKey, &reached);
        db.write(batch).map_err(store)?;
        tracing::info!(format = reached, "upgraded the archive to format {reached}");
    }
    id(db, path)
}
