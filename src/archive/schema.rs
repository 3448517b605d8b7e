//! The catalogue: every column family, what its keys and values are, and why it is tuned as it is.
//!
//! | family | key | value |
//! | --- | --- | --- |
//! | `meta` | name | format number, archive id, epochs, readers' positions, jobs' last runs, watches, the newest change of each peer, dead letters |
//! | `message` | chat, id | newest form of a message: what was understood of it, and Telegram's bytes |
//! | `version` | chat, id, version | earlier forms, the same |
//! | `change` | seq of its last change | one entry of the change log: everything that one write made true, and its link of the hash chain |
//! | `peer` | peer | title, kind, username |
//! | `username` | lower-case username | peer |
//! | `coverage` | chat | id ranges that were read, counts |
//! | `cursor` | chat | crawl state: newest id and pts known, what is to be read again |
//! | `member` | peer, account | since when an account sees a peer, and in which folders |
//! | `counters` | chat, id, time | what a message's views, reactions, ... were until then |
//! | `size` | peer, time | how many members it had from then on |
//! | `topic` | chat, root message | a forum's topic |
//! | `own` | account, id | the peer of a message outside channels |
//! | `hash` | account, peer | the access hash by which an account addresses a peer |
//! | `file` | file | what is known of a file, and what has become of it |
//! | `origin` | file, where it was seen | what it takes to ask for it there |
//! | `attached` | where it was seen, file | where in a message |
//! | `erasure` | number | an erasure that was ordered: of what, and how far it has got |
//! | `erased` | chat, id | that a message was erased: when, and by which erasure |
//! | `queue` | small or large, when it may be tried, when it was posted (descending), file | nothing: the file is wanted, or has failed |
//!
//! A chat is a peer, and in basic groups and private chats the account whose ids its messages have.
//!
//! Until format 2 there was `raw` (peer, id): Telegram's bytes of the newest form, and their layer.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DEFAULT_COLUMN_FAMILY_NAME,
    FlushOptions, LogLevel, Options, WriteBufferManager,
};

use crate::open_files;

/// The format number of what is on disk; raised by every change that an older version could not read.
pub const FORMAT: u32 = 6;

/// The family of Telegram's bytes until format 2.
pub(super) const FORMER_RAW: &str = "raw";

/// Target size of a data block before compression: at 16 KiB a ZSTD dictionary makes 91-byte texts cost about 80 bytes, and a
/// point read still decompresses little.
const BLOCK_SIZE: usize = 16 * 1024;
/// Bytes of dictionary a file may carry; larger ones gain next to nothing on chat texts.
const DICTIONARY_SIZE: i32 = 16 * 1024;
/// Bytes of samples that the dictionary is trained from: RocksDB advises a hundred times the dictionary.
const DICTIONARY_SAMPLES: i32 = 100 * DICTIONARY_SIZE;
/// Bytes of blocks that a compaction holds back to draw the samples from. Without a bound they are a whole file before compression, and its
/// compressed blocks beside it: 90 MB in the largest part of a crawl.
const DICTIONARY_BUFFER: usize = 8 << 20;
/// Files of level 0, those of single flushes, at which they are merged into the next level. That writes most of the next level again, in a
/// crawl that reads many peers in turns: twice RocksDB's default is half as much work, and their Bloom filters answer for most of them.
const FLUSHED_FILES: i32 = 8;
/// Bytes that blocks, their indexes and filters, and memory tables take, of all families together. Without a bound each family has a
/// cache of its own and may hold 64 MiB of tables twice; a crawl of 2 million messages held 740 MB of memory then.
pub(super) const MEMORY: usize = 96 << 20;
/// The share of it that memory tables may take.
const WRITE_BUFFERS_SIZE: usize = MEMORY / 2;
/// Bytes of the write-ahead log at which memory tables are written out, so that it stays short also where a family is written seldom.
const LOG_SIZE_MAX: u64 = 64 << 20;
/// Bytes of one file of RocksDB's info log: some hundred flushes and compactions.
const INFO_LOG_SIZE: usize = 1 << 20;
/// Files of RocksDB's info log: those of the last ten starts, unless one of them wrote a lot.
const INFO_LOGS_MAX: usize = 10;
/// ZSTD's default window, level and strategy.
const ZSTD_WINDOW_BITS: i32 = -14;
const ZSTD_LEVEL: i32 = 3;

/// A column family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cf {
    Meta,
    Message,
    Version,
    Change,
    Peer,
    Username,
    Coverage,
    Cursor,
    Member,
    Counters,
    Size,
    Topic,
    Own,
    Hash,
    File,
    Origin,
    Attached,
    Queue,
    Erasure,
    Erased,
}

