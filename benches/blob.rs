//! What the store of downloaded files costs: small files (100 KB) and large ones (50 MB) are written, read whole, and read in parts, three ways in
//! the same run: by `blob`; as plain files (written, synced, renamed); and all of them as values of one BlobDB.
//!
//! All three hash what they store, because its name is its hash, and all end durable: `blob` and BlobDB sync once for 64 small files, as a downloader
//! does; plain files have nothing else than a sync each, so `blob` with a sync each is measured too. Reads are from memory of the system (page cache).
//! The disk's own speed is in every figure: only the ratios tell of the ways. The median of the rounds counts, and their order changes.
//!
//! `TELESCRIBE_BENCH_BLOB_SMALL`, `..._LARGE` and `..._ROUNDS` change the numbers; `TMPDIR` says which disk.
//!
//! Prints lines for people on stderr and a line of JSON on stdout.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark says what it measured")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rocksdb::{DB, DBCompressionType, Options, WriteOptions};
use telescribe::blob::{BlobHash, BlobLimits, Blobs};

const SMALL: usize = 2_000;
const SMALL_SIZE: usize = 100_000;
const LARGE: usize = 6;
const LARGE_SIZE: usize = 50_000_000;
/// Odd, so that there is a median.
const ROUNDS: usize = 3;
/// Small files that one sync is for.
const GROUP: usize = 64;
/// What a part of a download has.
const PART: usize = 1 << 20;
/// What a reader of a part asks for.
const RANGE: usize = 64 << 10;
const RANGES: usize = 500;
const SEED: u64 = 7;

type Figures = BTreeMap<&'static str, f64>;

fn main() -> anyhow::Result<()> {
    let (small, large, rounds) = (number("SMALL", SMALL)?, number("LARGE", LARGE)?, number("ROUNDS", ROUNDS)?);
    let mut random = StdRng::seed_from_u64(SEED);
    let mut content = vec![0; LARGE_SIZE];
    random.fill(&mut content[..]);
    let began = Instant::now();
    let hash = BlobHash::of(&content);
    eprintln!("  SHA-256: {:.0} MB a second ({hash})", LARGE_SIZE as f64 / 1e6 / began.elapsed().as_secs_f64());
    let mut all: BTreeMap<&str, Vec<Figures>> = BTreeMap::new();
    for round in 0..rounds {
        let mut order: [&str; 4] = ["ours", "ours_sync_each", "files", "blobdb"];
        let ways = order.len();
        order.rotate_left(round % ways);
        for name in order {
            let folder = tempfile::tempdir()?;
            let mut way: Box<dyn Way> = match name {
                "ours" => Box::new(Ours::new(folder.path(), GROUP)?),
                "ours_sync_each" => Box::new(Ours::new(folder.path(), 1)?),
                "files" => Box::new(PlainFiles { folder: folder.path().to_owned() }),
                _ => Box::new(OneBlobDb::new(folder.path())?),
            };
            all.entry(name).or_default().push(measured(way.as_mut(), small, large, &mut content, &mut random)?);
        }
    }
    let medians: BTreeMap<&str, Figures> = all.iter().map(|(name, rounds)| (*name, median(rounds))).collect();
    let ours = &medians["ours"];
    let ratio = |of: &str, figure: &str| medians[of].get(figure).copied().unwrap_or(f64::NAN) / ours[figure];
    for (figure, unit) in [
        ("write_small", "us a file"),
        ("read_small", "us a file"),
        ("write_large", "ms a file"),
        ("read_large", "ms a file"),
        ("read_range", "us a range"),
    ] {
        let scale = if unit.starts_with("us") { 1e6 } else { 1e3 };
        let times = |of: &str| format!("{:.0} ({:.2}x)", medians[of][figure] * scale, ratio(of, figure));
        eprintln!(
            "  {figure:11} {unit:10}: ours {:.0}, with a sync each {}, plain files {}, all in BlobDB {}",
            ours[figure] * scale,
            times("ours_sync_each"),
            times("files"),
            times("blobdb")
        );
    }
    let ratios: BTreeMap<String, f64> = ["files", "blobdb"]
        .into_iter()
        .flat_map(|of| ours.keys().map(move |figure| (of, *figure)))
        .map(|(of, figure)| (format!("{of}_{figure}_to_ours"), ratio(of, figure)))
        .collect();
    println!(
        "{}",
        serde_json::json!({
            "benchmark": "blob", "small": small, "large": large, "rounds": rounds, "seconds": medians, "ratios": ratios,
            "ratio_files_to_ours_sync_each": medians["files"]["write_small"] / medians["ours_sync_each"]["write_small"],
        })
    );
    Ok(())
}

