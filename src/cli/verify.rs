//! `telescribe verify`: compares archive, index and positions with each other.

use std::process::ExitCode;

use serde_json::json;

use super::client::Globals;
use super::output::{Out, ended};
use crate::archive::{Archive, DataFolder, Durability};
use crate::publish::READER;
use crate::search::Index;

/// Compare the archive, the index and all positions with each other
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe verify
  telescribe verify --json | jq .differences

The exit status is 1 when anything differs, or is not indexed yet. A running telescribe must be stopped first.")]
pub(super) struct Args {}

pub(super) fn run(_: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(verify(globals))
}

fn verify(globals: &Globals) -> anyhow::Result<ExitCode> {
    let folder = DataFolder::lock_existing(&globals.data)?;
    let archive = Archive::open(&folder.archive(), Durability::Os)?;
    let report = archive.verify()?;
    let mut differences = report.differences;
    let index = Index::open(&folder.index())?;
    let found = index.verify(&archive)?;
    differences.extend(found.differences.iter().map(|d| format!("index: {d:?}")));
    let all = found.missing + found.doubled + found.stale + found.foreign;
    let unlisted = all.saturating_sub(u64::try_from(found.differences.len()).unwrap_or(u64::MAX));
    if unlisted > 0 {
        differences.push(format!("index: {unlisted} more differences"));
    }
    let last = archive.last_seq();
    for (reader, position) in [("search", index.position()), (READER, archive.position(READER)?)] {
        if position > last {
            differences.push(format!("position of `{reader}` is {position}, but the newest change is {last}"));
        }
    }
    let mut out = Out::stdout();
    if globals.json {
        out.json(&json!({
            "messages": report.messages, "changes": report.changes, "indexed": index.document_count(),
            "pending": found.pending,
            "differences": differences,
        }))?;
    } else {
        let indexed = index.document_count();
        out.line(format_args!("{} messages archived, {indexed} indexed, {} changes", report.messages, report.changes))?;
        if found.pending > 0 {
            out.line(format_args!(
                "{} messages are not indexed yet; `telescribe run` or `telescribe reindex` adds them",
                found.pending
            ))?;
        }
        for difference in &differences {
            out.line(format_args!("differs: {difference}"))?;
        }
        out.line(if differences.is_empty() { "no differences" } else { "`telescribe reindex` mends the index" })?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(!differences.is_empty() || found.pending > 0)))
}
