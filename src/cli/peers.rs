//! `telescribe peers`: the peers that the archive knows.

use std::process::ExitCode;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended, one_line};
use crate::show::PeerView;
use crate::views::{KnownPeer, PeersPage};

/// List the peers whose messages are archived
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe peers
  telescribe peers --all --json | jq -r 'select(.kind == \"user\") | .title'")]
pub struct Args {
    /// Include peers that are only mentioned: senders, and sources of forwards
    #[arg(long)]
    pub all: bool,
}

/// Runs the command on standard output.
///
/// # Errors
/// When no server could be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(args: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let api = Api::open(globals).await?;
    let mut target = Target::new("/v1/peers");
    if args.all {
        target = target.with("all", true);
    }
    if !globals.json {
        out.columns(format_args!("{:>16}  {:<10}  {:>9}  TITLE", "ID", "KIND", "MESSAGES"))?;
    }
    api.each_page::<PeersPage>(target, |page| {
        for (peer, json) in page.entries() {
            if globals.json {
                out.json(json)?;
            } else {
                let line = for_people(peer, out);
                out.line(line)?;
            }
        }
        Ok(())
    })
    .await?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn for_people(known: &KnownPeer, out: &Out) -> String {
    let KnownPeer { peer, messages, .. } = known;
    format!("{:>16}  {:<10}  {messages:>9}  {}", peer.id, peer.kind, out.strong(&title(peer)))
}

/// A peer's title and username, or its id where it has neither.
pub(super) fn title(peer: &PeerView) -> String {
    let text = |text: &str| Some(one_line(text)).filter(|text| !text.is_empty());
    match (text(&peer.title), peer.username.as_deref().and_then(text)) {
        (Some(title), Some(username)) => format!("{title} (@{username})"),
        (Some(title), None) => title,
        (None, Some(username)) => format!("@{username}"),
        (None, None) => peer.id.to_string(),
    }
}

/// The name of a peer that a response describes, or its id.
pub(super) fn name<'a>(peers: impl IntoIterator<Item = &'a PeerView>, id: i64) -> String {
    peers.into_iter().find(|peer| peer.id == id).map_or_else(|| id.to_string(), title)
}