fn number(name: &str, default: usize) -> anyhow::Result<usize> {
    std::env::var(format!("TELESCRIBE_BENCH_BLOB_{name}")).map_or(Ok(default), |n| n.parse().context("not a number"))
}

fn median(rounds: &[Figures]) -> Figures {
    let of = |figure: &&'static str| {
        let mut values: Vec<f64> = rounds.iter().map(|round| round[*figure]).collect();
        values.sort_by(f64::total_cmp);
        (*figure, values[values.len() / 2])
    };
    rounds[0].keys().map(of).collect()
}

/// A way to keep files.
trait Way {
    /// Stores small files; durable when it returns.
    fn write_small(&mut self, contents: &mut dyn Iterator<Item = Vec<u8>>) -> anyhow::Result<Vec<BlobHash>>;
    /// Stores a large file that comes in parts; durable when it returns.
    fn write_large(&mut self, content: &[u8]) -> anyhow::Result<BlobHash>;
    /// Reads a file, however large, piece by piece where that can be; returns its size.
    fn read(&self, hash: &BlobHash) -> anyhow::Result<usize>;
    /// Reads a part of a file.
    fn read_range(&self, hash: &BlobHash, offset: usize) -> anyhow::Result<Vec<u8>>;
}

/// Seconds for each file or range.
fn measured(way: &mut dyn Way, small: usize, large: usize, content: &mut [u8], random: &mut StdRng) -> anyhow::Result<Figures> {
    let mut figures = Figures::new();
    // Contents that differ, of bytes that no compression makes smaller.
    let salt: u64 = random.random();
    // The large ones first: after many small ones the disk still works off what they have written.
    let (mut writing, mut hashes) = (0.0, Vec::new());
    for n in 0..large {
        content[..8].copy_from_slice(&(salt ^ n as u64).to_le_bytes());
        let began = Instant::now();
        hashes.push(way.write_large(content)?);
        writing += began.elapsed().as_secs_f64();
    }
    figures.insert("write_large", writing / large as f64);
    let began = Instant::now();
    for hash in &hashes {
        ensure!(way.read(hash)? == LARGE_SIZE, "a large file is not whole");
    }
    figures.insert("read_large", began.elapsed().as_secs_f64() / large as f64);
    let began = Instant::now();
    for n in 0..RANGES {
        let offset = random.random_range(8..LARGE_SIZE - RANGE);
        let range = way.read_range(&hashes[n % large], offset)?;
        ensure!(range[..] == content[offset..offset + RANGE], "a range has other bytes");
    }
    figures.insert("read_range", began.elapsed().as_secs_f64() / RANGES as f64);
    let pieces = content.len() - SMALL_SIZE - 8;
    let mut contents = (0..small).map(|n| {
        let from = n * 7_919 % pieces;
        let mut bytes = content[from..from + SMALL_SIZE].to_vec();
        bytes[..8].copy_from_slice(&(salt ^ n as u64).to_le_bytes());
        bytes
    });
    let began = Instant::now();
    let hashes = way.write_small(&mut contents)?;
    figures.insert("write_small", began.elapsed().as_secs_f64() / small as f64);
    let began = Instant::now();
    for n in 0..small {
        ensure!(way.read(&hashes[n * 7 % small])? == SMALL_SIZE, "a small file is not whole");
    }
    figures.insert("read_small", began.elapsed().as_secs_f64() / small as f64);
    Ok(figures)
}

struct Ours {
    blobs: Blobs,
    group: usize,
}

impl Ours {
    fn new(folder: &Path, group: usize) -> anyhow::Result<Self> {
        Ok(Self { blobs: Blobs::open(&folder.join("blobs"), BlobLimits::default())?, group })
    }
}

impl Way for Ours {
    fn write_small(&mut self, contents: &mut dyn Iterator<Item = Vec<u8>>) -> anyhow::Result<Vec<BlobHash>> {
        let mut hashes = Vec::new();
        for content in contents {
            hashes.push(self.blobs.put(&content)?.hash);
            if hashes.len() % self.group == 0 {
                self.blobs.flush()?;
            }
        }
        self.blobs.flush()?;
        Ok(hashes)
    }

    fn write_large(&mut self, content: &[u8]) -> anyhow::Result<BlobHash> {
        let partial = self.blobs.partial("document:1", Some(content.len() as u64))?;
        for (number, part) in content.chunks(PART).enumerate() {
            partial.write_at((number * PART) as u64, part)?;
        }
        let stored = partial.finish(content.len() as u64)?;
        self.blobs.flush()?;
        Ok(stored.hash)
    }

