//! From format 2 to 3: Telegram's bytes had a column family of their own; they are added to the value of their message.

use std::path::Path;

use prost::Message as _;
use rocksdb::{DB, Direction, IteratorMode, WriteBatch};

use super::super::ArchiveError;
use super::super::schema::{self, Cf, FORMER_RAW};
use super::write;
use crate::archive::Raw;
use crate::archive::record::RawRecord;

/// Bytes of values in one write.
const WRITE_SIZE: usize = 4 << 20;
/// After how many messages the log tells how far it is.
const TOLD_EVERY: u64 = 1_000_000;

/// The value of the family `raw` until format 2.
#[derive(Clone, PartialEq, prost::Message)]
struct FormerRaw {
    #[prost(int32, tag = "1")]
    layer: i32,
    #[prost(bytes = "vec", tag = "2")]
    tl: Vec<u8>,
}

/// Moves all bytes that are left in the former family, and drops it.
pub(super) fn merge_raw(db: &mut DB, path: &Path) -> Result<(), ArchiveError> {
    let mut moving = Moving::default();
    while moving.move_some(db, path)? {}
    if moving.orphans > 0 {
        let orphans = moving.orphans;
        tracing::warn!(orphans, "{orphans} raw messages were of no message that is archived; they are gone");
    }
    if db.cf_handle(FORMER_RAW).is_some() {
        db.drop_cf(FORMER_RAW).map_err(|source| ArchiveError::Store { path: path.to_owned(), source })?;
    }
    Ok(())
}

/// How far it is.
#[derive(Default)]
struct Moving {
    /// The last key that was moved.
    last: Vec<u8>,
    moved: u64,
    /// How many were of no message.
    orphans: u64,
}

impl Moving {
    /// Moves the bytes of some messages in one write; whether there were any left.
    fn move_some(&mut self, db: &DB, path: &Path) -> Result<bool, ArchiveError> {
        let store = |source| ArchiveError::Store { path: path.to_owned(), source };
        let Some(former) = db.cf_handle(FORMER_RAW) else { return Ok(false) };
        let messages = schema::handle(db, Cf::Message);
        let mut batch = WriteBatch::default();
        let before = self.moved;
        for entry in db.iterator_cf(former, IteratorMode::From(&self.last, Direction::Forward)) {
            let (key, bytes) = entry.map_err(store)?;
            // No typed family: the value is extended as it is, also one that cannot be read.
            match db.get_cf(messages, &key).map_err(store)? {
                Some(mut value) => {
                    value.extend(RawRecord::from(raw(&bytes)).encode_to_vec());
                    batch.put_cf(messages, &key, value);
                }
                None => self.orphans += 1,
            }
            batch.delete_cf(former, &key);
            self.last = key.into();
            self.moved += 1;
            if batch.size_in_bytes() > WRITE_SIZE {
                break;
            }
        }
        if self.moved == before {
            return Ok(false);
        }
        write(db, path, batch)?;
        if self.moved / TOLD_EVERY > before / TOLD_EVERY {
            let messages = self.moved;
            tracing::info!(messages, "upgrading the archive to format 3: {messages} messages so far");
        }
        Ok(true)
    }
}

/// Bytes that were damaged are kept as they are; no layer can read them.
fn raw(bytes: &[u8]) -> Raw {
    match FormerRaw::decode(bytes) {
        Ok(FormerRaw { layer, tl }) => Raw { layer, tl, account: None },
        Err(_) => Raw { layer: 0, tl: bytes.to_vec(), account: None },
    }
}
