//! `telescribe backup`: makes a backup, lists those that are there, and verifies them.
//!
//! A running program is asked over its socket, and makes it beside its work; without one, this process does. Listing and verifying need
//! neither: they read the backup folder alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended, one_line, tell};
use super::status::size;
use crate::app::{backup_view, open_sessions};
use crate::archive::{DataFolder, FolderError, FrozenArchive};
use crate::backup::{
    BackupFailure, BackupOptions, BackupRecord, BackupSource, BackupStore, ListedBackup, Secrets, VerifiedBackup, Watch, back_up,
    newest_of_archives, verify,
};
use crate::config::Config;
use crate::model::{Clock as _, SystemClock};
use crate::search::IndexFolders;
use crate::views::{BackupBody, BackupRunView, BackupStartView, BackupView};

/// The wait between two looks at how a backup is doing.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Make a backup of the archive, the clients' keys and the sealed sessions
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe backup /mnt/backup/telescribe
  telescribe backup /mnt/backup/telescribe --keep 14
  telescribe backup /mnt/backup/telescribe --list
  telescribe backup /mnt/backup/telescribe --verify
  telescribe backup /mnt/backup/telescribe --verify 20260131T120000Z-7

The program may be running. What the folder has already is not copied again, and what is copied is read again and compared.
Sessions are only copied if they are sealed under a master key; keep that key, and the configuration, in another place.
What cannot be read of the keys and sessions is named, taken from the backup before where that has it, and makes the exit status 1.
`telescribe restore` is the way back. The exit status of --verify is 1 if any backup is damaged.")]
pub struct Args {
    /// The folder that backups are kept in; made if it is missing
    #[arg(value_name = "FOLDER")]
    pub target: PathBuf,
    /// Remove all but this many backups of the archive when the new one is complete
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..), conflicts_with_all = ["list", "verify"])]
    pub keep: Option<u32>,
    /// List the backups that are there
    #[arg(long, conflicts_with = "verify")]
    pub list: bool,
    /// Read and compare everything in a backup, or in all of them, and open the archive in it
    #[arg(long, value_name = "BACKUP", num_args = 0..=1)]
    pub verify: Option<Option<String>>,
}

/// Runs the command on standard output.
///
/// # Errors
/// When no backup can be made, or the folder cannot be read.
pub async fn run(args: Args, globals: &Globals, config: impl Fn() -> anyhow::Result<Config>) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, config, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(
    args: &Args,
    globals: &Globals,
    config: impl Fn() -> anyhow::Result<Config>,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        globals.server.is_none(),
        "a backup is made on the machine that the program runs on; run `telescribe backup` there, or its job: `telescribe schedule run backup`"
    );
    let code = match &args.verify {
        Some(id) => tokio::task::block_in_place(|| verified(&args.target, id.as_deref(), globals, out))?,
        None if args.list => listed(&args.target, globals, out)?,
        None => made(args, globals, config, out).await?,
    };
    out.flush()?;
    Ok(code)
}

async fn made(
    args: &Args,
    globals: &Globals,
    config: impl Fn() -> anyhow::Result<Config>,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let target = std::path::absolute(&args.target)?;
    let backup = match DataFolder::lock_existing(&globals.data) {
        Ok(folder) => tokio::task::block_in_place(|| here(&folder, &target, args.keep, &config()?))?,
        Err(FolderError::InUse { .. }) => of_the_daemon(&Api::open(globals).await?, &target, args.keep).await?,
        Err(error) => return Err(error.into()),
    };
    if globals.json {
        out.json(&serde_json::to_value(&backup)?)?;
    } else {
        let BackupView { id, target, change, .. } = &backup;
        let (whole, copied) = (size(backup.size), size(backup.copied_size));
        out.line(format_args!(
            "{} was made in `{}`, up to change {change}: {whole}, of which {copied} were new there",
            out.strong(&one_line(id)),
            one_line(target)
        ))?;
    }
    if !backup.sessions_left_out.is_empty() {
        let names: Vec<String> = backup.sessions_left_out.iter().map(|name| one_line(name)).collect();
        tell(format_args!(
            "note: not in it, because they are not sealed, are the sessions of: {}; seal them with `telescribe account seal`, or sign in again after a restore",
            names.join(", ")
        ));
    }
    for part in &backup.unread {
        tell(format_args!("the backup is made, but {}", one_line(part)));
    }
    Ok(ExitCode::from(u8::from(!backup.unread.is_empty())))
}

