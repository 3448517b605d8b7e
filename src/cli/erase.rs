//! `telescribe erase`: removes messages, chats and persons from archive, index and files for good.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::client::{Api, Globals, Target};
use super::output::{Out, ended, minute, one_line, tell};
use crate::archive::{Archive, DataFolder, Durability, FolderError};
use crate::backup::BackupRecord;
use crate::blob::Blobs;
use crate::config::Config;
use crate::erasure::{self, Erased, Eraser, ErasureRequest};
use crate::lifecycle::{StepOutcome, Worker as _};
use crate::model::{Clock as _, SystemClock, Timestamp};
use crate::search::{IndexFolders, IndexSupervisor, ServingIndex};
use crate::views::{EraseBody, EraseRunView, EraseStartView, ErasedCountsView, ErasureView, ErasuresPage};

/// How often a running program is asked how far it is.
const ASK_INTERVAL: Duration = Duration::from_millis(200);

/// Erase messages, a chat or a person for good: from archive, index, files and disk
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe erase @example_channel                      counts what would go, and changes nothing
  telescribe erase @example_channel --yes                all of a chat
  telescribe erase -1001500000001 17 42 --yes            two messages of it
  telescribe erase @example_channel --before 2020-01-01 --yes
  telescribe erase --sender @example_user --yes          what somebody sent, in all chats, and their name; for good
  telescribe erase --retention                           counts what the rules of the configuration would erase now
  telescribe erase --list                                what was erased

Nothing of it is archived again. A running telescribe does it beside its work and the command waits; a stopped one's data
folder is changed by the command itself. What left the archive before (events, dumps, backups) is not reached. See
docs/erasing.md for what goes and what stays. The exit status is 1 if there is nothing to erase.")]
pub struct Args {
    /// A marked id, @username, or a link: all of it, or the messages that follow
    #[arg(value_name = "PEER", allow_negative_numbers = true)]
    pub peer: Option<String>,
    /// Ids of messages of the peer
    #[arg(value_name = "MESSAGE", requires = "peer", allow_negative_numbers = true)]
    pub messages: Vec<i32>,
    /// Whose message ids are meant, in basic groups and private chats
    #[arg(long, value_name = "NAME", requires = "peer")]
    pub account: Option<String>,
    /// All that a user or channel sent, in all chats, copies that were forwarded, and their name; for good
    #[arg(long, value_name = "USER", conflicts_with = "peer", allow_hyphen_values = true)]
    pub sender: Option<String>,
    /// Only what was sent before: a time, a date (UTC), or how long ago, such as 365d
    #[arg(long, value_name = "TIME")]
    pub before: Option<String>,
    /// Erase it; without this, it is only counted
    #[arg(long)]
    pub yes: bool,
    /// Count what the rules of `archive.retention` would erase now, which they do once a day
    #[arg(long, conflicts_with_all = ["peer", "messages", "account", "sender", "before", "yes"])]
    pub retention: bool,
    /// List everything that was erased
    #[arg(long, conflicts_with_all = ["peer", "messages", "account", "sender", "before", "yes", "retention"])]
    pub list: bool,
}

impl Args {
    fn request(&self) -> ErasureRequest {
        ErasureRequest {
            peer: self.peer.clone(),
            messages: self.messages.clone(),
            account: self.account.clone(),
            sender: self.sender.clone(),
            before: self.before.clone(),
        }
    }
}

pub(super) async fn run(
    args: Args,
    globals: &Globals,
    config: impl FnOnce() -> anyhow::Result<Config>,
) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, config, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// When it is not said what, the archive has nothing of it, or it cannot be changed.
pub async fn write(
    args: &Args,
    globals: &Globals,
    config: impl FnOnce() -> anyhow::Result<Config>,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    if args.list {
        return list(globals, out).await;
    }
    let outcome = match locked(globals)? {
        Some(folder) => here(args, &folder, &config()?).await?,
        None => there(args, globals).await?,
    };
    let is_nothing = match &outcome {
        Outcome::Counted(counts) => counts.messages == 0,
        Outcome::Erased(erasure) => erasure.erased.messages == 0,
    };
    show(&outcome, args, globals, out)?;
    out.flush()?;
    Ok(ExitCode::from(u8::from(is_nothing)))
}

enum Outcome {
    Counted(ErasedCountsView),
    Erased(Box<ErasureView>),
}

