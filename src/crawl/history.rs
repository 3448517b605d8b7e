//! History: reading what coverage lacks, newest first, page by page (pagination).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fetch::{FetchedPage, Fetches};
use super::missing::newest;
use super::overtaken::Overtaken;
use super::planner::{HistoryWanted, Planner};
use super::recorder::Recorder;
use super::unit::Unit;
use super::visibility::{Sight, Visibility};
use crate::accounts::{Pool, Urgency};
use crate::archive::{Archive, ArchiveError, Archived, Coverage, CrawlState};
use crate::dispatch::{Assignment, Priority, TaskError};
use crate::model::{AccountName, ChatId, Clock, IdRange, IdSpace};
use crate::telegram::{self, PAGE_SIZE, TelegramError, method};

/// How many ids are asked for after the first page that did not come.
const NARROW_MAX: i32 = 64;

/// How often in a row the newest page of a history may be unreadable before it is given up.
const OPEN_FAILURES_MAX: u32 = 8;

/// What became of a page.
enum PageOutcome {
    /// It is archived.
    Archived(FetchedPage),
    /// Its one id cannot be read.
    PassedOver,
    /// It holds nothing, and nobody knows whether its account would see anything.
    Nothing,
    /// Its account must say first what it sees.
    Unsure,
}

/// Reads history.
pub(super) struct History {
    pub(super) archive: Arc<Archive>,
    pub(super) pool: Arc<Pool>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) planner: Arc<Planner>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) overtaken: Arc<Overtaken>,
    pub(super) visibility: Arc<Visibility>,
    pub(super) fetches: Arc<Fetches>,
    pub(super) recheck_ids_max: u32,
}

impl History {
    /// Reads one page of a chat's history.
    pub(super) async fn read_page(&self, assignment: Assignment, chat: ChatId) -> Result<(), TaskError> {
        let Assignment { lease, client, priority, failures } = assignment;
        let peer = chat.peer();
        let (coverage, state) = (self.archive.view().coverage(chat)?, self.archive.view().crawl_state(chat)?.unwrap_or_default());
        if state.is_wanted_no_longer() {
            return Ok(());
        }
        let account = *lease.account();
        let sight = self.visibility.of(&account, peer, &state)?;
        let first = match sight {
            Sight::From(first) => first,
            Sight::Blind => 1,
            Sight::Unknown => {
                drop(lease);
                return Ok(self.visibility.plan(&account, peer, priority)?);
            }
        };
        // As if it were the only one: a page covers nothing that its account does not see.
        let mut own = state.clone();
        own.visible_from = if first > 1 { [(account, first)].into() } else { BTreeMap::new() };
        let range = match self.planner.wanted(chat, &coverage, &own)? {
            HistoryWanted::Nothing => {
                drop(lease);
                // Where another account sees what is left, it is the next one's.
                return Ok(self.planner.add_history(chat, priority)?);
            }
            HistoryWanted::Now(range) => narrowed(range, failures),
            HistoryWanted::After(at) => {
                drop(lease);
                self.planner.add_not_before(Unit::History { chat }, priority, at);
                return Ok(());
            }
        };
        // Only the past is large enough to be worth what a takeout asks of the account's owner.
        let takeout = priority == Priority::Backfill && (client.in_takeout().await || self.may_begin_takeout(&account));
        let assignment = Assignment { lease, client, priority, failures };
        match self.read_range(assignment, chat, (range, PAGE_SIZE), sight, (&coverage, &state), takeout).await? {
            // What is before may be hidden: it is left to whoever knows, or to the next job.
            PageOutcome::Nothing => Ok(()),
            PageOutcome::Unsure => Ok(self.visibility.plan(&account, peer, priority)?),
            PageOutcome::PassedOver | PageOutcome::Archived(_) => Ok(self.planner.add_history(chat, priority)?),
        }
    }

