//! Scripts: scripted events while the simulator runs.
//!
//! Every event changes the world, advances the right pts, and is pushed to the connected sessions of all members. Live
//! events carry the wall clock's date.
//!
//! In basic groups and private chats message ids are each account's own. What happens there reaches every copy (`delivery`); the ids
//! that an event names, and the one that a post returns, are of the copy that was there first among those still reached.
//! [`Simulator::by`] speaks for one account and in its ids.

mod account_state;
mod by_account;
mod delivery;
mod files;
mod membership;
mod push;

use thiserror::Error;

use crate::simulator::Simulator;
use crate::world::{BareId, Document, DocumentKind, Entity, Forward, Media, Message, PeerId, Photo, Reply, Service, World};

pub use by_account::AccountScript;

/// Why an event could not happen.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ScriptError {
    /// The world has no such peer.
    #[error("the world has no peer `{0}`")]
    NoSuchPeer(PeerId),
    /// The peer has no such message.
    #[error("peer `{peer}` has no message `{id}`")]
    NoSuchMessage {
        /// The peer.
        peer: PeerId,
        /// The message.
        id: i32,
    },
    /// The world has no such account.
    #[error("the world has no account `{0}`")]
    NoSuchAccount(String),
    /// The world has no such data centre.
    #[error("the world has no data centre `{0}`")]
    NoSuchDataCentre(i32),
    /// The account is not in the chat.
    #[error("account `{account}` is not in `{peer}`")]
    NotMember {
        /// The account.
        account: String,
        /// The chat.
        peer: PeerId,
    },
    /// No account is reached by what happens in the basic group or private chat any more, so its messages would have no ids.
    #[error("no account is in `{0}` any more that could receive anything")]
    NobodyThere(PeerId),
    /// The basic group has become a supergroup, and nothing is posted in it any more.
    #[error("the basic group `{0}` has become a supergroup")]
    Migrated(PeerId),
    /// The world has no such file.
    #[error("the world has no file `{0}`")]
    NoSuchFile(i64),
    /// The chat is no forum.
    #[error("`{0}` is no forum")]
    NoForum(PeerId),
}

/// A message to post.
#[derive(Clone, Debug, Default)]
pub struct Post {
    /// Text or caption.
    pub text: String,
    /// Who posts it; in groups a participant where none is named, in channels nobody.
    pub sender: Option<PeerId>,
    /// When; now where not given.
    pub date: Option<i32>,
    /// Mark-up of the text.
    pub entities: Vec<Entity>,
    /// What it replies to.
    pub reply: Option<Reply>,
    /// Where it is forwarded from.
    pub forward: Option<Forward>,
    /// What it carries; a file that is new to the world gets an id if it has none, and bytes derived from that.
    pub media: Option<Media>,
    /// The data centre that new files live in; the first where none, or no such one, is named.
    pub dc: Option<i32>,
    /// The album it is part of.
    pub album: Option<i64>,
    /// What it reports, for a service message.
    pub service: Option<Service>,
}

impl Post {
    /// A message of text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A message that carries something.
    #[must_use]
    pub fn media(media: Media) -> Self {
        Self { media: Some(media), ..Self::default() }
    }

    /// A file of this name, MIME type and number of bytes.
    #[must_use]
    pub fn document(name: impl Into<String>, mime: impl Into<String>, size: i64) -> Self {
        Self::media(Media::Document(Box::new(Document::new(DocumentKind::File, mime, size).named(name))))
    }

    /// A photo of these dimensions and, in its largest size, this number of bytes.
    #[must_use]
    pub fn photo(width: i32, height: i32, size: i32) -> Self {
        Self::media(Media::Photo(Photo::new(width, height, size)))
    }

    /// The same with its new files in this data centre.
    #[must_use]
    pub fn in_dc(mut self, dc: i32) -> Self {
        self.dc = Some(dc);
        self
    }

    /// The same with this text.
    #[must_use]
    pub fn captioned(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }
}

impl Simulator {
    /// Posts a message and returns its id.
    ///
    /// # Errors
    /// When there is no such peer, or it is a basic group that nobody is in any more or that became a supergroup.
    pub fn post(&self, peer: PeerId, post: Post) -> Result<i32, ScriptError> {
        let mut world = self.core.world_mut();
        let index = chat_at(&world, peer)?;
        self.core.post(&mut world, index, post)
    }

