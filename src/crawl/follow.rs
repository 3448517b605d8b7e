//! Following: public groups and channels that are crawled although no account is a member, because the operator named them.
//!
//! A username is resolved once, by one account, because that is the call with Telegram's strictest rate limit. From then on the peer is
//! addressed by its access hash, and polled. Nothing is joined, so nobody in the peer can see that it is read. Where the account that can
//! address it is lost, another one resolves the name again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::admission::Admission;
use super::join::{JoinError, JoinTarget, Joins, PeerTarget};
use super::peers::Peers;
use super::planner::Planner;
use super::recorder::Recorder;
use tokio::time::Instant;

use crate::accounts::Pool;
use crate::archive::{Archive, ArchiveError, CrawlState};
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::{AccountName, ChatId, IdSpace, Peer, PeerId};

/// How often is looked for what is to be followed and is not.
const LOOK: Duration = Duration::from_mins(1);
/// How long a name is not tried again.
const TRIED_FOR: Duration = Duration::from_hours(24);

/// What became of a request to follow a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Following {
    /// The account that can address it.
    pub account: AccountName,
    /// The peer.
    pub peer: Peer,
    /// Whether it was followed before.
    pub already: bool,
}

/// Why a peer is not followed, or not left alone.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// It is an invite.
    #[error("an invite leads into a private chat, which only members can read: use `telescribe join`")]
    Invite,
    /// The operator's rules exclude it.
    #[error("`@{0}` is excluded by `crawl.deny` or `crawl.kinds`")]
    Excluded(String),
    /// It is not followed.
    #[error("{0} is not followed; `telescribe follow` without a name lists what is")]
    NotFollowed(String),
    /// Its name cannot be resolved.
    #[error(transparent)]
    Join(#[from] JoinError),
}

impl From<ArchiveError> for FollowError {
    fn from(error: ArchiveError) -> Self {
        Self::Join(error.into())
    }
}

/// Follows peers.
pub(super) struct Follows {
    pub(super) archive: Arc<Archive>,
    pub(super) pool: Arc<Pool>,
    pub(super) peers: Arc<Peers>,
    pub(super) admission: Arc<Admission>,
    pub(super) planner: Arc<Planner>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) joins: Arc<Joins>,
    /// The names in the configuration.
    pub(super) configured: Vec<String>,
}

impl Follows {
    /// Follows a peer, with an account or with the signed-in one that is in the fewest.
    ///
    /// # Errors
    /// See [`FollowError`].
    pub(super) async fn follow(&self, account: Option<&str>, target: &JoinTarget) -> Result<Following, FollowError> {
        let JoinTarget::Username(name) = target else { return Err(FollowError::Invite) };
        let (account, id) = self.address(account, name).await?;
        let peer = self.archive.view().peer(id)?.filter(|_| id.kind() == IdSpace::Channel);
        let peer = peer.ok_or_else(|| JoinError::Person(name.clone()))?;
        if self.admission.excludes(&peer)? {
            return Err(FollowError::Excluded(name.clone()));
        }
        let state = self.archive.view().crawl_state(id)?;
        let already = state.as_ref().is_some_and(|state| state.followed);
        let mut write = self.recorder.write();
        write.crawl_state(id, |state| {
            state.followed = true;
            let is_ours =
                |why: &String| [CrawlState::NO_ACCOUNT, CrawlState::UNFOLLOWED, CrawlState::FETCHED].contains(&why.as_str());
            state.unavailable = state.unavailable.take().filter(|why| !is_ours(why));
        });
        let turn = self.recorder.turn().await;
        Recorder::commit(&turn, write)?;
        drop(turn);
        if !self.archive.view().members(id)?.iter().any(|member| member.current()) {
            self.peers.add_without_member(id);
        }
        self.planner.add_poll_of(&account, id);
        Ok(Following { account, peer, already })
    }

    /// Follows a peer no longer. What was archived stays; where no account is a member, nothing more is asked.
    ///
    /// # Errors
    /// See [`FollowError`].
    pub(super) async fn unfollow(&self, target: &PeerTarget) -> Result<Peer, FollowError> {
        let view = self.archive.view();
        let (peer, named) = match target {
            // It may have changed its name, or given it up.
            PeerTarget::Id(id) => (view.peer(*id)?, format!("peer {id}")),
            PeerTarget::Named(JoinTarget::Username(name)) => (view.peer_by_username(name)?, format!("`@{name}`")),
            PeerTarget::Named(JoinTarget::Invite(_)) => return Err(FollowError::Invite),
        };
        let not_followed = || FollowError::NotFollowed(named.clone());
        let peer = peer.ok_or_else(not_followed)?;
        if view.crawl_state(peer.id)?.is_none_or(|state| !state.followed) {
            return Err(not_followed());
        }
        let is_member = self.archive.view().members(peer.id)?.iter().any(|member| member.current());
        let mut write = self.recorder.write();
        write.crawl_state(peer.id, move |state| {
            state.followed = false;
            if !is_member {
                state.unavailable = Some(CrawlState::UNFOLLOWED.to_owned());
            }
        });
        let turn = self.recorder.turn().await;
        Recorder::commit(&turn, write)?;
        drop(turn);
        self.peers.remove_without_member(std::iter::once(peer.id));
        Ok(peer)
    }

