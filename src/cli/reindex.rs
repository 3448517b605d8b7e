//! `telescribe reindex`: rebuilds the full-text index from the archive.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::client::Globals;
use super::output::tell;
use crate::archive::{Archive, DataFolder, Durability, ExternalPosition, Loss};
use crate::config::Config;
use crate::search::{IndexFolders, Rebuild};

/// Rebuild the full-text index from the archive
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe reindex
  telescribe reindex --accept-loss

A missing, damaged or outdated index is rebuilt by `telescribe run` itself; this does it without crawling, whatever the
index is like. The new one is built beside the old one, which is kept until then; if it is interrupted, the next
`telescribe reindex` or `telescribe run` continues.

An archive that has lost changes, by a damaged disk or an older backup, is not opened. If there is no better backup,
--accept-loss continues with what is left: the crawl requests the rest from Telegram again, and the archive gets a new
id, so that consumers of events do not take new changes for old ones. The archive as it was is kept beside it.")]
pub(super) struct Args {
    /// Continue without the changes that the archive has lost
    #[arg(long)]
    accept_loss: bool,
}

pub(super) async fn run(args: Args, globals: &Globals, config: &Config) -> anyhow::Result<ExitCode> {
    let folder = DataFolder::lock_existing(&globals.data)?;
    let folders = IndexFolders::at(&folder.index());
    folders.check_replaceable()?;
    let archive = Arc::new(open(&args, &folder.archive(), folders.seen()?.as_ref())?);
    // Beside the existing index, which only a complete one replaces (a swap).
    let why = "`telescribe reindex` was run";
    let mut rebuild = Rebuild::start(&folders, &archive, config.search.indexer_settings(), why)?;
    let last = archive.last_seq().0;
    let bar = ProgressBar::new(last)
        .with_style(ProgressStyle::with_template("indexing {wide_bar} {pos}/{len} changes, {eta}").context("progress bar")?);
    while !rebuild.step().await? {
        bar.set_position(rebuild.position().0);
    }
    let documents = rebuild.complete().await?;
    bar.finish_and_clear();
    tell(format_args!("{documents} messages are indexed"));
    Ok(ExitCode::SUCCESS)
}

fn open(args: &Args, path: &Path, seen: Option<&ExternalPosition>) -> anyhow::Result<Archive> {
    if !args.accept_loss {
        let archive = Archive::open_existing(path, Durability::Os, seen)?;
        archive.check_positions()?;
        return Ok(archive);
    }
    let (archive, loss) = Archive::open_without_lost(path, seen)?;
    match loss {
        None => tell("nothing is missing in the archive; it keeps its id"),
        Some(Loss { what, last, kept }) => tell(format_args!(
            "the archive {what}; it continues from change {last} with the new id {}; what it was is kept in `{}`",
            archive.id(),
            kept.display()
        )),
    }
    Ok(archive)
}
