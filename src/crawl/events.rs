//! Differences: what happened since a known state, asked for rather than pushed.

use super::unit::{Priority, Unit};
use super::{Crawler, newest};
use crate::accounts::{Lease, UpdatesState};
use crate::archive::Write;
use crate::model::{AccountName, MessageId, MessageKey, PeerId, PeerKindOfId};
use crate::telegram::{ChannelDifference, CommonDifference, Event, Seen, TelegramError};

impl Crawler {
    /// Asks once what happened in a channel.
    pub(super) async fn channel_events(
        &self,
        lease: Lease,
        peer: PeerId,
        priority: Priority,
    ) -> anyhow::Result<Result<(), TelegramError>> {
        let cursor = self.archive.cursor(peer)?.unwrap_or_default();
        let Some(pts) = cursor.pts else {
            // Without a state there is no difference: the next page of history brings one.
            self.add_history(peer, priority)?;
            return Ok(Ok(()));
        };
        let account = lease.account().clone();
        let Some(client) = self.clients.get(&account) else { return Ok(Ok(())) };
        let difference = match client.channel_difference(peer, pts).await {
            Ok(difference) => difference,
            // Telegram does not accept the state any more: the same as a difference that is too long.
            Err(TelegramError::Refused { name, .. }) if name.starts_with("PERSISTENT_TIMESTAMP") => {
                drop(lease);
                self.lost_track(&account, peer, None, MessageId(0), Seen::default())?;
                return Ok(Ok(()));
            }
            Err(error) => return Ok(Err(error)),
        };
        drop(lease);
        match difference {
            ChannelDifference::Events { events, pts, last, seen } => {
                let now = self.clock.timestamp();
                let mut write = self.archive.write(now);
                write.as_of(Some(pts)).mass_deletion(self.settings.mass_deletion);
                self.see(&mut write, &account, seen)?;
                for event in events {
                    match event {
                        Event::Message { parsed, .. } => self.put(&mut write, *parsed),
                        Event::Deleted { ids, .. } => delete(&mut write, peer, ids),
                        Event::Counted { key, counters } => {
                            write.counters(key, counters);
                        }
                        Event::ChannelMoved { .. } | Event::ChannelGap { .. } | Event::Membership { .. } | Event::Gap => {}
                    }
                }
                write.cursor(peer, move |cursor| {
                    cursor.pts = Some(pts);
                    cursor.checked_at = Some(now);
                });
                Self::commit(write)?;
                if last {
                    self.add_history(peer, Priority::Fresh)?;
                } else {
                    self.enqueue(Unit::Events { peer }, priority);
                }
            }
            ChannelDifference::TooLong { top, pts, seen } => self.lost_track(&account, peer, Some(pts), top, seen)?,
        }
        Ok(Ok(()))
    }

    /// Telegram skipped what happened in a channel: go on from its new state, and read again what may have changed.
    fn lost_track(
        &self,
        account: &AccountName,
        peer: PeerId,
        pts: Option<i32>,
        top: MessageId,
        seen: Seen,
    ) -> anyhow::Result<()> {
        tracing::info!(
            peer.id = peer.0,
            "Telegram skipped updates of peer {peer} (difference too long); its newest messages are read again"
        );
        let again = newest(&self.archive.coverage(peer)?.read, self.settings.recheck_ids_max);
        let mut write = self.archive.write(self.clock.timestamp());
        self.see(&mut write, account, seen)?;
        write.cursor(peer, move |cursor| {
            cursor.pts = pts;
            cursor.top = cursor.top.max(top.0);
            for range in again.ranges() {
                cursor.recheck.insert(*range);
            }
        });
        Self::commit(write)?;
        self.add_history(peer, Priority::Fresh)?;
        Ok(())
    }

    /// Has an account ask who it is, where that is not known yet, and what happened outside channels.
    pub(super) fn follow_account(&self, account: &AccountName) {
        if self.clients.get(account).is_some_and(|client| client.session().user_id().is_none()) {
            self.enqueue(Unit::Start { account: account.clone() }, Priority::Live);
        }
        self.follow_updates(account);
    }

    /// Has an account ask what happened since the state that it has, or for the state that it lacks.
    fn follow_updates(&self, account: &AccountName) {
        let has_state = self.clients.get(account).is_some_and(|client| client.session().updates().is_some());
        let account = account.clone();
        self.enqueue(if has_state { Unit::AccountEvents { account } } else { Unit::State { account } }, Priority::Live);
    }