    /// Reads one page of what somebody waits for.
    pub(super) async fn fetch_page(&self, assignment: Assignment, chat: ChatId, run: u64) -> Result<(), TaskError> {
        let Some(wanted) = self.fetches.next_range(run) else { return Ok(()) };
        let Assignment { priority, failures, .. } = assignment;
        let account = assignment.account();
        let (coverage, state) = (self.archive.view().coverage(chat)?, self.archive.view().crawl_state(chat)?.unwrap_or_default());
        let sight = self.visibility.of(&account, chat.peer(), &state)?;
        let first = match sight {
            Sight::From(first) => first,
            Sight::Blind => 1,
            Sight::Unknown => return Ok(self.visibility.plan_before(&account, self.fetches.unit(run, chat), priority)?),
        };
        let Some(seen) = IdRange::new(wanted.first.max(first), wanted.last) else {
            self.fetches.end_of_sight(run, &account, first);
            return Ok(());
        };
        let is_open = seen.last == i32::MAX;
        if is_open && failures > OPEN_FAILURES_MAX {
            self.fetches.fail(run, "Telegram's answer about the newest messages cannot be read");
            return Ok(());
        }
        // Of a history whose end nobody knows fewer messages are asked for, and not fewer ids.
        let (range, most) = if is_open { (seen, most_after(failures)) } else { (narrowed(seen, failures), PAGE_SIZE) };
        match self.read_range(assignment, chat, (range, most), sight, (&coverage, &state), false).await? {
            PageOutcome::Unsure => self.visibility.plan_before(&account, self.fetches.unit(run, chat), priority)?,
            PageOutcome::Nothing => {
                let why = format!("account `{account}` does not say what it sees of it, and sees nothing there");
                self.fetches.fail(run, &why);
            }
            outcome => {
                let nothing = FetchedPage { covered: Some(range), messages: 0, oldest: None, archived: Archived::default() };
                let page = if let PageOutcome::Archived(page) = outcome { page } else { nothing };
                if self.fetches.note(run, page) {
                    self.planner.add(self.fetches.unit(run, chat), priority);
                }
            }
        }
        Ok(())
    }

    /// Asks for the newest messages of a range, and archives them. Of a range without an end it is not known how far the history goes.
    async fn read_range(
        &self,
        assignment: Assignment,
        chat: ChatId,
        (range, most): (IdRange, i32),
        sight: Sight,
        (coverage, state): (&Coverage, &CrawlState),
        takeout: bool,
    ) -> Result<PageOutcome, TaskError> {
        let Assignment { lease, client, .. } = assignment;
        let (account, peer) = (*lease.account(), chat.peer());
        let answer = match takeout {
            true => client.history_by_takeout(peer, range).await,
            false => client.history(peer, range, most).await,
        };
        let mut page = match answer {
            Err(TelegramError::Unreadable { why }) if range.len() == 1 => {
                drop(lease);
                self.pass_over(chat, range, &why).await?;
                return Ok(PageOutcome::PassedOver);
            }
            answer => answer?,
        };
        drop(lease);
        let ids = || page.messages.iter().map(|parsed| parsed.message.key.id.0);
        let (oldest, newest_id) = (ids().min(), ids().max());
        // What is above everything that is known is not read: it may come to be.
        let known = state.top.max(newest_id.unwrap_or_default());
        if range.last == i32::MAX && newest_id.is_none() {
            let nothing = FetchedPage { covered: None, messages: 0, oldest: None, archived: Archived::default() };
            return Ok(PageOutcome::Archived(nothing));
        }
        if sight == Sight::Blind {
            let Some(oldest) = oldest else { return Ok(PageOutcome::Nothing) };
            page.covered.first = page.covered.first.max(oldest);
        } else if self.visibility.is_doubtful(&account, peer, page.covered, oldest)? {
            return Ok(PageOutcome::Unsure);
        }
        let now = self.recorder.now();
        let mut write = self.recorder.write_answer(&account, page.pts);
        write.reserve(page.messages.len());
        if let Some(read) = IdRange::new(page.covered.first, page.covered.last.min(known)) {
            write.covered(chat, read);
        }
        let (messages, posted) = (page.messages.len() as u64, page.messages.iter().map(|parsed| parsed.message.date).min());
        for parsed in page.messages {
            self.recorder.put(&mut write, &account, parsed);
        }
        self.recorder.mention(&mut write, &account, page.seen)?;
        // Without a pts in the answer either, reading it all again would lead here again.
        let stateless = peer.kind() == IdSpace::Channel && state.pts.is_none() && page.pts.is_some();
        let again = if stateless { newest(&coverage.read, self.recheck_ids_max) } else { Default::default() };
        let pts = page.pts;
        write.crawl_state(chat, move |state| {
            state.checked_at = Some(now);
            state.set_available();
            if stateless {
                // From this pts on differences tell; what was read before may have changed unseen.
                state.pts = pts;
                for range in again.ranges() {
                    state.recheck.insert(*range);
                }
            }
        });
        let turn = self.recorder.turn().await;
        let archived = self.overtaken.commit_page(chat, write, |write| Recorder::commit(&turn, write))?;
        drop(turn);
        if archived.held > 0 {
            tracing::warn!(
                peer.id = peer.0,
                "mass deletion in peer {peer}: {} messages are gone at once; a second request must confirm it first",
                archived.held
            );
        }
        Ok(PageOutcome::Archived(FetchedPage { covered: Some(page.covered), messages, oldest: posted, archived }))
    }

