//! Messages as CSV (RFC 4180): UTF-8 without a mark, a header, and CRLF behind each record.
//!
//! What a stranger has written must not run in somebody's spreadsheet: text that begins as a formula does gets an apostrophe before it. Numbers are left
//! as they are; the ids of groups and channels are negative.

use std::borrow::Cow;
use std::collections::HashMap;

use csv::{Terminator, WriterBuilder};

use crate::archive::{ArchiveError, Snapshot, StoredMessage};
use crate::model::{IdSpace, PeerId};
use crate::show::StoredView;

use super::problem::Problem;

/// The columns.
pub(super) const HEAD: [&str; 20] = [
    "date",
    "peer",
    "peer_title",
    "account",
    "id",
    "sender",
    "sender_name",
    "text",
    "kind",
    "file_name",
    "reply_to",
    "forwarded_from",
    "forwarded_from_name",
    "views",
    "forwards",
    "replies",
    "edited",
    "deleted",
    "album",
    "link",
];
/// With what a cell begins that spreadsheets run, their wide forms included.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
/// How many peers' names are kept: more than an export meets again soon.
const NAMES_MAX: usize = 10_000;

/// Writes messages as records.
pub(super) struct CsvLines {
    /// Whether the header is to be written yet.
    wants_head: bool,
    names: HashMap<PeerId, Name>,
}

#[derive(Clone, Default)]
struct Name {
    title: String,
    username: Option<String>,
}

impl CsvLines {
    pub(super) fn new(wants_head: bool) -> Self {
        Self { wants_head, names: HashMap::new() }
    }

    /// Writes the header, if it is to be written yet.
    pub(super) fn head(&mut self, to: &mut Vec<u8>) -> Result<(), Problem> {
        if std::mem::take(&mut self.wants_head) { write(&HEAD, to) } else { Ok(()) }
    }

    /// Writes a message.
    pub(super) fn record(&mut self, archive: &Snapshot, stored: &StoredMessage, to: &mut Vec<u8>) -> Result<(), Problem> {
        let StoredView { message, deleted, .. } = StoredView::new(stored, &[]);
        let content = &message.content;
        let peer = self.name(archive, Some(message.peer))?;
        let sender = self.name(archive, content.sender)?;
        let forward = content.forward.as_ref();
        let source = self.name(archive, forward.and_then(|forward| forward.from))?;
        let source = if source.title.is_empty() { forward.and_then(|forward| forward.name.clone()) } else { Some(source.title) };
        let kind = match (&content.service, &content.media) {
            (Some(_), _) => "service",
            (None, Some(media)) => media.kind.as_ref(),
            (None, None) => "text",
        };
        let cells: [Cow<'_, str>; HEAD.len()] = [
            content.date.as_str().into(),
            message.peer.to_string().into(),
            defused(&peer.title),
            message.account.as_deref().unwrap_or_default().into(),
            message.id.to_string().into(),
            number(content.sender),
            defused(&sender.title),
            defused(&content.text),
            kind.into(),
            defused(content.media.as_ref().and_then(|media| media.name.as_deref()).unwrap_or_default()),
            number(content.reply_to.as_ref().and_then(|reply| reply.id)),
            number(forward.and_then(|forward| forward.from)),
            defused(source.as_deref().unwrap_or_default()),
            number(content.views),
            number(content.forwards),
            number(content.replies),
            content.edited.as_deref().unwrap_or_default().into(),
            deleted.as_deref().unwrap_or_default().into(),
            number(content.album),
            link(PeerId(message.peer), peer.username.as_deref(), message.id).into(),
        ];
        write(&cells.each_ref().map(AsRef::as_ref), to)
    }

    fn name(&mut self, archive: &Snapshot, id: Option<i64>) -> Result<Name, ArchiveError> {
        let Some(id) = id.map(PeerId) else { return Ok(Name::default()) };
        if let Some(known) = self.names.get(&id) {
            return Ok(known.clone());
        }
        let peer = archive.view().peer(id)?;
        let name = peer.map_or_else(Name::default, |peer| Name { title: peer.title, username: peer.username });
        if self.names.len() == NAMES_MAX {
            self.names.clear();
        }
        self.names.insert(id, name.clone());
        Ok(name)
    }
}

fn write(cells: &[&str], to: &mut Vec<u8>) -> Result<(), Problem> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(to);
    writer.write_record(cells).map_err(|e| Problem::hidden(&e))?;
    writer.flush().map_err(|e| Problem::hidden(&e))
}

fn number<'c>(number: Option<impl ToString>) -> Cow<'c, str> {
    number.map_or_else(|| "".into(), |number| number.to_string().into())
}

/// A text that no spreadsheet runs.
fn defused(text: &str) -> Cow<'_, str> {
    if text.starts_with(FORMULA) { format!("'{text}").into() } else { text.into() }
}

/// The link to a message of a group or channel; in private chats and basic groups there is none.
fn link(peer: PeerId, username: Option<&str>, id: i32) -> String {
    match username {
        _ if peer.kind() != IdSpace::Channel => String::new(),
        Some(username) => format!("https://t.me/{username}/{id}"),
        None => format!("https://t.me/c/{}/{id}", peer.bare()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_would_run_is_defused_and_others_stay() {
        for formula in ["=HYPERLINK(\"x\")", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"] {
            assert_eq!(defused(formula), format!("'{formula}"));
        }
        for text in ["", "a=b", " =1", "'=1", "今天"] {
            assert_eq!(defused(text), text);
        }
    }

    #[test]
    fn records_are_quoted_as_rfc_4180_says() {
        let mut to = Vec::new();
        write(&["a", "b,c", "d\"e", "f\r\ng", ""], &mut to).unwrap();
        assert_eq!(String::from_utf8(to).unwrap(), "a,\"b,c\",\"d\"\"e\",\"f\r\ng\",\r\n");
    }

    #[test]
    fn links_lead_to_messages_that_have_one() {
        assert_eq!(link(PeerId(-1_001_500_000_001), Some("novosti"), 7), "https://t.me/novosti/7");
        assert_eq!(link(PeerId(-1_001_500_000_001), None, 7), "https://t.me/c/1500000001/7");
        assert_eq!(link(PeerId(7), Some("alice"), 7), "");
    }
}
