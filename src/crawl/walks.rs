//! Walking an account's dialogs, page by page (pagination): which peers are there, have news, have gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::dialogs::{Asked, Dialogs, Noted, Page};
use super::peers::Peers;
use super::planner::Planner;
use super::quiet_pages::QuietPages;
use super::recorder::Recorder;
use super::resumption::{FoldersKnown, Resumption};
use super::unit::{Reach, Unit};
use crate::archive::{Archive, ArchiveError, Write};
use crate::dispatch::{Assignment, Priority, TaskError};
use crate::model::{AccountName, PeerId, Timestamp};
use crate::schedule::Scope;
use crate::telegram::{DIALOGS_SIZE, DialogPage, Offset, TelegramError};

/// What a walk to the end has seen of an account's dialogs.
#[derive(Debug, Default)]
pub(super) struct Walked {
    seen: BTreeSet<PeerId>,
    /// Peers that the walk before did not see either. A dialog may move up past a walk on its way down (a race); it does not do so twice.
    absent: BTreeSet<PeerId>,
}

/// Walks dialogs.
pub(super) struct Walks {
    archive: Arc<Archive>,
    peers: Arc<Peers>,
    planner: Arc<Planner>,
    recorder: Arc<Recorder>,
    dialogs: Arc<Dialogs>,
    resumption: Arc<Resumption>,
    quiet: QuietPages,
    walked: Mutex<BTreeMap<AccountName, Walked>>,
}

impl Walks {
    pub(super) fn new(dialogs: Arc<Dialogs>, recorder: Arc<Recorder>, resumption: Arc<Resumption>) -> Self {
        let quiet = QuietPages::new(&dialogs.admission);
        Self {
            archive: Arc::clone(&dialogs.archive),
            peers: Arc::clone(&dialogs.peers),
            planner: Arc::clone(&dialogs.planner),
            recorder,
            dialogs,
            resumption,
            quiet,
            walked: Mutex::default(),
        }
    }

    /// Reads one page of dialogs; `newest` is when the newest message was posted that the walk began with.
    pub(super) async fn walk_page(
        &self,
        assignment: Assignment,
        reach: Reach,
        from: Option<Offset>,
        newest: Option<Timestamp>,
    ) -> Result<(), TaskError> {
        let Assignment { lease, client, failures, .. } = assignment;
        let account = *lease.account();
        let folders_known = self.resumption.folders_known(&account);
        if folders_known == FoldersKnown::Soon {
            // The one that reads the last of them walks again.
            return Ok(());
        }
        self.resumption.resume_with(folders_known)?;
        let pts = client.session().updates().map(|state| state.pts);
        let most = (DIALOGS_SIZE >> failures.min(31)).max(1);
        let page = match client.dialogs(from.as_ref(), most).await {
            // Where the next page would begin stands in the one that cannot be read.
            Err(TelegramError::Unreadable { why }) if most == 1 => {
                tracing::warn!(account.name = %account, "account `{account}`: a dialog cannot be read ({why}); the walk ends before it");
                metrics::counter!("telescribe_unreadable_total").increment(1);
                return Ok(());
            }
            page => page?,
        };
        drop(lease);
        let now = self.recorder.now();
        // Some dialogs are listed although the account is out of them.
        let outside: BTreeSet<PeerId> = page.seen.left.iter().chain(&page.seen.lost).copied().collect();
        let everything = Scope::all();
        let scope = match &reach {
            Reach::News(scope) => scope,
            Reach::Everything => &everything,
        };
        let as_of = self.quiet.as_of(folders_known, scope);
        let is_first_for_news = reach != Reach::Everything && from.is_none();
        if is_first_for_news && self.quiet.is_noted(&account, &page, &as_of, now) {
            for top in page.tops.iter().filter(|top| top.peer.has_own_ids()) {
                self.peers.noted(&account, top.peer, pts);
            }
            return Ok(());
        }
        let mut write = self.recorder.write();
        let Noted { admitted, news, fresh, .. } = self.dialogs.note(
            &mut write,
            &Page {
                account: &account,
                tops: &page.tops,
                described: &page.seen.peers,
                outside: &outside,
                lost: &page.seen.lost,
                scope,
                folders_known,
                now,
            },
        )?;
        if reach == Reach::Everything {
            // Told in passing, so it costs nothing; what is not told is asked for by the counters job.
            for (peer, count) in page.seen.members.iter().filter(|(peer, _)| admitted.contains(peer)) {
                write.member_count(*peer, *count);
            }
            let last = page.next.is_none();
            let inside = page.tops.iter().map(|t| t.peer).filter(|peer| !outside.contains(peer));
            self.finish_page(&mut write, &account, from.is_none(), last, inside)?;
        }
        let newest = if from.is_none() { unpinned_dates(&page).max() } else { newest };
        let is_to_go_on = reach == Reach::Everything || news.iter().any(|top| !top.pinned);
        let next = self.next_page(&mut write, &account, &page, is_to_go_on, newest)?;
        let is_quiet = is_first_for_news && next.is_none() && news.is_empty() && fresh.is_empty();
        let quiet = is_quiet.then(|| page.clone());
        self.recorder.mention(&mut write, &account, page.seen)?;
        let told: Vec<PeerId> = page.tops.iter().map(|top| top.peer).collect();
        let turn = self.recorder.turn().await;
        self.dialogs.commit(&turn, &Asked { account: &account, pts, peers: &told }, write, news, fresh)?;
        drop(turn);
        if let Some(page) = quiet {
            self.quiet.note(&account, page, as_of, now);
        }
        self.peers.remove_without_member(page.tops.iter().map(|t| t.peer).filter(|peer| !outside.contains(peer)));
        if let Some(next) = next {
            self.planner.add(Unit::Walk { account, reach, from: Some(next), newest }, Priority::Fresh);
        }
        Ok(())
    }

