//! `telescribe schedule`: the schedule of the jobs, and running one now.
//!
//! A running program is asked. Without one, the configuration tells what is scheduled and the archive what has run; no job can be run then,
//! and the command says so.

use std::process::ExitCode;

use super::client::{Api, Globals, Target, segment};
use super::output::{Out, ended, one_line, second};
use crate::config::Config;
use crate::views::{AccountWaitView, JobPeersView, JobView, JobsView, RunJobBody, StartsView};

/// How many pending accounts are named: what a line has room for.
const WAITING_SHOWN: usize = 3;

/// Show the schedule of the jobs, or run a job now
#[derive(Clone, Debug, Default, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  telescribe schedule
  telescribe schedule --json | jq -r '.name + \" \" + .next[0]'
  telescribe schedule run catch-up
  telescribe schedule run recheck --peers @example_channel 'title:*news*'

A selector of peers is a marked id, @username, title:PATTERN, folder:PATTERN or kind:channel|supergroup|group|user.")]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Run a job now: the scheduler starts it within seconds
    Run {
        /// discover, catch-up, backfill, recheck, counters or backup
        job: String,
        /// Only for these peers; by default for all that it is scheduled for
        #[arg(long, value_name = "SELECTOR", num_args = 1.., allow_negative_numbers = true)]
        peers: Vec<String>,
    },
}

/// Runs the command on standard output.
///
/// # Errors
/// When no server could be reached, or the job cannot be run.
pub async fn run(
    args: Args,
    globals: &Globals,
    config: impl Fn() -> anyhow::Result<Config> + Send + Sync,
) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, config, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(
    args: &Args,
    globals: &Globals,
    config: impl Fn() -> anyhow::Result<Config> + Send + Sync,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let planned = |archive, clock| crate::app::planned(&config()?, archive, clock);
    let api = Api::open_with(globals, &planned).await?;
    match &args.command {
        None => show(&api, globals, out).await?,
        Some(Command::Run { job, peers }) => start(&api, job, peers, globals, out).await?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn start(api: &Api, job: &str, peers: &[String], globals: &Globals, out: &mut Out) -> anyhow::Result<()> {
    let body = RunJobBody { peers: (!peers.is_empty()).then(|| peers.to_vec()) };
    let received = api.post::<StartsView>(&Target::new(format!("/v1/jobs/{}/run", segment(job))), &body).await?;
    if globals.json {
        out.json(&received.json)?;
        return Ok(());
    }
    for start in &received.view.starts {
        let whom = whom(&start.peers);
        out.line(format_args!(
            "{} starts{}",
            out.strong(&one_line(&start.run)),
            if whom.is_empty() { whom } else { format!(" for {whom}") }
        ))?;
    }
    Ok(())
}

async fn show(api: &Api, globals: &Globals, out: &mut Out) -> anyhow::Result<()> {
    let received = api.get::<JobsView>(&Target::new("/v1/jobs")).await?;
    if globals.json {
        for (_, job) in received.entries() {
            out.json(job)?;
        }
        return Ok(());
    }
    let jobs = &received.view.jobs;
    let head = ["JOB", "EXPRESSION", "ZONE", "STATE", "LAST START", "NEXT STARTS"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(jobs.iter().map(row)).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    for (at, row) in rows.iter().enumerate() {
        let cell = |(column, cell): (usize, &String)| format!("{cell:<width$}", width = width(column).unwrap_or_default());
        let line = row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
        let line = line.trim_end();
        out.line(if at == 0 { out.faint(line) } else { line.to_owned() })?;
        if let Some(whom) =
            at.checked_sub(1).and_then(|job| jobs.get(job)).map(|job| whom(&job.peers)).filter(|whom| !whom.is_empty())
        {
            out.line(out.faint(&format!("  for {whom}")))?;
        }
        if let Some(waiting) = at.checked_sub(1).and_then(|job| jobs.get(job)).and_then(waiting) {
            out.line(out.faint(&waiting))?;
        }
    }
    Ok(())
}

/// The accounts whose share of a job is still pending, as far as a line has room for them.
pub(super) fn waiting(job: &JobView) -> Option<String> {
    let account = |wait: &AccountWaitView| {
        let name = one_line(&wait.account);
        match &wait.until {
            Some(until) => format!("{name} (until {})", second(until)),
            None => format!("{name} (no response)"),
        }
    };
    let shown: Vec<String> = job.accounts_waiting.iter().take(WAITING_SHOWN).map(account).collect();
    let more = job.accounts_waiting.len().saturating_sub(WAITING_SHOWN);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!shown.is_empty()).then(|| format!("  accounts still pending: {}{rest}", shown.join(", ")))
}

/// A job's name, with that of the override.
pub(super) fn name(job: &JobView) -> String {
    match &job.override_name {
        Some(name) => format!("{}/{}", one_line(&job.name), one_line(name)),
        None => one_line(&job.name),
    }
}

fn row(job: &JobView) -> [String; 6] {
    let state = match job.skipped {
        Some(skipped) if skipped > 0 => format!("{} ({skipped} skipped)", one_line(&job.state)),
        _ => one_line(&job.state),
    };
    let last = job.last_started.as_ref().map_or_else(|| "never".to_owned(), |last| second(last));
    [name(job), one_line(&job.cron), one_line(&job.zone), state, last, next(&job.next)]
}

/// Times in a row; a date that is that of the time before is not repeated.
fn next(times: &[String]) -> String {
    let mut shown: Vec<String> = Vec::new();
    let mut day = String::new();
    for time in times {
        let civil = second(time);
        let (date, clock) = civil.split_once(' ').unwrap_or((&civil, ""));
        shown.push(if day == date { clock.to_owned() } else { civil.clone() });
        day = date.to_owned();
    }
    shown.join(", ")
}

fn whom(peers: &JobPeersView) -> String {
    let named = |selectors: &[String]| selectors.iter().map(|selector| one_line(selector)).collect::<Vec<_>>().join(", ");
    match (named(&peers.only), named(&peers.except)) {
        (only, except) if except.is_empty() => only,
        (only, except) if only.is_empty() => format!("all but {except}"),
        (only, except) => format!("{only}, but not {except}"),
    }
}
