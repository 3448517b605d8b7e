//! `telescribe show`: one message with everything that is known about it.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{Api, Globals, Refusal, Target, segment};
use super::output::{Out, ended, harmless, tell};
use super::peers::title;

/// Show one message with its earlier versions; the exit status is 1 if there is none
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe show @example_channel 42
  telescribe show -1001500000001 42 --json
  telescribe show -1001500000001 42 --raw --json | jq -r .raw.tl | base64 -d | xxd")]
pub struct Args {
    /// A marked id, or @ and a username
    #[arg(value_name = "PEER", allow_negative_numbers = true)]
    pub peer: String,
    /// Telegram's message id
    #[arg(value_name = "ID")]
    pub id: i32,
    /// Include Telegram's raw bytes (TL), in base64
    #[arg(long)]
    pub raw: bool,
}

/// Runs the command on standard output; the status is 1 when there is no such message.
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
    let mut target = Target::new(format!("/v1/peers/{}/messages/{}", segment(&args.peer), args.id));
    if args.raw {
        target = target.with("raw", true);
    }
    let detail = match Api::open(globals).await?.get(&target).await {
        Ok(detail) => detail,
        Err(error) if Refusal::is_absence(&error) => {
            tell(error);
            return Ok(ExitCode::from(1));
        }
        Err(error) => return Err(error),
    };
    if globals.json {
        out.json(&detail)?;
    } else {
        for_people(&detail, out)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn for_people(detail: &Value, out: &mut Out) -> std::io::Result<()> {
    let empty = Value::Null;
    let message = detail.get("message").unwrap_or(&empty);
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let head = out.strong(&title(detail.get("peer").unwrap_or(&empty)));
    out.line(format_args!("{head}  {}", text(message, "date")))?;
    if let Some(sender) = message.get("sender") {
        out.line(format_args!("from {}", name(detail, sender)))?;
    }
    for member in ["edited", "deleted"] {
        let when = text(message, member);
        if !when.is_empty() {
            out.line(format_args!("{member} {when}"))?;
        }
    }
    let counters = ["views", "forwards", "replies"].map(|name| message.get(name).map(|count| format!("{name} {count}")));
    let counters: Vec<String> = counters.into_iter().flatten().collect();
    if !counters.is_empty() {
        out.line(counters.join(", "))?;
    }
    let is = |name: &&str| message.get(*name).and_then(Value::as_bool).unwrap_or_default();
    let marks: Vec<&str> = ["pinned", "silent", "protected", "scheduled", "rich"].into_iter().filter(is).collect();
    if !marks.is_empty() {
        out.line(marks.join(", "))?;
    }
    for member in ["ttl", "restrictions", "reply_to", "forward", "media", "service"] {
        if let Some(value) = message.get(member) {
            out.line(format_args!("{} {}", member.replace('_', " "), harmless(&value.to_string())))?;
        }
    }
    if let Some(group) = message.get("comments") {
        out.line(format_args!("comments in {}", name(detail, group)))?;
    }
    out.line("")?;
    out.line(harmless(&text(message, "text")))?;
    for row in message.get("buttons").and_then(Value::as_array).into_iter().flatten() {
        let buttons: Vec<String> = row.as_array().into_iter().flatten().map(button).collect();
        out.line(harmless(&buttons.join("  ")))?;
    }
    for (number, version) in message.get("versions").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let archived = detail.pointer(&format!("/archived/{number}")).and_then(Value::as_str).unwrap_or_default();
        let head = out.faint(&format!("version {number}, archived {archived}"));
        out.line(format_args!("\n{head}\n{}", harmless(&text(version, "text"))))?;
    }
    if let Some(raw) = detail.get("raw") {
        let layer = raw.get("layer").and_then(Value::as_i64).unwrap_or_default();
        out.line(format_args!("\nlayer {layer}\n{}", text(raw, "tl")))?;
    }
    Ok(())
}

/// A button and what it leads to, in a line.
fn button(button: &Value) -> String {
    let member = |name: &str| button.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let target = ["url", "data", "query", "user", "copy"].into_iter().find_map(member);
    let text = member("text").unwrap_or_default();
    target.map_or_else(|| format!("[{text}]"), |target| format!("[{text}] {target}"))
}

/// The name of a peer that an answer describes, or its id.
pub(super) fn name(answer: &Value, id: &Value) -> String {
    let known = answer.get("peers").and_then(Value::as_array).into_iter().flatten();
    known.chain(answer.get("peer")).find(|peer| peer.get("id") == Some(id)).map_or_else(|| id.to_string(), title)
}
