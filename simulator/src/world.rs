//! The world: what the simulated Telegram holds, as plain data and without any TL.
//!
//! Invariants: [`World::chats`] is ordered by nothing in particular and never reordered, so an index into it stays valid for
//! the life of the world; a history is ordered by message id; a message that was deleted is gone from its history, and only
//! its number and the event that deleted it remain. Basic groups and private chats are there once for each account that has them
//! (`copies`).

mod account;
mod chat;
mod copies;
mod file;
mod folder;
mod history;
mod identity;
mod journal;
mod media;
mod membership;
mod message;
mod order;
mod topic;
mod user;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

pub(crate) use crate::mixing::mix;
pub(crate) use account::NO_CHAT;
pub use account::{Account, AccountState};
pub(crate) use chat::GENERAL_TOPIC;
pub use chat::{Chat, ChatKind};
pub use file::{FileEntry, FileForm, FileRendition, FileSource, PhotoSize};
pub use folder::Folder;
pub use history::History;
pub(crate) use identity::BareId;
pub use identity::PeerId;
pub use journal::{Event, Journal};
pub(crate) use media::WAVE;
pub use media::{Document, DocumentKind, Media, Photo};
pub use message::{Entity, EntityKind, Extra, Forward, Message, Reaction, Reply, Service};
pub(crate) use order::{DialogOrder, DialogSortKey, Listing};
pub use topic::Topic;
pub use user::User;

/// The date that generated histories end at (October 2025): a constant, so that a seed means the same world on any day.
pub const BASE_DATE: i32 = 1_760_000_000;

/// Everything that the simulated Telegram holds.
#[derive(Debug)]
pub struct World {
    /// The seed of everything that is derived: access hashes, keys, file contents.
    pub seed: u64,
    /// The numbers of the data centres, ascending.
    pub data_centres: Vec<i32>,
    /// The accounts that can be signed in as.
    pub accounts: Vec<Account>,
    /// Groups, channels and private chats: a channel or supergroup once, a basic group once for every account that is or was in it, each
    /// with that account's own ids.
    pub chats: Vec<Chat>,
    /// Every user, the accounts' own among them, ascending by id.
    pub users: Vec<User>,
    /// Every file by photo or document id.
    pub files: HashMap<i64, FileEntry>,
    /// Whether photos and thumbnails are pictures that can be looked at, and not noise.
    pub real_media: bool,
    /// How often the references to a file were made to expire, for all accounts.
    pub(crate) reference_epochs: HashMap<i64, u32>,
    /// The files whose references are not renewed by reading a message again.
    pub(crate) stale_files: HashSet<i64>,
    /// The photos of peers that have one.
    pub(crate) peer_photos: HashMap<PeerId, Photo>,
    /// The folder that files of an export are read from.
    pub file_root: Option<PathBuf>,
    /// Where channels and groups are; of a basic group, the copy that was there first.
    pub(crate) chat_of: HashMap<PeerId, u32>,
    /// Every copy of each basic group, in the order in which they came.
    pub(crate) copies_of_group: HashMap<PeerId, Vec<u32>>,
    pub(crate) peer_of_username: HashMap<String, PeerId>,
    pub(crate) chat_of_invite: HashMap<String, u32>,
}

impl World {
    pub(crate) fn empty(seed: u64, data_centres: Vec<i32>) -> Self {
        Self {
            seed,
            data_centres,
            accounts: Vec::new(),
            chats: Vec::new(),
            users: Vec::new(),
            files: HashMap::new(),
            real_media: false,
            peer_photos: HashMap::new(),
            reference_epochs: HashMap::new(),
            stale_files: HashSet::new(),
            file_root: None,
            chat_of: HashMap::new(),
            copies_of_group: HashMap::new(),
            peer_of_username: HashMap::new(),
            chat_of_invite: HashMap::new(),
        }
    }

