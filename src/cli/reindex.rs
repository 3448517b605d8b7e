//! `telescribe reindex`: rebuilds the full-text index from the archive.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::client::Globals;
use super::output::tell;
use crate::archive::{Archive, DataFolder, Durability};
use crate::config::Config;
use crate::search::{IndexFolders, Rebuild};

/// Rebuild the full-text index from the archive
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe reindex

A missing, damaged or outdated index is rebuilt by `telescribe run` itself; this does it without crawling, whatever the
index is like. The new one is built beside the old one, which is kept until then; if it is interrupted, the next
`telescribe reindex` or `telescribe run` continues.")]
pub(super) struct Args {}

pub(super) async fn run(_: Args, globals: &Globals, config: &Config) -> anyhow::Result<ExitCode> {
    let folder = DataFolder::lock_existing(&globals.data)?;
    let folders = IndexFolders::at(&folder.index());
    folders.check_replaceable()?;
    let archive = Arc::new(Archive::open_existing(&folder.archive(), Durability::Os, folders.seen()?.as_ref())?);
    archive.check_positions()?;
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
