//! Delivery: what happens in a chat, in every copy that is reached by it.
//!
//! An event names a chat by the place of one copy, and messages by the ids of that copy. Every other copy has it under its own ids and
//! its own pts, and its owner's connections are told so. What a copy lacks, because its owner came later, does not happen there.

use super::files::new_file_id;
use super::push::PushedEvent;
use super::{Post, ScriptError};
use crate::clock;
use crate::core::Core;
use crate::world::{Chat, ChatKind, Event, Media, Message, PeerId, Reaction, Service, World};

/// Messages that one deletion names, as with Telegram; more of them are several deletions.
const DELETED_MAX: usize = 100;

impl Core {
    /// Posts a message and returns its id in the named copy.
    pub(crate) fn post(&self, world: &mut World, index: u32, mut post: Post) -> Result<i32, ScriptError> {
        let chat = world.chats.get(index as usize).ok_or(ScriptError::NoSuchPeer(PeerId::from_marked(0)))?;
        let is_last = matches!(post.service, Some(Service::ChatMigrateTo { .. }));
        if chat.migrated_to.is_some() && !is_last {
            return Err(ScriptError::Migrated(chat.peer));
        }
        world.open_other_side(index);
        let copies = reached(world, index)?;
        add_files(world, &mut post);
        let message = compose(world, index, post)?;
        let (number, mut named) = (world.next_number(index), 0);
        for copy in copies {
            let own = world.translated(&message, index, copy);
            let (id, pts) = world.append(copy, own, number);
            self.push(world, copy, pts, &PushedEvent::New(id));
            if copy == index {
                named = id;
            }
        }
        Ok(named)
    }

    /// Changes the text of a message.
    pub(super) fn edit(&self, world: &mut World, index: u32, id: i32, text: &str) -> Result<(), ScriptError> {
        let now = clock::unix_seconds();
        let changed = change(world, index, id, &|message| {
            message.text = text.into();
            let extra = message.extra_mut();
            // Offsets into the old text mean nothing in the new one.
            extra.entities.clear();
            extra.edited = Some(now);
            extra.edit_hidden = false;
        })?;
        for (copy, id) in changed {
            let pts = world.journal_mut(copy).map_or(0, |journal| journal.record(Event::Edited(id)));
            self.push(world, copy, pts, &PushedEvent::Edited(id));
        }
        Ok(())
    }

    /// Adds reactions to a message.
    pub(super) fn react(&self, world: &mut World, index: u32, id: i32, emoji: &str, count: i32) -> Result<(), ScriptError> {
        let changed = change(world, index, id, &|message| {
            let reactions = &mut message.extra_mut().reactions;
            match reactions.iter_mut().find(|reaction| reaction.emoji == emoji) {
                Some(reaction) => reaction.count += count,
                None => reactions.push(Reaction { emoji: emoji.into(), count }),
            }
            reactions.retain(|reaction| reaction.count > 0);
            reactions.sort_by_key(|reaction| std::cmp::Reverse(reaction.count));
        })?;
        for (copy, id) in changed {
            let pts = world.journal_mut(copy).map_or(0, |journal| journal.pts());
            self.push(world, copy, pts, &PushedEvent::Reacted(id));
        }
        Ok(())
    }

    /// Deletes messages and returns how many were deleted in the named copy.
    pub(super) fn delete(&self, world: &mut World, index: u32, ids: &[i32]) -> Result<usize, ScriptError> {
        let mut named = 0;
        for copy in reached(world, index)? {
            let own: Vec<i32> = ids.iter().filter_map(|id| world.translate(index, *id, copy)).collect();
            let deleted = world.chats.get_mut(copy as usize).map(|chat| chat.delete(&own)).unwrap_or_default();
            world.reorder_everywhere(copy);
            for part in deleted.chunks(DELETED_MAX) {
                let event = Event::Deleted(part.to_vec());
                let pts = world.journal_mut(copy).map_or(0, |journal| journal.record(event));
                self.push(world, copy, pts, &PushedEvent::Deleted(part.to_vec()));
            }
            if copy == index {
                named = deleted.len();
            }
        }
        Ok(named)
    }

