//! `telescribe counters`: members, views and reactions over time.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{Api, Globals, Target, segment};
use super::output::{Out, ended, one_line, tell};

/// Show a peer's members, or a message's views, forwards, replies and reactions, over time
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe counters @example_channel
  telescribe counters @example_channel 42
  telescribe counters @example_channel --json | jq -r '[.at, .count] | @csv'")]
pub struct Args {
    /// A marked id, or @ and a username
    #[arg(value_name = "PEER", allow_negative_numbers = true)]
    pub peer: String,
    /// A message's id; by default, the peer's members are shown
    #[arg(value_name = "ID")]
    pub message: Option<i32>,
}

/// Runs the command on standard output; the status is 1 when there are no counters yet.
///
/// # Errors
/// When no server could be reached, or there is no such peer or message.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(args: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let api = Api::open(globals).await?;
    let peer = segment(&args.peer);
    let (path, list) = match args.message {
        Some(id) => (format!("/v1/peers/{peer}/messages/{id}/counters"), "counters"),
        None => (format!("/v1/peers/{peer}/counters"), "members"),
    };
    let mut target = Target::new(path);
    let mut any = false;
    loop {
        let page = api.get(&target).await?;
        for sample in page.get(list).and_then(Value::as_array).into_iter().flatten() {
            any = true;
            if globals.json {
                out.json(sample)?;
            } else {
                out.line(for_people(sample))?;
            }
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => target = target.with("after", next),
            None => break,
        }
    }
    out.flush()?;
    if !any {
        tell("there are no counters yet; `telescribe schedule run counters` reads them now");
    }
    Ok(ExitCode::from(u8::from(!any)))
}

fn for_people(sample: &Value) -> String {
    let at = sample.get("at").and_then(Value::as_str).map(one_line).unwrap_or_default();
    let number = |name: &str| Some(format!("{} {name}", sample.get(name)?.as_i64()?));
    let mut parts: Vec<String> = ["views", "forwards", "replies"].into_iter().filter_map(number).collect();
    parts.extend(sample.get("count").and_then(Value::as_i64).map(|count| format!("{count} members")));
    let reaction = |r: &Value| Some(format!("{} {}", one_line(r.get("emoji")?.as_str()?), r.get("count")?.as_i64()?));
    parts.extend(sample.get("reactions").and_then(Value::as_array).into_iter().flatten().filter_map(reaction));
    format!("{at}  {}", if parts.is_empty() { "no counters".to_owned() } else { parts.join(", ") })
}
