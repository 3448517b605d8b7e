//! `telescribe join`: joins a group or channel with an account.

use std::process::ExitCode;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended};
use super::peers::title;
use crate::views::{JoinBody, JoinView};

/// Join a group or channel with an account; it is crawled from then on
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe join @example_channel
  telescribe join https://t.me/+AbCdEfGh12345678 --account alpha

The program must be running. Joining has a far stricter rate limit than reading, because Telegram bans accounts that join
often. The exit status is 1 if an administrator of the peer must approve first.")]
pub struct Args {
    /// @username, or a link as it was copied: https://t.me/username, https://t.me/+hash
    #[arg(value_name = "PEER", allow_negative_numbers = true)]
    pub peer: String,
    /// The account that joins; by default a signed-in one that is a member of few peers
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
}

/// Runs the command on standard output.
///
/// # Errors
/// When no server could be reached, or the peer cannot be joined.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(args: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let api = Api::open(globals).await?;
    let body = JoinBody { peer: args.peer.clone(), account: args.account.clone() };
    let received = api.post::<JoinView>(&Target::new("/v1/join"), &body).await?;
    let JoinView { account, peer, outcome } = &received.view;
    if globals.json {
        out.json(&received.json)?;
    } else {
        let peer = peer.as_ref().map_or_else(|| args.peer.clone(), title);
        let what = match outcome.as_ref() {
            JoinView::ALREADY_IN => "is already a member of",
            JoinView::REQUESTED => "has requested to join (an administrator must approve):",
            _ => "has joined",
        };
        out.line(format_args!("account {account} {what} {}", out.strong(&peer)))?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(outcome == JoinView::REQUESTED)))
}
