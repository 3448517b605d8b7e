//! A channel's difference (incremental sync): what happened since a known pts, asked for rather than pushed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::missing::newest;
use super::planner::Planner;
use super::recorder::{Recorder, Turn, delete};
use super::unit::Unit;
use crate::archive::{Archive, ArchiveError};
use crate::dispatch::{Assignment, Priority, TaskError};
use crate::model::{AccountName, ChatId, MessageId, PeerId};
use crate::telegram::{ChannelDifference, MentionedPeers, TelegramError, Update};

/// After how many faults of the server in a row a difference is given up, and history read instead: some never come.
const GIVE_UP_AFTER: u32 = 5;

/// Asks for channels' differences.
pub(super) struct Differences {
    pub(super) archive: Arc<Archive>,
    pub(super) planner: Arc<Planner>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) recheck_ids_max: u32,
    /// How often in a row each difference met a fault of the server.
    pub(super) faults: Mutex<BTreeMap<PeerId, u32>>,
}

impl Differences {
    /// Asks once what happened in a channel.
    pub(super) async fn ask(&self, assignment: Assignment, peer: PeerId) -> Result<(), TaskError> {
        let Assignment { lease, client, priority, .. } = assignment;
        let state = self.archive.view().crawl_state(peer)?.unwrap_or_default();
        let Some(pts) = state.pts else {
            // Without a pts there is no difference: the next page of history brings one.
            self.planner.add_history(peer, priority)?;
            return Ok(());
        };
        let account = *lease.account();
        let difference = match client.channel_difference(peer, pts).await {
            Ok(difference) => difference,
            // Telegram does not accept the state any more: the same as a difference that is too long.
            Err(TelegramError::Refused { name, .. }) if name.starts_with("PERSISTENT_TIMESTAMP") => {
                drop(lease);
                return Ok(self.lose_track(&account, peer).await?);
            }
            // What cannot be told, or only with what cannot be read, is read as history.
            Err(TelegramError::Unreadable { .. }) => {
                drop(lease);
                return Ok(self.lose_track(&account, peer).await?);
            }
            Err(error @ TelegramError::ServerFault { .. }) => {
                drop(lease);
                if self.count_fault(peer) < GIVE_UP_AFTER {
                    return Err(error.into());
                }
                return Ok(self.lose_track(&account, peer).await?);
            }
            Err(error) => {
                self.forget_faults(peer);
                return Err(error.into());
            }
        };
        self.forget_faults(peer);
        drop(lease);
        match difference {
            ChannelDifference::Events { events, pts, last, seen } => {
                let now = self.recorder.now();
                let mut write = self.recorder.write_answer(&account, Some(pts));
                self.recorder.mention(&mut write, &account, seen)?;
                let mut hidden = None;
                for event in events {
                    match event {
                        Update::Message { parsed, .. } => self.recorder.put(&mut write, &account, *parsed),
                        Update::Deleted { ids, .. } => delete(&mut write, peer.into(), ids),
                        Update::Counted { key, counters } => {
                            write.counters(key, counters);
                        }
                        Update::Hidden { channel, visible_from } if channel == peer => hidden = Some(visible_from),
                        Update::Shortened { .. }
                        | Update::ChannelMoved { .. }
                        | Update::Hidden { .. }
                        | Update::ChannelGap { .. }
                        | Update::Membership { .. }
                        | Update::Gap => {}
                    }
                }
                let visible_to = account;
                write.crawl_state(peer, move |state| {
                    state.pts = Some(pts);
                    state.checked_at = Some(now);
                    if let Some(first) = hidden {
                        state.visible_from.insert(visible_to, first);
                    }
                });
                let turn = self.recorder.turn().await;
                Recorder::commit(&turn, write)?;
                drop(turn);
                if last {
                    self.planner.add_history(peer, Priority::Fresh)?;
                } else {
                    self.planner.add(Unit::Events { peer }, priority);
                }
            }
            ChannelDifference::TooLong { top, pts, seen } => {
                let turn = self.recorder.turn().await;
                self.lost_track(&turn, &account, peer.into(), Some(pts), top, seen)?;
            }
        }
        Ok(())
    }

    fn count_fault(&self, peer: PeerId) -> u32 {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let count = faults.entry(peer).or_default();
        *count += 1;
        *count
    }

    fn forget_faults(&self, peer: PeerId) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).remove(&peer);
    }

    /// The same as a difference that is too long, where Telegram does not say from where it would go on: the next page of history does.
    async fn lose_track(&self, account: &AccountName, peer: PeerId) -> Result<(), ArchiveError> {
        self.forget_faults(peer);
        let turn = self.recorder.turn().await;
        self.lost_track(&turn, account, peer.into(), None, MessageId(0), MentionedPeers::default())
    }

    /// Telegram skipped what happened in a chat: continue from its new pts, and read again what may have changed.
    pub(super) fn lost_track(
        &self,
        turn: &Turn<'_>,
        account: &AccountName,
        chat: ChatId,
        pts: Option<i32>,
        top: MessageId,
        seen: MentionedPeers,
    ) -> Result<(), ArchiveError> {
        tracing::info!(
            peer.id = chat.peer().0,
            "Telegram does not tell what happened in {chat}; its newest messages are read again"
        );
        let again = newest(&self.archive.view().coverage(chat)?.read, self.recheck_ids_max);
        let mut write = self.recorder.write();
        self.recorder.mention(&mut write, account, seen)?;
        write.crawl_state(chat, move |state| {
            state.pts = pts;
            state.top = state.top.max(top.0);
            for range in again.ranges() {
                state.recheck.insert(*range);
            }
        });
        Recorder::commit(turn, write)?;
        self.planner.add_history(chat, Priority::Fresh)?;
        Ok(())
    }
}
