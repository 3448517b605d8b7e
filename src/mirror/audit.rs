//! The audit: whether the bucket still has what it is said to have. Somebody may have removed objects, or a server lost them.
//!
//! The bucket is listed folder by folder (by the first byte of the hashes, a thousand names a request) and compared with the marks of blobs. What is
//! missing and still here is mirrored again. What was nowhere else is asked for once more by its name, and given up only if that finds nothing either: then
//! its file counts as stored no more, and is downloaded again after the next start.

use std::collections::HashMap;

use super::store::Store;
use super::upload::MirrorFailure;
use crate::blob::{BlobCopies, BlobHash, Blobs};

/// What a folder's audit has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Audited {
    /// Blobs whose objects are missing or of another size, and that are here.
    pub(super) unmirrored: u64,
    /// Blobs that are nowhere any more.
    pub(super) lost: u64,
}

/// Compares a folder of the bucket with the marks of blobs.
pub(super) async fn audit(store: &Store, blobs: &Blobs, first: u8) -> Result<Audited, MirrorFailure> {
    let marked: Vec<(BlobHash, u64, BlobCopies)> =
        tokio::task::block_in_place(|| blobs.mirrored_in(first).collect::<Result<_, _>>())?;
    let mut audited = Audited::default();
    if marked.is_empty() {
        return Ok(audited);
    }
    // Listed after the marks were read: an object is there before its mark.
    let listed: HashMap<BlobHash, u64> = store.list(first).await?.into_iter().collect();
    for (hash, size, copies) in marked {
        if listed.get(&hash) == Some(&size) {
            continue;
        }
        match copies {
            BlobCopies::Mirror if store.size(&hash).await? == Some(size) => {}
            BlobCopies::Mirror => {
                tracing::warn!(blob.hash = %hash, "the mirror has lost file {hash}, of which there is no other copy; it is downloaded again after the next start");
                tokio::task::block_in_place(|| blobs.give_up_mirrored(&hash))?;
                audited.lost += 1;
            }
            _ => {
                tokio::task::block_in_place(|| blobs.forget_mirrored(&hash))?;
                audited.unmirrored += 1;
            }
        }
    }
    if audited.unmirrored > 0 {
        tracing::warn!("{} files are not in the mirror any more; they are mirrored again", audited.unmirrored);
    }
    Ok(audited)
}