    /// Asks who an account is.
    pub(super) async fn start_account(&self, lease: Lease) -> anyhow::Result<Result<(), TelegramError>> {
        let Some(client) = self.clients.get(lease.account()) else { return Ok(Ok(())) };
        Ok(client.myself().await.map(drop))
    }

    /// Asks from which state an account's updates go on. Where there was one that Telegram takes no more, it skipped what happened since.
    pub(super) async fn account_state(&self, lease: Lease) -> anyhow::Result<Result<(), TelegramError>> {
        let account = lease.account().clone();
        let Some(client) = self.clients.get(&account) else { return Ok(Ok(())) };
        let state = match client.state().await {
            Ok(state) => state,
            Err(error) => return Ok(Err(error)),
        };
        drop(lease);
        match client.session().updates() {
            Some(from) => self.lost_track_of_account(&account, UpdatesState { pts: state.pts, ..from })?,
            None => client.session().set_updates(state),
        }
        Ok(Ok(()))
    }

    /// Telegram skipped what happened outside channels: go on from a new state, and read again what may have changed.
    fn lost_track_of_account(&self, account: &AccountName, state: UpdatesState) -> anyhow::Result<()> {
        for peer in self.owned_by(account) {
            self.lost_track(account, peer, None, MessageId(0), Seen::default())?;
        }
        if let Some(client) = self.clients.get(account) {
            client.session().set_updates(state);
        }
        self.enqueue(Unit::AccountEvents { account: account.clone() }, Priority::Live);
        self.look_for_news(account);
        Ok(())
    }

    /// Asks once what happened outside channels.
    pub(super) async fn account_events(&self, lease: Lease) -> anyhow::Result<Result<(), TelegramError>> {
        let account = lease.account().clone();
        let Some(client) = self.clients.get(&account) else { return Ok(Ok(())) };
        let Some(from) = client.session().updates() else {
            drop(lease);
            self.follow_updates(&account);
            return Ok(Ok(()));
        };
        let difference = match client.common_difference(from).await {
            Ok(difference) => difference,
            // Telegram does not accept the state any more.
            Err(TelegramError::Refused { name, .. }) if name.starts_with("PERSISTENT_TIMESTAMP") => {
                drop(lease);
                self.enqueue(Unit::State { account }, Priority::Live);
                return Ok(Ok(()));
            }
            Err(error) => return Ok(Err(error)),
        };
        drop(lease);
        match difference {
            CommonDifference::Events { events, state, last, seen } => {
                let mut write = self.archive.write(self.clock.timestamp());
                self.see(&mut write, &account, seen)?;
                write.mass_deletion(self.settings.mass_deletion);
                for event in events {
                    self.common_event(&mut write, &account, event)?;
                }
                let archived = Self::commit(write)?;
                client.session().set_updates(state);
                self.confirm_deletions(&account, &archived)?;
                if !last {
                    self.enqueue(Unit::AccountEvents { account }, Priority::Live);
                }
            }
            CommonDifference::TooLong { pts } => self.lost_track_of_account(&account, UpdatesState { pts, ..from })?,
        }
        Ok(Ok(()))
    }

    /// Adds an event outside channels to a write. Channels in an account's difference are followed by their own.
    pub(super) fn common_event(&self, write: &mut Write<'_>, account: &AccountName, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Message { parsed, .. } => {
                let peer = parsed.message.key.peer;
                match peer.kind() {
                    PeerKindOfId::Channel => self.enqueue(Unit::Events { peer }, Priority::Live),
                    PeerKindOfId::User | PeerKindOfId::Chat => {
                        let owner = self.archive.cursor(peer)?.and_then(|c| c.account);
                        if owner.as_ref() == Some(account) {
                            self.put(write, *parsed);
                        } else if owner.is_none() && self.may_be_crawled(peer) {
                            self.look_for_news(account);
                        }
                    }
                }
            }
            Event::Deleted { channel: Some(peer), .. }
            | Event::ChannelMoved { channel: peer, .. }
            | Event::ChannelGap { channel: peer } => {
                self.enqueue(Unit::Events { peer }, Priority::Live);
            }
            Event::Deleted { channel: None, ids, .. } => {
                // Telegram names only ids: outside channels they are unique in the account.
                for peer in self.owned_by(account) {
                    for id in &ids {
                        write.delete(MessageKey { peer, id: *id });
                    }
                }
            }
            Event::Counted { key, counters } => self.counted(write, account, key, counters)?,
            Event::Membership { .. } | Event::Gap => {}
        }
        Ok(())
    }
}

pub(super) fn delete(write: &mut Write<'_>, peer: PeerId, ids: Vec<MessageId>) {
    for id in ids {
        write.delete(MessageKey { peer, id });
    }
}