    /// Goes on without an id of which no answer can be read: it is a hole with a reason of its own.
    async fn pass_over(&self, chat: ChatId, id: IdRange, why: &str) -> Result<(), ArchiveError> {
        tracing::warn!(
            peer.id = chat.peer().0,
            message.id = id.first,
            "message {chat}/{} is passed over: Telegram's answer about it cannot be read ({why}); a later version may",
            id.first
        );
        metrics::counter!("telescribe_unreadable_total").increment(1);
        let mut write = self.recorder.write();
        write.crawl_state(chat, move |state| {
            state.unreadable.insert(id);
            state.unreadable_layer = telegram::LAYER;
        });
        let turn = self.recorder.turn().await;
        Recorder::commit(&turn, write)?;
        Ok(())
    }

    /// Whether Telegram has not asked the account to wait before it begins a takeout. The pool remembers that over a restart.
    fn may_begin_takeout(&self, account: &AccountName) -> bool {
        let free_at = self.pool.free_at(account, method::INIT_TAKEOUT, Urgency::Background);
        free_at.is_some_and(|at| at <= self.clock.now())
    }
}

/// How many messages are asked for after pages that did not come, or could not be read.
fn most_after(failures: u32) -> i32 {
    failures.checked_sub(1).map_or(PAGE_SIZE, |halvings| (NARROW_MAX >> halvings.min(31)).max(1))
}

/// The newest ids of a range, fewer and fewer after each page that did not come, or could not be read: a page of a hundred long messages is
/// larger than a connection takes, and one message that cannot be read spoils its page (bisection).
fn narrowed(range: IdRange, failures: u32) -> IdRange {
    let Some(halvings) = failures.checked_sub(1) else { return range };
    let most = (NARROW_MAX >> halvings.min(31)).max(1);
    IdRange { first: range.first.max(range.last.saturating_sub(most - 1)), last: range.last }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_fails_again_and_again_is_asked_for_in_smaller_and_smaller_parts_down_to_one_id() {
        let range = IdRange { first: 1, last: 5_000 };
        assert_eq!(narrowed(range, 0), range);
        let lengths: Vec<u64> = (1..9).map(|failures| narrowed(range, failures).len()).collect();
        assert_eq!(lengths, [64, 32, 16, 8, 4, 2, 1, 1]);
        assert_eq!(narrowed(range, u32::MAX), IdRange { first: 5_000, last: 5_000 });
        assert_eq!(narrowed(IdRange { first: 4_990, last: 5_000 }, 1), IdRange { first: 4_990, last: 5_000 });
    }
}
