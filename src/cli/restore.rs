//! `telescribe restore`: puts a backup into an empty data folder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::client::Globals;
use super::output::{Out, ended, one_line};
use crate::app::open_sessions;
use crate::archive::{Archive, DataFolder, Durability};
use crate::backup::{Restored, Watch, restore};
use crate::config::Config;
use crate::erasure;
use crate::model::{Clock as _, SystemClock};

/// Restore a backup into an empty data folder
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe restore /mnt/backup/telescribe
  telescribe --data data.new restore /mnt/backup/telescribe --backup 20260131T120000Z-7

The data folder (`--data`) must be empty or not there. Everything is compared with the backup before it is moved into place.
A session is put back only where the account has none. The archive begins a new epoch, so that nobody who followed it takes
new changes for old ones; `telescribe run` then asks Telegram for what is newer than the backup.")]
pub struct Args {
    /// The folder that backups are kept in
    #[arg(value_name = "FOLDER")]
    pub target: PathBuf,
    /// The backup's name, as `telescribe backup FOLDER --list` shows it [default: the newest]
    #[arg(long, value_name = "BACKUP")]
    pub backup: Option<String>,
}

pub(super) fn run(args: Args, globals: &Globals, config: &Config) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, config, &mut Out::stdout()))
}

/// Runs the command.
///
/// # Errors
/// When the data folder is not empty, or the backup is damaged; nothing was restored then.
pub fn write(args: &Args, globals: &Globals, config: &Config, out: &mut Out) -> anyhow::Result<ExitCode> {
    let sessions = open_sessions(config)?;
    let restoring = || restore(&args.target, args.backup.as_deref(), &globals.data, &sessions, &Watch::nobody());
    let restored = tokio::task::block_in_place(restoring)?;
    let erasures = tokio::task::block_in_place(|| erase_again(&args.target, &globals.data))?;
    if globals.json {
        let Restored { id, made_at, position, epoch, keys, .. } = &restored;
        let names = |names: &[crate::model::AccountName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        out.json(&json!({
            "id": id.to_string(), "made_at": made_at, "archive": position.archive, "change": position.last.0,
            "archived_at": position.at.to_string(), "epoch_before": position.epoch.to_string(), "epoch": epoch.to_string(),
            "keys": keys, "erasures_ordered_again": erasures, "sessions": names(&restored.sessions), "sessions_kept": names(&restored.sessions_kept),
            "sessions_left_out": restored.sessions_left_out, "unread": restored.unread,
        }))?;
    } else {
        for_people(&restored, globals, config, out)?;
        if erasures > 0 {
            out.line(format_args!(
                "erasures: {erasures} that are newer than the backup were ordered again; what they are of is still in the data folder until `telescribe run` or another `telescribe erase` has carried them out"
            ))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Orders again what was erased since the backup was made, by the list beside the backups, before anybody reads it.
fn erase_again(target: &Path, data: &Path) -> anyhow::Result<usize> {
    let folder = DataFolder::lock_existing(data)?;
    let archive = Archive::open_existing(&folder.archive(), Durability::Os, None)?;
    let count = erasure::order_again(&archive, target, SystemClock.timestamp())?;
    erasure::note_erasures(&archive, data)?;
    archive.flush()?;
    Ok(count)
}

fn for_people(restored: &Restored, globals: &Globals, config: &Config, out: &mut Out) -> std::io::Result<()> {
    let Restored { id, made_at, position, epoch, keys, .. } = restored;
    out.line(format_args!(
        "backup {}, made at {made_at}, is restored in `{}`",
        out.strong(&id.to_string()),
        globals.data.display()
    ))?;
    out.line(format_args!(
        "archive: up to change {}, archived at {}; it goes on in the new epoch {epoch}, before it was {}",
        position.last, position.at, position.epoch
    ))?;
    out.line(if *keys {
        "clients' keys: restored as they were then; one that was removed since is valid again: `telescribe key list` shows them; this is another server, for which clients need new files (`telescribe key export`), unless it takes the old one's place (`telescribe key server --adopt`)"
    } else {
        "clients' keys: none in the backup"
    })?;
    let names = |names: &[crate::model::AccountName]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let folder = config.accounts.sessions.display();
    if !restored.sessions.is_empty() {
        out.line(format_args!("sessions: restored in `{folder}`: {}", names(&restored.sessions)))?;
    }
    if !restored.sessions_kept.is_empty() {
        out.line(format_args!("sessions: left as they are in `{folder}`: {}", names(&restored.sessions_kept)))?;
    }
    if !restored.sessions_left_out.is_empty() {
        let names = restored.sessions_left_out.join(", ");
        out.line(format_args!(
            "sessions: not in the backup: {names}; where there is none, `telescribe login NAME` signs the account in"
        ))?;
    }
    for part in &restored.unread {
        out.line(format_args!("note: when the backup was made, {}", one_line(&part.to_string())))?;
    }
    out.line("next: `telescribe run`, which builds the index and asks Telegram for what is newer; whoever keeps a position in the changes is told by the epoch where to go on")
}
