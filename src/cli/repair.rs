//! `telescribe repair`: continues with an archive that has lost changes.

use std::process::ExitCode;

use super::client::Globals;
use super::output::tell;
use crate::archive::{Archive, DataFolder, Loss};
use crate::search::IndexFolders;

/// Continue with an archive that has lost changes, without them
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe verify
  telescribe repair

An archive that has lost changes, by a damaged disk or an older copy, is not opened. If there is no better backup, this
continues with what is left. Nothing is thrown away: the archive as it was is kept beside it. The crawl asks Telegram again
for what is missing, and the archive begins a new epoch, so that nobody who followed it takes new changes for old ones.
The next `telescribe run` brings the index up to date. Sums over files that are wrong are summed up again.
A running telescribe must be stopped first.")]
pub(super) struct Args {}

pub(super) fn run(_: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let folder = DataFolder::lock_existing(&globals.data)?;
    let (archive, loss) = Archive::open_without_lost(&folder.archive(), IndexFolders::at(&folder.index()).seen()?.as_ref())?;
    // A loss may leave them behind what they are the sums of.
    let mended = archive.mend_file_totals()?;
    match loss {
        None if mended => tell("nothing is missing in the archive; the sums over its files were wrong, and were summed up again"),
        None => tell("nothing is missing in the archive; it stays as it is"),
        Some(Loss { what, last, kept }) => tell(format_args!(
            "the archive {what}; it continues from change {last} in the new epoch {}; what it was is kept in `{}`",
            archive.epoch(),
            kept.display()
        )),
    }
    Ok(ExitCode::SUCCESS)
}
