//! Messages: readable, with all their versions and raw bytes, covered, and in the change log.

use std::collections::BTreeMap;

use crate::model::{ChangeKind, ChatId, MessageKey, Seq};

use super::super::ArchiveError;
use super::super::codec::StoredKey as _;
use super::super::coverage::Coverage;
use super::super::family::{COVERAGE, EARLIER_FORM, FORM, KeyRange, LOG, OWN, VERSION};
use super::super::key::{OwnKey, under_chat};
use super::super::record::{Form, MessageRecord};
use super::super::schema::Cf;
use super::super::view::Order;
use super::log::Told;
use super::{Beside, ByChat, Findings, Multiset, View, undamaged};

/// What is stored of a chat's messages.
#[derive(Clone, Copy, Default)]
pub(super) struct Stored {
    pub(super) messages: u64,
    pub(super) deleted: u64,
    /// What the change log must tell of them.
    changes: Multiset,
    /// How many could not be read; then the change log cannot be compared.
    damaged: u64,
}

/// What the change log must tell of a form.
fn changes_of(key: MessageKey, record: &MessageRecord) -> impl Iterator<Item = ChangeKind> + use<> {
    let version = record.version;
    let became = if version == 0 { ChangeKind::MessageNew { key } } else { ChangeKind::MessageEdited { key, version } };
    [Some(became), record.deleted_at.map(|_| ChangeKind::MessageDeleted { key })].into_iter().flatten()
}