    /// Changes the text of a message.
    ///
    /// # Errors
    /// When there is no such peer or message.
    pub fn edit(&self, peer: PeerId, id: i32, text: impl Into<String>) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        let index = chat_at(&world, peer)?;
        self.core.edit(&mut world, index, id, &text.into())
    }

    /// Adds reactions to a message. As with Telegram this is pushed but takes no pts: a difference does not tell of it.
    ///
    /// # Errors
    /// When there is no such peer or message.
    pub fn react(&self, peer: PeerId, id: i32, emoji: &str, count: i32) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        let index = chat_at(&world, peer)?;
        self.core.react(&mut world, index, id, emoji, count)
    }

    /// Has a message sent as a type of a schema that nobody knows yet, or no longer, wherever it is asked for as history.
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn make_unknown(&self, peer: PeerId, id: i32, unknown: bool) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        let index = chat_at(&world, peer)?;
        make_unknown(&mut world, index, id, unknown);
        Ok(())
    }

    /// Sets how often a post was viewed and forwarded; nobody is told, as with Telegram.
    ///
    /// # Errors
    /// When there is no such peer or message.
    pub fn set_views(&self, peer: PeerId, id: i32, views: i32, forwards: i32) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        let index = chat_at(&world, peer)?;
        let set = |message: &mut Message| (message.views, message.forwards) = (views, forwards);
        delivery::change(&mut world, index, id, &set).map(drop)
    }

    /// Deletes messages; ids that are not there are skipped (idempotent). Returns how many were deleted. More than a hundred are told as
    /// several deletions, as with Telegram.
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn delete(&self, peer: PeerId, ids: &[i32]) -> Result<usize, ScriptError> {
        let mut world = self.core.world_mut();
        let index = chat_at(&world, peer)?;
        self.core.delete(&mut world, index, ids)
    }

    /// Pins a message and posts the service message that says so; returns the latter's id.
    ///
    /// # Errors
    /// When there is no such peer or message.
    pub fn pin(&self, peer: PeerId, id: i32) -> Result<i32, ScriptError> {
        let mut world = self.core.world_mut();
        let index = chat_at(&world, peer)?;
        self.core.pin(&mut world, index, id, None)
    }

    /// Creates a topic in a forum and returns its id: that of the service message that says so. A message is posted in it by
    /// replying to that, with `topic` set to it.
    ///
    /// # Errors
    /// When there is no such peer, or it is no forum.
    pub fn create_topic(&self, peer: PeerId, title: impl Into<String>) -> Result<i32, ScriptError> {
        let is_forum = self.core.world().chat(peer).ok_or(ScriptError::NoSuchPeer(peer))?.forum;
        if !is_forum {
            return Err(ScriptError::NoForum(peer));
        }
        self.post(peer, Post { service: Some(Service::TopicCreate { title: title.into() }), ..Post::default() })
    }

    /// Sets how many members a chat says it has; nobody is told, as with Telegram.
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn set_participants_count(&self, peer: PeerId, count: i32) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        let index = chat_at(&world, peer)?;
        world.change_copies(index, |chat| chat.participants_count = count);
        Ok(())
    }
}

/// The place of a chat, for scripts that name no account: of the copies of a basic group, the first that is reached by what happens, or the
/// first of all; of private chats, that of whichever account has it first.
fn chat_at(world: &World, peer: PeerId) -> Result<u32, ScriptError> {
    let found = match peer.bare() {
        BareId::User(_) => world.accounts.iter().find_map(|account| account.own_chats.get(&peer).copied()),
        BareId::Group(_) | BareId::Channel(_) => world.chat_of.get(&peer).copied(),
    };
    let first = found.ok_or(ScriptError::NoSuchPeer(peer))?;
    Ok(world.live_copies(first).first().copied().unwrap_or(first))
}

/// Has a message sent as a type that nobody knows, in every copy that has it, or no longer.
fn make_unknown(world: &mut World, index: u32, id: i32, unknown: bool) {
    for copy in world.copies(index) {
        let Some(own) = world.translate(index, id, copy) else { continue };
        let Some(chat) = world.chats.get_mut(copy as usize) else { continue };
        if unknown {
            chat.unknown.insert(own);
        } else {
            chat.unknown.remove(&own);
        }
    }
}
