//! `telescribe peers`: the peers that the archive knows.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended, one_line};

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
    loop {
        let page = api.get(&target).await?;
        for peer in page.get("peers").and_then(Value::as_array).into_iter().flatten() {
            if globals.json {
                out.json(peer)?;
            } else {
                let line = for_people(peer, out);
                out.line(line)?;
            }
        }
        match page.get("next") {
            Some(next) => target = target.with("after", next),
            None => break,
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn for_people(peer: &Value, out: &Out) -> String {
    let number = |name: &str| peer.get(name).and_then(Value::as_i64).unwrap_or_default();
    let kind = peer.get("kind").and_then(Value::as_str).unwrap_or_default();
    format!("{:>16}  {kind:<10}  {:>9}  {}", number("id"), number("messages"), out.strong(&title(peer)))
}

/// A peer's title and username, or its id where it has neither.
pub(super) fn title(peer: &Value) -> String {
    let text = |name: &str| peer.get(name).and_then(Value::as_str).map(one_line).filter(|text| !text.is_empty());
    match (text("title"), text("username")) {
        (Some(title), Some(username)) => format!("{title} (@{username})"),
        (Some(title), None) => title,
        (None, Some(username)) => format!("@{username}"),
        (None, None) => peer.get("id").map(ToString::to_string).unwrap_or_default(),
    }
}
