//! `telescribe upgrade`: brings an archive of an older version to this version's format.

use std::process::ExitCode;

use super::client::Globals;
use super::output::tell;
use crate::archive::{Archive, DataFolder, Durability, FORMAT};
use crate::search::IndexFolders;

/// Upgrade the archive of an older version to the format of this one
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe upgrade

`telescribe run` does it by itself. There is no way back: an older version does not open what a newer one has upgraded, so
keep a copy first. If it is interrupted, the next one goes on. A running telescribe must be stopped first.")]
pub(super) struct Args {}

pub(super) fn run(_: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let folder = DataFolder::lock_existing(&globals.data)?;
    let seen = IndexFolders::at(&folder.index()).seen()?;
    let archive = Archive::open_existing(&folder.archive(), Durability::Os, seen.as_ref())?;
    archive.check_positions()?;
    tell(format_args!("the archive has format {FORMAT}, with {} changes", archive.last_seq()));
    Ok(ExitCode::SUCCESS)
}
