//! Retention by rules: what is older than the operator wants is erased, a day's worth at once.
//!
//! Each rule has one erasure, which is ordered anew with a later time: so nothing that it has erased is archived again, and the list of erasures does
//! not grow. What is to go is looked for in the archive, not remembered.

use std::time::Duration;

use crate::archive::{Archive, ArchiveError, ErasedCounts, Erasure, ErasureNumber, ErasureStage, View};
use crate::model::{ChatId, ErasureScope, ErasureSelection, PeerId, Timestamp};
use crate::schedule::{PeerFacts, Scope};

/// Messages that are looked at between two questions whether to go on.
const LOOKED_AT: usize = 100_000;

/// A rule: messages of some peers are kept for so long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionRule {
    /// What the operator calls it.
    pub name: String,
    /// In which peers.
    pub peers: Scope,
    /// How long messages are kept, from when they were sent.
    pub keep: Duration,
}

impl RetentionRule {
    /// What it is to erase now; `None` where it is about no peer that is archived.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn selection(&self, archive: View<'_>, now: Timestamp) -> Result<Option<ErasureSelection>, ArchiveError> {
        let mut peers: Vec<PeerId> = Vec::new();
        for entry in archive.crawl_states(ChatId::FIRST) {
            let peer = entry?.0.peer();
            if peers.last() != Some(&peer) && self.is_about(archive, peer)? {
                peers.push(peer);
            }
        }
        let keep = i64::try_from(self.keep.as_secs()).unwrap_or(i64::MAX);
        let before = Some(Timestamp(now.0.saturating_sub(keep)));
        Ok((!peers.is_empty()).then_some(ErasureSelection { scope: ErasureScope::Peers(peers), before }))
    }

    fn is_about(&self, archive: View<'_>, id: PeerId) -> Result<bool, ArchiveError> {
        // Of a peer of which nothing is known no rule can be.
        let Some(peer) = archive.peer(id)? else { return Ok(false) };
        let members = archive.members(id)?;
        let folders: Vec<String> =
            members.into_iter().filter(|member| member.current()).flat_map(|member| member.folders).collect();
        let usernames: Vec<&str> = peer.all_usernames().collect();
        let facts = PeerFacts { id, usernames: &usernames, title: &peer.title, kind: peer.kind, folders: &folders };
        Ok(self.peers.covers(&facts))
    }

    /// Counts what it would erase now.
    ///
    /// # Errors
    /// When the archive cannot be read, or it is told to stop.
    pub fn weigh(
        &self,
        archive: View<'_>,
        now: Timestamp,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<ErasedCounts, ArchiveError> {
        match self.selection(archive, now)? {
            Some(selection) => archive.weigh_erasure(&selection, go_on),
            None => Ok(ErasedCounts::default()),
        }
    }

    /// Orders what it is to erase now, unless there is nothing, or what it has ordered before is not done yet.
    ///
    /// # Errors
    /// When the archive cannot be read or written, or it is told to stop.
    pub fn order(
        &self,
        archive: &Archive,
        now: Timestamp,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<ErasureNumber>, ArchiveError> {
        let id = format!("rule/{}", self.name);
        let before = archive.view().erasures()?.into_iter().find(|erasure| erasure.id == id);
        if before.as_ref().is_some_and(|erasure| erasure.stage != ErasureStage::Ended) {
            return Ok(None);
        }
        let Some(selection) = self.selection(archive.view(), now)? else { return Ok(None) };
        if !has_any(archive.view(), &selection, go_on)? {
            return Ok(None);
        }
        let mut write = archive.write(now);
        match before {
            None => write.order_erasure(&id, selection, now),
            Some(erasure) => {
                let stage = ErasureStage::Messages;
                write.renew_erasure(Erasure { selection, ordered_at: now, stage, cursor: None, ended_at: None, ..erasure })
            }
        };
        write.commit()?;
        archive.sync()?;
        let ordered = archive.view().erasures()?.into_iter().find(|erasure| erasure.id == id);
        tracing::info!(
            "the rule `{}` of `archive.retention` erases what was sent more than {} s ago",
            self.name,
            self.keep.as_secs()
        );
        Ok(ordered.map(|erasure| erasure.number))
    }
}

/// Counts what rules would erase now, each by itself: what two of them are about is counted twice.
///
/// # Errors
/// See [`RetentionRule::weigh`].
pub fn weigh_rules(
    rules: &[RetentionRule],
    archive: View<'_>,
    now: Timestamp,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<ErasedCounts, ArchiveError> {
    let mut sum = ErasedCounts::default();
    for rule in rules {
        let counts = rule.weigh(archive, now, go_on)?;
        sum.messages += counts.messages;
        sum.versions += counts.versions;
        sum.files += counts.files;
        sum.bytes += counts.bytes;
    }
    Ok(sum)
}

/// Whether there is anything to erase.
fn has_any(archive: View<'_>, selection: &ErasureSelection, go_on: &mut dyn FnMut() -> bool) -> Result<bool, ArchiveError> {
    let mut after = None;
    loop {
        if !go_on() {
            return Err(ArchiveError::Stopped);
        }
        let found = archive.select(selection, after, (LOOKED_AT, 1))?;
        if found.is_end || !found.keys.is_empty() {
            return Ok(!found.keys.is_empty());
        }
        after = found.cursor;
    }
}