/// Has the running program make it, and waits for that.
async fn of_the_daemon(api: &Api, target: &Path, keep: Option<u32>) -> anyhow::Result<BackupView> {
    let target = target.to_str().ok_or_else(|| anyhow::anyhow!("the path of the backup folder is not UTF-8; name another"))?;
    let body = BackupBody { target: target.to_owned(), keep };
    let BackupStartView { run } = api.post::<BackupStartView>(&Target::new("/v1/backups"), &body).await?.view;
    let resource = Target::new(format!("/v1/backups/{run}"));
    loop {
        let looked = api.get::<BackupRunView>(&resource).await?.view;
        match (looked.state.as_ref(), looked.backup, looked.error) {
            (BackupRunView::MADE, Some(backup), _) => return Ok(backup),
            (BackupRunView::FAILED, _, why) => anyhow::bail!("{}", why.unwrap_or_default()),
            _ => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

/// Makes it in this process, which has the data folder.
fn here(folder: &DataFolder, target: &Path, keep: Option<u32>, config: &Config) -> anyhow::Result<BackupView> {
    let (data, now) = (folder.root(), SystemClock.timestamp());
    DataFolder::clear_backup_links(data)?;
    let secrets = Secrets::read(&DataFolder::keys(data), &open_sessions(config)?);
    let archive = FrozenArchive::of_closed(&folder.archive(), IndexFolders::at(&folder.index()).seen()?.as_ref())?;
    let source = BackupSource { data: data.to_owned(), secrets, archive };
    let made = back_up(&source, target, BackupOptions { keep, now }, &Watch::nobody());
    let outcome = match &made {
        Ok(made) => Ok(made.to_record(target, now)),
        Err(error) => Err(BackupFailure { target: target.to_owned(), at: now.0, why: error.to_string(), scheduled: false }),
    };
    BackupRecord::load(data).note(data, outcome.clone());
    made?;
    let success = outcome.map_err(|failure| anyhow::anyhow!(failure.why))?;
    Ok(backup_view(&success, now))
}

fn listed(target: &Path, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let backups = BackupStore::open_to_read(target)?.backups()?;
    let of_several = newest_of_archives(&backups).len() > 1;
    for ListedBackup { id, manifest } in &backups {
        let id = id.to_string();
        match (manifest, globals.json) {
            (Ok(of), true) => out.json(&json!({
                "id": id, "made_at": of.made_at, "archive": of.archive, "epoch": of.epoch, "format": of.format, "change": of.change,
                "link": of.link, "archived_at": of.archived_at, "program": of.program, "size": of.size(),
                "sessions": of.sessions().collect::<Vec<_>>(), "sessions_left_out": of.sessions_left_out, "unread": of.unread,
            }))?,
            (Err(why), true) => out.json(&json!({ "id": id, "damage": [why] }))?,
            (Ok(of), false) => {
                let (epoch, change, whole) = (&of.epoch, of.change, size(of.size()));
                let sessions = of.sessions().count();
                out.line(format_args!(
                    "{}  change {change} of epoch {epoch}, archived at {}, {whole}, {sessions} sessions{}",
                    out.strong(&id),
                    of.archived_at,
                    if of_several { format!(", archive {}", one_line(&of.archive)) } else { String::new() }
                ))?;
                for part in &of.unread {
                    out.line(format_args!("  {}", one_line(&part.to_string())))?;
                }
            }
            (Err(why), false) => out.line(format_args!("{}  is damaged: {}", out.strong(&id), one_line(why)))?,
        }
    }
    if backups.is_empty() {
        tell(format_args!("there is no backup in `{}`", target.display()));
    }
    Ok(ExitCode::from(u8::from(backups.is_empty())))
}

fn verified(target: &Path, id: Option<&str>, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let verified = verify(target, id, &Watch::nobody())?;
    for VerifiedBackup { backup, damage, damaged_files } in &verified {
        let id = backup.id.to_string();
        if globals.json {
            out.json(&json!({ "id": id, "damage": damage, "damaged_files": damaged_files }))?;
            continue;
        }
        match &backup.manifest {
            Ok(of) if damage.is_empty() => {
                out.line(format_args!("{}  is whole, up to change {}", out.strong(&id), of.change))?;
            }
            _ => out.line(format_args!("{}  is damaged:", out.strong(&id)))?,
        }
        for what in damage {
            out.line(format_args!("  {}", one_line(what)))?;
        }
    }
    let files: BTreeSet<&PathBuf> = verified.iter().flat_map(|verified| &verified.damaged_files).collect();
    for file in files.into_iter().filter(|_| !globals.json) {
        out.line(format_args!(
            "remove `{}`: the next backup copies it again, for all that need it, if the archive still has it; it takes one that is there for whole",
            one_line(&file.display().to_string())
        ))?;
    }
    let damaged = verified.iter().any(|verified| !verified.damage.is_empty());
    Ok(ExitCode::from(u8::from(damaged)))
}
