//! `telescribe watch`: saved queries that are run against every new or edited message.

use std::num::{NonZeroU64, NonZeroUsize};
use std::process::ExitCode;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended, harmless, minute, one_line};
use super::peers::name;
use super::search::{self, snippet};
use crate::archive::{Archive, DataFolder, Durability, FolderError};
use crate::model::{Clock as _, SystemClock};
use crate::search::IndexFolders;
use crate::views::{TrialDayView, TryWatchBody, WatchBody, WatchTrialView, WatchView, WatchesPage};
use crate::watches::{self, WantedWatch};

/// Watch for messages: saved queries that are run against every new or edited message
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe watch try '\"data breach\" OR leak'        how often it would have matched
  telescribe watch add leaks '\"data breach\" OR leak' --note 'for the desk'
  telescribe watch list
  telescribe watch show leaks                          its newest matches
  telescribe watch remove leaks

Each match is an event, `watch.matched` (docs/events.md), and an entry of the watch's feed (docs/http.md). Without a running
program, `add` and `remove` change the data folder themselves.")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Add a watch; it watches what is archived from then on
    Add {
        /// Lower-case letters, digits, `.`, `_` and `-`
        name: String,
        /// The query (docs/query.md); quote it, or put -- before a leading -
        #[arg(value_name = "QUERY", required = true, allow_negative_numbers = true)]
        query: Vec<String>,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// List the watches
    List,
    /// Show a watch and its newest matches, found by a search
    Show {
        /// The watch
        name: String,
        /// Maximum number of matches
        #[arg(long, value_name = "COUNT", default_value = "20")]
        limit: NonZeroUsize,
    },
    /// Try a query against what was archived last: how often it would have matched
    Try {
        /// The query (docs/query.md); quote it, or put -- before a leading -
        #[arg(value_name = "QUERY", required = true, allow_negative_numbers = true)]
        query: Vec<String>,
        /// How many messages are looked at [default: 50,000]
        #[arg(long, value_name = "COUNT")]
        messages: Option<NonZeroU64>,
    },
    /// Remove a watch; its events stop
    Remove {
        /// The watch
        name: String,
    },
}

/// Runs the command on standard output; the status is 1 when there is no watch, or nothing that matches.
///
/// # Errors
/// When the query or the name is invalid, or no server could be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(args: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let found = match &args.command {
        Command::Add { name, query, note } => {
            let body = WatchBody { name: name.clone(), query: search::query_of(query), note: note.clone() };
            add(body, globals, out).await?
        }
        Command::Remove { name } => remove(name, globals, out).await?,
        Command::List => list(globals, out).await?,
        Command::Try { query, messages } => {
            let body = TryWatchBody { query: search::query_of(query), messages: messages.map(NonZeroU64::get) };
            attempt(&body, globals, out).await?
        }
        Command::Show { name, limit } => return show(name, *limit, globals, out).await,
    };
    out.flush()?;
    Ok(ExitCode::from(u8::from(!found)))
}

