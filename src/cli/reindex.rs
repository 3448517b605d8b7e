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
use crate::lifecycle::{StepOutcome, Worker as _};
use crate::search::{Index, Indexer};

/// Rebuild the full-text index from the archive
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe reindex
  telescribe reindex --accept-loss

A missing, damaged or outdated index is rebuilt by `telescribe run` itself; this does it without crawling.

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
    let (path, aside) = (folder.index(), folder.index_aside());
    Index::check_replaceable(&path)?;
    let archive = Arc::new(open(&args, &folder.archive(), Index::seen(&path).as_ref())?);
    // Beside the existing index, which only a complete one replaces (atomic swap).
    let index = Arc::new(Index::recreate(&aside)?);
    let settings = config.search.indexer_settings();
    let mut indexer = Indexer::new(Arc::clone(&index), Arc::clone(&archive), settings);
    let last = archive.last_seq().0;
    let bar = ProgressBar::new(last)
        .with_style(ProgressStyle::with_template("indexing {wide_bar} {pos}/{len} changes, {eta}").context("progress bar")?);
    while index.position().0 < last {
        if indexer.step().await? == StepOutcome::Idle {
            indexer.finish().await?;
        }
        bar.set_position(index.position().0);
    }
    bar.finish_and_clear();
    let documents = index.document_count();
    drop((indexer, index));
    Index::replace(&path, &aside)?;
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
