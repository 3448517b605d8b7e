//! History: reading what coverage lacks, newest first, page by page (pagination).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::missing::newest;
use super::overtaken::Overtaken;
use super::planner::{Planner, Wanted};
use super::recorder::Recorder;
use super::unit::Unit;
use super::visibility::{Sight, Visibility};
use crate::accounts::{Pool, Urgency};
use crate::archive::Archive;
use crate::dispatch::{Assignment, Priority, TaskError};
use crate::model::{AccountName, Clock, IdSpace, PeerId};
use crate::telegram::method;

/// Reads history.
pub(super) struct History {
    pub(super) archive: Arc<Archive>,
    pub(super) pool: Arc<Pool>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) planner: Arc<Planner>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) overtaken: Arc<Overtaken>,
    pub(super) visibility: Arc<Visibility>,
    pub(super) recheck_ids_max: u32,
}

impl History {
    /// Reads one page of a peer's history.
    pub(super) async fn read_page(&self, assignment: Assignment, peer: PeerId) -> Result<(), TaskError> {
        let Assignment { lease, client, priority } = assignment;
        let (coverage, state) = (self.archive.view().coverage(peer)?, self.archive.view().crawl_state(peer)?.unwrap_or_default());
        let account = lease.account().clone();
        let Sight::From(first) = self.visibility.of(&account, peer, &state)? else {
            drop(lease);
            self.visibility.plan(&account, peer, priority);
            return Ok(());
        };
        // As if it were the only one: a page covers nothing that its account does not see.
        let mut own = state.clone();
        own.visible_from = if first > 1 { [(account.clone(), first)].into() } else { BTreeMap::new() };
        let range = match self.planner.wanted(peer, &coverage, &own)? {
            Wanted::Nothing => {
                drop(lease);
                // Where another account sees what is left, it is the next one's.
                return Ok(self.planner.add_history(peer, priority)?);
            }
            Wanted::Now(range) => range,
            Wanted::After(at) => {
                drop(lease);
                self.planner.add_not_before(Unit::History { peer }, priority, at);
                return Ok(());
            }
        };
        // Only the past is large enough to be worth what a takeout asks of the account's owner.
        let takeout = priority == Priority::Backfill && (client.in_takeout().await || self.may_begin_takeout(&account));
        let answer = match takeout {
            true => client.history_by_takeout(peer, range).await,
            false => client.history(peer, range).await,
        };
        let page = answer?;
        drop(lease);
        let oldest = page.messages.iter().map(|parsed| parsed.message.key.id.0).min();
        if self.visibility.is_doubtful(&account, peer, page.covered, oldest)? {
            self.visibility.plan(&account, peer, priority);
            return Ok(());
        }
        let now = self.recorder.now();
        let mut write = self.recorder.write_answer(&account, page.pts);
        write.covered(peer, page.covered).reserve(page.messages.len());
        for parsed in page.messages {
            self.recorder.put(&mut write, parsed);
        }
        self.recorder.mention(&mut write, &account, page.seen)?;
        // Without a pts in the answer either, reading it all again would lead here again.
        let stateless = peer.kind() == IdSpace::Channel && state.pts.is_none() && page.pts.is_some();
        let again = if stateless { newest(&coverage.read, self.recheck_ids_max) } else { Default::default() };
        let pts = page.pts;
        write.crawl_state(peer, move |state| {
            state.checked_at = Some(now);
            state.unavailable = None;
            if stateless {
                // From this pts on differences tell; what was read before may have changed unseen.
                state.pts = pts;
                for range in again.ranges() {
                    state.recheck.insert(*range);
                }
            }
        });
        let turn = self.recorder.turn().await;
        let archived = self.overtaken.commit_page(peer, write, |write| Recorder::commit(&turn, write))?;
        drop(turn);
        if archived.held > 0 {
            tracing::warn!(
                peer.id = peer.0,
                "mass deletion in peer {peer}: {} messages are gone at once; a second request must confirm it first",
                archived.held
            );
        }
        self.planner.add_history(peer, priority)?;
        Ok(())
    }
    /// Whether Telegram has not asked the account to wait before it begins a takeout. The pool remembers that over a restart.
    fn may_begin_takeout(&self, account: &AccountName) -> bool {
        let free_at = self.pool.free_at(account, method::INIT_TAKEOUT, Urgency::Background);
        free_at.is_some_and(|at| at <= self.clock.now())
    }
}
