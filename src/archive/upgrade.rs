//! The format's number on disk, and the way from older formats to this one: one file a step, run in order, each in one write.

use std::path::Path;

use rocksdb::{DB, WriteBatch};

use super::ArchiveError;
use super::record::RecordError;
use super::schema::{self, Cf, FORMAT};

const FORMAT_KEY: &str = "format";
const ID_KEY: &str = "id";

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
    batch.put_cf(schema::handle(db, Cf::Meta), FORMAT_KEY, FORMAT.to_be_bytes());
    renew_id(db, &mut batch);
    db.write(batch).map_err(|source| ArchiveError::Store { path: path.to_owned(), source })
}

/// Gives an archive an id that none had before.
pub(super) fn renew_id(db: &DB, batch: &mut WriteBatch) -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    batch.put_cf(schema::handle(db, Cf::Meta), ID_KEY, &id);
    id
}

/// The number of an archive's format; `None` where it has none.
pub(super) fn format(db: &DB, path: &Path) -> Result<Option<u32>, ArchiveError> {
    let store = |source| ArchiveError::Store { path: path.to_owned(), source };
    let Some(found) = db.get_cf(schema::handle(db, Cf::Meta), FORMAT_KEY).map_err(store)? else { return Ok(None) };
    let format = found.try_into().map(u32::from_be_bytes).map_err(|_| RecordError::value("format number", "not 4 bytes"))?;
    if format > FORMAT {
        return Err(ArchiveError::TooNew { path: path.to_owned(), found: format, known: FORMAT });
    }
    Ok(Some(format))
}

/// An archive's id.
pub(super) fn id(db: &DB, path: &Path) -> Result<String, ArchiveError> {
    let store = |source| ArchiveError::Store { path: path.to_owned(), source };
    let id = db.get_cf(schema::handle(db, Cf::Meta), ID_KEY).map_err(store)?;
    let id = id.ok_or_else(|| RecordError::value("archive id", "missing"))?;
    Ok(String::from_utf8(id).map_err(|e| RecordError::value("archive id", e))?)
}

/// Upgrades an older archive; returns the archive's id.
pub(super) fn bring_to_current(db: &DB, path: &Path) -> Result<String, ArchiveError> {
    let store = |source| ArchiveError::Store { path: path.to_owned(), source };
    let meta = schema::handle(db, Cf::Meta);
    let format = format(db, path)?.ok_or_else(|| RecordError::value("format number", "missing"))?;
    for step in &STEPS {
        if step.from < format {
            continue;
        }
        let mut batch = WriteBatch::default();
        (step.fill)(db, &mut batch)?;
        let reached = step.from + 1;
        batch.put_cf(meta, FORMAT_KEY, reached.to_be_bytes());
        db.write(batch).map_err(store)?;
        tracing::info!(format = reached, "upgraded the archive to format {reached}");
    }
    id(db, path)
}
