//! Messages as lines of a conversation, for people: when, who, what, and what has become of it.

use super::output::{Out, harmless, minute};
use super::peers::name;
use crate::show::{PeerView, StoredView};
use crate::views::{MessageContextView, MissingMessageView, RelatedView};

/// Characters of a text that a line shows: more is read with `telescribe show`.
const TEXT_MAX: usize = 400;
/// Further than this nothing is indented: a long chain would leave no room for its texts.
const INDENT_MAX: usize = 12;

/// A message in a line.
pub(super) fn line(stored: &StoredView, peers: &[&PeerView], out: &Out) -> String {
    let (message, content) = (&stored.message, &stored.message.content);
    let date = minute(&content.date);
    let sender = name(peers.iter().copied(), content.sender.unwrap_or(message.peer));
    let gone = if stored.deleted.is_some() { " (deleted)" } else { "" };
    let key = out.faint(&format!("{}{gone}", message.id));
    format!("{date}  {}  {key}  {}", out.strong(&sender), said(stored))
}

/// What a message says, in one line; of one without text, what it is.
fn said(stored: &StoredView) -> String {
    let content = &stored.message.content;
    let text: Vec<&str> = content.text.split_whitespace().collect();
    let mut text = text.join(" ");
    if let Some((end, _)) = text.char_indices().nth(TEXT_MAX) {
        text.truncate(end);
        text.push('…');
    }
    let media = content.media.as_ref().map(|media| format!("[{}]", media.kind));
    let service = content.service.as_ref().map(|service| format!("[{}]", service.action));
    let parts = [media, service, Some(text).filter(|text| !text.is_empty())];
    harmless(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

/// A message in its context: what it replies to above it, then its neighbours with itself marked, then what replies to it.
pub(super) fn write(context: &MessageContextView, out: &mut Out) -> std::io::Result<()> {
    let peers: Vec<&PeerView> = context.peers.iter().chain([&context.peer]).collect();
    let topic = context.topic.map(|topic| format!("  topic {topic}")).unwrap_or_default();
    let head = out.strong(&name(peers.iter().copied(), context.peer.id));
    out.line(format_args!("{head}{topic}"))?;
    if let Some(missing) = &context.chain_missing {
        let why = out.faint(&not_shown(missing, context.peer.id));
        out.line(why)?;
    }
    for (depth, stored) in context.chain.iter().enumerate() {
        let elsewhere = if stored.message.peer == context.peer.id {
            String::new()
        } else {
            format!("  (in {})", name(peers.iter().copied(), stored.message.peer))
        };
        indented(depth, &format!("{}{elsewhere}", line(stored, &peers, out)), out)?;
    }
    if !context.chain.is_empty() {
        out.line("")?;
    }
    for stored in &context.before {
        out.line(format_args!("  {}", line(stored, &peers, out)))?;
    }
    let marked = out.hit(">");
    out.line(format_args!("{marked} {}", line(&context.message, &peers, out)))?;
    for stored in &context.after {
        out.line(format_args!("  {}", line(stored, &peers, out)))?;
    }
    section("replies", context.replies.as_ref(), &peers, out)?;
    if !context.album.is_empty() {
        out.line(format_args!("\nalbum ({})", context.album.len()))?;
        for stored in &context.album {
            indented(1, &line(stored, &peers, out), out)?;
        }
    }
    if let Some(discussion) = &context.discussion {
        let title = format!("comments in {}", name(peers.iter().copied(), discussion.group));
        section(&title, Some(&discussion.comments), &peers, out)?;
    }
    if !context.shortened.is_empty() {
        let note = format!("\nnot all is shown of: {}", context.shortened.join(", "));
        let note = out.faint(&note);
        out.line(note)?;
    }
    Ok(())
}

fn section(title: &str, related: Option<&RelatedView>, peers: &[&PeerView], out: &mut Out) -> std::io::Result<()> {
    let Some(RelatedView { messages, total, unavailable }) = related else { return Ok(()) };
    if let Some(why) = unavailable {
        return out.line(format_args!("\n{title}: {}", harmless(why)));
    }
    let total = total.map_or(0, |total| total.count);
    if total == 0 && messages.is_empty() {
        return Ok(());
    }
    let shown = u64::try_from(messages.len()).unwrap_or(u64::MAX);
    let of = if shown < total { format!("{shown} of {total}, the newest") } else { shown.to_string() };
    out.line(format_args!("\n{title} ({of})"))?;
    for stored in messages {
        indented(1, &line(stored, peers, out), out)?;
    }
    Ok(())
}

fn indented(depth: usize, text: &str, out: &mut Out) -> std::io::Result<()> {
    out.line(format_args!("{}{text}", "  ".repeat(depth.min(INDENT_MAX))))
}

fn not_shown(missing: &MissingMessageView, here: i64) -> String {
    let MissingMessageView { peer, id, why } = missing;
    let place = if *peer == here { id.to_string() } else { format!("{peer} {id}") };
    match why.as_str() {
        "too_far" => format!("there is more above; `telescribe show {peer} {id} --context` shows it"),
        "not_read" => format!("in reply to {place}, which was not read yet"),
        "absent" => format!("in reply to {place}, which Telegram no longer had when it was read"),
        "erased" => format!("in reply to {place}, which was erased"),
        _ => format!("in reply to {place}, which is not archived"),
    }
}