impl Cf {
    pub(super) const ALL: [Self; 20] = [
        Self::Meta,
        Self::Message,
        Self::Version,
        Self::Change,
        Self::Peer,
        Self::Username,
        Self::Coverage,
        Self::Cursor,
        Self::Member,
        Self::Counters,
        Self::Size,
        Self::Topic,
        Self::Own,
        Self::Hash,
        Self::File,
        Self::Origin,
        Self::Attached,
        Self::Queue,
        Self::Erasure,
        Self::Erased,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Message => "message",
            Self::Version => "version",
            Self::Change => "change",
            Self::Peer => "peer",
            Self::Username => "username",
            Self::Coverage => "coverage",
            Self::Cursor => "cursor",
            Self::Member => "member",
            Self::Counters => "counters",
            Self::Size => "size",
            Self::Topic => "topic",
            Self::Own => "own",
            Self::Hash => "hash",
            Self::File => "file",
            Self::Origin => "origin",
            Self::Attached => "attached",
            Self::Queue => "queue",
            Self::Erasure => "erasure",
            Self::Erased => "erased",
        }
    }

    /// The format that this family came with.
    pub(super) fn since(self) -> u32 {
        match self {
            Self::Member | Self::Counters | Self::Size | Self::Topic => 2,
            Self::Own | Self::Hash => 4,
            Self::File | Self::Origin | Self::Attached | Self::Queue => 5,
            Self::Erasure | Self::Erased => 6,
            _ => 1,
        }
    }

    /// Whether most of it ends up compressed with a dictionary.
    fn has_dictionary(self) -> bool {
        matches!(self, Self::Message | Self::Version | Self::Change | Self::Counters)
    }

    pub(super) fn options(self, memory: &Memory) -> Options {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_size(BLOCK_SIZE);
        blocks.set_format_version(6);
        blocks.set_block_cache(&memory.blocks);
        blocks.set_cache_index_and_filter_blocks(true);
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
        let mut options = Options::default();
        match self.has_dictionary() {
            // Large and written once: cheap LZ4 while it is young, ZSTD with a dictionary where most of it ends up.
            true => {
                options.set_compression_type(DBCompressionType::Lz4);
                options.set_bottommost_compression_type(DBCompressionType::Zstd);
                options.set_bottommost_compression_options(ZSTD_WINDOW_BITS, ZSTD_LEVEL, 0, DICTIONARY_SIZE, true);
                options.set_bottommost_zstd_max_train_bytes(DICTIONARY_SAMPLES, true);
                options.set_level_zero_file_num_compaction_trigger(FLUSHED_FILES);
            }
            // Small and rewritten often.
            false => options.set_compression_type(DBCompressionType::Lz4),
        }
        // Point reads of keys that are often absent (is this message known?): a Bloom filter answers most of them.
        let often_absent = [Self::Message, Self::Peer, Self::Username, Self::Member, Self::File, Self::Origin, Self::Erased];
        if often_absent.contains(&self) {
            blocks.set_bloom_filter(10.0, false);
        }
        options.set_block_based_table_factory(&blocks);
        options
    }
}

/// What an open archive's families share.
pub(super) struct Memory {
    /// Blocks, and what is in memory tables counted with them.
    blocks: Cache,
    buffers: WriteBufferManager,
}

impl Memory {
    pub(super) fn new() -> Self {
        let blocks = Cache::new_hyper_clock_cache(MEMORY, 0);
        let buffers = WriteBufferManager::new_write_buffer_manager_with_cache(WRITE_BUFFERS_SIZE, false, blocks.clone());
        Self { blocks, buffers }
    }
}

