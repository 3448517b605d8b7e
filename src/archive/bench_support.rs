//! Bench support of `benches/encoding.rs`: other encodings weighed in a store that is tuned as the archive's messages are, and
//! the archive's own encoding on its own. Nothing of the program uses it.

use std::path::Path;

use rocksdb::{ColumnFamilyDescriptor, DB};

use super::codec::StoredKey as _;
use super::family::{FORM, MESSAGE};
use super::record::{Form, MessageRecord, Raw};
use super::schema::{self, Cf, Memory};
use super::{ArchiveError, StoredMessage};
use crate::model::{Message, MessageKey, Timestamp};

/// A store with one column family for each encoding.
pub struct EncodingStore {
    db: DB,
    store: Box<dyn Fn(rocksdb::Error) -> ArchiveError>,
}

impl EncodingStore {
    /// Makes one in an empty folder, with a column family for each name, all tuned as the archive's `message` is.
    ///
    /// # Errors
    /// When the disk refuses; so do all calls below.
    pub fn new(path: &Path, encodings: &[&str]) -> Result<Self, ArchiveError> {
        let path = path.to_owned();
        let shown = path.clone();
        let store = Box::new(move |source| ArchiveError::Store { path: shown.clone(), source });
        let memory = Memory::new();
        let families = encodings.iter().map(|name| ColumnFamilyDescriptor::new(*name, Cf::Message.options(&memory)));
        let mut options = schema::db_options(&memory);
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        let db = DB::open_cf_descriptors(&options, &path, families).map_err(&store)?;
        Ok(Self { db, store })
    }

    /// Stores an encoded message.
    ///
    /// # Errors
    /// See [`EncodingStore::new`].
    pub fn put(&self, encoding: &str, key: MessageKey, value: &[u8]) -> Result<(), ArchiveError> {
        let Some(cf) = self.db.cf_handle(encoding) else { return Ok(()) };
        // No typed family: what is weighed are bytes of encodings that the archive does not know, in column families of their own.
        self.db.put_cf(cf, key.encode(), value).map_err(&self.store)
    }

    /// Bytes that an encoding takes on disk once everything is compacted, keys included.
    ///
    /// # Errors
    /// See [`EncodingStore::new`].
    pub fn size(&self, encoding: &str) -> Result<u64, ArchiveError> {
        let Some(cf) = self.db.cf_handle(encoding) else { return Ok(0) };
        self.db.flush_cf(cf).map_err(&self.store)?;
        self.db.compact_range_cf(cf, None::<&[u8]>, None::<&[u8]>);
        let size = self.db.property_int_value_cf(cf, "rocksdb.total-sst-files-size").map_err(&self.store)?;
        Ok(size.unwrap_or_default())
    }

    /// A message as the archive stores it when it is new, with Telegram's bytes; without them where these are empty.
    #[must_use]
    pub fn encode(message: &Message, raw: Raw, revision: i64, archived_at: Timestamp) -> Vec<u8> {
        let mut record = MessageRecord::of(message);
        record.archived_at = archived_at.0;
        record.revision = revision;
        FORM.encode(&Form { record, raw: raw.into() })
    }

    /// A message as the archive reads it.
    ///
    /// # Errors
    /// When it cannot be understood.
    pub fn decode(key: MessageKey, bytes: &[u8]) -> Result<StoredMessage, ArchiveError> {
        Ok(StoredMessage::of(key, MESSAGE.decode(&key, bytes)?))
    }
}
