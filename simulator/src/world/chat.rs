//! Chats: groups, supergroups, channels and private chats, with their histories.

use super::{Journal, Message, PeerId};

/// What kind of chat it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatKind {
    /// A private chat of one account with a user; never part of the truth.
    Private,
    /// A basic group: its message ids belong to its owner's sequence.
    Group,
    /// A supergroup.
    Supergroup,
    /// A broadcast channel.
    Channel,
}

impl ChatKind {
    /// The name used in the dump.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "user",
            Self::Group => "group",
            Self::Supergroup => "supergroup",
            Self::Channel => "channel",
        }
    }

    /// Whether ids and pts are the chat's own, and not its owner's.
    #[must_use]
    pub fn is_channel(self) -> bool {
        matches!(self, Self::Supergroup | Self::Channel)
    }
}

/// A chat.
#[derive(Debug)]
pub struct Chat {
    /// Its id; the other user's for a private chat.
    pub peer: PeerId,
    /// What kind of chat it is.
    pub kind: ChatKind,
    /// Its title.
    pub title: String,
    /// Its username without `@`.
    pub username: Option<String>,
    /// Its description.
    pub about: String,
    /// When it was created.
    pub date: i32,
    /// The account whose sequence numbers its messages, for basic groups and private chats.
    pub owner: Option<usize>,
    /// The accounts that have it in their dialogs.
    pub members: Vec<usize>,
    /// Users that write in it.
    pub participants: Vec<i64>,
    /// How many members it says it has.
    pub participants_count: i32,
    /// The supergroup that it became, if it did.
    pub migrated_to: Option<PeerId>,
    /// Its messages.
    pub history: History,
    /// What happened in it: the channel's pts. Unused where the owner's sequence counts.
    pub journal: Journal,
}

impl Chat {
    /// The group in which a channel's posts are commented on. It is not simulated, but comments without one would be malformed.
    pub(crate) fn discussion(&self) -> Option<PeerId> {
        (self.kind == ChatKind::Channel).then(|| PeerId::channel(777))
    }
}

/// Messages in ascending order of id.
#[derive(Debug, Default)]
pub struct History {
    messages: Vec<Message>,
    /// The highest id that was ever given, deleted or not.
    top_id: i32,
}

impl History {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { messages: Vec::with_capacity(capacity), top_id: 0 }
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// All messages, ascending by id.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The highest id ever given.
    #[must_use]
    pub fn top_id(&self) -> i32 {
        self.top_id
    }

    pub(crate) fn raise_top_id(&mut self, id: i32) {
        self.top_id = self.top_id.max(id);
    }

    /// The newest message that is still there.
    #[must_use]
    pub fn newest(&self) -> Option<&Message> {
        self.messages.last()
    }

    /// The message of an id.
    #[must_use]
    pub fn get(&self, id: i32) -> Option<&Message> {
        self.position(id).and_then(|at| self.messages.get(at))
    }

    pub(crate) fn get_mut(&mut self, id: i32) -> Option<&mut Message> {
        self.position(id).and_then(|at| self.messages.get_mut(at))
    }

    /// Adds a message whose id is above every id given before.
    pub(crate) fn push(&mut self, message: Message) {
        debug_assert!(message.id > self.top_id, "message ids only grow");
        self.top_id = message.id;
        self.messages.push(message);
    }

    pub(crate) fn remove(&mut self, id: i32) -> Option<Message> {
        self.position(id).map(|at| self.messages.remove(at))
    }

    /// How many messages have an id below this one.
    #[must_use]
    pub fn count_below(&self, id: i32) -> usize {
        self.messages.partition_point(|message| message.id < id)
    }

    /// How many messages are older than this date.
    #[must_use]
    pub fn count_before(&self, date: i32) -> usize {
        self.messages.partition_point(|message| message.date < date)
    }

    fn position(&self, id: i32) -> Option<usize> {
        self.messages.binary_search_by_key(&id, |message| message.id).ok()
    }
}
