//! `telescribe verify`: compares archive, index and positions with each other, and the index's files with their checksums.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::client::{Api, GAVE_WAY, Globals, Target};
use super::output::{Out, ended};
use crate::archive::{Archive, DataFolder, FolderError, seen_by_marker};
use crate::search::IndexFolders;
use crate::verification::{self, VerificationProgress};
use crate::views::{ChangesPage, VerifyLine, VerifyProgressView, VerifyReportView};

/// Compare the archive, the index and all positions with each other
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe verify
  telescribe verify --json | jq .differences

The exit status is 1 if anything differs. Messages that are only not indexed yet are counted, but are no difference. It reads
all there is, beside a running telescribe too, and needs little memory.")]
pub(super) struct Args {}

pub(super) async fn run(_: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let outcome = async {
        let bar = Bar::new()?;
        let report = match DataFolder::lock_existing(&globals.data) {
            Ok(folder) if globals.server.is_none() => tokio::task::block_in_place(|| here(&folder, &bar))?,
            Ok(_) | Err(FolderError::InUse { .. }) => beside(globals, &bar).await?,
            Err(_) if globals.server.is_some() => beside(globals, &bar).await?,
            Err(error) => return Err(error.into()),
        };
        bar.0.finish_and_clear();
        tell(&report, globals)
    };
    ended(outcome.await)
}

/// How far it is, for whoever looks at a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> anyhow::Result<Self> {
        let style = ProgressStyle::with_template("reading {msg:<10} {wide_bar} {percent} %, {eta}").context("progress bar")?;
        Ok(Self(ProgressBar::new(0).with_style(style)))
    }

    fn show(&self, reading: &str, done: u64, total: u64) {
        self.0.set_message(reading.to_owned());
        self.0.set_length(total.max(done));
        self.0.set_position(done);
    }
}

/// Verifies the folder of a program that does not run.
fn here(folder: &DataFolder, bar: &Bar) -> anyhow::Result<VerifyReportView> {
    // What readers have seen and the archive lacks is told, among the other differences.
    let archive = Archive::open_to_verify(&folder.archive())?;
    let folders = IndexFolders::at(&folder.index());
    let outside = [seen_by_marker(&folder.archive())?, folders.seen()?].into_iter().flatten().collect();
    let mut tell = |VerificationProgress { reading, done, total, .. }| {
        bar.show(&reading, done, total);
        // Who waits for the folder goes before.
        !folder.is_wanted()
    };
    let take = || archive.flushed();
    let report = match folders.open_to_read(&archive) {
        Ok(index) => verification::verify(take, Ok(&index), outside, &mut tell),
        Err(error) => verification::verify(take, Err(error), outside, &mut tell),
    };
    match report {
        Err(_) if folder.is_wanted() => bail!("{GAVE_WAY}"),
        report => Ok(report?.into()),
    }
}

/// Has a running program verify its folder.
async fn beside(globals: &Globals, bar: &Bar) -> anyhow::Result<VerifyReportView> {
    let mut found = None;
    let api = Api::open(globals).await?;
    api.each_line::<ChangesPage>(&Target::new("/v1/verify"), |line| {
        match serde_json::from_str(line).context("the response is not understood: use the version that the server has")? {
            VerifyLine::Progress(VerifyProgressView { reading, done, total }) => bar.show(&reading, done, total),
            VerifyLine::Report(report) => found = Some(report),
        }
        Ok(())
    })
    .await?;
    found.context("the verification ended without a report; see the program's log")
}

fn tell(report: &VerifyReportView, globals: &Globals) -> anyhow::Result<ExitCode> {
    let VerifyReportView { messages, changes, indexed, pending, differences, lost } = report;
    let mut out = Out::stdout();
    if globals.json {
        out.json(&json!({
            "messages": messages, "changes": changes, "indexed": indexed, "pending": pending, "differences": differences,
        }))?;
    } else {
        out.line(format_args!("{messages} messages archived, {indexed} indexed, {changes} changes"))?;
        if *pending > 0 {
            out.line(format_args!("{pending} messages are not indexed yet; `telescribe run` or `telescribe reindex` adds them"))?;
        }
        for difference in differences {
            out.line(format_args!("differs: {difference}"))?;
        }
        out.line(match (lost, differences.is_empty()) {
            (true, _) => "restore a backup, or continue without what is missing: `telescribe repair`",
            (false, false) => "`telescribe reindex` repairs the index; what is damaged in the archive is read again by `telescribe run`, if it can be",
            (false, true) => "no differences",
        })?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(!differences.is_empty())))
}