    /// Groups, supergroups and channels in the world's order, each once.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerId> {
        let mut seen = HashSet::new();
        let chats = self.chats.iter().filter(|chat| chat.kind != ChatKind::Private);
        chats.map(|chat| chat.peer).filter(|peer| seen.insert(*peer)).collect()
    }

    /// How many messages the groups and channels hold, in basic groups for every account anew: the number of messages in the truth.
    #[must_use]
    pub fn message_count(&self) -> usize {
        self.chats.iter().filter(|chat| chat.kind != ChatKind::Private).map(|chat| chat.history.len()).sum()
    }

    /// The user of an id.
    #[must_use]
    pub fn user(&self, id: i64) -> Option<&User> {
        self.users.binary_search_by_key(&id, |user| user.id).ok().and_then(|at| self.users.get(at))
    }

    /// The group, supergroup or channel of an id; of a basic group, the copy that was there first. [`World::chat_seen_by`] has the
    /// others, and private chats.
    #[must_use]
    pub fn chat(&self, peer: PeerId) -> Option<&Chat> {
        self.chats.get(*self.chat_of.get(&peer)? as usize)
    }

    /// A chat as an account has it: of basic groups and private chats, its own copy with its own ids.
    #[must_use]
    pub fn chat_seen_by(&self, account: usize, peer: PeerId) -> Option<&Chat> {
        self.chats.get(self.chat_index(account, peer)? as usize)
    }

    /// The photo that a user, group or channel shows.
    #[must_use]
    pub fn photo_of(&self, peer: PeerId) -> Option<&Photo> {
        self.peer_photos.get(&peer)
    }

    /// The position of an account by its name.
    #[must_use]
    pub fn account_named(&self, name: &str) -> Option<usize> {
        self.accounts.iter().position(|account| account.name == name)
    }

    /// Where a chat is, as an account sees it: basic groups and private chats are the account's own.
    pub(crate) fn chat_index(&self, account: usize, peer: PeerId) -> Option<u32> {
        match peer.bare() {
            BareId::User(_) | BareId::Group(_) => self.accounts.get(account)?.own_chats.get(&peer).copied(),
            BareId::Channel(_) => self.chat_of.get(&peer).copied(),
        }
    }

    /// The hash that one account addresses a peer by. No two accounts share one.
    #[must_use]
    pub fn access_hash(&self, account: usize, peer: PeerId) -> i64 {
        let mixed = mix(self.seed ^ mix(account as u64 + 1) ^ mix(peer.marked() as u64));
        // Zero means "no hash" to many clients.
        (mixed | 1) as i64
    }

    /// The hash of a chat's invite link; each round, the one before it was revoked.
    pub(crate) fn invite_hash(&self, peer: PeerId, round: u64) -> String {
        use base64::Engine;
        let mixed = [1, 2].map(|part| mix(self.seed ^ mix(peer.marked() as u64 ^ part) ^ mix(round)).to_le_bytes());
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mixed.concat().get(..12).unwrap_or_default())
    }

    /// Rebuilds what is looked up by name; called once, when all chats and users are there.
    pub(crate) fn build_indexes(&mut self) {
        self.users.sort_by_key(|user| user.id);
        for (at, chat) in (0u32..).zip(&self.chats) {
            if chat.kind != ChatKind::Private {
                self.chat_of.entry(chat.peer).or_insert(at);
            }
            if chat.kind == ChatKind::Group {
                self.copies_of_group.entry(chat.peer).or_default().push(at);
            }
            if let Some(account) = chat.owner.and_then(|owner| self.accounts.get_mut(owner)) {
                account.own_chats.insert(chat.peer, at);
            }
        }
        self.chat_of_invite = (0u32..).zip(&self.chats).filter_map(|(at, chat)| Some((chat.invite.clone()?, at))).collect();
        self.peer_of_username = self
            .chats
            .iter()
            .filter(|chat| chat.kind != ChatKind::Private)
            .filter_map(|chat| Some((chat.username.as_deref()?.to_lowercase(), chat.peer)))
            .chain(self.users.iter().filter_map(|user| Some((user.username.as_deref()?.to_lowercase(), PeerId::user(user.id)))))
            .collect();
    }
}
