//! `telescribe reindex`: rebuilds the full-text index from the archive.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::client::Globals;
use super::output::tell;
use crate::archive::{Archive, DataFolder, Durability};
use crate::config::Config;
use crate::lifecycle::{StepOutcome, Worker as _};
use crate::search::{Index, Indexer};

/// Rebuild the full-text index from the archive
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe reindex
  telescribe reindex --accept-loss

A missing, damaged or outdated index is rebuilt by `telescribe run` itself; this does it without crawling.")]
pub(super) struct Args {}

pub(super) async fn run(_: Args, globals: &Globals, config: &Config) -> anyhow::Result<ExitCode> {
    let folder = DataFolder::lock_existing(&globals.data)?;
    let (path, aside) = (folder.index(), folder.index_aside());
    Index::check_replaceable(&path)?;
    let archive = Arc::new(Archive::open_existing(&folder.archive(), Durability::Os, Index::seen(&path).as_ref())?);
    archive.check_positions()?;
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