    fn read(&self, hash: &BlobHash) -> anyhow::Result<usize> {
        let mut reader = self.blobs.get(hash)?.context("a file is missing")?;
        read_through(|chunk| Ok(reader.read(chunk)?))
    }

    fn read_range(&self, hash: &BlobHash, offset: usize) -> anyhow::Result<Vec<u8>> {
        Ok(self.blobs.get(hash)?.context("a file is missing")?.read_range(offset as u64, RANGE)?)
    }
}

/// Reads to the end with one buffer; returns how many bytes.
fn read_through(mut read: impl FnMut(&mut [u8]) -> anyhow::Result<usize>) -> anyhow::Result<usize> {
    let (mut chunk, mut size) = (vec![0; 128 << 10], 0);
    loop {
        match read(&mut chunk)? {
            0 => return Ok(size),
            count => size += count,
        }
    }
}

struct PlainFiles {
    folder: PathBuf,
}

impl PlainFiles {
    fn write<'c>(&self, parts: impl Iterator<Item = &'c [u8]>, content: &[u8]) -> anyhow::Result<BlobHash> {
        let (temporary, hash) = (self.folder.join("new"), BlobHash::of(content));
        let mut file = File::create(&temporary)?;
        parts.into_iter().try_for_each(|part| file.write_all(part))?;
        file.sync_all()?;
        fs::rename(&temporary, self.path(&hash))?;
        File::open(&self.folder)?.sync_all()?;
        Ok(hash)
    }

    fn path(&self, hash: &BlobHash) -> PathBuf {
        self.folder.join(hash.to_string())
    }
}

impl Way for PlainFiles {
    fn write_small(&mut self, contents: &mut dyn Iterator<Item = Vec<u8>>) -> anyhow::Result<Vec<BlobHash>> {
        contents.map(|content| self.write(std::iter::once(&content[..]), &content)).collect()
    }

    fn write_large(&mut self, content: &[u8]) -> anyhow::Result<BlobHash> {
        self.write(content.chunks(PART), content)
    }

    fn read(&self, hash: &BlobHash) -> anyhow::Result<usize> {
        let mut file = File::open(self.path(hash))?;
        read_through(|chunk| Ok(file.read(chunk)?))
    }

    fn read_range(&self, hash: &BlobHash, offset: usize) -> anyhow::Result<Vec<u8>> {
        let mut range = vec![0; RANGE];
        File::open(self.path(hash))?.read_exact_at(&mut range, offset as u64)?;
        Ok(range)
    }
}

struct OneBlobDb {
    db: DB,
}

impl OneBlobDb {
    fn new(folder: &Path) -> anyhow::Result<Self> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_enable_blob_files(true);
        options.set_compression_type(DBCompressionType::None);
        options.set_blob_compression_type(DBCompressionType::None);
        Ok(Self { db: DB::open(&options, folder.join("db"))? })
    }

    fn put(&self, content: &[u8], is_synced: bool) -> anyhow::Result<BlobHash> {
        let (hash, mut options) = (BlobHash::of(content), WriteOptions::default());
        options.set_sync(is_synced);
        self.db.put_opt(hash.0, content, &options)?;
        Ok(hash)
    }
}

impl Way for OneBlobDb {
    fn write_small(&mut self, contents: &mut dyn Iterator<Item = Vec<u8>>) -> anyhow::Result<Vec<BlobHash>> {
        let hashes: anyhow::Result<_> =
            contents.enumerate().map(|(n, content)| self.put(&content, n % GROUP == GROUP - 1)).collect();
        self.db.flush_wal(true)?;
        hashes
    }

    fn write_large(&mut self, content: &[u8]) -> anyhow::Result<BlobHash> {
        // The parts have to be put together first.
        let mut whole = Vec::with_capacity(content.len());
        content.chunks(PART).for_each(|part| whole.extend_from_slice(part));
        self.put(&whole, true)
    }

    fn read(&self, hash: &BlobHash) -> anyhow::Result<usize> {
        Ok(self.db.get(hash.0)?.context("a file is missing")?.len())
    }

    fn read_range(&self, hash: &BlobHash, offset: usize) -> anyhow::Result<Vec<u8>> {
        let whole = self.db.get_pinned(hash.0)?.context("a file is missing")?;
        Ok(whole.get(offset..offset + RANGE).context("a file is not whole")?.to_vec())
    }
}
