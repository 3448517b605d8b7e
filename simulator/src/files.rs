//! Files: the bytes behind photos and documents.
//!
//! A generated file has no bytes anywhere: each block of eight is a hash of the world's seed, the file's id and the block's
//! number, so any part of any file, of two gigabytes too, can be served and checked without holding it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::picture;
use crate::tone;
use crate::world::{FileEntry, FileRendition, FileSource, World, mix};

/// How much of a file is read at a time to hash it: as much as Telegram would serve at once.
const CHUNK: i64 = 1 << 20;

/// Why a file cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileError {
    /// No such file or size, or the export lacks it.
    Missing,
}

impl World {
    /// The real size of a file or, for a photo or a thumbnail, of one of its sizes by letter; the whole or largest where none is named.
    #[must_use]
    pub fn file_size(&self, id: i64, letter: &str) -> Option<i64> {
        self.files.get(&id)?.size_of(letter)
    }

    /// The SHA-256 of what is served of a file, in hexadecimal, without ever holding more than a mebibyte of it. None where there is no
    /// such file or size, or an export lacks it.
    #[must_use]
    pub fn file_hash(&self, id: i64, letter: &str) -> Option<String> {
        let content = self.content(id, letter).ok()?;
        let mut hash = Sha256::new();
        let mut at = 0;
        while at < content.size {
            let part = content.read(at, CHUNK).ok()?;
            if part.is_empty() {
                break;
            }
            at += part.len() as i64;
            hash.update(&part);
        }
        Some(hash.finalize().iter().fold(String::with_capacity(64), |mut digits, byte| {
            // Writing into a string cannot fail.
            let _: std::fmt::Result = write!(digits, "{byte:02x}");
            digits
        }))
    }

    /// Everything that can be downloaded, by ascending id and letter: a photo once for each of its sizes, a document and its thumbnail.
    #[must_use]
    pub fn file_list(&self) -> Vec<FileRendition> {
        let mut list: Vec<FileRendition> = self
            .files
            .iter()
            .flat_map(|(id, entry)| {
                let whole = (!entry.is_photo()).then(|| (String::new(), entry.size));
                let pictures = entry.pictures().into_iter().map(|size| (size.letter.to_string(), i64::from(size.size)));
                pictures.chain(whole).map(|(letter, size)| FileRendition { id: *id, letter, size, dc: entry.dc })
            })
            .collect();
        list.sort();
        list
    }

    /// A part of a file.
    pub(crate) fn read_file(&self, id: i64, letter: &str, offset: i64, limit: i64) -> Result<Vec<u8>, FileError> {
        self.content(id, letter)?.read(offset, limit).map_err(|error| {
            tracing::warn!(%error, "a file of the export cannot be read");
            FileError::Missing
        })
    }

    /// The whole content of a file (a photo's largest size), for comparison with what a client downloaded. [`World::file_hash`] is for
    /// files that are too large for that.
    #[must_use]
    pub fn file_content(&self, id: i64) -> Option<Vec<u8>> {
        self.rendition_content(id, "")
    }

    /// The same of a photo's size or a thumbnail.
    #[must_use]
    pub fn rendition_content(&self, id: i64, letter: &str) -> Option<Vec<u8>> {
        self.read_file(id, letter, 0, i64::MAX).ok()
    }

    fn content(&self, id: i64, letter: &str) -> Result<Content, FileError> {
        let entry = self.files.get(&id).ok_or(FileError::Missing)?;
        let size = entry.size_of(letter).ok_or(FileError::Missing)?.max(0);
        let picture = entry.pictures().into_iter().rev().find(|size| letter.is_empty() || size.letter.to_string() == letter);
        let picture = picture.filter(|_| self.real_media && (entry.is_photo() || !letter.is_empty()));
        if let FileSource::Given(bytes) = &entry.source
            && (entry.is_photo() || letter.is_empty())
        {
            let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            return Ok(Content { size, bytes: Bytes::Given(Arc::clone(bytes)) });
        }
        let source = match &entry.source {
            FileSource::Derived | FileSource::Tone | FileSource::Given(_) if picture.is_some() => {
                let drawn = picture.and_then(|of| picture::jpeg(id, of.width, of.height, entry.is_progressive(of), size));
                Bytes::Made(drawn.ok_or(FileError::Missing)?)
            }
            FileSource::Tone if size > tone::HEADER => Bytes::Tone(id),
            FileSource::Derived | FileSource::Tone | FileSource::Given(_) => {
                Bytes::Derived(derivation_key(self.seed, id, letter_of(entry, letter)))
            }
            FileSource::Disk(path) => Bytes::Disk(self.file_root.as_deref().unwrap_or(Path::new("")).join(path)),
            FileSource::Missing => return Err(FileError::Missing),
        };
        Ok(Content { size, bytes: source })
    }
}

