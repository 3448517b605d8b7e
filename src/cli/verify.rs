//! `telescribe verify`: compares archive, index and positions with each other, and the index's files with their checksums.

use std::process::ExitCode;

use serde_json::json;

use super::client::Globals;
use super::output::{Out, ended};
use crate::archive::{Archive, DataFolder, ExternalPosition, Snapshot, seen_by_marker};
use crate::model::Seq;
use crate::search::{CheckedFile, IndexFolders, SearchError, Verification};

/// Compare the archive, the index and all positions with each other
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe verify
  telescribe verify --json | jq .differences

The exit status is 1 if anything differs. Messages that are only not indexed yet are counted, but are no difference: they
are indexed at the next start. A running telescribe must be stopped first.")]
pub(super) struct Args {}

pub(super) fn run(_: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(verify(globals))
}

fn verify(globals: &Globals) -> anyhow::Result<ExitCode> {
    let folder = DataFolder::lock_existing(&globals.data)?;
    // What readers have seen and the archive lacks is reported below, among the other differences.
    let opened = Archive::open_to_verify(&folder.archive())?;
    let archive = opened.flushed();
    let report = archive.view().verify()?;
    let mut differences = report.differences;
    let folders = IndexFolders::at(&folder.index());
    let indexed = compare_index(&opened, &folders, &mut differences)?;
    let outside = [seen_by_marker(&folder.archive())?, folders.seen()?].into_iter().flatten();
    let lost = compare_positions(&archive, outside, &mut differences)?;
    let mut out = Out::stdout();
    if globals.json {
        out.json(&json!({
            "messages": report.messages, "changes": report.changes, "indexed": indexed.documents, "pending": indexed.pending,
            "differences": differences,
        }))?;
    } else {
        let documents = indexed.documents;
        out.line(format_args!("{} messages archived, {documents} indexed, {} changes", report.messages, report.changes))?;
        if indexed.pending > 0 {
            let pending = indexed.pending;
            out.line(format_args!("{pending} messages are not indexed yet; `telescribe run` or `telescribe reindex` adds them"))?;
        }
        for difference in &differences {
            out.line(format_args!("differs: {difference}"))?;
        }
        out.line(match (lost, differences.is_empty()) {
            (true, _) => "restore a backup, or continue without what is missing: `telescribe repair`",
            (false, false) => "`telescribe reindex` repairs the index",
            (false, true) => "no differences",
        })?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(!differences.is_empty())))
}

/// Adds what differs between index and archive: only where all of its files are whole, their contents are compared.
fn compare_index(archive: &Archive, folders: &IndexFolders, differences: &mut Vec<String>) -> anyhow::Result<Verification> {
    let index = match folders.open_to_read(archive) {
        Ok(index) => index,
        // An archive that is behind is told with the positions.
        Err(SearchError::Ahead { .. }) => return Ok(Verification::default()),
        Err(error @ (SearchError::NoIndex { .. } | SearchError::Unusable { .. })) => {
            differences.push(error.to_string());
            return Ok(Verification::default());
        }
        Err(error) => return Err(error.into()),
    };
    let faults = index.integrity_check()?.faults();
    if !faults.is_empty() {
        differences.extend(faults.iter().filter_map(CheckedFile::fault).map(|fault| format!("index: {fault}")));
        return Ok(Verification { documents: index.document_count(), ..Verification::default() });
    }
    let found = index.verify(&archive.flushed())?;
    differences.extend(found.differences.iter().map(|d| format!("index: {d:?}")));
    let all = found.missing + found.doubled + found.stale + found.foreign;
    let unlisted = all.saturating_sub(u64::try_from(found.differences.len()).unwrap_or(u64::MAX));
    if unlisted > 0 {
        differences.push(format!("index: {unlisted} more differences"));
    }
    Ok(found)
}

/// Adds what readers have seen and the archive does not have; says whether there is any.
fn compare_positions(
    archive: &Snapshot,
    outside: impl Iterator<Item = ExternalPosition>,
    differences: &mut Vec<String>,
) -> anyhow::Result<bool> {
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
