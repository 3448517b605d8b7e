//! `telescribe status`: the state of the program.
//!
//! What needs attention (a lost account, a wait, a failing worker, deletions that are not confirmed yet) is said in words; `--json` has every
//! figure.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended, one_line};

/// Show the state of the archive, the index and a running daemon
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe status
  telescribe status --json | jq .index.behind")]
pub struct Args {}

/// Members with an output of their own.
const TOLD: [&str; 9] = ["version", "now", "archive", "index", "running", "crawl", "accounts", "jobs", "workers"];

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
pub async fn write(_: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let status = Api::open(globals).await?.get(&Target::new("/v1/status")).await?;
    if globals.json {
        out.json(&status)?;
    } else {
        for_people(&status, out)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn for_people(status: &Value, out: &mut Out) -> std::io::Result<()> {
    let number = |path: &str| status.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let running = status.get("running").and_then(Value::as_bool).unwrap_or_default();
    let version = text(status, "version");
    head(out, "program", &format!("telescribe {version} {}", if running { "is running" } else { "is not running" }))?;
    head(out, "archive", &format!("{} changes, {}", number("/archive/last"), size(number("/archive/disk_size"))))?;
    let index = format!("{} messages, {} changes behind", number("/index/documents"), number("/index/behind"));
    head(out, "index", &index)?;
    if let Some(why) = status.pointer("/index/error").and_then(Value::as_str) {
        out.line(format_args!("  {}", one_line(why)))?;
    }
    if let Some(crawl) = status.get("crawl") {
        crawled(crawl, out)?;
    }
    if let Some(accounts) = status.get("accounts").and_then(Value::as_array) {
        head(out, "accounts", "")?;
        for account in accounts {
            out.line(format_args!("  {}: {}", text(account, "name"), how_it_is(account)))?;
        }
    }
    if let Some(jobs) = status.get("jobs").and_then(Value::as_array) {
        head(out, "jobs", "")?;
        for job in jobs {
            let name =
                [text(job, "name"), text(job, "override")].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("/");
            let next = job.pointer("/next/0").and_then(Value::as_str).map(|at| format!(", next {}", one_line(at)));
            out.line(format_args!("  {name}: {}{}", text(job, "state"), next.unwrap_or_default()))?;
            if let Some(waiting) = super::schedule::waiting(job) {
                out.line(format_args!("  {waiting}"))?;
            }
        }
    }
    if let Some(workers) = status.get("workers").and_then(Value::as_array) {
        let ill: Vec<String> = workers.iter().filter_map(complaint).collect();
        head(out, "workers", &if ill.is_empty() { format!("{}, all well", workers.len()) } else { String::new() })?;
        for complaint in ill {
            out.line(format_args!("  {complaint}"))?;
        }
    }
    let rest: serde_json::Map<String, Value> = status
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| !TOLD.contains(&name.as_str()) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    outline(&Value::Object(rest), 0, out)
}

fn head(out: &mut Out, name: &str, what: &str) -> std::io::Result<()> {
    let line = format!("{}{}{what}", out.strong(name), if what.is_empty() { "" } else { ": " });
    out.line(line)
}

/// A size in the unit that leaves it few digits.
fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let fits = units.into_iter().find(|(_, shift)| bytes >> shift >= 10);
    fits.map_or_else(|| format!("{bytes} bytes"), |(unit, shift)| format!("{} {unit}", bytes >> shift))
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).map(one_line).unwrap_or_default()
}

fn crawled(crawl: &Value, out: &mut Out) -> std::io::Result<()> {
    let number = |name: &str| crawl.get(name).and_then(Value::as_u64).unwrap_or_default();
    let (peers, complete) = (number("peers"), number("peers_complete"));
    head(out, "crawl", &format!("{complete} of {peers} peers complete, {} messages", number("messages")))?;
    for (count, what) in [
        (number("ids_missing"), "ids are not read yet"),
        (number("ids_recheck"), "ids are to be read again"),
        (
            number("deletions_held"),
            "messages are gone at once (mass deletion); they are marked deleted only after a second request confirms it",
        ),
        (number("peers_unavailable"), "peers cannot be read at present; `telescribe coverage --incomplete` says why"),
        (number("units_waiting") + number("units_running"), "requests are queued or in progress"),
    ] {
        if count > 0 {
            out.line(format_args!("  {count} {what}"))?;
        }
    }
    let strange = crawl.get("not_understood").and_then(Value::as_object);
    for (name, count) in strange.into_iter().flatten() {
        out.line(format_args!(
            "  {count} messages contain a `{}`, which this version does not know; its raw bytes are archived",
            one_line(name)
        ))?;
    }
    Ok(())
}

fn how_it_is(account: &Value) -> String {
    let requests = account.get("requests").and_then(Value::as_u64).unwrap_or_default();
    let state = match (text(account, "state").replace('_', " "), text(account, "reason"), text(account, "way_out")) {
        (state, reason, _) if reason.is_empty() => format!("{state}, {requests} requests"),
        (state, reason, way_out) => format!("{state} ({reason}); {way_out}"),
    };
    let parked = account.get("parked_until").and_then(Value::as_object);
    let waits = parked
        .into_iter()
        .flatten()
        .filter_map(|(method, until)| Some(format!("; flood wait for {} until {}", one_line(method), one_line(until.as_str()?))));
    let rest = account.get("rests_until").and_then(Value::as_str);
    let rest = rest.map(|until| format!("; it sends no requests until {}", one_line(until)));
    state + &waits.chain(rest).collect::<String>()
}

fn complaint(worker: &Value) -> Option<String> {
    let name = text(worker, "name");
    let failures = worker.get("failures").and_then(Value::as_u64).unwrap_or_default();
    match worker.get("failing") {
        Some(Value::String(why)) => Some(format!("{name} fails: {} ({failures} times)", one_line(why))),
        _ if worker.get("stopped") == Some(&Value::Bool(true)) => Some(format!("{name} has stopped")),
        _ => None,
    }
}

/// Writes a document as an indented outline; a list of objects is an outline of outlines.
fn outline(value: &Value, depth: usize, out: &mut Out) -> std::io::Result<()> {
    let indent = "  ".repeat(depth);
    let entries: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.replace('_', " "), value)).collect(),
        Value::Array(values) => values.iter().enumerate().map(|(at, value)| ((at + 1).to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in entries {
        let name = one_line(&name);
        match value {
            Value::Object(_) | Value::Array(_) => {
                let head = out.strong(&name);
                out.line(format_args!("{indent}{head}"))?;
                outline(value, depth + 1, out)?;
            }
            Value::String(text) => out.line(format_args!("{indent}{name}: {}", one_line(text)))?,
            other => out.line(format_args!("{indent}{name}: {other}"))?,
        }
    }
    Ok(())
}
