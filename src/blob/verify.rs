//! Verification: reads every blob again and compares its bytes with its name.

use super::Blobs;
use super::error::BlobError;
use super::hash::BlobHash;
use super::record::{BlobAmount, BlobEntry, BlobPlace};

/// Damaged blobs that a report names: more than that is a broken disk, and what helps is a backup.
pub(super) const DAMAGED_MAX: usize = 1_000;

/// What a verification has found.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BlobVerification {
    /// What was read.
    pub checked: BlobAmount,
    /// What is in the mirror only, and was not read.
    pub elsewhere: BlobAmount,
    /// How many of them are damaged or missing.
    pub damaged_count: u64,
    /// The first thousand of those.
    pub damaged: Vec<BlobDamage>,
}

/// A blob that is damaged or missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobDamage {
    /// Its name.
    pub hash: BlobHash,
    /// The bytes that it should have.
    pub size: u64,
    /// What is wrong with it.
    pub why: String,
}

impl Blobs {
    /// Reads every blob and compares its bytes with its name. `progress` is told how much was read so far, at least every 256 KiB.
    ///
    /// # Errors
    /// When the index cannot be read. What is wrong with single blobs is in the report.
    pub fn verify(&self, mut progress: impl FnMut(BlobAmount)) -> Result<BlobVerification, BlobError> {
        let mut report = BlobVerification::default();
        for entry in self.inner.database.entries() {
            let (hash, entry) = entry?;
            if entry.place == BlobPlace::Elsewhere {
                report.elsewhere.add(entry.size);
                continue;
            }
            let mut so_far = report.checked;
            let outcome = self.verify_blob(&hash, entry, |bytes| {
                so_far.bytes = so_far.bytes.saturating_add(bytes);
                progress(so_far);
            });
            report.checked.add(entry.size);
            progress(report.checked);
            // One that was deleted meanwhile is not damaged.
            if let Err(why) = outcome
                && self.inner.database.find(&hash)? == Some(entry)
            {
                report.damaged_count += 1;
                if report.damaged.len() < DAMAGED_MAX {
                    report.damaged.push(BlobDamage { hash, size: entry.size, why });
                }
            }
        }
        Ok(report)
    }

    /// Says what is wrong with a blob.
    fn verify_blob(&self, hash: &BlobHash, entry: BlobEntry, step: impl FnMut(u64)) -> Result<(), String> {
        let why = |error: BlobError| match error {
            BlobError::DamagedBlob { why, .. } => why,
            other => other.to_string(),
        };
        let (found, size) = match entry.place {
            BlobPlace::Small => {
                let bytes = self.inner.database.bytes(hash, entry.size).map_err(why)?;
                BlobHash::of_reader(&bytes[..], step)
            }
            BlobPlace::Elsewhere => return Ok(()),
            BlobPlace::Large => BlobHash::of_reader(self.inner.large.open(hash, entry.size).map_err(why)?, step),
        }
        .map_err(|error| error.to_string())?;
        match (found == *hash, size == entry.size) {
            (true, true) => Ok(()),
            (_, false) => Err(format!("it has {size} bytes instead of {}", entry.size)),
            (false, true) => Err(format!("its bytes have the hash {found}")),
        }
    }
}
