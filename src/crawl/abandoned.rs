//! Peers that nobody can read any more: every account that could is banned, signed out, or its session is gone.
//!
//! What the accounts can do changes seldom, and a peer of which nothing is asked any more tells nobody of it. So whenever the accounts that
//! may be asked have changed, all peers are looked at once, and the archive notes of which it has been abandoned, and since when. It is
//! taken up again when an account is back. A basic group that another of our accounts is in is handed over to that one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::lost_peers::LostPeers;
use super::peers::Peers;
use super::recorder::Recorder;
use crate::accounts::Pool;
use crate::archive::{Archive, ArchiveError, CrawlState, Membership};
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::{AccountName, ChatId, RangeSet};
use crate::telegram;

/// How often the accounts are looked at: a ban is not told of twice.
const LOOK: Duration = Duration::from_secs(2);
/// Peers in one write.
const AT_ONCE: usize = 500;

/// Notes which peers nobody can read.
pub(super) struct Abandoned {
    pub(super) archive: Arc<Archive>,
    pub(super) pool: Arc<Pool>,
    pub(super) peers: Arc<Peers>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) lost_peers: Arc<LostPeers>,
}

pub(super) fn start(abandoned: &Arc<Abandoned>, lifecycle: &Lifecycle) {
    let abandoned = Arc::clone(abandoned);
    lifecycle.work("abandoned", move || AbandonedWorker { abandoned: Arc::clone(&abandoned), known: None });
}

/// What has changed for peers.
struct Changed {
    /// Nobody can read them any more.
    abandoned: Vec<ChatId>,
    /// Somebody can again.
    found: Vec<ChatId>,
    /// Another version could not read everything that Telegram said of them.
    readable: Vec<ChatId>,
}

struct AbandonedWorker {
    abandoned: Arc<Abandoned>,
    /// The accounts that could be asked when the peers were last looked at.
    known: Option<BTreeSet<AccountName>>,
}

impl Worker for AbandonedWorker {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        let able = self.abandoned.pool.ready();
        if self.known.as_ref() == Some(&able) {
            return Ok(StepOutcome::Idle);
        }
        self.abandoned.peers.forget_asked();
        self.abandoned.look(&able).await?;
        self.known = Some(able);
        Ok(StepOutcome::Idle)
    }

    async fn wait(&mut self) {
        tokio::time::sleep(LOOK).await;
    }
}

impl Abandoned {
    async fn look(&self, able: &BTreeSet<AccountName>) -> anyhow::Result<()> {
        let Changed { abandoned, found, readable } = tokio::task::block_in_place(|| self.changed(able))?;
        if !abandoned.is_empty() {
            tracing::warn!("no account can read {} peers any more; `telescribe coverage` lists them", abandoned.len());
        }
        for (peers, why) in [(&abandoned, Some(CrawlState::NO_ACCOUNT)), (&found, None)] {
            for peers in peers.chunks(AT_ONCE) {
                let mut write = self.recorder.write();
                for peer in peers {
                    write.crawl_state(*peer, move |state| {
                        // Telegram may have said why meanwhile.
                        if state.unavailable.as_deref().is_none_or(|known| known == CrawlState::NO_ACCOUNT) {
                            state.unavailable = why.map(str::to_owned);
                        }
                    });
                }
                let turn = self.recorder.turn().await;
                Recorder::commit(&turn, write)?;
            }
        }
        for peer in &readable {
            let mut write = self.recorder.write();
            write.crawl_state(*peer, |state| state.unreadable = RangeSet::new());
            let turn = self.recorder.turn().await;
            Recorder::commit(&turn, write)?;
        }
        for chat in &abandoned {
            if let Some(account) = chat.account() {
                self.lost_peers.hand_over(&account, chat.peer())?;
            }
        }
        for chat in &found {
            match chat.account() {
                Some(account) => {
                    self.peers.claim(&account, chat.peer());
                }
                None if !self.archive.view().members(chat.peer())?.iter().any(Membership::current) => {
                    self.peers.add_without_member(chat.peer());
                }
                None => {}
            }
        }
        for chat in found.into_iter().chain(readable) {
            self.lost_peers.plan(chat)?;
        }
        Ok(())
    }

    fn changed(&self, able: &BTreeSet<AccountName>) -> Result<Changed, ArchiveError> {
        let (mut abandoned, mut found, mut readable) = (Vec::new(), Vec::new(), Vec::new());
        let view = self.archive.view();
        for entry in view.crawl_states(ChatId::FIRST) {
            let (chat, state) = entry?;
            if !state.unreadable.is_empty() && state.unreadable_layer != telegram::LAYER {
                readable.push(chat);
            }
            let is_marked = match state.unavailable.as_deref() {
                None => false,
                Some(CrawlState::NO_ACCOUNT) => true,
                // Telegram said why.
                Some(_) => continue,
            };
            // A member that cannot address it yet is about to: its dialogs are read again.
            let may =
                |name: &AccountName| able.contains(name) && (!chat.peer().has_own_ids() || chat.account().as_ref() == Some(name));
            let can = self.peers.readers(chat).iter().any(may)
                || view.members(chat.peer())?.iter().any(|member| member.current() && may(&member.account));
            match (can, is_marked) {
                (false, false) => abandoned.push(chat),
                (true, true) => found.push(chat),
                _ => {}
            }
        }
        Ok(Changed { abandoned, found, readable })
    }
}
