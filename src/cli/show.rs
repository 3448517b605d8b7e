//! `telescribe show`: one message with everything that is known about it.

use std::process::ExitCode;

use serde::Serialize;

use super::client::{Api, Globals, Refusal, Target, segment};
use super::conversation;
use super::output::{Out, ended, harmless, tell};
use super::peers::{name, title};
use super::received::Received;
use crate::model::{MessageId, PeerLink};
use crate::show::{ButtonView, MessageView, StoredView};
use crate::views::{MessageContextView, MessageDetail, RawView};

/// Show one message with its earlier versions; the exit status is 1 if there is none
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe show @example_channel 42
  telescribe show https://t.me/example_channel/42
  telescribe show -1001500000001 42 --json
  telescribe show -1001500000001 42 --context 10
  telescribe show -1001500000001 42 --raw --json | jq -r .raw.tl | base64 -d | xxd")]
pub struct Args {
    /// A marked id, @ and a username, or a link as it was copied: https://t.me/username/42, https://t.me/c/1500000001/42
    #[arg(value_name = "PEER", allow_hyphen_values = true)]
    pub peer: String,
    /// Telegram's message id; a link, or PEER/ID, has it already
    #[arg(value_name = "ID")]
    pub id: Option<i32>,
    /// Whose message id it is, in basic groups and private chats that several accounts archived
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,
    /// Include Telegram's raw bytes (TL), in base64, of each version that is shown
    #[arg(long)]
    pub raw: bool,
    /// Show only versions before this one, where there are very many
    #[arg(long, value_name = "NUMBER")]
    pub versions_before: Option<u32>,
    /// Show it in its context: what it replies to, N messages before and after it (5 if not said), replies, its album, and comments
    #[arg(
        long, value_name = "N", num_args = 0..=1, default_missing_value = "5", value_parser = clap::value_parser!(u8).range(0..=50),
        conflicts_with_all = ["raw", "versions_before"]
    )]
    pub context: Option<u8>,
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
    let (peer, id) = place(&args.peer, args.id)?;
    let path = format!("/v1/peers/{}/messages/{id}", segment(peer));
    if let Some(around) = args.context {
        let target = Target::new(format!("{path}/context")).with_some("account", args.account.as_ref());
        let target = target.with("before", around).with("after", around);
        let Some(found) = found(Api::open(globals).await?.get::<MessageContextView>(&target).await)? else {
            return Ok(ExitCode::from(1));
        };
        if globals.json {
            out.json(&found.json)?;
        } else {
            conversation::write(&found.view, out)?;
        }
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    let target = Target::new(path);
    let mut target = target.with_some("account", args.account.as_ref());
    if args.raw {
        target = target.with("raw", true);
    }
    target = target.with_some("versions_before", args.versions_before);
    let Some(detail) = found(Api::open(globals).await?.get::<MessageDetail>(&target).await)? else {
        return Ok(ExitCode::from(1));
    };
    if globals.json {
        out.json(&detail.json)?;
    } else {
        for_people(&detail.view, out)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The peer and the message that are meant.
fn place(peer: &str, id: Option<i32>) -> anyhow::Result<(&str, i32)> {
    if let Some(id) = id {
        return Ok((peer, id));
    }
    if let Some(MessageId(id)) = PeerLink::message(peer) {
        return Ok((peer, id));
    }
    let parts = peer.rsplit_once('/').filter(|_| PeerLink::parse(peer).is_none());
    if let Some((peer, id)) = parts.and_then(|(peer, id)| Some((peer, id.parse().ok()?))) {
        return Ok((peer, id));
    }
    anyhow::bail!(
        "which message is missing: `telescribe show PEER ID`, or a link to a message such as `https://t.me/username/42`"
    )
}

/// What was found; that there is no such message is told, and is no failure.
fn found<T>(outcome: anyhow::Result<Received<T>>) -> anyhow::Result<Option<Received<T>>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if Refusal::is_absence(&error) => {
            tell(error);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn for_people(detail: &MessageDetail, out: &mut Out) -> anyhow::Result<()> {
    let StoredView { message: MessageView { content, .. }, deleted, versions } = &detail.message;
    let name = |id: i64| name(detail.peers.iter().chain([&detail.peer]), id);
    let head = out.strong(&title(&detail.peer));
    let account = detail.message.message.account.as_ref().map(|account| format!("  (seen by {account})")).unwrap_or_default();
    out.line(format_args!("{head}  {}{account}", content.date))?;
    if let Some(sender) = content.sender {
        out.line(format_args!("from {}", name(sender)))?;
    }
    for (what, when) in [("edited", &content.edited), ("deleted", deleted)] {
        if let Some(when) = when {
            out.line(format_args!("{what} {when}"))?;
        }
    }
    let counts = [("views", content.views), ("forwards", content.forwards), ("replies", content.replies)];
    let counts: Vec<String> = counts.into_iter().filter_map(|(what, count)| Some(format!("{what} {}", count?))).collect();
    if !counts.is_empty() {
        out.line(counts.join(", "))?;
    }
    let marks = [
        ("pinned", content.pinned),
        ("silent", content.silent),
        ("protected", content.protected),
        ("scheduled", content.scheduled),
        ("rich", content.rich),
    ];
    let marks: Vec<&str> = marks.into_iter().filter(|(_, is_so)| *is_so).map(|(mark, _)| mark).collect();
    if !marks.is_empty() {
        out.line(marks.join(", "))?;
    }
    as_json("ttl", content.ttl.as_ref(), out)?;
    as_json("restrictions", Some(&content.restrictions).filter(|list| !list.is_empty()), out)?;
    as_json("reply to", content.reply_to.as_ref(), out)?;
    as_json("forward", content.forward.as_ref(), out)?;
    as_json("media", content.media.as_ref(), out)?;
    as_json("service", content.service.as_ref(), out)?;
    if let Some(group) = content.comments {
        out.line(format_args!("comments in {}", name(group)))?;
    }
    out.line("")?;
    out.line(harmless(&content.text))?;
    for row in &content.buttons {
        let buttons: Vec<String> = row.iter().map(button).collect();
        out.line(harmless(&buttons.join("  ")))?;
    }
    if let Some(before) = detail.versions_before {
        let head = out.faint(&format!("there are {before} earlier versions; `--versions-before {before}` shows them"));
        out.line(format_args!("\n{head}"))?;
    }
    for (at, (number, version)) in (detail.first_version..).zip(versions).enumerate() {
        let archived = detail.archived.get(at).map(String::as_str).unwrap_or_default();
        let head = out.faint(&format!("version {number}, archived {archived}"));
        out.line(format_args!("\n{head}\n{}", harmless(&version.text)))?;
        if let Some(Some(raw)) = detail.raw_versions.get(at) {
            out.line(raw_for_people(raw))?;
        }
    }
    if let Some(raw) = &detail.raw {
        out.line(format_args!("\n{}", raw_for_people(raw)))?;
    }
    Ok(())
}

fn raw_for_people(RawView { layer, tl, account }: &RawView) -> String {
    let by = account.as_ref().map(|account| format!(", got by {account}")).unwrap_or_default();
    format!("layer {layer}{by}\n{tl}")
}

/// A part of a message that has many forms, as the JSON that it is.
fn as_json(name: &str, part: Option<&impl Serialize>, out: &mut Out) -> anyhow::Result<()> {
    if let Some(part) = part {
        out.line(format_args!("{name} {}", harmless(&serde_json::to_string(part)?)))?;
    }
    Ok(())
}

/// A button and what it leads to, in a line.
fn button(button: &ButtonView) -> String {
    let ButtonView { text, url, data, query, user, copy, .. } = button;
    let user = user.map(|user| user.to_string());
    match [url, data, query, &user, copy].into_iter().flatten().next() {
        Some(target) => format!("[{text}] {target}"),
        None => format!("[{text}]"),
    }
}