/// The data folder, where no program has it.
fn locked(globals: &Globals) -> anyhow::Result<Option<DataFolder>> {
    if globals.server.is_some() {
        return Ok(None);
    }
    match DataFolder::lock_existing(&globals.data) {
        Ok(folder) => Ok(Some(folder)),
        Err(FolderError::InUse { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Asks a running program.
async fn there(args: &Args, globals: &Globals) -> anyhow::Result<Outcome> {
    let ErasureRequest { peer, messages, account, sender, before } = args.request();
    let body = EraseBody { peer, messages, account, sender, before, retention: args.retention, confirmed: args.yes };
    let api = Api::open(globals).await?;
    let run = api.post::<EraseStartView>(&Target::new("/v1/erasures"), &body).await?.view.run;
    loop {
        let EraseRunView { state, counted, erasure, error, .. } =
            api.get::<EraseRunView>(&Target::new(format!("/v1/erasures/{run}"))).await?.view;
        match (state.as_ref(), counted, erasure) {
            (EraseRunView::FAILED, ..) => bail!("nothing was erased: {}", error.unwrap_or_default()),
            (_, Some(counted), _) => return Ok(Outcome::Counted(counted)),
            (_, _, Some(erasure)) if erasure.state == ErasureView::ERASED => return Ok(Outcome::Erased(Box::new(erasure))),
            _ => tokio::time::sleep(ASK_INTERVAL).await,
        }
    }
}

/// Does it in this process.
async fn here(args: &Args, folder: &DataFolder, config: &Config) -> anyhow::Result<Outcome> {
    let folders = IndexFolders::at(&folder.index());
    let seen = folders.seen()?;
    if !args.yes {
        let archive = Archive::open_to_read(&folder.archive(), seen.as_ref())?;
        if args.retention {
            let rules = config.archive.retention_rules();
            let rules = rules.map_err(|(key, why)| anyhow::anyhow!("`archive.{key}` of the configuration {why}"))?;
            let (view, now) = (archive.view(), SystemClock.timestamp());
            let counts = tokio::task::block_in_place(|| erasure::weigh_rules(&rules, view, now, &mut || true))?;
            return Ok(Outcome::Counted(counts.into()));
        }
        let selection = args.request().resolve(archive.view(), SystemClock.now())?;
        let counts = tokio::task::block_in_place(|| archive.view().weigh_erasure(&selection, &mut || true))?;
        return Ok(Outcome::Counted(counts.into()));
    }
    let archive = Arc::new(Archive::open_existing(&folder.archive(), Durability::Os, seen.as_ref())?);
    archive.check_positions()?;
    let selection = args.request().resolve(archive.view(), SystemClock.now())?;
    let index = ServingIndex::open(folders, &archive)?;
    let blobs = Blobs::open(&folder.blobs(), config.media.limits(0))?;
    let number = erasure::order_listed(&archive, folder.root(), selection, SystemClock.timestamp())?;
    let mut eraser = Eraser::new(Arc::clone(&archive), index.clone(), blobs, Arc::new(SystemClock));
    let mut indexing = IndexSupervisor::new(index, config.search.indexer_settings());
    loop {
        match tokio::task::block_in_place(|| eraser.step(&|| false))? {
            Erased::Some => {}
            Erased::Nothing => break,
            // Readers see only what the disk has.
            Erased::Waiting => {
                archive.sync()?;
                if indexing.step().await? == StepOutcome::Idle {
                    tokio::time::sleep(ASK_INTERVAL).await;
                }
            }
        }
    }
    indexing.finish().await?;
    archive.flush()?;
    let erasure = archive.view().erasure(number)?.context("the erasure is not in the archive")?;
    Ok(Outcome::Erased(Box::new(ErasureView::from(&erasure))))
}

fn show(outcome: &Outcome, args: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<()> {
    if globals.json {
        match outcome {
            Outcome::Counted(counts) => out.json(&serde_json::to_value(counts)?)?,
            Outcome::Erased(erasure) => out.json(&serde_json::to_value(erasure)?)?,
        }
    } else {
        match outcome {
            Outcome::Counted(counts) => {
                out.line(format_args!("would erase {}", amount(counts)))?;
                let way = if args.retention { "the rules do it once a day" } else { "`--yes` erases it for good" };
                out.line(format_args!("nothing was changed; {way}"))?;
            }
            Outcome::Erased(erasure) => {
                out.line(format_args!("erasure {}: erased {}", erasure.number, amount(&erasure.erased)))?;
            }
        }
    }
    if globals.server.is_none() && args.yes {
        tell_of_backups(&globals.data);
    }
    Ok(())
}

fn amount(counts: &ErasedCountsView) -> String {
    let ErasedCountsView { messages, versions, files, bytes } = counts;
    format!("{messages} messages in {versions} versions, and {files} files of {bytes} bytes")
}

/// Backups that were made before still have it.
fn tell_of_backups(data: &Path) {
    for target in BackupRecord::load(data).targets {
        tell(format_args!(
            "note: the backups in `{}` (the newest is {}, of {}) hold what was erased; `telescribe backup {} --keep 1` makes one without it and removes the others",
            one_line(&target.target.display().to_string()),
            one_line(&target.id),
            Timestamp(target.at),
            one_line(&target.target.display().to_string()),
        ));
    }
}

async fn list(globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let api = Api::open(globals).await?;
    let mut is_any = false;
    api.each_page::<ErasuresPage>(Target::new("/v1/erasures"), |page| {
        for (erasure, json) in page.entries() {
            is_any = true;
            if globals.json {
                out.json(json)?;
                continue;
            }
            let ErasureView { number, scope, peer, before, ordered_at, state, erased, .. } = erasure;
            let of = peer.map(|peer| format!(" {peer}")).unwrap_or_default();
            let before = before.as_ref().map(|at| format!(" before {}", minute(at))).unwrap_or_default();
            out.line(format_args!("{number}  {}  {state}  {scope}{of}{before}: {}", minute(ordered_at), amount(erased)))?;
        }
        Ok(())
    })
    .await?;
    out.flush()?;
    Ok(ExitCode::from(u8::from(!is_any)))
}
