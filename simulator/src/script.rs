//! Scripts: scripted events while the simulator runs.
//!
//! Every event changes the world, advances the right pts, and is pushed to the connected sessions of all members. Live
//! events carry the wall clock's date.

mod account_state;
mod membership;
mod push;

use thiserror::Error;

use crate::clock;
use crate::simulator::Simulator;
use crate::world::{
    BareId, ChatKind, Entity, Event, FileEntry, FileSource, Forward, Media, Message, PeerId, Reaction, Reply, Service, World,
};
use push::PushedEvent;

/// Messages that one deletion names, as with Telegram; more of them are several deletions.
const DELETED_MAX: usize = 100;

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
    /// A basic group's ids are those of its one account, so nobody else can be in it.
    #[error("`{0}` is a basic group, which only one account can be in")]
    OneAccountOnly(PeerId),
    /// Nobody is in the basic group any more, so its messages would have no ids.
    #[error("nobody is in the basic group `{0}` any more")]
    NobodyThere(PeerId),
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
    /// What it carries; a file that is new to the world gets bytes derived from its id, and lives in the first data centre.
    pub media: Option<Media>,
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
}

impl Simulator {
    /// Posts a message and returns its id.
    ///
    /// # Errors
    /// When there is no such peer, or it is a basic group that nobody is in any more.
    pub fn post(&self, peer: PeerId, post: Post) -> Result<i32, ScriptError> {
        let mut guard = self.core.world_mut();
        let world = &mut *guard;
        add_file(world, post.media.as_ref());
        let index = chat_at(world, peer)?;
        let chat = world.chats.get_mut(index as usize).ok_or(ScriptError::NoSuchPeer(peer))?;
        if chat.kind == ChatKind::Group && chat.members.is_empty() {
            return Err(ScriptError::NobodyThere(peer));
        }
        let owner = chat.owner.and_then(|owner| world.accounts.get_mut(owner));
        let (id, pts) = match owner {
            Some(account) if !chat.kind.is_channel() => {
                account.sequence.push(index);
                let id = account.sequence.len() as i32;
                (id, account.journal.record(Event::New(id)))
            }
            _ => {
                let id = chat.history.top_id() + 1;
                (id, chat.journal.record(Event::New(id)))
            }
        };
        let default_sender = || match chat.kind {
            ChatKind::Channel => None,
            ChatKind::Private => Some(chat.peer),
            _ => chat.participants.get(id as usize % chat.participants.len().max(1)).map(|user| PeerId::user(*user)),
        };
        // Dates never run backwards within a chat, whatever the clock or the script says.
        let earliest = chat.history.newest().map_or(0, |newest| newest.date);
        let date = post.date.unwrap_or_else(clock::unix_seconds).max(earliest);
        let mut message = Message::new(id, date, post.sender.or_else(default_sender), post.text);
        if chat.kind == ChatKind::Channel && post.service.is_none() {
            message.views = 1;
        }
        if !post.entities.is_empty()
            || post.reply.is_some()
            || post.forward.is_some()
            || post.media.is_some()
            || post.album.is_some()
            || post.service.is_some()
        {
            let extra = message.extra_mut();
            extra.entities = post.entities;
            extra.reply = post.reply;
            extra.forward = post.forward;
            extra.media = post.media;
            extra.album = post.album;
            extra.service = post.service;
        }
        chat.push(message);
        world.reorder_everywhere(index);
        self.core.push(world, index, pts, &PushedEvent::New(id));
        Ok(id)
    }

    /// Changes the text of a message.
    ///
    /// # Errors
    /// When there is no such peer or message.
    pub fn edit(&self, peer: PeerId, id: i32, text: impl Into<String>) -> Result<(), ScriptError> {
        self.change(peer, id, true, |message| {
            message.text = text.into().into();
            let extra = message.extra_mut();
            // Offsets into the old text mean nothing in the new one.
            extra.entities.clear();
            extra.edited = Some(clock::unix_seconds());
            extra.edit_hidden = false;
        })
    }

    /// Adds reactions to a message. As with Telegram this is pushed but takes no pts: a difference does not tell of it.
    ///
    /// # Errors
    /// When there is no such peer or message.
    pub fn react(&self, peer: PeerId, id: i32, emoji: &str, count: i32) -> Result<(), ScriptError> {
        self.change(peer, id, false, |message| {
            let reactions = &mut message.extra_mut().reactions;
            match reactions.iter_mut().find(|reaction| reaction.emoji == emoji) {
                Some(reaction) => reaction.count += count,
                None => reactions.push(Reaction { emoji: emoji.into(), count }),
            }
            reactions.retain(|reaction| reaction.count > 0);
            reactions.sort_by_key(|reaction| std::cmp::Reverse(reaction.count));
        })
    }

