//! Which owner runs which kind of unit (dispatch by kind): the one place that knows them all, and does nothing else.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::account_events::AccountEvents;
use super::counters::Counting;
use super::differences::Differences;
use super::fetch::Fetches;
use super::folders::Folders;
use super::history::History;
use super::planner::Planner;
use super::polls::Polls;
use super::recorder::Recorder;
use super::unit::{Perform, Unit};
use super::visibility::Visibility;
use super::walks::Walks;
use crate::dispatch::{Assignment, Priority, TaskError};
use crate::model::AccountName;

/// The owners of all kinds of units. Only the queue's tasks call it.
pub(super) struct Units {
    pub(super) walks: Walks,
    pub(super) polls: Polls,
    pub(super) folders: Folders,
    pub(super) differences: Arc<Differences>,
    pub(super) account_events: Arc<AccountEvents>,
    pub(super) history: History,
    pub(super) visibility: Arc<Visibility>,
    pub(super) counting: Counting,
    pub(super) planner: Arc<Planner>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) fetches: Arc<Fetches>,
}

impl Units {
    async fn run(&self, unit: Unit, assignment: Assignment) -> Result<(), TaskError> {
        match unit {
            Unit::Start { .. } => self.account_events.start(assignment).await,
            Unit::State { .. } => self.account_events.state(assignment).await,
            Unit::AccountEvents { .. } => self.account_events.ask(assignment).await,
            Unit::Walk { reach, from, newest, .. } => self.walks.walk_page(assignment, reach, from, newest).await,
            Unit::Folders { .. } => self.folders.read(assignment).await,
            Unit::Poll { peers, .. } => self.polls.poll_peers(assignment, peers).await,
            Unit::Events { peer } => self.differences.ask(assignment, peer).await,
            Unit::History { chat } => self.history.read_page(assignment, chat).await,
            Unit::Fetch { chat, run, .. } => self.history.fetch_page(assignment, chat, run).await,
            Unit::Visibility { peer, .. } => self.visibility.ask(assignment, peer).await,
            Unit::Full { peer } => self.counting.count_members(assignment, peer).await,
            Unit::Views { peer } => self.counting.count_views(assignment, peer).await,
        }
    }
}

impl Perform for Units {
    fn perform(self: Arc<Self>, unit: Unit, assignment: Assignment) -> BoxFuture<'static, Result<(), TaskError>> {
        async move { self.run(unit, assignment).await }.boxed()
    }

    /// An account cannot read a peer, or the request was refused: another account may; where none can, the peer is marked.
    fn refused(&self, unit: &Unit, account: &AccountName, name: &str) -> anyhow::Result<()> {
        match unit {
            Unit::Poll { peers, .. } => self.polls.refused(account, peers, name)?,
            Unit::Visibility { peer, .. } => {
                tracing::warn!(account.name = %account, peer.id = peer.0, "account `{account}` cannot read peer {peer} ({name})");
                self.recorder.lost_peer(account, *peer, name)?;
                self.visibility.has_answered(account, *peer);
                self.planner.add(Unit::History { chat: (*peer).into() }, Priority::Fresh);
            }
            Unit::Events { .. } | Unit::History { .. } => {
                let peer = match unit {
                    Unit::History { chat } => chat.peer(),
                    Unit::Events { peer } => *peer,
                    _ => return Ok(()),
                };
                tracing::warn!(account.name = %account, peer.id = peer.0, "account `{account}` cannot read peer {peer} ({name})");
                self.recorder.lost_peer(account, peer, name)?;
                self.planner.add(unit.clone(), Priority::Fresh);
            }
            Unit::Fetch { chat, run, .. } => {
                let peer = chat.peer();
                tracing::warn!(account.name = %account, peer.id = peer.0, "account `{account}` cannot read peer {peer} ({name})");
                self.recorder.lost_peer(account, peer, name)?;
                match self.recorder.has_readers(*chat) {
                    true => self.planner.add(unit.clone(), Priority::Fresh),
                    false => self.fetches.fail(*run, &format!("Telegram refuses it ({name})")),
                }
            }
            // What cannot be counted may still be read.
            Unit::Full { peer } | Unit::Views { peer } => {
                tracing::warn!(account.name = %account, peer.id = peer.0, "account `{account}` cannot read peer {peer} ({name})");
            }
            Unit::Start { .. } | Unit::State { .. } | Unit::AccountEvents { .. } | Unit::Walk { .. } | Unit::Folders { .. } => {
                tracing::error!(account.name = %account, "account `{account}`: Telegram refused {} ({name})", unit.method());
            }
        }
        Ok(())
    }
}
