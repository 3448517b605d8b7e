//! The recorder: how an answer becomes part of an archive write, the same for every kind of unit.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use super::lost_peers::LostPeers;
use super::peers::Peers;
use crate::accounts::{PeerNews, Session};
use crate::archive::{Address, Archive, ArchiveError, Archived, MassDeletion, Raw, Write};
use crate::dispatch::Dispatch;
use crate::model::{
    AccountName, ChatId, Clock, Counters, FileId, FileOrigin, IdSpace, MessageId, MessageKey, PeerId, Timestamp, UpdatesState,
};
use crate::parse::Parsed;
use crate::telegram::{self, Clients, MentionedPeers};

/// Profile photos that are known to be written, of about 30 bytes each: more than the answers of a busy minute show.
const AVATARS_KEPT: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();

/// Writes answers into the archive.
pub(super) struct Recorder {
    archive: Arc<Archive>,
    clients: Arc<Clients>,
    clock: Arc<dyn Clock>,
    dispatch: Arc<Dispatch>,
    peers: Arc<Peers>,
    lost_peers: Arc<LostPeers>,
    mass_deletion: MassDeletion,
    /// Held by the one that blocks a thread, to commit or to save.
    turn: tokio::sync::Mutex<()>,
    /// Constructors that this version has no name for, and how often they came.
    not_understood: Mutex<BTreeMap<&'static str, u64>>,
    /// Profile photos that were written not long ago.
    avatars_seen: Mutex<LruCache<(PeerId, FileId), ()>>,
}

/// The turn to commit: one at a time has it. Where hundreds blocked a thread each, those threads were kept, with half a gigabyte of memory.
pub(super) struct Turn<'a> {
    recorder: &'a Recorder,
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