    /// Has a message sent as a type of a schema that nobody knows yet, or no longer, wherever it is asked for as history.
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn make_unknown(&self, peer: PeerId, id: i32, unknown: bool) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        let index = *world.chat_of.get(&peer).ok_or(ScriptError::NoSuchPeer(peer))?;
        let chat = world.chats.get_mut(index as usize).ok_or(ScriptError::NoSuchPeer(peer))?;
        if unknown {
            chat.unknown.insert(id);
        } else {
            chat.unknown.remove(&id);
        }
        Ok(())
    }

    /// Sets how often a post was viewed and forwarded; nobody is told, as with Telegram.
    ///
    /// # Errors
    /// When there is no such peer or message.
    pub fn set_views(&self, peer: PeerId, id: i32, views: i32, forwards: i32) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        let (_, message) = message_at(&mut world, peer, id)?;
        (message.views, message.forwards) = (views, forwards);
        Ok(())
    }

    /// Deletes messages; ids that are not there are skipped (idempotent). Returns how many were deleted. More than a hundred are told as
    /// several deletions, as with Telegram.
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn delete(&self, peer: PeerId, ids: &[i32]) -> Result<usize, ScriptError> {
        let mut guard = self.core.world_mut();
        let world = &mut *guard;
        let index = chat_at(world, peer)?;
        let chat = world.chats.get_mut(index as usize).ok_or(ScriptError::NoSuchPeer(peer))?;
        let deleted = chat.delete(ids);
        let (owner, is_channel) = (chat.owner, chat.kind.is_channel());
        world.reorder_everywhere(index);
        for part in deleted.chunks(DELETED_MAX) {
            let event = Event::Deleted(part.to_vec());
            let pts = match owner.and_then(|owner| world.accounts.get_mut(owner)) {
                Some(account) if !is_channel => account.journal.record(event),
                _ => world.chats.get_mut(index as usize).map_or(0, |chat| chat.journal.record(event)),
            };
            self.core.push(world, index, pts, &PushedEvent::Deleted(part.to_vec()));
        }
        Ok(deleted.len())
    }

    /// Pins a message and posts the service message that says so; returns the latter's id.
    ///
    /// # Errors
    /// When there is no such peer or message.
    pub fn pin(&self, peer: PeerId, id: i32) -> Result<i32, ScriptError> {
        {
            let mut world = self.core.world_mut();
            let index = chat_at(&world, peer)?;
            let chat = world.chats.get_mut(index as usize).ok_or(ScriptError::NoSuchPeer(peer))?;
            if !chat.history.pin(id) {
                return Err(ScriptError::NoSuchMessage { peer, id });
            }
        }
        self.post(peer, Post { service: Some(Service::PinMessage { message: id }), ..Post::default() })
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
        world.chats.get_mut(index as usize).ok_or(ScriptError::NoSuchPeer(peer))?.participants_count = count;
        Ok(())
    }

    fn change(&self, peer: PeerId, id: i32, is_edit: bool, change: impl FnOnce(&mut Message)) -> Result<(), ScriptError> {
        let mut guard = self.core.world_mut();
        let world = &mut *guard;
        let (index, message) = message_at(world, peer, id)?;
        change(message);
        let chat = world.chats.get_mut(index as usize).ok_or(ScriptError::NoSuchPeer(peer))?;
        let journal = match chat.owner.and_then(|owner| world.accounts.get_mut(owner)) {
            Some(account) if !chat.kind.is_channel() => &mut account.journal,
            _ => &mut chat.journal,
        };
        if is_edit {
            let pts = journal.record(Event::Edited(id));
            self.core.push(world, index, pts, &PushedEvent::Edited(id));
        } else {
            let pts = journal.pts();
            self.core.push(world, index, pts, &PushedEvent::Reacted(id));
        }
        Ok(())
    }
}

/// The place of a peer; a private chat is found with whichever account has it.
fn chat_at(world: &World, peer: PeerId) -> Result<u32, ScriptError> {
    let found = match peer.bare() {
        BareId::User(id) => world.accounts.iter().find_map(|account| account.private.get(&id).copied()),
        _ => world.chat_of.get(&peer).copied(),
    };
    found.ok_or(ScriptError::NoSuchPeer(peer))
}

/// Makes the file of a new photo or document downloadable.
fn add_file(world: &mut World, media: Option<&Media>) {
    let (id, size, photo) = match media {
        Some(Media::Photo(photo)) => (photo.id, i64::from(photo.size), Some((photo.width, photo.height))),
        Some(Media::Document(document)) => (document.id, document.size, None),
        _ => return,
    };
    let dc = world.data_centres.first().copied().unwrap_or(1);
    world.files.entry(id).or_insert(FileEntry { size, photo, dc, source: FileSource::Derived });
}

fn message_at(world: &mut World, peer: PeerId, id: i32) -> Result<(u32, &mut Message), ScriptError> {
    let index = chat_at(world, peer)?;
    let chat = world.chats.get_mut(index as usize).ok_or(ScriptError::NoSuchPeer(peer))?;
    chat.history.get_mut(id).map(|message| (index, message)).ok_or(ScriptError::NoSuchMessage { peer, id })
}
