//! Files: the bytes behind photos and documents.
//!
//! A generated file has no bytes anywhere: each block of eight is a hash of the world's seed, the file's id and the block's
//! number, so any part of any file can be served and checked without holding it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use crate::world::photo_sizes;
use crate::world::{FileEntry, FileSource, World, mix};

/// Why a file cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileError {
    /// No such file or size, or the export lacks it.
    Missing,
}

impl World {
    /// The size of a file or, for a photo, of one of its sizes by letter; the largest where none is named.
    pub(crate) fn file_size(entry: &FileEntry, letter: &str) -> Option<i64> {
        match (entry.photo, letter) {
            (_, "") => Some(entry.size),
            (Some((width, height)), letter) => photo_sizes(width, height, i32::try_from(entry.size).ok()?)
                .iter()
                .find(|size| size.letter.to_string() == letter)
                .map(|size| i64::from(size.size)),
            (None, _) => None,
        }
    }

    /// A part of a file.
    pub(crate) fn read_file(&self, id: i64, letter: &str, offset: i64, limit: i64) -> Result<Vec<u8>, FileError> {
        let entry = self.files.get(&id).ok_or(FileError::Missing)?;
        let size = Self::file_size(entry, letter).ok_or(FileError::Missing)?;
        let (from, to) = (offset.clamp(0, size), offset.saturating_add(limit).clamp(0, size));
        match &entry.source {
            FileSource::Derived => Ok(derive(self.seed, id, letter_of(entry, letter), from, to)),
            FileSource::Disk(path) => self.read_disk(path, from, to).map_err(|error| {
                tracing::warn!(%error, "a file of the export cannot be read");
                FileError::Missing
            }),
            FileSource::Missing => Err(FileError::Missing),
        }
    }

    fn read_disk(&self, path: &std::path::Path, from: i64, to: i64) -> std::io::Result<Vec<u8>> {
        let path = match &self.file_root {
            Some(root) => root.join(path),
            None => path.to_owned(),
        };
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from.unsigned_abs()))?;
        let mut bytes = Vec::new();
        file.take((to - from).unsigned_abs()).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The whole content of a file (a photo's largest size), for comparison with what a client downloaded.
    #[must_use]
    pub fn file_content(&self, id: i64) -> Option<Vec<u8>> {
        self.read_file(id, "", 0, i64::MAX).ok()
    }
}

/// Sizes of one photo differ; the largest is the same whether it is named or not.
fn letter_of(entry: &FileEntry, letter: &str) -> u64 {
    match (entry.photo, letter.bytes().next()) {
        (Some(_), Some(letter)) if letter != b'y' => u64::from(letter),
        _ => 0,
    }
}

fn derive(seed: u64, id: i64, size: u64, from: i64, to: i64) -> Vec<u8> {
    let key = mix(seed ^ mix(id as u64 ^ (size << 56)));
    let mut bytes = Vec::with_capacity((to - from).unsigned_abs() as usize + 8);
    let first = from / 8;
    for block in first..(to + 7) / 8 {
        bytes.extend(mix(key ^ block as u64).to_le_bytes());
    }
    bytes.drain(..((from - first * 8) as usize).min(bytes.len()));
    bytes.truncate((to - from).unsigned_abs() as usize);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_derived_file_join_to_the_whole() {
        let whole = derive(1, 2, 0, 0, 1003);
        assert_eq!(whole.len(), 1003);
        for cut in [0, 1, 7, 8, 9, 500, 1002, 1003] {
            let joined = [derive(1, 2, 0, 0, cut), derive(1, 2, 0, cut, 1003)].concat();
            assert_eq!(joined, whole);
        }
        assert_ne!(derive(1, 3, 0, 0, 1003), whole);
    }
}
