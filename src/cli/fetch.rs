//! `telescribe fetch`: reads a part of a history now.

use std::process::ExitCode;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended, one_line, tell};
use super::peers::title;
use super::received::Received;
use crate::model::RangeSet;
use crate::views::{FetchBody, FetchView};

/// Read a part of a history now, ahead of the backfill, and wait until it is archived
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe fetch @example_channel
  telescribe fetch @example_channel 100-200
  telescribe fetch -1001500000001 5,9,100-200
  telescribe fetch @example_channel 2d
  telescribe fetch @example_channel 2026-11-01

The program must be running. It reads under the same rate limits as always, also what it has read before: edits and deletions
are found. A public group or channel that is not crawled is read so far, and no further. The exit status is 1 if something of it
could not be read.")]
pub struct Args {
    /// @username, a link as it was copied, or a marked id that the archive knows
    #[arg(value_name = "PEER", allow_negative_numbers = true)]
    pub peer: String,
    /// Message ids and ranges of them, or from when on: a time, a date (UTC), how long ago; by default the newest hundred
    #[arg(value_name = "IDS|SINCE")]
    pub wanted: Option<String>,
    /// The account that reads; in basic groups and private chats, whose message ids are meant
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
}

/// Runs the command on standard output; the status is 1 when something could not be read.
///
/// # Errors
/// When no server could be reached, or nothing can be read of the peer.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(args: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let api = Api::open(globals).await?;
    let is_ids = args.wanted.as_ref().is_some_and(|wanted| wanted.parse::<RangeSet>().is_ok());
    let (ids, since) = if is_ids { (args.wanted.clone(), None) } else { (None, args.wanted.clone()) };
    let body = FetchBody { peer: args.peer.clone(), account: args.account.clone(), ids, since };
    let mut received: Received<FetchView> = api.post(&Target::new("/v1/fetch"), &body).await?;
    let mut told = None;
    while received.view.state == FetchView::READING {
        if received.view.hindered != told {
            told.clone_from(&received.view.hindered);
            if let Some(why) = &told {
                tell(format_args!("waiting: {}", one_line(why)));
            }
        }
        received = api.get(&Target::new(format!("/v1/fetch/{}", received.view.run))).await?;
    }
    let view = &received.view;
    if globals.json {
        out.json(&received.json)?;
    } else {
        let FetchView { peer, pages, messages, new, edited, deleted, .. } = view;
        let requests = if *pages == 1 { "request" } else { "requests" };
        out.line(format_args!(
            "{}: {messages} messages read in {pages} {requests}: {new} new, {edited} changed, {deleted} found deleted",
            out.strong(&title(peer))
        ))?;
    }
    out.flush()?;
    if let Some(why) = &view.error {
        tell(format_args!("error: {}", one_line(why)));
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}