/// The archive, where no program has it.
fn unserved(globals: &Globals) -> anyhow::Result<Option<(DataFolder, Archive)>> {
    if globals.server.is_some() {
        return Ok(None);
    }
    let folder = match DataFolder::lock_existing(&globals.data) {
        Ok(folder) => folder,
        Err(FolderError::InUse { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let seen = IndexFolders::at(&folder.index()).seen()?;
    let archive = Archive::open_existing(&folder.archive(), Durability::Os, seen.as_ref())?;
    archive.check_positions()?;
    Ok(Some((folder, archive)))
}

async fn add(body: WatchBody, globals: &Globals, out: &mut Out) -> anyhow::Result<bool> {
    let json = match unserved(globals)? {
        Some((_folder, archive)) => {
            let WatchBody { name, query, note } = body;
            let watch = watches::add(&archive, &WantedWatch { name, query, note }, SystemClock.timestamp())?;
            archive.flush()?;
            serde_json::to_value(WatchView::new(&watch, None))?
        }
        None => Api::open(globals).await?.post::<WatchView>(&Target::new("/v1/watches"), &body).await?.json,
    };
    let watch: WatchView = serde_json::from_value(json.clone())?;
    if globals.json {
        out.json(&json)?;
    } else {
        out.line(format_args!("watch {} is added; it watches what is archived from now on", out.strong(&watch.name)))?;
    }
    Ok(true)
}

async fn remove(name: &str, globals: &Globals, out: &mut Out) -> anyhow::Result<bool> {
    let json = match unserved(globals)? {
        Some((_folder, archive)) => {
            let watch = watches::remove(&archive, name, SystemClock.timestamp())?;
            archive.flush()?;
            serde_json::to_value(WatchView::new(&watch, None))?
        }
        None => {
            let target = target(name)?;
            let target = Target::new(format!("{target}/remove"));
            Api::open(globals).await?.post::<WatchView>(&target, &serde_json::json!({})).await?.json
        }
    };
    let watch: WatchView = serde_json::from_value(json.clone())?;
    if globals.json {
        out.json(&json)?;
    } else {
        out.line(format_args!("watch {} is removed; its query was: {}", out.strong(&watch.name), one_line(&watch.query)))?;
    }
    Ok(true)
}

/// The path of a watch, whose name has nothing that a path could take for something else.
fn target(name: &str) -> anyhow::Result<String> {
    let name: crate::model::WatchName = name.parse()?;
    Ok(format!("/v1/watches/{name}"))
}

async fn list(globals: &Globals, out: &mut Out) -> anyhow::Result<bool> {
    let api = Api::open(globals).await?;
    let mut is_any = false;
    api.each_page::<WatchesPage>(Target::new("/v1/watches"), |page| {
        for (watch, json) in page.entries() {
            is_any = true;
            if globals.json {
                out.json(json)?;
            } else {
                describe(watch, out)?;
            }
        }
        Ok(())
    })
    .await?;
    if !is_any && !globals.json {
        out.line("there are no watches; `telescribe watch add NAME QUERY` adds one")?;
    }
    Ok(is_any)
}

fn describe(watch: &WatchView, out: &mut Out) -> std::io::Result<()> {
    let since = watch.created_at.get(..10).unwrap_or_default();
    out.line(format_args!("{}  {}  {}", out.strong(&watch.name), one_line(&watch.query), out.faint(&format!("since {since}"))))?;
    if let Some(note) = &watch.note {
        out.line(format_args!("    {}", one_line(note)))?;
    }
    if let Some(problem) = &watch.problem {
        out.line(format_args!("    matches nothing: {}", one_line(problem)))?;
    }
    Ok(())
}

async fn show(watch: &str, limit: NonZeroUsize, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let received = Api::open(globals).await?.get::<WatchView>(&Target::new(target(watch)?)).await?;
    if !globals.json {
        describe(&received.view, out)?;
    }
    let query = vec![received.view.query];
    search::write(&search::Args { limit, ..search::Args::new(query) }, globals, out).await
}

async fn attempt(body: &TryWatchBody, globals: &Globals, out: &mut Out) -> anyhow::Result<bool> {
    let received = Api::open(globals).await?.post::<WatchTrialView>(&Target::new("/v1/watches/try"), body).await?;
    let trial = &received.view;
    if globals.json {
        out.json(&received.json)?;
        return Ok(trial.matched > 0);
    }
    for TrialDayView { day, examined, matched } in &trial.days {
        out.line(format_args!("{day}  {matched:>8} of {examined}"))?;
    }
    if let Some(TrialDayView { examined, matched, .. }) = &trial.earlier {
        out.line(format_args!("before      {matched:>8} of {examined}"))?;
    }
    for hit in &trial.newest {
        let message = &hit.message.message;
        let date = minute(&message.content.date);
        let peer = out.strong(&name(&trial.peers, message.peer));
        out.line(format_args!("{date}  {peer}  {}", out.faint(&format!("{} {}", message.peer, message.id))))?;
        let snippet = snippet(&hit.snippet, out);
        if !snippet.is_empty() {
            out.line(format_args!("    {}", harmless(&snippet)))?;
        }
    }
    let cut = if trial.cut_short { "; the time was up" } else { "" };
    out.line(out.faint(&format!("{} of the {} messages that were archived last{cut}", trial.matched, trial.examined)))?;
    Ok(trial.matched > 0)
}
