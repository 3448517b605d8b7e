//! Scripts: what happens while the simulator runs.
//!
//! Every event changes the world, advances the right pts, and is pushed to the connected sessions of all members. Live
//! events carry the wall clock's date.

use grammers_tl_types::{Serializable, enums, types};
use thiserror::Error;

use crate::clock;
use crate::encode::{Referenced, View};
use crate::simulator::{Core, Simulator};
use crate::world::{
    Bare, ChatKind, Entity, Event, FileEntry, FileSource, Forward, Media, Message, PeerId, Reaction, Reply, Service, Standing,
    World,
};

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

/// What is pushed after the world has changed.
enum Push {
    New(i32),
    Edited(i32),
    Deleted(Vec<i32>),
    Reacted(i32),
}

impl Simulator {
    /// Posts a message and returns its id.
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn post(&self, peer: PeerId, post: Post) -> Result<i32, ScriptError> {
        let mut guard = self.core.world_mut();
        let world = &mut *guard;
        add_file(world, post.media.as_ref());
        let index = chat_at(world, peer)?;
        let chat = world.chats.get_mut(index as usize).ok_or(ScriptError::NoSuchPeer(peer))?;
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
        chat.history.push(message);
        self.core.push(world, index, pts, &Push::New(id));
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

    /// Deletes messages; ids that are not there are passed over. Returns how many were deleted.
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn delete(&self, peer: PeerId, ids: &[i32]) -> Result<usize, ScriptError> {
        let mut guard = self.core.world_mut();
        let world = &mut *guard;
        let index = chat_at(world, peer)?;
        let chat = world.chats.get_mut(index as usize).ok_or(ScriptError::NoSuchPeer(peer))?;
        let deleted: Vec<i32> = ids.iter().copied().filter(|id| chat.history.remove(*id).is_some()).collect();
        if deleted.is_empty() {
            return Ok(0);
        }
        let event = Event::Deleted(deleted.clone());
        let pts = match chat.owner.and_then(|owner| world.accounts.get_mut(owner)) {
            Some(account) if !chat.kind.is_channel() => account.journal.record(event),
            _ => chat.journal.record(event),
        };
        let count = deleted.len();
        self.core.push(world, index, pts, &Push::Deleted(deleted));
        Ok(count)
    }

    /// Pins a message and posts the service message that says so; returns the latter's id.
    ///
    /// # Errors
    /// When there is no such peer or message.
    pub fn pin(&self, peer: PeerId, id: i32) -> Result<i32, ScriptError> {
        message_at(&mut self.core.world_mut(), peer, id)?.1.extra_mut().pinned = true;
        self.post(peer, Post { service: Some(Service::PinMessage { message: id }), ..Post::default() })
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
            self.core.push(world, index, pts, &Push::Edited(id));
        } else {
            let pts = journal.pts();
            self.core.push(world, index, pts, &Push::Reacted(id));
        }
        Ok(())
    }

