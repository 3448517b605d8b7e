//! Copies: basic groups and private chats as each account has them.
//!
//! Message ids of basic groups and private chats are each account's own, from the one sequence of its common message box
//! (<https://core.telegram.org/api/updates#message-related-event-sequences>). So a basic group is a [`Chat`] for every account that is
//! or was in it, all with the same peer, and a private chat between two accounts is one of each with the other's user. What a group *is*
//! (title, members) is the same in all its copies; what was said in it is under each owner's ids. Messages of different copies are told
//! to be the same by their number ([`Chat::number_of`]).
//!
//! A copy is *live* while what happens reaches it: its owner is in the group, not banned, and the chat is not forbidden to it. One that is
//! not stays as it is.

use super::{AccountState, BareId, Chat, ChatKind, Event, Journal, Message, PeerId, Service, World};

impl World {
    /// Every copy of a chat, the named one among them, the one that was there first at the front; channels have only themselves.
    pub(crate) fn copies(&self, index: u32) -> Vec<u32> {
        let Some(chat) = self.chats.get(index as usize) else { return Vec::new() };
        match chat.kind {
            ChatKind::Group => self.copies_of_group.get(&chat.peer).cloned().unwrap_or_default(),
            ChatKind::Private => {
                let other = self.other_side(chat).and_then(|(account, owner)| self.chat_index(account, owner));
                [index].into_iter().chain(other).collect()
            }
            ChatKind::Supergroup | ChatKind::Channel => vec![index],
        }
    }

    /// The copies that are reached by what happens.
    pub(crate) fn live_copies(&self, index: u32) -> Vec<u32> {
        let mut copies = self.copies(index);
        copies.retain(|copy| self.is_live(*copy));
        copies
    }

    /// Whether a copy is reached by what happens; channels always are.
    pub(crate) fn is_live(&self, index: u32) -> bool {
        let Some(chat) = self.chats.get(index as usize) else { return false };
        let Some(owner) = chat.owner else { return true };
        chat.members.contains(&owner)
            && self.accounts.get(owner).is_some_and(|of| of.state != AccountState::Banned && !of.forbidden.contains(&chat.peer))
    }

    /// In a private chat of two accounts: the other account, and the user that its owner is to that one.
    fn other_side(&self, chat: &Chat) -> Option<(usize, PeerId)> {
        let owner = PeerId::user(self.accounts.get(chat.owner?)?.user_id);
        let BareId::User(user) = chat.peer.bare() else { return None };
        let other = self.accounts.iter().position(|account| account.user_id == user)?;
        (chat.peer != owner).then_some((other, owner))
    }

    /// Changes every copy of a chat.
    pub(crate) fn change_copies(&mut self, index: u32, mut change: impl FnMut(&mut Chat)) {
        for copy in self.copies(index) {
            self.chats.get_mut(copy as usize).into_iter().for_each(&mut change);
        }
    }

    /// The id that a message of one copy has in another, where it is there.
    pub(crate) fn translate(&self, from: u32, id: i32, to: u32) -> Option<i32> {
        if from == to {
            return Some(id);
        }
        let number = self.chats.get(from as usize)?.number_of(id)?;
        self.chats.get(to as usize)?.id_of(number)
    }

    /// A message of one copy as it is in another, but for its id: what it names are ids of the other.
    pub(crate) fn translated(&self, message: &Message, from: u32, to: u32) -> Message {
        let mut message = message.clone();
        message.name_ids_by(|id| self.translate(from, id, to));
        message
    }

    /// The journal that counts what happens in a chat: its own, or its owner's.
    pub(crate) fn journal_mut(&mut self, index: u32) -> Option<&mut Journal> {
        let chat = self.chats.get_mut(index as usize)?;
        match chat.owner {
            Some(owner) => self.accounts.get_mut(owner).map(|account| &mut account.journal),
            None => Some(&mut chat.journal),
        }
    }

    /// The id that the next message of a chat gets.
    pub(crate) fn next_id(&self, index: u32) -> i32 {
        let Some(chat) = self.chats.get(index as usize) else { return 1 };
        match chat.owner.and_then(|owner| self.accounts.get(owner)) {
            Some(account) => account.sequence.len() as i32 + 1,
            None => chat.history.top_id() + 1,
        }
    }

    /// The number that the next message of a chat gets, in all its copies.
    pub(crate) fn next_number(&self, index: u32) -> u32 {
        let copies = self.copies(index).into_iter().filter_map(|copy| self.chats.get(copy as usize));
        copies.map(Chat::next_number).max().unwrap_or(0)
    }

    /// Adds a message to one copy of a chat; returns the id that it gets there and the pts after it.
    pub(crate) fn append(&mut self, index: u32, mut message: Message, number: u32) -> (i32, i32) {
        message.id = self.next_id(index);
        let id = message.id;
        if let Some(chat) = self.chats.get_mut(index as usize) {
            if let Some(account) = chat.owner.and_then(|owner| self.accounts.get_mut(owner)) {
                account.sequence.push(index);
                chat.numbers.push((id, number));
            }
            chat.push(message);
        }
        let pts = self.journal_mut(index).map_or(0, |journal| journal.record(Event::New(id)));
        self.reorder_everywhere(index);
        (id, pts)
    }