impl View<'_> {
    /// Reads all messages once, with their earlier versions beside them.
    pub(super) fn check_messages(self, report: &mut Findings<'_>) -> Result<ByChat<Stored>, ArchiveError> {
        let mut stored: ByChat<Stored> = ByChat::new();
        let mut covered: Option<(ChatId, Coverage)> = None;
        // Ordered by the same keys, so one pass over each finds what has no counterpart.
        let rows = self.all(&EARLIER_FORM, report).peekable();
        let mut versions = Beside { what: "earlier version", rows, message: |key| key.message };
        let mut forms = self.all(&FORM, report);
        while let Some(row) = report.next(&mut forms)? {
            let Some(at) = report.readable(|| "a message".to_owned(), row.key()) else { continue };
            report.report.messages += 1;
            let of_chat = stored.entry(at.chat).or_default();
            of_chat.messages += 1;
            let mut earlier: u32 = 0;
            while let Some(form) = versions.next_of(at, report)? {
                earlier = earlier.saturating_add(1);
                match report.readable(|| format!("an earlier version of message {at}"), form) {
                    Some(form) => changes_of(at, &form.record).for_each(|kind| of_chat.changes.add(&kind)),
                    None => of_chat.damaged += 1,
                }
            }
            if let Some(account) = at.chat.account() {
                let known = undamaged(self.get(&OWN, &OwnKey { account, id: at.id }))?.flatten();
                if known != Some(at.peer()) {
                    report.differs(|| format!("message {at} is not found by its account's id"));
                }
            }
            let form = row.value(&at).inspect_err(|error| self.note_damage(Cf::Message, row.key_bytes(), error));
            let Some(Form { record, raw }) = report.readable(|| format!("message {at}"), form) else {
                of_chat.damaged += 1;
                continue;
            };
            changes_of(at, &record).for_each(|kind| of_chat.changes.add(&kind));
            of_chat.deleted += u64::from(record.deleted_at.is_some());
            if raw.is_empty() {
                report.differs(|| format!("message {at} has no raw bytes"));
            }
            if earlier != record.version {
                report.differs(|| format!("message {at} has {} earlier versions, {earlier} are stored", record.version));
            }
            if covered.as_ref().is_none_or(|(chat, _)| *chat != at.chat) {
                // What is damaged there is told by the look at coverage itself.
                let coverage = undamaged(self.get(&COVERAGE, &at.chat))?;
                covered = Some((at.chat, coverage.flatten().unwrap_or_default()));
            }
            if covered.as_ref().is_some_and(|(_, coverage)| !coverage.read.contains(at.id.0)) {
                report.differs(|| format!("message {at} is archived, but its id is not in the coverage"));
            }
        }
        versions.rest(report)?;
        Ok(stored)
    }

    /// Compares what the change log tells with what is stored.
    pub(super) fn compare_log(
        self,
        told: &ByChat<Told>,
        stored: &ByChat<Stored>,
        report: &mut Findings<'_>,
    ) -> Result<(), ArchiveError> {
        let none = (Told::default(), Stored::default());
        let mut chats: Vec<ChatId> = told.keys().chain(stored.keys()).copied().collect();
        chats.sort_unstable();
        chats.dedup();
        for chat in chats {
            let (told, stored) = (told.get(&chat).unwrap_or(&none.0), stored.get(&chat).unwrap_or(&none.1));
            if told.changes != stored.changes {
                self.compare_messages(chat, stored.damaged > 0, report)?;
            }
        }
        Ok(())
    }

    /// Compares a chat's messages with the change log one by one; memory grows with the chat.
    fn compare_messages(self, chat: ChatId, damaged: bool, report: &mut Findings<'_>) -> Result<(), ArchiveError> {
        let mut of_log: BTreeMap<MessageKey, OfLog> = BTreeMap::new();
        let mut rows = self.all(&LOG, report);
        while let Some(row) = report.next(&mut rows)? {
            let Some(entry) = row.key().and_then(|last: Seq| row.value(&last)).ok() else { continue };
            for kind in entry.kinds.iter().filter(|kind| kind.peer() == chat.peer()) {
                let kind = self.with_owner(*kind)?;
                if let Some(key) = kind.message().filter(|key| key.chat == chat) {
                    of_log.entry(key).or_default().add(&kind);
                }
            }
        }
        let before = report.report.differences.len();
        let mut forms = self.lenient(&FORM, KeyRange::under(under_chat(chat)), Order::OldestFirst);
        while let Some(row) = report.next(&mut forms)? {
            let Ok(key) = row.key() else { continue };
            let told = of_log.remove(&key);
            let Ok(Form { record, .. }) = row.value(&key) else { continue };
            let Some(told) = told else {
                report.differs(|| format!("message {key} is not in the change log"));
                continue;
            };
            let mut deletions = u32::from(record.deleted_at.is_some());
            for row in self.lenient(&VERSION, KeyRange::under(key.encode()), Order::OldestFirst) {
                let row = row?;
                let record = row.key().and_then(|version| row.value(&version)).ok();
                deletions += u32::from(record.is_some_and(|record| record.deleted_at.is_some()));
            }
            told.compare(key, record.version, deletions, report);
        }
        for key in of_log.keys() {
            if self.is_erased(*key)? {
                continue;
            }
            report.differs(|| format!("message {key} is in the change log, but not archived"));
        }
        if report.report.differences.len() == before && !damaged {
            report.differs(|| format!("the change log tells of other changes in chat {chat} than are stored"));
        }
        Ok(())
    }
}

/// What the change log tells of one message.
#[derive(Default)]
struct OfLog {
    new: u32,
    edited: u32,
    deleted: u32,
}

impl OfLog {
    fn add(&mut self, kind: &ChangeKind) {
        match kind {
            ChangeKind::MessageNew { .. } => self.new += 1,
            ChangeKind::MessageEdited { .. } => self.edited += 1,
            ChangeKind::MessageDeleted { .. } => self.deleted += 1,
            ChangeKind::PeerChanged { .. }
            | ChangeKind::PeerJoined { .. }
            | ChangeKind::MessageErased { .. }
            | ChangeKind::PeerLeft { .. }
            | ChangeKind::MediaStored { .. }
            | ChangeKind::MediaFailed { .. } => {}
        }
    }

    fn compare(&self, key: MessageKey, version: u32, deletions: u32, report: &mut Findings<'_>) {
        if self.new > 1 {
            report.differs(|| format!("message {key} is {} times in the change log as new", self.new));
        }
        let (stored, told) = (version.saturating_add(1), self.new.min(1) + self.edited);
        if stored != told {
            report.differs(|| format!("message {key} has {stored} versions, the change log {told}"));
        }
        if deletions > self.deleted {
            report.differs(|| format!("message {key} is marked deleted, but not in the change log"));
        }
        if deletions < self.deleted {
            report.differs(|| format!("message {key} is deleted in the change log, but not marked"));
        }
    }
}
