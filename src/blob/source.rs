//! The bytes of what only the mirror has: read from there piece by piece.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::BlobError;
use super::hash::BlobHash;

/// Bytes that are asked of the mirror at least: whoever plays a video reads on, and each request costs a way there and back.
const READ_MIN: usize = 1 << 20;

/// Where what is in the mirror only is read from.
pub trait MirrorSource: Debug + Send + Sync {
    /// Reads a range of a blob, all of it or nothing. Blocks, for a few seconds at most.
    ///
    /// # Errors
    /// Why not, as it follows behind "the file is in the mirror only, and".
    fn read(&self, hash: &BlobHash, range: Range<u64>) -> Result<Vec<u8>, String>;
}

/// The bytes of a blob in the mirror, and the piece that was read last.
#[derive(Debug)]
pub(super) struct MirroredBytes {
    hash: BlobHash,
    size: u64,
    source: Arc<dyn MirrorSource>,
    piece: Mutex<(u64, Vec<u8>)>,
}

impl MirroredBytes {
    pub(super) fn new(hash: BlobHash, size: u64, source: Arc<dyn MirrorSource>) -> Self {
        Self { hash, size, source, piece: Mutex::default() }
    }

    /// Reads so many bytes, which are there, from an offset.
    pub(super) fn read_range(&self, offset: u64, length: usize) -> Result<Vec<u8>, BlobError> {
        let mut piece = self.piece.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = part_of(&piece, offset, length) {
            return Ok(found);
        }
        let end = offset.saturating_add(length.max(READ_MIN) as u64).min(self.size);
        let bytes = self.fetch(offset..end)?;
        *piece = (offset, bytes);
        part_of(&piece, offset, length).ok_or_else(|| self.unreachable("it gave another range than it was asked for".to_owned()))
    }

    /// Reads a range of it from the mirror.
    pub(super) fn fetch(&self, range: Range<u64>) -> Result<Vec<u8>, BlobError> {
        let wanted = range.end - range.start;
        let bytes = self.source.read(&self.hash, range).map_err(|why| self.unreachable(why))?;
        match bytes.len() as u64 == wanted {
            true => Ok(bytes),
            false => Err(self.unreachable(format!("it gave {} bytes instead of {wanted}", bytes.len()))),
        }
    }

    fn unreachable(&self, why: String) -> BlobError {
        BlobError::Unreachable { hash: self.hash, why }
    }
}

fn part_of((start, bytes): &(u64, Vec<u8>), offset: u64, length: usize) -> Option<Vec<u8>> {
    let from = usize::try_from(offset.checked_sub(*start)?).ok()?;
    bytes.get(from..from.checked_add(length)?).map(<[u8]>::to_vec)
}
