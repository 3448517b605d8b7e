//! Counting: members of a peer and views of its newest posts, as time series; and the discussion group that a channel names.

use super::Crawler;
use super::unit::{Priority, Unit};
use crate::accounts::Lease;
use crate::archive::{ArchiveError, Order, Write};
use crate::model::{AccountName, Counters, IdRange, MessageId, MessageKey, PeerId, PeerKind};
use crate::telegram::{TelegramError, VIEWS_MAX};

impl Crawler {
    /// Asks a channel how many members it has, and which discussion group.
    pub(super) async fn count_members(&self, lease: Lease, peer: PeerId) -> anyhow::Result<Result<(), TelegramError>> {
        let account = lease.account().clone();
        let Some(client) = self.clients.get(&account) else { return Ok(Ok(())) };
        let full = match client.full_channel(peer).await {
            Ok(full) => full,
            Err(error) => return Ok(Err(error)),
        };
        drop(lease);
        let mut write = self.archive.write(self.clock.timestamp());
        if let Some(members) = full.members {
            write.member_count(peer, members);
        }
        let linked = full.linked;
        write.cursor(peer, move |cursor| cursor.linked = linked);
        let described = full.seen.peers.iter().find(|p| Some(p.id) == linked).cloned();
        self.see(&mut write, &account, full.seen)?;
        Self::commit(write)?;
        if let Some(group) = linked.filter(|_| self.settings.linked_groups)
            && self.archive.cursor(group)?.is_none()
            && self.admits(group, described.as_ref())?
        {
            tracing::info!(peer.id = group.0, "peer {group} is the discussion group of {peer}; it is crawled too");
            self.follow_alone(group);
            self.poll([group])?;
        }
        Ok(Ok(()))
    }

    /// Asks channels that are new for their discussion groups, which the next counting would find hours later.
    pub(super) fn introduce(&self, peers: Vec<PeerId>) -> Result<(), ArchiveError> {
        for peer in peers {
            if self.settings.linked_groups && self.archive.peer(peer)?.is_some_and(|p| p.kind == PeerKind::Channel) {
                self.enqueue(Unit::Full { peer }, Priority::Counters);
            }
        }
        Ok(())
    }

    /// Takes over what was pushed of a message's counters. Outside channels the ids of other accounts mean other messages.
    pub(super) fn counted(
        &self,
        write: &mut Write<'_>,
        account: &AccountName,
        key: MessageKey,
        counters: Counters,
    ) -> Result<(), ArchiveError> {
        if !self.belongs_to_another(account, key.peer)? {
            write.counters(key, counters);
        }
        Ok(())
    }

    /// Asks how often a channel's newest posts were seen.
    pub(super) async fn count_views(&self, lease: Lease, peer: PeerId) -> anyhow::Result<Result<(), TelegramError>> {
        let Some(client) = self.clients.get(lease.account()) else { return Ok(Ok(())) };
        let top = self.archive.cursor(peer)?.map_or(0, |c| c.top);
        let Some(all) = IdRange::new(1, top) else { return Ok(Ok(())) };
        let mut ids: Vec<MessageId> = Vec::new();
        for stored in self.archive.messages(peer, all, Order::NewestFirst) {
            let stored = stored?;
            if stored.deleted_at.is_none() && stored.message.views.is_some() {
                ids.push(stored.message.key.id);
            }
            if ids.len() == VIEWS_MAX {
                break;
            }
        }
        if ids.is_empty() {
            return Ok(Ok(()));
        }
        let views = match client.views(peer, &ids).await {
            Ok(views) => views,
            Err(error) => return Ok(Err(error)),
        };
        drop(lease);
        let mut write = self.archive.write(self.clock.timestamp());
        for (id, counters) in views {
            write.counters(MessageKey { peer, id }, counters);
        }
        Self::commit(write)?;
        Ok(Ok(()))
    }
}
