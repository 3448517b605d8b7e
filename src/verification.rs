//! Verification: whether archive, index and positions say the same, and whether what is on the disk is what was written.
//!
//! It reads a snapshot of the archive, so it may run beside a program that writes; memory grows with the number of peers, and with the
//! largest one. What is only not indexed yet is no difference.

use std::time::Duration;

use crate::archive::{ArchiveError, ExternalPosition, Snapshot};
use crate::model::Seq;
use crate::search::{CheckedFile, Index, SearchError, Verification};

/// Bytes of an index's file that are read before it is told how far that is.
const PIECE: u64 = 4 << 20;

/// How often all is verified by itself (a scrub), and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrubSettings {
    /// The time between the ends of two passes.
    pub interval: Duration,
    /// How many bytes may be read in a second.
    pub bytes_per_second: u64,
}

/// How far a verification has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationProgress {
    /// What is read: a column family of the archive, or `index`.
    pub reading: String,
    /// How much of it is done: records of the archive, then files of the index.
    pub done: u64,
    /// Of about how much.
    pub total: u64,
    /// Bytes that were read since it was told last.
    pub bytes: u64,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct VerificationReport {
    /// Messages, deleted ones included.
    pub messages: u64,
    /// Changes.
    pub changes: u64,
    /// Documents of the index.
    pub indexed: u64,
    /// Messages that are only not indexed yet.
    pub pending: u64,
    /// What differs or is damaged, in words.
    pub differences: Vec<String>,
    /// Whether the archive lacks what somebody has seen of it.
    pub lost: bool,
}

/// Told how far it is; no to stop.
pub type Tell<'a> = dyn FnMut(VerificationProgress) -> bool + 'a;

/// Verifies all of it. `take` takes a snapshot of the archive, of which `index` is the index; `outside` are those that have seen the
/// archive from outside.
///
/// # Errors
/// When the disk refuses, or `tell` says no.
pub fn verify(
    take: impl Fn() -> Snapshot,
    index: Result<&Index, SearchError>,
    outside: Vec<ExternalPosition>,
    tell: &mut Tell<'_>,
) -> Result<VerificationReport, SearchError> {
    let archive = take();
    let found = archive.view().verify_with(&mut |progress| {
        let reading = progress.reading.to_owned();
        tell(VerificationProgress { reading, done: progress.done, total: progress.total, bytes: progress.bytes })
    })?;
    let (messages, changes) = (found.messages, found.changes);
    let mut report = VerificationReport { messages, changes, differences: found.differences, ..VerificationReport::default() };
    let indexed = compare_index(&take, index, &mut report.differences, tell)?;
    (report.indexed, report.pending) = (indexed.documents, indexed.pending);
    report.lost = compare_positions(&archive, outside, &mut report.differences)?;
    Ok(report)
}

/// Adds what differs between index and archive: only where all of its files are whole, their contents are compared.
fn compare_index(
    take: impl Fn() -> Snapshot,
    index: Result<&Index, SearchError>,
    differences: &mut Vec<String>,
    tell: &mut Tell<'_>,
) -> Result<Verification, SearchError> {
    let index = match index {
        Ok(index) => index,
        // An archive that is behind is told with the positions.
        Err(SearchError::Ahead { .. }) => return Ok(Verification::default()),
        Err(error @ (SearchError::NoIndex { .. } | SearchError::Unusable { .. } | SearchError::Rebuilding { .. })) => {
            differences.push(error.to_string());
            return Ok(Verification::default());
        }
        Err(error) => return Err(error),
    };
    let faults = faults_of(index, tell)?;
    if !faults.is_empty() {
        differences.extend(faults);
        return Ok(Verification { documents: index.document_count(), ..Verification::default() });
    }
    let found = index.verify_beside(take)?;
    differences.extend(found.differences.iter().map(|d| format!("index: {d:?}")));
    let all = found.missing + found.doubled + found.stale + found.foreign;
    let unlisted = all.saturating_sub(u64::try_from(found.differences.len()).unwrap_or(u64::MAX));
    if unlisted > 0 {
        differences.push(format!("index: {unlisted} more differences"));
    }
    Ok(found)
}

/// What is wrong with the files of an index.
fn faults_of(index: &Index, tell: &mut Tell<'_>) -> Result<Vec<String>, SearchError> {
    let mut check = index.integrity_check()?;
    let total = check.files_left() as u64;
    let mut faults = Vec::new();
    while check.files_left() > 0 {
        let file = check.step(PIECE);
        faults.extend(file.as_ref().and_then(CheckedFile::fault).map(|fault| format!("index: {fault}")));
        let done = total.saturating_sub(check.files_left() as u64);
        if !tell(VerificationProgress { reading: "index".to_owned(), done, total, bytes: PIECE }) {
            return Err(ArchiveError::Stopped.into());
        }
    }
    Ok(faults)
}

/// Adds what readers have seen and the archive does not have; says whether there is any.
fn compare_positions(
    archive: &Snapshot,
    outside: Vec<ExternalPosition>,
    differences: &mut Vec<String>,
) -> Result<bool, ArchiveError> {
    let last = archive.last_seq();
    let inside = archive.view().positions()?.into_iter().map(|(name, position)| (format!("the reader `{name}`"), position));
    let mut positions: Vec<(String, Seq)> = inside.collect();
    let mut lost = false;
    for ExternalPosition { by, archive: id, epoch, position } in outside {
        match epoch.map(|epoch| archive.common_with(epoch)) {
            _ if id != archive.id() => differences.push(format!("{by} has seen another archive")),
            Some(None) => {
                differences
                    .push(format!("{by} has seen an epoch that the archive does not know: it is an earlier state of itself"));
                lost = true;
            }
            // That what was behind its beginning is gone, the newer epoch says.
            Some(Some(common)) if position > common => {}
            _ => positions.push((by.to_string(), position)),
        }
    }
    positions.retain(|(_, position)| *position > last);
    let missing = |position: Seq| position.0.saturating_sub(last.0);
    differences.extend(positions.iter().map(|(by, position)| {
        format!("{by} has seen change {position}, but the newest is {last}: {} changes are missing", missing(*position))
    }));
    Ok(lost || !positions.is_empty())
}
