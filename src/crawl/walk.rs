//! Walking an account's dialogs: who is there, and who has news.

use super::{Crawler, Priority, Unit};
use crate::accounts::Lease;
use crate::model::{PeerId, PeerKindOfId};
use crate::telegram::{DialogTop, Offset, TelegramError};

/// How far a walk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To the first page on which nothing is new: dialogs come in the order of their newest messages.
    News,
    /// To the end.
    Everything,
}

impl Crawler {
    /// Reads one page of dialogs.
    pub(super) async fn walk_page(
        &self,
        lease: Lease,
        reach: Reach,
        from: Option<Offset>,
    ) -> anyhow::Result<Result<(), TelegramError>> {
        let account = lease.account().clone();
        let Some(client) = self.clients.get(&account) else { return Ok(Ok(())) };
        let page = match client.dialogs(from.as_ref()).await {
            Ok(page) => page,
            Err(error) => return Ok(Err(error)),
        };
        drop(lease);
        let now = self.clock.timestamp();
        let mut news = Vec::new();
        let mut write = self.archive.write(now);
        for top in page.tops.iter().filter(|top| is_crawled(top.peer)) {
            let known = self.archive.cursor(top.peer)?;
            let new = known.as_ref().is_none_or(|c| c.top < top.top.0 || c.pts < top.pts || c.unavailable.is_some());
            if new {
                news.push(*top);
            }
            let owner = (top.peer.kind() != PeerKindOfId::Channel).then(|| account.clone());
            let top = *top;
            write.cursor(top.peer, move |cursor| {
                cursor.top = cursor.top.max(top.top.0);
                // The state from which differences start: everything before it is read as history.
                cursor.pts = cursor.pts.or(top.pts);
                cursor.account = cursor.account.take().or(owner);
                cursor.checked_at = Some(now);
                cursor.unavailable = None;
            });
        }
        let unpinned_news = news.iter().any(|top| !top.pinned);
        Self::see(&mut write, page.seen);
        Self::commit(write)?;
        for top in news {
            self.follow(top)?;
        }
        let go_on = reach == Reach::Everything || unpinned_news;
        if let Some(next) = page.next.filter(|_| go_on) {
            self.queue.add(Unit::Walk { account, reach, from: Some(next) }, Priority::Fresh);
        }
        Ok(Ok(()))
    }

    fn follow(&self, top: DialogTop) -> anyhow::Result<()> {
        let state = self.archive.cursor(top.peer)?.and_then(|c| c.pts);
        if state.is_some() && state < top.pts {
            self.queue.add(Unit::Events { peer: top.peer }, Priority::Fresh);
        } else {
            let fresh = self.archive.coverage(top.peer)?.read.last().is_some();
            self.add_history(top.peer, if fresh { Priority::Fresh } else { Priority::Backfill })?;
        }
        Ok(())
    }
}

/// Whether a peer is crawled: groups and channels, not private chats.
pub(super) fn is_crawled(peer: PeerId) -> bool {
    peer.kind() != PeerKindOfId::User
}