    /// Signs an account out: every request is answered `401 AUTH_KEY_UNREGISTERED` until it signs in again.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn sign_out(&self, account: &str) -> Result<(), ScriptError> {
        self.with_account(account, |account| {
            account.standing = Standing::SignedOut;
            account.imported.clear();
        })
    }

    /// Signs an account in without a code.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn sign_in(&self, account: &str) -> Result<(), ScriptError> {
        self.with_account(account, |account| account.standing = Standing::SignedIn)
    }

    /// Bans an account: every request is answered `401 USER_DEACTIVATED_BAN`.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn ban(&self, account: &str) -> Result<(), ScriptError> {
        self.with_account(account, |account| account.standing = Standing::Banned)
    }

    /// Accepts the QR login that an account's client shows, which is told so at once.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn accept_login(&self, account: &str) -> Result<(), ScriptError> {
        self.with_account(account, |account| account.login_accepted = true)?;
        let told = types::UpdateShort { update: enums::Update::LoginToken, date: clock::unix_seconds() };
        let index = self.inspect(|world| world.accounts.iter().position(|a| a.name == account));
        self.core.hub.push(index.unwrap_or_default(), &enums::Updates::UpdateShort(told).to_bytes());
        Ok(())
    }

    /// Throws an account out of a peer (`CHANNEL_PRIVATE`), or lets it back in.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn forbid(&self, account: &str, peer: PeerId, forbidden: bool) -> Result<(), ScriptError> {
        self.with_account(account, |account| {
            if forbidden {
                account.forbidden.insert(peer);
            } else {
                account.forbidden.remove(&peer);
            }
        })
    }

    /// Withholds live updates from an account, or gives them again; differences tell what was missed.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn withhold_updates(&self, account: &str, withheld: bool) -> Result<(), ScriptError> {
        self.with_account(account, |account| account.muted = withheld)
    }

    /// Makes every file reference that an account was given so far expire.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn expire_file_references(&self, account: &str) -> Result<(), ScriptError> {
        self.with_account(account, |account| account.reference_epoch += 1)
    }

    fn with_account(&self, name: &str, change: impl FnOnce(&mut crate::world::Account)) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        let account = world.accounts.iter_mut().find(|account| account.name == name);
        change(account.ok_or_else(|| ScriptError::NoSuchAccount(name.into()))?);
        Ok(())
    }
}

/// The place of a peer; a private chat is found with whichever account has it.
fn chat_at(world: &World, peer: PeerId) -> Result<u32, ScriptError> {
    let found = match peer.bare() {
        Bare::User(id) => world.accounts.iter().find_map(|account| account.private.get(&id).copied()),
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

impl Core {
    /// Pushes what happened to every member that is not kept from it.
    fn push(&self, world: &World, index: u32, pts: i32, push: &Push) {
        let Some(chat) = world.chats.get(index as usize) else { return };
        for member in &chat.members {
            let receives = world.accounts.get(*member).is_some_and(|account| {
                !account.muted && account.standing == Standing::SignedIn && !account.forbidden.contains(&chat.peer)
            });
            if !receives {
                continue;
            }
            let view = View::new(world, *member);
            let mut referenced = Referenced::default();
            referenced.add(chat.peer);
            let mut message = |id: i32| {
                let message = chat.history.get(id)?;
                referenced.add_message(chat, message);
                Some(view.message(chat, message))
            };
            let channel_id = match chat.peer.bare() {
                Bare::Channel(id) => Some(id),
                _ => None,
            };
            let update: Option<enums::Update> = match push {
                Push::New(id) => message(*id).map(|message| match channel_id {
                    Some(_) => types::UpdateNewChannelMessage { message, pts, pts_count: 1 }.into(),
                    None => types::UpdateNewMessage { message, pts, pts_count: 1 }.into(),
                }),
                Push::Edited(id) => message(*id).map(|message| match channel_id {
                    Some(_) => types::UpdateEditChannelMessage { message, pts, pts_count: 1 }.into(),
                    None => types::UpdateEditMessage { message, pts, pts_count: 1 }.into(),
                }),
                Push::Deleted(ids) => {
                    let (messages, pts_count) = (ids.clone(), ids.len() as i32);
                    Some(match channel_id {
                        Some(channel_id) => types::UpdateDeleteChannelMessages { channel_id, messages, pts, pts_count }.into(),
                        None => types::UpdateDeleteMessages { messages, pts, pts_count }.into(),
                    })
                }
                Push::Reacted(id) => chat.history.get(*id).map(|message| {
                    let update = types::UpdateMessageReactions {
                        peer: chat.peer.into(),
                        msg_id: *id,
                        top_msg_id: None,
                        saved_peer_id: None,
                        reactions: View::reactions(message),
                    };
                    update.into()
                }),
            };
            let Some(update) = update else { continue };
            let updates = types::Updates {
                updates: vec![update],
                users: referenced.users(view),
                chats: referenced.chats(view),
                date: clock::unix_seconds(),
                seq: 0,
            };
            self.hub.push(*member, &enums::Updates::Updates(updates).to_bytes());
        }
    }
}
