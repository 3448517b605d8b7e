//! `telescribe reindex`: builds the full-text index anew from the archive.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::client::Globals;
use super::output::tell;
use crate::archive::{Archive, DataFolder, Durability};
use crate::config::Config;
use crate::lifecycle::{Step, Worker as _};
use crate::search::{Index, Indexer, IndexerSettings};

/// Build the full-text index anew from the archive
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe reindex

Needed after nothing: a missing or outdated index is rebuilt by `telescribe run` itself. This does it without crawling.")]
pub(super) struct Args {}

pub(super) async fn run(_: Args, globals: &Globals, config: &Config) -> anyhow::Result<ExitCode> {
    let folder = DataFolder::lock_existing(&globals.data)?;
    let archive = Arc::new(Archive::open(&folder.archive(), Durability::Os)?);
    let path = folder.index();
    if path.exists() {
        std::fs::remove_dir_all(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
    }
    let index = Arc::new(Index::open(&path)?);
    let settings = IndexerSettings { memory: config.search.memory_mib << 20, ..IndexerSettings::default() };
    let mut indexer = Indexer::new(Arc::clone(&index), Arc::clone(&archive), settings);
    let last = archive.last_seq().0;
    let bar = ProgressBar::new(last)
        .with_style(ProgressStyle::with_template("indexing {wide_bar} {pos}/{len} changes, {eta}").context("progress bar")?);
    while index.position().0 < last {
        if indexer.step().await? == Step::Idle {
            indexer.finish().await?;
        }
        bar.set_position(index.position().0);
    }
    bar.finish_and_clear();
    tell(format_args!("{} messages are indexed", index.document_count()));
    Ok(ExitCode::SUCCESS)
}
