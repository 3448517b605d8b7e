//! What happens outside channels: an account's state, its difference, and single events.

use std::sync::Arc;

use super::admission::Admission;
use super::differences::Differences;
use super::peers::Peers;
use super::planner::Planner;
use super::recorder::Recorder;
use super::unit::Unit;
use crate::archive::{ArchiveError, Write};
use crate::dispatch::{Assignment, Priority, TaskError};
use crate::model::{AccountName, ChatId, IdSpace, MessageId, UpdatesState};
use crate::telegram::{Clients, CommonDifference, MentionedPeers, TelegramError, Update};

/// Asks what happens outside channels.
pub(super) struct AccountEvents {
    pub(super) clients: Arc<Clients>,
    pub(super) peers: Arc<Peers>,
    pub(super) admission: Arc<Admission>,
    pub(super) planner: Arc<Planner>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) differences: Arc<Differences>,
}

impl AccountEvents {
    /// Asks who an account is.
    pub(super) async fn start(&self, assignment: Assignment) -> Result<(), TaskError> {
        let Assignment { lease, client, .. } = assignment;
        client.myself().await?;
        drop(lease);
        Ok(())
    }

    /// Asks from which state an account's updates continue. Where Telegram no longer accepts an earlier one, it skipped what came since.
    pub(super) async fn state(&self, assignment: Assignment) -> Result<(), TaskError> {
        let Assignment { lease, client, .. } = assignment;
        let account = *lease.account();
        let state = client.state().await?;
        drop(lease);
        match client.session().updates() {
            Some(from) => self.lost_track_of_account(&account, UpdatesState { pts: state.pts, ..from }).await?,
            // What was archived is of a state that nobody knows any more.
            None if !self.peers.own_chats(&account).is_empty() => self.lost_track_of_account(&account, state).await?,
            None => {
                let turn = self.recorder.turn().await;
                self.peers.jumped(&account, state.pts);
                Recorder::commit_state(&turn, self.recorder.write(), client.session(), state)?;
            }
        }
        Ok(())
    }

    /// Telegram skipped what happened outside channels: continue from a new state, and read again what may have changed.
    async fn lost_track_of_account(&self, account: &AccountName, state: UpdatesState) -> Result<(), ArchiveError> {
        let turn = self.recorder.turn().await;
        self.peers.jumped(account, state.pts);
        for chat in self.peers.own_chats(account) {
            self.differences.lost_track(&turn, account, chat, None, MessageId(0), MentionedPeers::default())?;
        }
        if let Some(client) = self.clients.get(account) {
            Recorder::commit_state(&turn, self.recorder.write(), client.session(), state)?;
        }
        self.planner.add(Unit::AccountEvents { account: *account }, Priority::Live);
        self.planner.add_walk_for_news(account);
        Ok(())
    }

    /// Asks once what happened outside channels.
    pub(super) async fn ask(&self, assignment: Assignment) -> Result<(), TaskError> {
        let Assignment { lease, client, .. } = assignment;
        let account = *lease.account();
        let Some(from) = client.session().updates() else {
            drop(lease);
            self.planner.add_account_events(&account);
            return Ok(());
        };
        let difference = match client.common_difference(from).await {
            Ok(difference) => difference,
            // Telegram does not accept the state any more, or tells of what cannot be read: the histories have the rest.
            Err(error) if is_lost(&error) => {
                drop(lease);
                self.planner.add(Unit::State { account }, Priority::Live);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        drop(lease);
        match difference {
            CommonDifference::Events { events, state, last, seen } => {
                let mut write = self.recorder.write_answer(&account, None);
                self.recorder.mention(&mut write, &account, seen)?;
                for event in events {
                    self.add_event(&mut write, &account, event, state.pts)?;
                }
                let turn = self.recorder.turn().await;
                let archived = Recorder::commit_state(&turn, write, client.session(), state)?;
                drop(turn);
                self.planner.confirm_deletions(&account, &archived)?;
                if !last {
                    self.planner.add(Unit::AccountEvents { account }, Priority::Live);
                }
            }
            CommonDifference::TooLong { pts } => self.lost_track_of_account(&account, UpdatesState { pts, ..from }).await?,
        }
        Ok(())
    }

    /// Adds an event outside channels to a write. Channels in an account's difference are followed by their own.
    /// `pts` is the account's state after it, and after what was told with it.
    pub(super) fn add_event(
        &self,
        write: &mut Write<'_>,
        account: &AccountName,
        event: Update,
        pts: i32,
    ) -> Result<(), ArchiveError> {
        match event {
            Update::Message { parsed, .. } => {
                let (peer, id) = (parsed.message.key.peer(), parsed.message.key.id);
                match peer.kind() {
                    IdSpace::Channel => self.planner.add(Unit::Events { peer }, Priority::Live),
                    IdSpace::User | IdSpace::Chat => {
                        if !self.admission.admits_kind_of(peer) {
                            return Ok(());
                        }
                        if self.admission.is_known(peer)? && !self.admission.admits(peer, None)? {
                            self.peers.dropped(account, peer, pts);
                            return Ok(());
                        }
                        if self.peers.owns(account, peer) {
                            if self.peers.is_in_step(account, peer) {
                                write.follows_on(ChatId::seen_by(*account, peer), id);
                            }
                            self.recorder.put(write, account, *parsed);
                            return Ok(());
                        }
                        self.peers.dropped(account, peer, pts);
                        if !self.peers.belongs_to_another(account, peer) {
                            self.planner.add_walk_for_news(account);
                        }
                    }
                }
            }
            Update::Deleted { channel: Some(peer), .. }
            | Update::ChannelMoved { channel: peer, .. }
            | Update::ChannelGap { channel: peer } => {
                self.planner.add(Unit::Events { peer }, Priority::Live);
            }
            Update::Deleted { channel: None, ids, .. } => {
                // Telegram names only ids: outside channels they are unique in the account.
                write.delete_outside_channels(account, &ids);
            }
            Update::Counted { key, counters } => Recorder::counted(write, account, key, counters),
            Update::Shortened { .. } | Update::Membership { .. } | Update::Hidden { .. } | Update::Gap => {}
        }
        Ok(())
    }
}

/// Whether a difference cannot be had from the state that is known.
fn is_lost(error: &TelegramError) -> bool {
    match error {
        TelegramError::Refused { name, .. } => name.starts_with("PERSISTENT_TIMESTAMP"),
        TelegramError::Unreadable { .. } => true,
        _ => false,
    }
}
