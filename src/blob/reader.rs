//! Reading a blob: whole, in parts, or from any offset, never more into memory than is asked for, and one piece of what only the mirror has.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;

use super::error::BlobError;
use super::hash::BlobHash;
use super::source::MirroredBytes;

/// A blob that is open for reading. A small one is in memory (at most [`SMALL_MAX`](super::SMALL_MAX) bytes), a large one is not.
#[derive(Debug)]
pub struct BlobReader {
    hash: BlobHash,
    size: u64,
    content: Content,
    position: u64,
}

#[derive(Debug)]
enum Content {
    Small(Vec<u8>),
    Large(File),
    Mirrored(MirroredBytes),
}

impl BlobReader {
    pub(super) fn small(hash: BlobHash, bytes: Vec<u8>) -> Self {
        Self { hash, size: bytes.len() as u64, content: Content::Small(bytes), position: 0 }
    }

    pub(super) fn large(hash: BlobHash, file: File, size: u64) -> Self {
        Self { hash, size, content: Content::Large(file), position: 0 }
    }

    pub(super) fn mirrored(hash: BlobHash, bytes: MirroredBytes, size: u64) -> Self {
        Self { hash, size, content: Content::Mirrored(bytes), position: 0 }
    }

    /// The blob's hash.
    #[must_use]
    pub fn hash(&self) -> BlobHash {
        self.hash
    }

    /// How many bytes it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads up to so many bytes from an offset; fewer only where the blob ends. The position of `Read` and `Seek` stays.
    ///
    /// # Errors
    /// [`BlobError::DamagedBlob`] where the file has become shorter, or cannot be read; [`BlobError::Unreachable`] where the mirror does not give it.
    pub fn read_range(&self, offset: u64, length: usize) -> Result<Vec<u8>, BlobError> {
        let there = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        if let Content::Mirrored(bytes) = &self.content {
            return bytes.read_range(offset, length.min(there));
        }
        let mut bytes = vec![0; length.min(there)];
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, offset + done as u64) {
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(BlobError::DamagedBlob { hash: self.hash, why: error.to_string() }),
            }
        }
        Ok(bytes)
    }

    /// Reads some bytes from an offset; none only at the end of the blob.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let there = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(there);
        let Some(buffer) = buffer.get_mut(..wanted).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        match &self.content {
            Content::Small(bytes) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                buffer.copy_from_slice(bytes.get(from..from.saturating_add(wanted)).unwrap_or_default());
                Ok(wanted)
            }
            Content::Large(file) => match file.read_at(buffer, offset)? {
                0 => Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("the file of {} ends at {offset} of {}", self.hash, self.size),
                )),
                count => Ok(count),
            },
            Content::Mirrored(bytes) => {
                let read = bytes.read_range(offset, wanted).map_err(io::Error::other)?;
                buffer.copy_from_slice(&read);
                Ok(wanted)
            }
        }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a position before the beginning"))?;
        Ok(self.position)
    }
}
