//! `telescribe coverage`: proves that nothing is missing, or says what is.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{Api, Globals, Target, segment};
use super::output::{Out, ended, one_line};
use super::peers::title;
use super::received::Received;
use crate::archive::CrawlState;
use crate::views::{CoverageDetail, CoveragePage, CoverageView, HoleView};

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
    /// Whose message ids are meant, in basic groups and private chats that several accounts archived
    #[arg(long, value_name = "ACCOUNT", requires = "peer")]
    pub account: Option<String>,
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
        Some(peer) => one(&api, peer, args.account.as_ref(), globals, out).await?,
        None => all(&api, args, globals, out).await?,
    };
    out.flush()?;
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn one(api: &Api, peer: &str, account: Option<&String>, globals: &Globals, out: &mut Out) -> anyhow::Result<bool> {
    let target = Target::new(format!("/v1/peers/{}/coverage", segment(peer))).with_some("account", account);
    let Received { view: CoverageDetail { coverage, mut ranges, mut holes, mut next, .. }, mut json } =
        api.get::<CoverageDetail>(&target).await?;
    while let Some(after) = next {
        let more = api.get::<CoverageDetail>(&target.clone().with("after", after)).await?;
        ranges.extend(more.view.ranges);
        holes.extend(more.view.holes);
        append_lists(&mut json, more.json);
        next = more.view.next;
    }
    if globals.json {
        out.json(&json)?;
        return Ok(coverage.complete);
    }
    let line = for_people(&coverage, out);
    out.line(line)?;
    say("read", ranges.iter().map(|[first, last]| (*first, *last)).collect(), out)?;
    for (reason, words) in [
        (HoleView::NOT_READ_YET, "not read yet"),
        (HoleView::PEER_UNAVAILABLE, "not read, and the peer cannot be read at present"),
        (HoleView::HIDDEN, "hidden from all accounts"),
        (HoleView::NOT_WANTED, "not asked for"),
        (HoleView::TAKEN_OVER, "not read: another account has taken the group over"),
        (HoleView::UNREADABLE, "passed over: this version cannot read Telegram's answer"),
        (HoleView::TO_BE_READ_AGAIN, "to be read again"),
        (HoleView::DELETION_TO_BE_CONFIRMED, "mass deletion, to be confirmed by a second request"),
    ] {
        say(words, holes.iter().filter(|hole| hole.reason == reason).map(|hole| (hole.first, hole.last)).collect(), out)?;
    }
    Ok(coverage.complete)
}

/// Adds the lists of a page to those of the pages before it, as though all had come in one.
fn append_lists(json: &mut Value, mut page: Value) {
    let Some(whole) = json.as_object_mut() else { return };
    whole.shift_remove("next");
    for (name, list) in whole.iter_mut() {
        if let (Some(list), Some(more)) = (list.as_array_mut(), page.get_mut(name).and_then(Value::as_array_mut)) {
            list.append(more);
        }
    }
}

fn say(words: &str, ranges: Vec<(i32, i32)>, out: &mut Out) -> std::io::Result<()> {
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
    if !globals.json {
        out.columns(format_args!("{:>16}  {:<16}  {:>9} {:>28}  TITLE", "ID", "STATE", "MESSAGES", "TO ID"))?;
    }
    let CoveragePage { summary, .. } = api
        .each_page::<CoveragePage>(target, |page| {
            for (coverage, json) in page.entries() {
                if globals.json {
                    out.json(json)?;
                } else {
                    let line = for_people(coverage, out);
                    out.line(line)?;
                }
            }
            Ok(())
        })
        .await?;
    if !globals.json {
        out.line(format_args!(
            "{} of {} peers complete, {} messages, {} ids missing, {} to be read again, {} deletions to be confirmed{}",
            summary.peers_complete,
            summary.peers,
            summary.messages,
            summary.missing,
            summary.recheck,
            summary.held,
            if summary.hidden > 0 { format!(", {} ids hidden from all accounts", summary.hidden) } else { String::new() },
        ))?;
        let failed =
            if summary.files_failed > 0 { format!(", {} could not be downloaded", summary.files_failed) } else { String::new() };
        match summary.files_missing {
            0 => out.line(format_args!("files complete{failed}"))?,
            missing => out.line(format_args!("{missing} files to be downloaded{failed}; `telescribe media` lists them"))?,
        }
    }
    Ok(summary.complete && summary.files_missing == 0)
}

fn for_people(coverage: &CoverageView, out: &Out) -> String {
    let CoverageView { peer, complete, top, messages, missing, recheck, held, unreadable, .. } = coverage;
    let state = match missing + recheck + held {
        0 if *complete => "complete".to_owned(),
        0 if *unreadable > 0 => format!("{unreadable} ids unreadable"),
        0 => "read so far".to_owned(),
        left => format!("{left} ids to read"),
    };
    let since = coverage.unavailable_since.as_ref().map(|at| format!(" since {at}")).unwrap_or_default();
    let unavailable = coverage.unavailable.as_ref().map(|why| match why.as_str() {
        CrawlState::UNFOLLOWED => format!("followed no longer{since}"),
        CrawlState::FETCHED => "fetched in part, not crawled".to_owned(),
        CrawlState::TAKEN_OVER => format!("archived by another account{since}"),
        CrawlState::NO_ACCOUNT => format!("no account can read it{since}"),
        name => format!("cannot be read{since}: {name}"),
    });
    let why = unavailable.as_ref().or(coverage.hindered.as_ref());
    let why = why.map(|why| format!("  ({})", one_line(why))).unwrap_or_default();
    let account = coverage.account.as_ref().map(|account| format!("  (seen by {account})")).unwrap_or_default();
    let why = if coverage.erased > 0 { format!("  ({} erased){why}", coverage.erased) } else { why };
    let why = if coverage.hidden > 0 { format!("  ({} ids hidden from all accounts){why}", coverage.hidden) } else { why };
    format!("{:>16}  {state:<16}  {messages:>9} messages up to id {top:>9}  {}{account}{why}", peer.id, out.strong(&title(peer)))
}
