//! Totals of all crawled chats, maintained: each write works out what it changes of them, so that nobody looks through tens of thousands of
//! chats to show a sum. At an opening they are summed up once.

use crate::model::ChatId;

use super::ArchiveError;
use super::coverage::{Completeness, Coverage};
use super::crawl_state::CrawlState;
use super::view::View;

/// Sums over all crawled chats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Totals {
    /// Chats that are crawled.
    pub chats: u64,
    /// Of these, the ones of which every id is read that any account can see.
    pub complete: u64,
    /// Chats that no account can read at present.
    pub unavailable: u64,
    /// Messages archived, also those deleted since.
    pub messages: u64,
    /// Of these, how many are marked deleted.
    pub deleted: u64,
    /// Ids that were read.
    pub read: u64,
    /// Ids that were not read yet.
    pub missing: u64,
    /// Ids of which Telegram's answer could not be read.
    pub unreadable: u64,
    /// Ids that no account can see.
    pub hidden: u64,
    /// Ids that are to be read again.
    pub recheck: u64,
    /// Messages that are said to be deleted, too many at once to be believed yet.
    pub held: u64,
}

impl Totals {
    /// What one crawled chat adds to them.
    #[must_use]
    pub fn of(coverage: &Coverage, state: &CrawlState) -> Self {
        let completeness = Completeness::of(coverage, state);
        Self {
            chats: 1,
            complete: u64::from(state.is_complete(&completeness)),
            unavailable: u64::from(state.unavailable.is_some() && !state.is_taken_over() && !state.is_fetched_only()),
            messages: coverage.messages,
            deleted: coverage.deleted,
            read: coverage.read.len(),
            missing: completeness.missing.len(),
            unreadable: completeness.unreadable.len(),
            // What nobody wants of a chat is hidden from nobody.
            hidden: if state.is_wanted_no_longer() { 0 } else { completeness.hidden.len() },
            recheck: completeness.recheck.len(),
            held: completeness.held.len(),
        }
    }

    /// Takes over what a chat adds now instead of what it added before.
    pub(super) fn replace(&mut self, before: Self, now: Self) {
        // What a damaged record says may be more than there is; what is taken away is always what was added.
        let change = |sum: &mut u64, before: u64, now: u64| *sum = sum.wrapping_add(now).wrapping_sub(before);
        change(&mut self.chats, before.chats, now.chats);
        change(&mut self.complete, before.complete, now.complete);
        change(&mut self.unavailable, before.unavailable, now.unavailable);
        change(&mut self.messages, before.messages, now.messages);
        change(&mut self.deleted, before.deleted, now.deleted);
        change(&mut self.read, before.read, now.read);
        change(&mut self.missing, before.missing, now.missing);
        change(&mut self.unreadable, before.unreadable, now.unreadable);
        change(&mut self.hidden, before.hidden, now.hidden);
        change(&mut self.recheck, before.recheck, now.recheck);
        change(&mut self.held, before.held, now.held);
    }
}

impl View<'_> {
    /// Sums up what all crawled chats add: the slow way.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sum_totals(self) -> Result<Totals, ArchiveError> {
        let mut totals = Totals::default();
        for entry in self.crawl_states(ChatId::FIRST) {
            let (chat, state) = entry?;
            totals.replace(Totals::default(), Totals::of(&self.coverage(chat)?, &state));
        }
        Ok(totals)
    }
}