    /// Where a walk goes on after a page, if it does; at its end the account's mark moves up to the newest message that it began with.
    fn next_page(
        &self,
        write: &mut Write<'_>,
        account: &AccountName,
        page: &DialogPage,
        is_to_go_on: bool,
        newest: Option<Timestamp>,
    ) -> Result<Option<Offset>, ArchiveError> {
        let mark = self.archive.view().walked(account)?;
        // The archive may know the news of this page by another account, and not what only this one sees further down.
        let is_before_mark = unpinned_dates(page).min().is_some_and(|oldest| mark.is_none_or(|mark| oldest >= mark));
        let next = page.next.clone().filter(|_| is_to_go_on || is_before_mark);
        if next.is_none()
            && let Some(newest) = newest
            && mark.is_none_or(|mark| mark < newest)
        {
            write.walked(account, newest);
        }
        Ok(next)
    }

    /// Reconciles memberships over a walk to the end: what an account was in and two walks do not show, it has left.
    fn finish_page(
        &self,
        write: &mut Write<'_>,
        account: &AccountName,
        first: bool,
        last: bool,
        peers: impl Iterator<Item = PeerId>,
    ) -> Result<(), ArchiveError> {
        let mut walks = self.walked.lock().unwrap_or_else(PoisonError::into_inner);
        let walk = walks.entry(*account).or_default();
        if first {
            walk.seen.clear();
        }
        walk.seen.extend(peers);
        if !last {
            return Ok(());
        }
        let mut absent = BTreeSet::new();
        for entry in self.archive.view().memberships() {
            let (peer, membership) = entry?;
            if membership.account == *account && membership.current() && !walk.seen.contains(&peer) {
                absent.insert(peer);
            }
        }
        for peer in absent.intersection(&walk.absent) {
            tracing::info!(account.name = %account, peer.id = peer.0, "account `{account}` has left peer {peer}");
            write.left(*peer, account);
            self.peers.member_left(account, *peer)?;
            self.recorder.hand_over(account, *peer)?;
        }
        walk.absent = absent;
        walk.seen = BTreeSet::new();
        Ok(())
    }
}

/// When the newest messages were posted of the dialogs that are in the order of dates.
fn unpinned_dates(page: &DialogPage) -> impl Iterator<Item = Timestamp> {
    page.tops.iter().filter(|top| !top.pinned).filter_map(|top| top.date).map(i64::from).map(Timestamp)
}
