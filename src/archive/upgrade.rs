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

/// Makes a new archive's marks, or upgrades an older one; returns the archive's id.
pub(super) fn bring_to_current(db: &DB, path: &Path) -> Result<String, ArchiveError> {
    let store = |source| ArchiveError::Store { path: path.to_owned(), source };
    let meta = schema::handle(db, Cf::Meta);
    let Some(found) = db.get_cf(meta, FORMAT_KEY).map_err(store)? else {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let mut batch = WriteBatch::default();
        batch.put_cf(meta, FORMAT_KEY, FORMAT.to_be_bytes());
        batch.put_cf(meta, ID_KEY, &id);
        db.write(batch).map_err(store)?;
        return Ok(id);
    };
    let format = found.try_into().map(u32::from_be_bytes).map_err(|_| RecordError::value("format number", "not 4 bytes"))?;
    if format > FORMAT {
        return Err(ArchiveError::TooNew { path: path.to_owned(), found: format, known: FORMAT });
    }
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
    let id = db.get_cf(meta, ID_KEY).map_err(store)?.ok_or_else(|| RecordError::value("archive id", "missing"))?;
    Ok(String::from_utf8(id).map_err(|e| RecordError::value("archive id", e))?)
}
