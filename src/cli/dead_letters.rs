//! `telescribe dead-letters`: events that outputs could not deliver.

use std::process::ExitCode;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended, one_line};
use crate::views::{DeadLettersPage, ResentEventsView, SkippedEventView};

/// List the events that outputs could not deliver, skip one that holds back its output, send them again
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe dead-letters list
  telescribe dead-letters skip alerts       the event that is refused now, so that those behind it are sent
  telescribe dead-letters resend alerts     all of them, once what was in the way is gone

`telescribe status` shows which output is held back, and by what. `skip` and `resend` need the running program.")]
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
    },
    /// Send the events of an output again that were kept
    Resend {
        /// The output
        output: String,
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
        Command::Skip { output } => skip(output, globals, out).await?,
        Command::Resend { output } => resend(output, globals, out).await?,
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
            let (at, output, event) = (one_line(&letter.at), out.strong(&one_line(&letter.output)), one_line(&letter.event));
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

async fn skip(output: &str, globals: &Globals, out: &mut Out) -> anyhow::Result<bool> {
    let target = target(output, "skip")?;
    let received = Api::open(globals).await?.post::<SkippedEventView>(&target, &serde_json::json!({})).await?;
    if globals.json {
        out.json(&received.json)?;
    } else {
        out.line(format_args!("the event {} is skipped and kept", one_line(&received.view.event)))?;
    }
    Ok(true)
}

async fn resend(output: &str, globals: &Globals, out: &mut Out) -> anyhow::Result<bool> {
    let target = target(output, "resend")?;
    let received = Api::open(globals).await?.post::<ResentEventsView>(&target, &serde_json::json!({})).await?;
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

/// What is asked of an output, whose name has nothing that a path could take for something else.
fn target(output: &str, what: &str) -> anyhow::Result<Target> {
    anyhow::ensure!(
        !output.is_empty() && output.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'),
        "`{}` is not the name of an output; `telescribe status` lists them",
        one_line(output)
    );
    Ok(Target::new(format!("/v1/outputs/{output}/{what}")))
}