    /// Pins a message and posts the service message that says so; returns the latter's id in the named copy.
    pub(super) fn pin(&self, world: &mut World, index: u32, id: i32, by: Option<PeerId>) -> Result<i32, ScriptError> {
        message_at(world, index, id)?;
        for copy in reached(world, index)? {
            let own = world.translate(index, id, copy);
            if let (Some(own), Some(chat)) = (own, world.chats.get_mut(copy as usize)) {
                chat.history.pin(own);
            }
        }
        let service = Some(Service::PinMessage { message: id });
        self.post(world, index, Post { service, sender: by, ..Post::default() })
    }
}

/// Changes a message in every copy that has it; returns these, each with the id that it has there.
pub(super) fn change(
    world: &mut World,
    index: u32,
    id: i32,
    change: &dyn Fn(&mut Message),
) -> Result<Vec<(u32, i32)>, ScriptError> {
    message_at(world, index, id)?;
    let mut changed = Vec::new();
    for copy in reached(world, index)? {
        let Some(own) = world.translate(index, id, copy) else { continue };
        if let Some(message) = world.chats.get_mut(copy as usize).and_then(|chat| chat.history.get_mut(own)) {
            change(message);
            changed.push((copy, own));
        }
    }
    Ok(changed)
}

/// The copies that are reached, the named one among them.
fn reached(world: &World, index: u32) -> Result<Vec<u32>, ScriptError> {
    let copies = world.live_copies(index);
    let peer = world.chats.get(index as usize).map_or(PeerId::from_marked(0), |chat| chat.peer);
    if copies.contains(&index) { Ok(copies) } else { Err(ScriptError::NobodyThere(peer)) }
}

fn message_at(world: &World, index: u32, id: i32) -> Result<(), ScriptError> {
    let Some(chat) = world.chats.get(index as usize) else { return Err(ScriptError::NoSuchPeer(PeerId::from_marked(0))) };
    chat.history.get(id).map(drop).ok_or(ScriptError::NoSuchMessage { peer: chat.peer, id })
}

/// The message of a post, as it is in the named copy but for its id.
fn compose(world: &World, index: u32, post: Post) -> Result<Message, ScriptError> {
    let chat = world.chats.get(index as usize).ok_or(ScriptError::NoSuchPeer(PeerId::from_marked(0)))?;
    let default_sender = || match chat.kind {
        ChatKind::Channel => None,
        ChatKind::Private => Some(chat.peer),
        _ => {
            let at = world.next_id(index) as usize % chat.participants.len().max(1);
            chat.participants.get(at).map(|user| PeerId::user(*user))
        }
    };
    // Dates never run backwards within a chat, whatever the clock or the script says.
    let newest = |copy: u32| world.chats.get(copy as usize).and_then(|chat: &Chat| chat.history.newest());
    let earliest = world.copies(index).into_iter().filter_map(newest).map(|newest| newest.date).max().unwrap_or(0);
    let date = post.date.unwrap_or_else(clock::unix_seconds).max(earliest);
    let mut message = Message::new(0, date, post.sender.or_else(default_sender), post.text);
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
    Ok(message)
}

/// Gives the new files of a message their ids, and makes them downloadable.
fn add_files(world: &mut World, post: &mut Post) {
    let dc = post.dc.filter(|dc| world.data_centres.contains(dc)).or_else(|| world.data_centres.first().copied()).unwrap_or(1);
    match &mut post.media {
        Some(Media::Photo(photo)) => {
            photo.id = named(world, photo.id);
            if world.real_media && !world.files.contains_key(&photo.id) {
                photo.make_room();
            }
            world.files.entry(photo.id).or_insert_with(|| photo.file(dc));
        }
        Some(Media::Document(document)) => {
            document.id = named(world, document.id);
            world.files.entry(document.id).or_insert_with(|| document.file(dc));
        }
        _ => {}
    }
}

/// The id of a file: a new one for a file that has none.
fn named(world: &World, id: i64) -> i64 {
    if id == 0 { new_file_id(world) } else { id }
}