/// The content of one rendition of a file.
struct Content {
    size: i64,
    bytes: Bytes,
}

enum Bytes {
    /// These.
    Made(Vec<u8>),
    /// These, shared.
    Given(Arc<[u8]>),
    /// The sound of this id.
    Tone(i64),
    /// From this key.
    Derived(u64),
    /// In this file.
    Disk(PathBuf),
}

impl Content {
    fn read(&self, offset: i64, limit: i64) -> io::Result<Vec<u8>> {
        let (from, to) = (offset.clamp(0, self.size), offset.saturating_add(limit).clamp(0, self.size));
        match &self.bytes {
            Bytes::Made(bytes) => Ok(bytes.get(from as usize..to.max(from) as usize).unwrap_or_default().to_vec()),
            Bytes::Given(bytes) => Ok(bytes.get(from as usize..to.max(from) as usize).unwrap_or_default().to_vec()),
            Bytes::Tone(id) => Ok(tone::wave(*id, self.size, from, to)),
            Bytes::Derived(key) => Ok(derive(*key, from, to)),
            Bytes::Disk(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(from.unsigned_abs()))?;
                let mut bytes = Vec::new();
                file.take((to - from).max(0).unsigned_abs()).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

/// Sizes of one photo differ; the largest is the same whether it is named or not.
fn letter_of(entry: &FileEntry, letter: &str) -> u64 {
    let is_whole = entry.is_photo() && entry.pictures().last().is_some_and(|size| size.letter.to_string() == letter);
    letter.bytes().next().filter(|_| !is_whole).map_or(0, u64::from)
}

fn derivation_key(seed: u64, id: i64, size: u64) -> u64 {
    mix(seed ^ mix(id as u64 ^ (size << 56)))
}

fn derive(key: u64, from: i64, to: i64) -> Vec<u8> {
    let length = (to - from).max(0).unsigned_abs() as usize;
    let (first, skipped) = (from / 8, (from % 8).unsigned_abs() as usize);
    let mut bytes = vec![0; (skipped + length).next_multiple_of(8)];
    for (block, chunk) in (first..).zip(bytes.as_chunks_mut::<8>().0) {
        *chunk = mix(key ^ block as u64).to_le_bytes();
    }
    bytes.drain(..skipped);
    bytes.truncate(length);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_derived_file_join_to_the_whole() {
        let key = derivation_key(1, 2, 0);
        let whole = derive(key, 0, 1003);
        assert_eq!(whole.len(), 1003);
        for cut in [0, 1, 7, 8, 9, 500, 1002, 1003] {
            let joined = [derive(key, 0, cut), derive(key, cut, 1003)].concat();
            assert_eq!(joined, whole);
        }
        assert_ne!(derive(derivation_key(1, 3, 0), 0, 1003), whole);
    }

    #[test]
    fn every_rendition_that_is_listed_has_its_bytes_and_its_hash() {
        let mut world = World::empty(5, vec![1]);
        world.files.insert(7, FileEntry::document(0, 1));
        world.files.insert(8, FileEntry::document(3_000_000, 1));
        for rendition in world.file_list() {
            let content = world.rendition_content(rendition.id, &rendition.letter).unwrap();
            assert_eq!(content.len() as i64, rendition.size);
            let hash: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(world.file_hash(rendition.id, &rendition.letter), Some(hash));
        }
        let given: std::sync::Arc<[u8]> = b"<script>".as_slice().into();
        world.files.insert(7, FileEntry { source: FileSource::Given(given), ..FileEntry::document(99, 1) });
        assert_eq!(world.file_content(7).unwrap(), b"<script>");
        assert_eq!(world.read_file(7, "", 3, 4).unwrap(), b"ript");
        assert_eq!(world.file_hash(9, ""), None);
        assert_eq!(world.file_hash(8, "m"), None);
    }
}