impl Recorder {
    pub(super) fn new(
        archive: Arc<Archive>,
        clients: Arc<Clients>,
        clock: Arc<dyn Clock>,
        dispatch: Arc<Dispatch>,
        peers: Arc<Peers>,
        lost_peers: Arc<LostPeers>,
        mass_deletion: MassDeletion,
    ) -> Self {
        Self {
            archive,
            clients,
            clock,
            dispatch,
            peers,
            lost_peers,
            mass_deletion,
            turn: tokio::sync::Mutex::default(),
            not_understood: Mutex::default(),
            avatars_seen: Mutex::new(LruCache::new(AVATARS_KEPT)),
        }
    }

    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.timestamp()
    }

    /// Begins a write; nothing is true before its commit, which is atomic.
    pub(super) fn write(&self) -> Write<'_> {
        self.archive.write(self.now())
    }

    /// Begins a write of what an account was answered as of a state, which may delete messages. Too many deletions at once are held until
    /// they are asked for again.
    pub(super) fn write_answer(&self, account: &AccountName, pts: Option<i32>) -> Write<'_> {
        let mut write = self.write();
        write.got_by(account).as_of(pts).mass_deletion(self.mass_deletion);
        write
    }

    /// Adds a parsed message to a write; its id is that of the account which got it, where ids are an account's own.
    pub(super) fn put(&self, write: &mut Write<'_>, account: &AccountName, mut parsed: Parsed) {
        let key = parsed.message.key;
        parsed.message.key = MessageKey { chat: ChatId::seen_by(*account, key.peer()), ..key };
        if key.peer().kind() == IdSpace::User && parsed.message.sender.is_none() {
            // Telegram leaves out in private chats what is the account's own.
            let own = self.clients.get(account).and_then(|client| client.session().user_id());
            parsed.message.sender = own.map(PeerId::user);
        }
        if !parsed.not_understood.is_empty() {
            let key = parsed.message.key;
            tracing::warn!(
                peer.id = key.peer().0,
                message.id = key.id.0,
                "message {key} contains what this version does not know ({}); its raw bytes are archived",
                parsed.not_understood.join(", "),
            );
            let mut counts = self.not_understood.lock().unwrap_or_else(PoisonError::into_inner);
            for name in &parsed.not_understood {
                *counts.entry(name).or_default() += 1;
                metrics::counter!("telescribe_not_understood_total", "constructor" => *name).increment(1);
            }
        }
        let (key, posted_at) = (parsed.message.key, parsed.message.date);
        for file in std::mem::take(&mut parsed.files) {
            write.file_seen(FileOrigin::Message(key), posted_at, Some(*account), file);
        }
        write.message(parsed.message, Raw { layer: telegram::LAYER, tl: parsed.raw, account: None }, parsed.revision);
    }

    /// Waits for the turn to commit. There is one writer anyway: with it, of many answers that arrive at once one has a thread that blocks, and
    /// the others wait without. Whoever has it must not ask for it again.
    pub(super) async fn turn(&self) -> Turn<'_> {
        Turn { recorder: self, _turn: self.turn.lock().await }
    }

    /// Commits a write off the scheduler's threads.
    pub(super) fn commit(turn: &Turn<'_>, write: Write<'_>) -> Result<Archived, ArchiveError> {
        turn.recorder.commit_out_of_turn(write)
    }

    /// What the accounts have learnt of peers becomes true with it: what an answer makes known is of no use without the access hashes to
    /// address it by.
    fn commit_out_of_turn(&self, mut write: Write<'_>) -> Result<Archived, ArchiveError> {
        let mut told = Vec::new();
        for session in self.clients.iter().map(|(_, client)| client.session()) {
            let news = session.news_of_peers();
            if news.is_empty() {
                continue;
            }
            for (peer, news) in &news {
                let address = match *news {
                    PeerNews::Known(hash) => Some(Address { user: session.user_id(), hash }),
                    PeerNews::Forgotten => None,
                };
                write.address(*session.name(), *peer, address);
            }
            told.push((session, news));
        }
        let archived = tokio::task::block_in_place(|| write.commit())?;
        told.iter().for_each(|(session, news)| session.archived_peers(news));
        for (kind, count) in
            [("new", archived.new), ("edited", archived.edited), ("deleted", archived.deleted), ("held", archived.held)]
        {
            metrics::counter!("telescribe_messages_total", "change" => kind).increment(count as u64);
        }
        Ok(archived)
    }

    /// The same, where it brings an account to another state of what happens outside channels: both become true in the same write.
    pub(super) fn commit_state(
        turn: &Turn<'_>,
        mut write: Write<'_>,
        session: &Session,
        state: UpdatesState,
    ) -> Result<Archived, ArchiveError> {
        if let Some(user) = session.user_id() {
            write.updates_state(session.name(), user, state);
        }
        let archived = Self::commit(turn, write)?;
        session.set_updates(state);
        Ok(archived)
    }

    /// Adds the peers that an answer mentions to a write, and what it says of who sees them.
    pub(super) fn mention(&self, write: &mut Write<'_>, account: &AccountName, seen: MentionedPeers) -> Result<(), ArchiveError> {
        self.lost_peers.found(account, &seen)?;
        for peer in seen.peers {
            write.peer(peer);
        }
        for (peer, avatar) in seen.avatars {
            // Every answer shows the same ones again.
            if self.avatars_seen.lock().unwrap_or_else(PoisonError::into_inner).put((peer, avatar.id), ()).is_none() {
                write.file_seen(FileOrigin::Avatar(peer), self.now(), Some(*account), avatar);
            }
        }
        for peer in seen.left {
            write.left(peer, account);
            self.peers.member_left(account, peer)?;
            self.lost_peers.hand_over(account, peer)?;
        }
        for peer in seen.lost {
            let chat = ChatId::seen_by(*account, peer);
            write.left(peer, account);
            self.dispatch.withdraw(account, chat);
            self.lost_peers.hand_over(account, peer)?;
            if self.archive.view().crawl_state(chat)?.is_some_and(|c| c.unavailable.is_none())
                && self.peers.readers(chat).is_empty()
            {
                tracing::warn!(account.name = %account, peer.id = peer.0, "no account can read peer {peer} any more");
                write.crawl_state(chat, |state| state.unavailable = Some("CHANNEL_PRIVATE".to_owned()));
            }
        }
        Ok(())
    }

    /// Takes over what was pushed to an account of a message's counters.
    pub(super) fn counted(write: &mut Write<'_>, account: &AccountName, key: MessageKey, counters: Counters) {
        write.counters(MessageKey { chat: ChatId::seen_by(*account, key.peer()), ..key }, counters);
    }

    /// A supergroup was once a basic group: what was said there is read too, where the account can.
    pub(super) fn seek_past(&self, account: &AccountName, group: Option<PeerId>) -> Result<(), ArchiveError> {
        if let Some(group) = group
            && self.peers.seek_past(group)?
            && let Some(client) = self.clients.get(account)
        {
            client.session().learn(group, None);
            self.lost_peers.poll_past(account, group);
        }
        Ok(())
    }

    /// See [`LostPeers::hand_over`].
    pub(super) fn hand_over(&self, account: &AccountName, peer: PeerId) -> Result<(), ArchiveError> {
        self.lost_peers.hand_over(account, peer)
    }

    /// Whether any account can read a chat.
    pub(super) fn has_readers(&self, chat: ChatId) -> bool {
        !self.peers.readers(chat).is_empty()
    }

    /// An account can no longer read a peer.
    pub(super) fn lost_peer(&self, account: &AccountName, peer: PeerId, name: &str) -> Result<(), ArchiveError> {
        if let Some(client) = self.clients.get(account) {
            client.session().forget(peer);
        }
        let chat = ChatId::seen_by(*account, peer);
        self.dispatch.withdraw(account, chat);
        let mut write = self.archive.write(self.clock.timestamp());
        write.left(peer, account);
        if self.peers.readers(chat).is_empty() && self.archive.view().crawl_state(chat)?.is_some() {
            let why = name.to_owned();
            write.crawl_state(chat, move |state| state.unavailable = Some(why));
            self.peers.remove_without_member(std::iter::once(peer));
        }
        // Told by the queue, which does not wait; it happens once an account and peer.
        self.commit_out_of_turn(write)?;
        self.lost_peers.hand_over(account, peer)
    }

    /// Constructors that this version has no name for, and how many messages held each, since the start.
    pub(super) fn not_understood(&self) -> BTreeMap<&'static str, u64> {
        self.not_understood.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(super) fn delete(write: &mut Write<'_>, chat: ChatId, ids: Vec<MessageId>) {
    for id in ids {
        write.delete(MessageKey { chat, id });
    }
}
