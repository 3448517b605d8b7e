//! `telescribe coverage`: proves that nothing is missing, or says what is.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{Api, Globals, Target, segment};
use super::output::{Out, ended, one_line};
use super::peers::title;

/// Ranges in the text output; `--json` has all.
const RANGES_SHOWN: usize = 10;

/// Show which messages were read and which are still missing; the exit status is 1 if any are
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe coverage
  telescribe coverage --incomplete
  telescribe coverage @example_channel
  telescribe coverage > /dev/null && echo complete")]
pub struct Args {
    /// Only this peer, with its ranges of ids: a marked id, or @ and a username
    #[arg(value_name = "PEER", allow_negative_numbers = true)]
    pub peer: Option<String>,
    /// Only peers that are not complete
    #[arg(long, conflicts_with = "peer")]
    pub incomplete: bool,
}

/// Runs the command on standard output; the status is 1 when something is missing.
///
/// # Errors
/// When no server could be reached, or there is no such peer.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(args: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let api = Api::open(globals).await?;
    let complete = match &args.peer {
        Some(peer) => one(&api, peer, globals, out).await?,
        None => all(&api, args, globals, out).await?,
    };
    out.flush()?;
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn one(api: &Api, peer: &str, globals: &Globals, out: &mut Out) -> anyhow::Result<bool> {
    let coverage = api.get(&Target::new(format!("/v1/peers/{}/coverage", segment(peer)))).await?;
    if globals.json {
        out.json(&coverage)?;
        return Ok(is_complete(&coverage));
    }
    let line = for_people(&coverage, out);
    out.line(line)?;
    let ranges = coverage.get("ranges").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let bound = |range: &Value, at: usize| range.get(at).and_then(Value::as_i64).unwrap_or_default();
    say("read", ranges.iter().map(|r| (bound(r, 0), bound(r, 1))).collect(), out)?;
    let holes = coverage.get("holes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (reason, words) in [
        ("not_read_yet", "not read yet"),
        ("peer_unavailable", "not read, and the peer cannot be read at present"),
        ("to_be_read_again", "to be read again"),
        ("deletion_to_be_confirmed", "mass deletion, to be confirmed by a second request"),
    ] {
        let number = |hole: &Value, name: &str| hole.get(name).and_then(Value::as_i64).unwrap_or_default();
        let of_reason = |hole: &&Value| hole.get("reason").and_then(Value::as_str) == Some(reason);
        say(words, holes.iter().filter(of_reason).map(|h| (number(h, "first"), number(h, "last"))).collect(), out)?;
    }
    Ok(is_complete(&coverage))
}

fn say(words: &str, ranges: Vec<(i64, i64)>, out: &mut Out) -> std::io::Result<()> {
    if ranges.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = ranges.iter().take(RANGES_SHOWN).map(|(first, last)| format!("{first}-{last}")).collect();
    let more = if ranges.len() > RANGES_SHOWN { format!(" and {} more", ranges.len() - RANGES_SHOWN) } else { String::new() };
    out.line(format_args!("  {words}: {}{more}", shown.join(" ")))
}

async fn all(api: &Api, args: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<bool> {
    let mut target = Target::new("/v1/coverage");
    if args.incomplete {
        target = target.with("incomplete", true);
    }
    loop {
        let page = api.get(&target).await?;
        for coverage in page.get("peers").and_then(Value::as_array).into_iter().flatten() {
            if globals.json {
                out.json(coverage)?;
            } else {
                let line = for_people(coverage, out);
                out.line(line)?;
            }
        }
        if let Some(next) = page.get("next") {
            target = target.with("after", next);
            continue;
        }
        let summary = page.get("summary").cloned().unwrap_or_default();
        if !globals.json {
            let number = |name: &str| summary.get(name).and_then(Value::as_u64).unwrap_or_default();
            out.line(format_args!(
                "{} of {} peers complete, {} messages, {} ids missing, {} to be read again, {} deletions to be confirmed",
                number("peers_complete"),
                number("peers"),
                number("messages"),
                number("missing"),
                number("recheck"),
                number("held"),
            ))?;
        }
        return Ok(is_complete(&summary));
    }
}

fn is_complete(value: &Value) -> bool {
    value.get("complete").and_then(Value::as_bool).unwrap_or_default()
}

fn for_people(coverage: &Value, out: &Out) -> String {
    let number = |name: &str| coverage.get(name).and_then(Value::as_i64).unwrap_or_default();
    let peer = coverage.get("peer").cloned().unwrap_or_default();
    let id = peer.get("id").and_then(Value::as_i64).unwrap_or_default();
    let state = if is_complete(coverage) {
        "complete".to_owned()
    } else {
        format!("{} ids to read", number("missing") + number("recheck") + number("held"))
    };
    let why = coverage.get("unavailable").or_else(|| coverage.get("hindered")).and_then(Value::as_str);
    let why = why.map(|why| format!("  ({})", one_line(why))).unwrap_or_default();
    format!(
        "{id:>16}  {state:<16}  {:>9} messages up to id {:>9}  {}{why}",
        number("messages"),
        number("top"),
        out.strong(&title(&peer))
    )
}