    /// The peer of a name, and an account that can address it: without a request where there is one.
    async fn address(&self, named: Option<&str>, name: &str) -> Result<(AccountName, PeerId), FollowError> {
        if let Some(peer) = self.archive.view().peer_by_username(name)? {
            let able = self.pool.ready();
            let readers = self.peers.readers(peer.id);
            let known =
                readers.into_iter().find(|reader| able.contains(reader) && named.is_none_or(|named| named == reader.as_str()));
            if let Some(account) = known {
                return Ok((account, peer.id));
            }
        }
        let account = self.joins.joiner(named)?;
        let peer = self.joins.resolve(&account, name).await?;
        if peer.kind() == IdSpace::Channel && !self.peers.is_known_to(&account, peer) {
            // It has been told of, and may not read it.
            return Err(JoinError::Refused { account, name: "CHANNEL_PRIVATE".to_owned() }.into());
        }
        Ok((account, peer))
    }

    /// The names that are to be followed, and are not, or by nobody who could read them.
    fn lacking(&self, followed: &[PeerId]) -> Result<Vec<String>, ArchiveError> {
        let view = self.archive.view();
        let able = self.pool.ready();
        let mut names = Vec::new();
        for name in &self.configured {
            let peer = view.peer_by_username(name)?;
            let state = peer.map(|peer| view.crawl_state(peer.id)).transpose()?.flatten();
            if state.is_none_or(|state| !state.followed) {
                names.push(name.clone());
            }
        }
        for peer in followed {
            if !self.peers.readers(*peer).iter().any(|reader| able.contains(reader))
                && let Some(name) = view.peer(*peer)?.and_then(|peer| peer.username)
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// The peers that are followed: a scan of all crawl states.
    fn followed(&self) -> Result<Vec<PeerId>, ArchiveError> {
        let followed = |entry: Result<(ChatId, CrawlState), ArchiveError>| match entry {
            Ok((chat, state)) => state.followed.then_some(Ok(chat.peer())),
            Err(error) => Some(Err(error)),
        };
        self.archive.view().crawl_states(ChatId::FIRST).filter_map(followed).collect()
    }
}

pub(super) fn start(follows: &Arc<Follows>, lifecycle: &Lifecycle) {
    let follows = Arc::clone(follows);
    lifecycle.work("follow", move || FollowWorker {
        follows: Arc::clone(&follows),
        followed: None,
        tried: BTreeMap::new(),
        is_due: true,
    });
}

/// Looks now and then whether everything is followed that is to be.
struct FollowWorker {
    follows: Arc<Follows>,
    /// Who is followed, and as of which generation of that: with tens of thousands of peers, the scan is the dearest thing of an idle
    /// program.
    followed: Option<(u64, Vec<PeerId>)>,
    /// What was tried, and when: a name that leads nowhere, or to a peer that refuses us, must not cost a look-up again and again.
    tried: BTreeMap<String, Instant>,
    is_due: bool,
}

impl FollowWorker {
    fn lacking(&mut self) -> Result<Vec<String>, ArchiveError> {
        // Read before the scan: what changes meanwhile moves it on, and is scanned for the next time.
        let generation = self.follows.archive.followed_generation();
        let followed = match &mut self.followed {
            Some((known, followed)) if *known == generation => followed,
            stale => &mut stale.insert((generation, self.follows.followed()?)).1,
        };
        self.follows.lacking(followed)
    }
}

impl Worker for FollowWorker {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        if !std::mem::take(&mut self.is_due) || self.follows.pool.ready().is_empty() {
            return Ok(StepOutcome::Idle);
        }
        let lacking = tokio::task::block_in_place(|| self.lacking())?;
        for name in lacking {
            if self.tried.get(&name).is_some_and(|at| at.elapsed() < TRIED_FOR) {
                continue;
            }
            match self.follows.follow(None, &JoinTarget::Username(name.clone())).await {
                Ok(following) => {
                    self.tried.insert(name, Instant::now());
                    tracing::info!(peer.id = following.peer.id.0, account.name = %following.account, "peer {} is followed", following.peer.id);
                }
                // Its turn comes; another may need no look-up.
                Err(FollowError::Join(JoinError::TooEarly { .. } | JoinError::Busy(_) | JoinError::Nobody)) => {}
                Err(FollowError::Join(JoinError::NoAnswer(_))) => break,
                Err(error) => {
                    tracing::error!("`@{name}` of `crawl.follow` is not followed: {error}");
                    self.tried.insert(name, Instant::now());
                }
            }
        }
        Ok(StepOutcome::Idle)
    }

    async fn wait(&mut self) {
        tokio::time::sleep(LOOK).await;
        self.is_due = true;
    }
}
