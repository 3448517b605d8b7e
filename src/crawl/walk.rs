//! Walking an account's dialogs: who is there, who has news, who has gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Crawler;
use super::discovery::FoldersKnown;
use super::unit::{Priority, Unit};
use crate::accounts::Lease;
use crate::archive::Write;
use crate::model::{AccountName, IdSpace, Peer, PeerId, Timestamp};
use crate::schedule::Scope;
use crate::telegram::{DialogTop, Offset, TelegramError};

/// How far a walk goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To the first page on which nothing is new: dialogs come in the order of their newest messages. Peers that the scope does not
    /// cover have a schedule of their own.
    News(Arc<Scope>),
    /// To the end.
    Everything,
}

/// What a walk to the end has seen of an account's dialogs.
#[derive(Debug, Default)]
pub(super) struct Walked {
    seen: BTreeSet<PeerId>,
    /// Peers that the walk before did not see either. A dialog may move up past a walk on its way down; it does not do so twice.
    absent: BTreeSet<PeerId>,
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
        let folders_known = self.folders_known();
        if folders_known == FoldersKnown::Soon {
            // The one that reads the last of them walks again.
            return Ok(Ok(()));
        }
        self.go_on_with(folders_known)?;
        let page = match client.dialogs(from.as_ref()).await {
            Ok(page) => page,
            Err(error) => return Ok(Err(error)),
        };
        drop(lease);
        let now = self.clock.timestamp();
        let (mut news, mut fresh, mut admitted) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut write = self.archive.write(now);
        let described: BTreeMap<PeerId, &Peer> = page.seen.peers.iter().map(|p| (p.id, p)).collect();
        for top in &page.tops {
            if folders_known != FoldersKnown::All && self.archive.cursor(top.peer)?.is_none() {
                continue;
            }
            let peer = described.get(&top.peer).copied();
            let folders = self.folders_of(&account, top.peer, peer.map(|p| p.kind));
            if !self.admits_in(top.peer, peer, &folders)? {
                continue;
            }
            admitted.insert(top.peer);
            write.joined(top.peer, &account);
            if !folders.is_empty() {
                write.folders(top.peer, &account, folders);
            }
            if self.belongs_to_another(&account, top.peer)? {
                continue;
            }
            if let Reach::News(scope) = &reach
                && !self.covers(scope, top.peer, peer)?
            {
                continue;
            }
            if self.is_news(top)? {
                news.push(*top);
            }
            if self.archive.cursor(top.peer)?.is_none() {
                fresh.push(top.peer);
            }
            self.note_top(&mut write, &account, *top, now);
        }
        if reach == Reach::Everything {
            // Told in passing, so it costs nothing; what is not told is asked for by the counters job.
            for (peer, count) in page.seen.members.iter().filter(|(peer, _)| admitted.contains(peer)) {
                write.member_count(*peer, *count);
            }
            let last = page.next.is_none();
            self.walked(&mut write, &account, from.is_none(), last, page.tops.iter().map(|t| t.peer))?;
        }
        drop(described);
        let unpinned_news = news.iter().any(|top| !top.pinned);
        self.see(&mut write, &account, page.seen)?;
        // What becomes known here is of no use after a crash without the hashes to address it by.
        tokio::task::block_in_place(|| client.session().save_access_hashes())?;
        let unread = self.request_differences(news)?;
        Self::commit(write)?;
        self.not_followed_alone(page.tops.iter().map(|t| t.peer));
        self.request_history(unread)?;
        self.introduce(fresh)?;
        let go_on = reach == Reach::Everything || unpinned_news;
        if let Some(next) = page.next.filter(|_| go_on) {
            self.enqueue(Unit::Walk { account, reach, from: Some(next) }, Priority::Fresh);
        }
        Ok(Ok(()))
    }

    /// Whether a dialog says something that the archive does not know.
    fn is_news(&self, top: &DialogTop) -> anyhow::Result<bool> {
        let known = self.archive.cursor(top.peer)?;
        Ok(known.as_ref().is_none_or(|c| c.top < top.top.0 || c.pts < top.pts || c.unavailable.is_some()))
    }

    /// Notes what a dialog tells of a peer.
    pub(super) fn note_top(&self, write: &mut Write<'_>, account: &AccountName, top: DialogTop, now: Timestamp) {
        let owner = (top.peer.kind() != IdSpace::Channel).then(|| account.clone());
        if owner.is_some() {
            self.owned(account, top.peer);
        }
        write.cursor(top.peer, move |cursor| {
            cursor.top = cursor.top.max(top.top.0);
            // The state from which differences start: everything before it is read as history.
            cursor.pts = cursor.pts.or(top.pts);
            cursor.account = cursor.account.take().or(owner);
            cursor.checked_at = Some(now);
            cursor.unavailable = None;
        });
    }

    /// Asks for the differences that bring what is new; returns the peers of which history is to be read too.
    ///
    /// To be called before the commit that makes the new ids known. From that commit on a sweep finds them missing; were the difference
    /// not in the queue by then, the sweep would have them read as history (a race that costs a request).
    pub(super) fn request_differences(&self, news: Vec<DialogTop>) -> anyhow::Result<Vec<PeerId>> {
        let mut rest = Vec::new();
        for top in news {
            let known = self.archive.cursor(top.peer)?.unwrap_or_default();
            if known.pts.is_some() && known.pts < top.pts {
                self.enqueue(Unit::Events { peer: top.peer }, Priority::Fresh);
                continue;
            }
            if let Some(account) = known.account
                && self.is_read(top.peer)?
            {
                // Outside channels the account's difference brings what is new of all peers at once; it goes first, and history is
                // asked for what it did not bring.
                self.enqueue(Unit::AccountEvents { account }, Priority::Live);
            }
            rest.push(top.peer);
        }
        Ok(rest)
    }

    /// Asks for the history of peers that have something new; to be called after that commit.
    pub(super) fn request_history(&self, peers: Vec<PeerId>) -> anyhow::Result<()> {
        for peer in peers {
            let priority = if self.is_read(peer)? { Priority::Fresh } else { Priority::Backfill };
            self.add_history(peer, priority)?;
        }
        Ok(())
    }

    /// Whether anything of a peer was ever read.
    fn is_read(&self, peer: PeerId) -> anyhow::Result<bool> {
        Ok(self.archive.coverage(peer)?.read.last().is_some())
    }

    /// Keeps account of a walk to the end: what an account was in and two walks do not show, it has left.
    fn walked(
        &self,
        write: &mut Write<'_>,
        account: &AccountName,
        first: bool,
        last: bool,
        peers: impl Iterator<Item = PeerId>,
    ) -> anyhow::Result<()> {
        let mut walks = self.walks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let walk = walks.entry(account.clone()).or_default();
        if first {
            walk.seen.clear();
        }
        walk.seen.extend(peers);
        if !last {
            return Ok(());
        }
        let mut absent = BTreeSet::new();
        for entry in self.archive.memberships() {
            let (peer, membership) = entry?;
            if membership.account == *account && membership.current() && !walk.seen.contains(&peer) {
                absent.insert(peer);
            }
        }
        for peer in absent.intersection(&walk.absent) {
            tracing::info!(account.name = %account, peer.id = peer.0, "account `{account}` has left peer {peer}");
            write.left(*peer, account);
            self.followed_from_outside(account, *peer)?;
        }
        walk.absent = absent;
        walk.seen = BTreeSet::new();
        Ok(())
    }
}