/// The database's own options; `memory` for one that is read and written.
pub(super) fn db_options(memory: &Memory) -> Options {
    let mut options = Options::default();
    options.set_write_buffer_manager(&memory.buffers);
    options.set_max_total_wal_size(LOG_SIZE_MAX);
    // All families are written to tables together, so that whatever a manifest that was cut short still names is one state of the archive.
    options.set_atomic_flush(true);
    // A log that is missing, or shorter than it was when it was closed, is told of.
    options.set_track_and_verify_wals_in_manifest(true);
    // The write-ahead log of a killed process ends anywhere; the archive ends with its last whole write. Damage before it is refused.
    options.set_wal_recovery_mode(rocksdb::DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_max_background_jobs(2);
    // Without a bound every table stays open: at about 55 GB they take all 1,024 files that many systems give.
    let tables = open_files::archive_tables_max(open_files::limit());
    options.set_max_open_files(i32::try_from(tables).unwrap_or(i32::MAX));
    // RocksDB's own notes (info log), for whoever looks for the cause of trouble. Each open begins a new file.
    options.set_log_level(LogLevel::Info);
    options.set_max_log_file_size(INFO_LOG_SIZE);
    options.set_keep_log_file_num(INFO_LOGS_MAX);
    options
}

/// The families of a new archive.
pub(super) fn descriptors(memory: &Memory) -> Vec<ColumnFamilyDescriptor> {
    let all: Vec<String> = Cf::ALL.iter().map(|cf| cf.name().to_owned()).collect();
    descriptors_of(&all, memory)
}

/// The families with these names, each tuned as it is known. RocksDB opens a database with all of its families only, so one that this
/// version does not know is opened too, and left as it is.
pub(super) fn descriptors_of(names: &[String], memory: &Memory) -> Vec<ColumnFamilyDescriptor> {
    // RocksDB always makes `default`; nothing is kept in it.
    let others = names.iter().filter(|name| *name != DEFAULT_COLUMN_FAMILY_NAME);
    std::iter::once(ColumnFamilyDescriptor::new(DEFAULT_COLUMN_FAMILY_NAME, Options::default()))
        .chain(others.map(|name| ColumnFamilyDescriptor::new(name, options_of(name, memory))))
        .collect()
}

fn options_of(name: &str, memory: &Memory) -> Options {
    match Cf::ALL.into_iter().find(|cf| cf.name() == name) {
        Some(cf) => cf.options(memory),
        None if name == FORMER_RAW => Cf::Message.options(memory),
        None => Options::default(),
    }
}

/// Sets what RocksDB's C interface has no function for, of a database that is open for writing.
pub(super) fn bound_dictionary_buffers(db: &DB) -> Result<(), rocksdb::Error> {
    let options = format!(
        "{{window_bits={ZSTD_WINDOW_BITS};level={ZSTD_LEVEL};strategy=0;max_dict_bytes={DICTIONARY_SIZE};\
         zstd_max_train_bytes={DICTIONARY_SAMPLES};max_dict_buffer_bytes={DICTIONARY_BUFFER};enabled=true}}"
    );
    let large = Cf::ALL.into_iter().filter(|cf| cf.has_dictionary());
    large.into_iter().try_for_each(|cf| db.set_options_cf(handle(db, cf), &[("bottommost_compression_opts", &options)]))
}

/// Writes out what is in memory tables, of all families in one step (`atomic_flush` alone does that for RocksDB's own flushes only).
pub(super) fn write_tables(db: &DB) -> Result<(), rocksdb::Error> {
    db.flush_cfs_opt(&Cf::ALL.map(|cf| handle(db, cf)).each_ref(), &FlushOptions::default())
}

pub(super) fn handle(db: &DB, cf: Cf) -> &ColumnFamily {
    #[expect(clippy::expect_used, reason = "every family of the catalogue is opened by `descriptors`")]
    db.cf_handle(cf.name()).expect("a column family of the catalogue is open")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn open(path: &Path) -> DB {
        let memory = Memory::new();
        let mut options = db_options(&memory);
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        DB::open_cf_descriptors(&options, path, descriptors(&memory)).unwrap()
    }

    /// The sizes of the files of RocksDB's info log.
    fn info_logs(path: &Path) -> Vec<usize> {
        let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
        let logs = files.filter(|file| file.file_name().to_string_lossy().starts_with("LOG"));
        logs.map(|log| usize::try_from(log.metadata().unwrap().len()).unwrap()).collect()
    }

    #[test]
    fn a_compaction_holds_no_more_back_for_a_dictionary_than_it_may() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(folder.path());
        bound_dictionary_buffers(&db).unwrap();
        drop(db);
        let options = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let newest = options.filter(|path| path.to_string_lossy().contains("OPTIONS-")).max().unwrap();
        let text = fs::read_to_string(newest).unwrap();
        let of_family = |name: &str| {
            let section = text.split("[CFOptions ").find(|section| section.starts_with(&format!("\"{name}\"")));
            section.unwrap().lines().find(|line| line.trim_start().starts_with("bottommost_compression_opts")).unwrap().to_owned()
        };
        for cf in Cf::ALL {
            let set = of_family(cf.name());
            let bound = set.contains(&format!("max_dict_buffer_bytes={DICTIONARY_BUFFER};"));
            assert_eq!(bound, cf.has_dictionary(), "{}: {set}", cf.name());
            if cf.has_dictionary() {
                let others =
                    [format!("max_dict_bytes={DICTIONARY_SIZE};"), format!("zstd_max_train_bytes={DICTIONARY_SAMPLES};")];
                assert!(others.iter().all(|other| set.contains(other)) && set.contains("enabled=true"), "{set}");
            }
        }
    }

    #[test]
    fn rocksdbs_own_log_is_bounded_in_size_and_number() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(folder.path());
        let mut flushes = 0_u32;
        while info_logs(folder.path()).len() == 1 {
            db.put_cf(handle(&db, Cf::Meta), flushes.to_be_bytes(), [0; 8]).unwrap();
            db.flush_cf(handle(&db, Cf::Meta)).unwrap();
            flushes += 1;
            assert!(info_logs(folder.path())[0] < INFO_LOG_SIZE * 2, "one file grows and grows");
        }
        assert!(flushes > 10, "it tells of work, not only of being opened");
        drop(db);
        for _ in 0..INFO_LOGS_MAX + 3 {
            drop(open(folder.path()));
        }
        let logs = info_logs(folder.path());
        assert!(logs.len() > 2 && logs.len() <= INFO_LOGS_MAX, "{logs:?}");
        assert!(logs.iter().all(|size| *size < INFO_LOG_SIZE * 11 / 10), "{logs:?}");
    }
}
