//! A look at an archive's files before RocksDB is given the folder, because RocksDB answers some kinds of damage by deleting or by
//! passing over in silence:
//! - where `CURRENT` is missing it may begin a new database, and deletes the tables of the old one at the next start;
//! - a record of the write-ahead log whose kind is one that recycled logs have (one flipped bit) counts as its end, or is read for ever.
//!
//! And RocksDB cannot know that somebody was in the middle of giving up what is lost (`loss`): a marker file says so.
//!
//! It writes nothing. Whether the content is right (checksums) RocksDB says itself.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The file that names the manifest.
const CURRENT: &str = "CURRENT";
/// Is there from before the logs are cut until the archive has its new id; it names the folder in which the logs are kept.
pub(super) const GIVING_UP: &str = "GIVING-UP";
/// How the names of manifests begin.
const MANIFEST: &str = "MANIFEST-";
/// The log is cut into blocks; a record never begins in a block's last bytes that are too few for its header.
const BLOCK: usize = 32 * 1024;
/// Checksum, length, kind.
const HEADER: usize = 7;
/// Full, first, middle and last part: the kinds that are written by a database that neither recycles nor compresses its log.
const KINDS: std::ops::RangeInclusive<u8> = 1..=4;

/// Whether anything is at a path, also what leads nowhere or cannot be looked into.
pub(super) fn is_taken(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Why a folder holds no whole database; `None` where it seems to.
pub(super) fn missing(folder: &Path) -> io::Result<Option<String>> {
    let current = match fs::read(folder.join(CURRENT)) {
        Ok(current) => current,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(format!("`{CURRENT}` is missing"))),
        Err(error) => return Err(error),
    };
    let named = std::str::from_utf8(&current).ok().and_then(|text| text.strip_suffix('\n'));
    let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    let Some(manifest) = named.filter(|name| name.strip_prefix(MANIFEST).is_some_and(is_number)) else {
        return Ok(Some(format!("`{CURRENT}` names no manifest")));
    };
    match fs::metadata(folder.join(manifest)) {
        Ok(file) if file.len() > 0 => Ok(None),
        Ok(_) => Ok(Some(format!("`{manifest}` is empty"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(format!("`{manifest}` is missing"))),
        Err(error) => Err(error),
    }
}

/// Whether a file of this name is data of a database: neither RocksDB's own notes, nor what anybody else has left in its folder.
pub(super) fn is_data(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let numbered =
        |before: &str, after: &str| name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).is_some_and(is_number);
    matches!(name, CURRENT | "IDENTITY")
        || [(MANIFEST, ""), ("OPTIONS-", ""), ("", ".sst"), ("", ".log")]
            .into_iter()
            .any(|(before, after)| numbered(before, after))
}

/// Whether lost changes are being given up; then the marker's text.
pub(super) fn giving_up(folder: &Path) -> io::Result<Option<String>> {
    match fs::read(folder.join(GIVING_UP)) {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The write-ahead logs, oldest first.
pub(super) fn logs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut logs: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".log")?.parse().ok());
        logs.extend(number.map(|number| (number, path)));
    }
    logs.sort_unstable();
    Ok(logs.into_iter().map(|(_, path)| path).collect())
}

/// Where a log holds a record of a kind that is never written; `None` in a whole one, and in one whose end is torn off or was never
/// written to the disk (zeros up to the end).
pub(super) fn foreign_record(log: &Path) -> io::Result<Option<u64>> {
    let mut file = File::open(log)?;
    let mut block = Vec::with_capacity(BLOCK);
    let (mut start, mut found) = (0_u64, None);
    loop {
        block.clear();
        file.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
        if block.is_empty() {
            return Ok(None);
        }
        let from = match found {
            Some(_) => 0,
            None => foreign_in(&block).unwrap_or(block.len()),
        };
        if from < block.len() {
            let at = *found.get_or_insert(start + from as u64);
            if block.get(from..).is_some_and(|rest| rest.iter().any(|byte| *byte != 0)) {
                return Ok(Some(at));
            }
        }
        start += block.len() as u64;
    }
}

fn foreign_in(block: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let header: [u8; HEADER] = block.get(at..at + HEADER)?.try_into().ok()?;
        let [.., low, high, kind] = header;
        if !KINDS.contains(&kind) {
            return Some(at);
        }
        at += HEADER + usize::from(u16::from_le_bytes([low, high]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of full records with these lengths.
    fn log(lengths: &[u16]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for length in lengths {
            bytes.extend([1, 2, 3, 4]);
            bytes.extend(length.to_le_bytes());
            bytes.push(1);
            bytes.resize(bytes.len() + usize::from(*length), 0xee);
        }
        bytes
    }

    fn foreign(bytes: &[u8]) -> Option<u64> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("000004.log");
        fs::write(&path, bytes).unwrap();
        foreign_record(&path).unwrap()
    }

    #[test]
    fn a_log_that_ends_anywhere_is_whole_and_a_kind_that_is_never_written_is_found() {
        let whole = log(&[100, 0, 3_000, 20]);
        for end in 0..whole.len() {
            assert_eq!(foreign(&whole[..end]), None, "cut at {end}");
        }
        let mut flipped = whole.clone();
        flipped[107 + 6] ^= 4;
        assert_eq!(foreign(&flipped), Some(107));
    }

    #[test]
    fn zeros_are_an_end_and_not_a_middle() {
        let mut bytes = log(&[100]);
        let end = bytes.len();
        bytes.resize(3 * BLOCK, 0);
        assert_eq!(foreign(&bytes), None);
        bytes.extend(log(&[5]));
        assert_eq!(foreign(&bytes), Some(end as u64));
    }
}