    /// A private chat of an account, opened where there is none yet; nothing where there is no such user.
    pub(crate) fn open_private(&mut self, account: usize, user: PeerId) -> Option<u32> {
        let BareId::User(id) = user.bare() else { return None };
        self.user(id)?;
        if let Some(index) = self.chat_index(account, user) {
            return Some(index);
        }
        let own = self.accounts.get(account)?.user_id;
        let mut participants = vec![own, id];
        participants.dedup();
        let chat = Chat {
            owner: Some(account),
            members: vec![account],
            participants_count: participants.len() as i32,
            participants,
            ..Chat::new(user, ChatKind::Private, String::new())
        };
        Some(self.add_own_chat(account, chat))
    }

    /// Opens the other account's side of a private chat of two accounts.
    pub(crate) fn open_other_side(&mut self, index: u32) {
        let chat = self.chats.get(index as usize).filter(|chat| chat.kind == ChatKind::Private);
        if let Some((account, owner)) = chat.and_then(|chat| self.other_side(chat)) {
            self.open_private(account, owner);
        }
    }

    /// The copy that an account has of a basic group; an empty one where it was never in it.
    pub(super) fn copy_for(&mut self, account: usize, group: u32) -> Option<u32> {
        let chat = self.chats.get(group as usize)?;
        if let Some(index) = self.chat_index(account, chat.peer) {
            return Some(index);
        }
        let copy = chat.copy_for(account);
        let peer = copy.peer;
        let index = self.add_own_chat(account, copy);
        self.copies_of_group.entry(peer).or_default().push(index);
        Some(index)
    }

    fn add_own_chat(&mut self, account: usize, chat: Chat) -> u32 {
        let index = self.chats.len() as u32;
        if let Some(account) = self.accounts.get_mut(account) {
            account.own_chats.insert(chat.peer, index);
            // The highest index of all: the dialogs stay in order.
            account.dialogs.push(index);
        }
        self.chats.push(chat);
        index
    }

    /// Gives a copy what it lacks of a group's newest messages, so many at most, under new ids; returns them with the pts after each.
    pub(crate) fn forward_newest(&mut self, copy: u32, limit: usize) -> Vec<(i32, i32)> {
        let others = self.copies(copy).into_iter().filter(|other| *other != copy);
        let fullest = others.max_by_key(|other| {
            self.chats.get(*other as usize).map(|chat| (self.is_live(*other), chat.next_number(), chat.history.len()))
        });
        let (Some(from), Some(own)) = (fullest, self.chats.get(copy as usize)) else { return Vec::new() };
        let Some(chat) = self.chats.get(from as usize) else { return Vec::new() };
        let newest = chat.history.messages().iter().rev().take(limit);
        let numbered = newest.filter_map(|message| Some((chat.number_of(message.id)?, message.clone())));
        let mut lacking: Vec<(u32, Message)> = numbered.take_while(|(number, _)| *number >= own.next_number()).collect();
        lacking.reverse();
        let mut forwarded = Vec::new();
        for (number, message) in lacking {
            let message = self.translated(&message, from, copy);
            forwarded.push(self.append(copy, message, number));
        }
        forwarded
    }
}

impl Chat {
    /// A basic group as an account has it that has just come to it: without a message.
    pub(crate) fn copy_for(&self, account: usize) -> Self {
        Self {
            username: self.username.clone(),
            about: self.about.clone(),
            date: self.date,
            owner: Some(account),
            members: self.members.clone(),
            participants: self.participants.clone(),
            participants_count: self.participants_count,
            migrated_to: self.migrated_to,
            ..Self::new(self.peer, self.kind, self.title.clone())
        }
    }

    /// What a message is numbered by in all copies of the chat.
    pub(crate) fn number_of(&self, id: i32) -> Option<u32> {
        self.numbers.binary_search_by_key(&id, |(id, _)| *id).ok().and_then(|at| self.numbers.get(at)).map(|(_, number)| *number)
    }

    /// The id that a message has in this copy.
    pub(crate) fn id_of(&self, number: u32) -> Option<i32> {
        let at = self.numbers.binary_search_by_key(&number, |(_, number)| *number).ok()?;
        self.numbers.get(at).map(|(id, _)| *id)
    }

    /// The number after all that this copy has.
    pub(crate) fn next_number(&self) -> u32 {
        self.numbers.last().map_or(0, |(_, number)| number + 1)
    }
}

impl Message {
    /// Names the messages that this one speaks of by other ids. A reply to what is not there is none, and a pinned message that is not
    /// there has no id.
    pub(crate) fn name_ids_by(&mut self, id_of: impl Fn(i32) -> Option<i32>) {
        let Some(extra) = &mut self.extra else { return };
        extra.reply = extra.reply.take().and_then(|mut reply| {
            reply.id = id_of(reply.id)?;
            reply.topic = reply.topic.and_then(&id_of);
            Some(reply)
        });
        if let Some(Service::PinMessage { message }) = &mut extra.service {
            *message = id_of(*message).unwrap_or(0);
        }
    }
}
