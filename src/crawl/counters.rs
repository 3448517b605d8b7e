//! Counting: members of a peer and views of its newest posts, as time series; and the discussion group that a channel names.

use std::sync::Arc;

use super::admission::Admission;
use super::peers::Peers;
use super::planner::Planner;
use super::recorder::Recorder;
use super::visibility::Visibility;
use crate::archive::{Archive, Order};
use crate::dispatch::{Assignment, Priority, TaskError};
use crate::model::{IdRange, MessageId, MessageKey, PeerId};
use crate::telegram::VIEWS_MAX;

/// Counts.
pub(super) struct Counting {
    pub(super) archive: Arc<Archive>,
    pub(super) peers: Arc<Peers>,
    pub(super) admission: Arc<Admission>,
    pub(super) planner: Arc<Planner>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) visibility: Arc<Visibility>,
    pub(super) linked_groups: bool,
}

impl Counting {
    /// Asks a channel how many members it has, and which discussion group.
    pub(super) async fn count_members(&self, assignment: Assignment, peer: PeerId) -> Result<(), TaskError> {
        let Assignment { lease, client, .. } = assignment;
        let account = *lease.account();
        let full = client.full_channel(peer).await?;
        drop(lease);
        let mut write = self.recorder.write();
        if let Some(members) = full.members {
            write.member_count(peer, members);
        }
        let (linked, visible_from) = (full.linked, full.visible_from);
        self.recorder.seek_past(&account, full.migrated_from)?;
        write.crawl_state(peer, move |state| state.linked = linked);
        let described = full.seen.peers.iter().find(|p| Some(p.id) == linked).cloned();
        self.recorder.mention(&mut write, &account, full.seen)?;
        let turn = self.recorder.turn().await;
        Recorder::commit(&turn, write)?;
        // A past that an administrator has shown is read from then on.
        let is_more = self.visibility.note(&turn, &account, peer, visible_from)?;
        drop(turn);
        if is_more {
            self.planner.add_history(peer, Priority::Backfill)?;
        }
        // One that could not be read for a while is tried again whenever its channel names it.
        let is_followed = |group| {
            self.archive.view().crawl_state(group).map(|s| s.is_some_and(|s| s.unavailable.is_none() || s.is_unfollowed()))
        };
        if let Some(group) = linked.filter(|_| self.linked_groups)
            && !is_followed(group)?
            && self.admission.admits(group, described.as_ref())?
        {
            tracing::info!(peer.id = group.0, "peer {group} is the discussion group of {peer}; it is crawled too");
            self.peers.add_without_member(group);
            self.planner.poll([group.into()])?;
        }
        Ok(())
    }

    /// Asks how often a channel's newest posts were seen.
    pub(super) async fn count_views(&self, assignment: Assignment, peer: PeerId) -> Result<(), TaskError> {
        let Assignment { lease, client, .. } = assignment;
        let top = self.archive.view().crawl_state(peer)?.map_or(0, |c| c.top);
        let Some(all) = IdRange::new(1, top) else { return Ok(()) };
        let mut ids: Vec<MessageId> = Vec::new();
        for stored in self.archive.view().messages(peer.into(), all, Order::NewestFirst) {
            let stored = stored?;
            if stored.deleted_at.is_none() && stored.message.views.is_some() {
                ids.push(stored.message.key.id);
            }
            if ids.len() == VIEWS_MAX {
                break;
            }
        }
        if ids.is_empty() {
            return Ok(());
        }
        let views = client.views(peer, &ids).await?;
        drop(lease);
        let mut write = self.recorder.write();
        for (id, counters) in views {
            write.counters(MessageKey::new(peer, id), counters);
        }
        Recorder::commit(&self.recorder.turn().await, write)?;
        Ok(())
    }
}
