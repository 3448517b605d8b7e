//! The change log (append-only; invariant: gapless, in commit order) and its readers' positions (checkpoints).

use std::path::Path;

use rocksdb::DB;

use crate::model::{Change, ChangeKind, ChatId, MessageKey, PeerId, Seq, Timestamp};

use super::ArchiveError;
use super::family::{FORMER_OWNER, KeyRange, LOG, POSITION};
use super::key::{FormerOwnerKey, PositionKey};
use super::log_end::LogEnd;
use super::totals::Totals;
use super::view::{Order, View};

/// Changes that are read at once, to see which may be seen.
const LOOKED_AT_ONCE: usize = 1_000;

/// The number of the newest change on disk; 0 when there is none.
pub(super) fn last(db: &DB, path: &Path) -> Result<Seq, ArchiveError> {
    // Its value may be damaged: that is no reason to give its number again.
    match View::over(db, path).lenient(&LOG, KeyRange::all(), Order::NewestFirst).next() {
        None => Ok(Seq(0)),
        Some(row) => Ok(row?.key()?),
    }
}

/// Where the change log ends on disk. Behind a damaged entry the hash chain begins anew, and `verify` tells of it.
pub(super) fn end(db: &DB, path: &Path) -> Result<LogEnd, ArchiveError> {
    let next = last(db, path)?.next();
    let newest = View::over(db, path).lenient(&LOG, KeyRange::all(), Order::NewestFirst).next().transpose()?;
    let entry = newest.and_then(|row| row.entry().ok()).map(|(_, entry)| entry);
    let at = entry.as_ref().map_or(Timestamp(0), |entry| entry.at);
    let link = entry.and_then(|entry| entry.seal).map(|seal| seal.link).unwrap_or_default();
    // What cannot be read is told by whoever reads it; that not all is complete is all that is known then.
    let totals = match View::over(db, path).sum_totals() {
        Err(ArchiveError::Store { source, .. }) if source.kind() == rocksdb::ErrorKind::Corruption => {
            Totals { chats: 1, ..Totals::default() }
        }
        summed => summed?,
    };
    let files = View::over(db, path).file_totals()?;
    Ok(LogEnd { next, link, at, totals, files })
}

impl View<'_> {
    /// The changes after a position, in order, at most `limit`; fewer only at the end of the log. An entry that is damaged is passed over.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn changes(self, after: Seq, limit: usize) -> Result<Vec<Change>, ArchiveError> {
        // After the last number there is nothing, though `next` stays on it.
        if after == Seq(u64::MAX) {
            return Ok(Vec::new());
        }
        let mut changes = Vec::new();
        // An entry's key is its last number: the first entry from here on has the next change.
        for entry in self.scan(&LOG, KeyRange::from(&after.next()), Order::OldestFirst) {
            let (_, entry) = entry?;
            let wanted = entry.changes().filter(|change| change.seq > after).take(limit.saturating_sub(changes.len()));
            for change in wanted {
                changes.push(Change { kind: self.with_owner(change.kind)?, ..change });
            }
            if changes.len() >= limit {
                break;
            }
        }
        Ok(changes)
    }

    /// The same where only some peers may be seen: their changes, and the number up to which the log was looked at, of which at most that many are
    /// looked at.
    ///
    /// # Errors
    /// See [`View::changes`].
    pub fn changes_seen(self, after: Seq, limit: usize, looked_at_max: usize) -> Result<(Vec<Change>, Seq), ArchiveError> {
        let (mut seen, mut last, mut looked_at) = (Vec::new(), after, 0);
        while seen.len() < limit && looked_at < looked_at_max {
            let at_once = (looked_at_max - looked_at).min(LOOKED_AT_ONCE);
            let changes = self.unlimited().changes(last, at_once)?;
            let is_end = changes.len() < at_once;
            for change in changes {
                if seen.len() == limit {
                    return Ok((seen, last));
                }
                (last, looked_at) = (change.seq, looked_at + 1);
                seen.extend(Some(change).filter(|change| self.shows(change.kind.peer())));
            }
            if is_end {
                break;
            }
        }
        Ok((seen, last))
    }

    /// A change of the log as it is to be read: until format 3 the log did not name the account whose ids are meant.
    pub(super) fn with_owner(self, kind: ChangeKind) -> Result<ChangeKind, ArchiveError> {
        match kind.message().filter(|key| key.peer().has_own_ids() && key.chat.account().is_none()) {
            Some(key) => Ok(kind.of_message(MessageKey { chat: self.former_chat(key.peer())?, ..key })),
            None => Ok(kind),
        }
    }

    /// The chat that a peer's messages are of whose account is not named.
    fn former_chat(self, peer: PeerId) -> Result<ChatId, ArchiveError> {
        let owner = self.readable(&FORMER_OWNER, &FormerOwnerKey(peer))?;
        Ok(ChatId::new(peer, owner))
    }

    /// How far a reader has got; 0 when it never stored a position.
    ///
    /// # Errors
    /// See [`View::changes`].
    pub fn position(self, reader: &str) -> Result<Seq, ArchiveError> {
        Ok(self.get(&POSITION, &PositionKey(reader.to_owned()))?.unwrap_or_default())
    }

    /// How far every reader has got whose position is kept here, by name.
    ///
    /// # Errors
    /// See [`View::changes`].
    pub fn positions(self) -> Result<Vec<(String, Seq)>, ArchiveError> {
        let entries = self.scan(&POSITION, KeyRange::under(PositionKey::PREFIX), Order::OldestFirst);
        entries.map(|entry| entry.map(|(PositionKey(name), position)| (name, position))).collect()
    }

    /// The same, without those that are damaged.
    pub(super) fn undamaged_positions(self) -> Result<Vec<(String, Seq)>, ArchiveError> {
        let mut found = Vec::new();
        for row in self.lenient(&POSITION, KeyRange::under(PositionKey::PREFIX), Order::OldestFirst) {
            found.extend(row?.entry().ok().map(|(PositionKey(name), position)| (name, position)));
        }
        Ok(found)
    }
}
