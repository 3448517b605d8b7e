//! `telescribe dead-letters`: events that outputs could not deliver.

use std::process::ExitCode;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended, minute, one_line};
use crate::views::{
    DeadLettersPage, DropEventsBody, DroppedEventsView, ResendEventsBody, ResentEventsView, SkipEventBody, SkippedEventView,
};

/// List the events that outputs could not deliver, skip one that holds back its output, send them again, or drop them
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe dead-letters list
  telescribe dead-letters skip alerts 6f1d…    the event that is refused, so that those behind it are sent
  telescribe dead-letters resend alerts        all of them, once what was in the way is gone, or the one whose id follows
  telescribe dead-letters drop alerts          all of them, or the one whose id follows

`telescribe status` shows which output is held back, by which event, and why. `skip`, `resend` and `drop` need the running
program.")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// List them, by output; the status is 1 when there are none
    List,
    /// Skip the event that is refused and holds back an output; it is kept
    Skip {
        /// The output
        output: String,
        /// The event, as `telescribe status` shows it: nothing is skipped where another one is refused meanwhile
        event: String,
    },
    /// Send the events of an output again that were kept, until one is refused; or one of them
    Resend {
        /// The output
        output: String,
        /// The event, as `list` shows it; all where it is left out
        event: Option<String>,
    },
    /// Let go of the events of an output that were kept, or of one of them; also of an output that is no longer configured
    Drop {
        /// The output
        output: String,
        /// The event, as `list` shows it; all where it is left out
        event: Option<String>,
    },
}

/// Runs the command on standard output; the status is 1 when there is nothing to list or to send.
///
/// # Errors
/// When no server could be reached, or there is nothing to skip.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(args: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let found = match &args.command {
        Command::List => list(globals, out).await?,
        Command::Skip { output, event } => skip(output, event, globals, out).await?,
        Command::Resend { output, event } => resend(output, event.clone(), globals, out).await?,
        Command::Drop { output, event } => let_go(output, event.clone(), globals, out).await?,
    };
    out.flush()?;
    Ok(ExitCode::from(u8::from(!found)))
}

async fn list(globals: &Globals, out: &mut Out) -> anyhow::Result<bool> {
    let api = Api::open(globals).await?;
    let mut is_any = false;
    api.each_page::<DeadLettersPage>(Target::new("/v1/dead-letters"), |page| {
        for (letter, json) in page.entries() {
            is_any = true;
            if globals.json {
                out.json(json)?;
                continue;
            }
            let (at, output, event) = (minute(&letter.at), out.strong(&one_line(&letter.output)), one_line(&letter.event));
            out.line(format_args!("{at}  {output}  change {}  {event}", letter.seq))?;
            out.line(format_args!("    {}", one_line(&letter.why)))?;
        }
        Ok(())
    })
    .await?;
    if !is_any && !globals.json {
        out.line("there are none")?;
    }
    Ok(is_any)
}

async fn skip(output: &str, event: &str, globals: &Globals, out: &mut Out) -> anyhow::Result<bool> {
    let target = target(output, "skip")?;
    let body = serde_json::to_value(SkipEventBody { event: event.to_owned() })?;
    let received = Api::open(globals).await?.post::<SkippedEventView>(&target, &body).await?;
    if globals.json {
        out.json(&received.json)?;
    } else {
        out.line(format_args!("the event {} is skipped and kept", one_line(&received.view.event)))?;
    }
    Ok(true)
}

async fn resend(output: &str, event: Option<String>, globals: &Globals, out: &mut Out) -> anyhow::Result<bool> {
    let target = target(output, "resend")?;
    let body = serde_json::to_value(ResendEventsBody { event })?;
    let received = Api::open(globals).await?.post::<ResentEventsView>(&target, &body).await?;
    let events = received.view.events;
    if globals.json {
        out.json(&received.json)?;
    } else {
        let many = if events == 1 { "" } else { "s" };
        out.line(format_args!(
            "{events} event{many} will be sent again; `telescribe dead-letters list` lists those that are not"
        ))?;
    }
    Ok(events > 0)
}

async fn let_go(output: &str, event: Option<String>, globals: &Globals, out: &mut Out) -> anyhow::Result<bool> {
    let target = target(output, "drop")?;
    let body = serde_json::to_value(DropEventsBody { event })?;
    let received = Api::open(globals).await?.post::<DroppedEventsView>(&target, &body).await?;
    let events = received.view.events;
    match events {
        _ if globals.json => out.json(&received.json)?,
        0 => out.line("nothing is dropped; an event whose change has further events to send stays until these are sent")?,
        1 => out.line("1 event is no longer kept")?,
        _ => out.line(format_args!("{events} events are no longer kept"))?,
    }
    Ok(events > 0)
}

/// What is asked of an output, whose name has nothing that a path could take for something else.
fn target(output: &str, what: &str) -> anyhow::Result<Target> {
    anyhow::ensure!(
        !output.is_empty() && output.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'),
        "`{}` is not the name of an output; `telescribe status` lists them",
        one_line(output)
    );
    Ok(Target::new(format!("/v1/outputs/{output}/{what}")))
}
