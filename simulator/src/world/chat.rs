//! Chats: groups, supergroups, channels and private chats.

use std::collections::{HashMap, HashSet};

use super::{DialogSortKey, History, Journal, Message, PeerId, Service, Topic};

/// The topic of a forum that is there from the start.
pub(crate) const GENERAL_TOPIC: i32 = 1;

/// What kind of chat it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatKind {
    /// A private chat of one account with a user; part of the truth only where asked for.
    Private,
    /// A basic group as one of its accounts has it: the message ids belong to that one's sequence.
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
    /// Its id; the other user's for a private chat. All copies of a basic group share theirs.
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
    /// The account whose copy it is, and whose sequence numbers its messages, for basic groups and private chats.
    pub owner: Option<usize>,
    /// The accounts that are in it, in all copies of a basic group the same.
    pub members: Vec<usize>,
    /// Users that write in it.
    pub participants: Vec<i64>,
    /// How many members it says it has.
    pub participants_count: i32,
    /// The supergroup that it became, if it did.
    pub migrated_to: Option<PeerId>,
    /// The basic group that it was, if it was one.
    pub migrated_from: Option<PeerId>,
    /// Its messages.
    pub history: History,
    /// What happened in it: the channel's pts. Unused where the owner's sequence counts.
    pub journal: Journal,
    /// Of the ids of a copy, the number that the same message has in all of them, both ascending; see [`World::copies`](super::World).
    pub(crate) numbers: Vec<(i32, u32)>,
    /// The hash of its invite link.
    pub invite: Option<String>,
    pub(crate) invites_revoked: u64,
    /// Whether who follows the link must be let in by an administrator.
    pub join_request: bool,
    /// The accounts that asked to be let in.
    pub requested: Vec<usize>,
    /// The discussion group of a channel, or the channel whose posts a supergroup discusses.
    pub linked: Option<PeerId>,
    /// Whether what was said before they joined is hidden from new members.
    pub hidden_prehistory: bool,
    /// The lowest message id that is shown to an account, where not all are.
    pub(crate) first_shown: HashMap<usize, i32>,
    /// Messages that are sent as a type of a schema that nobody knows yet.
    pub(crate) unknown: HashSet<i32>,
    /// Whether it is divided into topics.
    pub forum: bool,
    /// The topics of a forum, ascending by id.
    pub topics: Vec<Topic>,
}

impl Chat {
    /// A chat that nobody is in, without a message.
    pub(crate) fn new(peer: PeerId, kind: ChatKind, title: String) -> Self {
        Self {
            peer,
            kind,
            title,
            username: None,
            about: String::new(),
            date: 0,
            owner: None,
            members: Vec::new(),
            participants: Vec::new(),
            participants_count: 0,
            migrated_to: None,
            migrated_from: None,
            history: History::default(),
            journal: Journal::default(),
            numbers: Vec::new(),
            invite: None,
            invites_revoked: 0,
            join_request: false,
            requested: Vec::new(),
            linked: None,
            hidden_prehistory: false,
            first_shown: HashMap::new(),
            unknown: HashSet::new(),
            forum: false,
            topics: Vec::new(),
        }
    }

    /// The group in which a channel's posts are commented on. Where none is linked, the comments of a generated channel still
    /// need one: without it they would be malformed.
    pub(crate) fn discussion(&self) -> Option<PeerId> {
        (self.kind == ChatKind::Channel).then(|| self.linked.unwrap_or(PeerId::channel(777)))
    }

    /// The lowest message id that is shown to an account.
    pub(crate) fn first_shown(&self, account: usize) -> i32 {
        self.first_shown.get(&account).copied().unwrap_or(1)
    }

    /// A message, if it is shown to an account.
    pub(crate) fn shown(&self, account: usize, id: i32) -> Option<&Message> {
        self.history.get(id).filter(|message| message.id >= self.first_shown(account))
    }

    /// The newest message, if it is shown to an account.
    pub(crate) fn newest_shown(&self, account: usize) -> Option<&Message> {
        self.history.newest().filter(|message| message.id >= self.first_shown(account))
    }

    /// The sort key of dialogs: the date and id of the newest message, then the peer, to make it total.
    pub(crate) fn sort_key(&self) -> DialogSortKey {
        let newest = self.history.newest();
        (newest.map_or(self.date, |message| message.date), newest.map_or(0, |message| message.id), self.peer)
    }

    /// Makes a forum of it, with the topic that every forum has.
    pub(crate) fn make_forum(&mut self) {
        self.forum = true;
        self.topics.push(Topic { id: GENERAL_TOPIC, title: "General".into(), date: self.date, creator: None, top_message: 0 });
    }

    /// The topic of a message of a forum.
    pub(crate) fn topic_of(message: &Message) -> i32 {
        match message.service() {
            Some(Service::TopicCreate { .. }) => message.id,
            _ => message.extra.as_ref().and_then(|extra| extra.reply.as_ref()?.topic).unwrap_or(GENERAL_TOPIC),
        }
    }

    /// Adds a message, and in a forum takes it into its topic.
    pub(crate) fn push(&mut self, message: Message) {
        if self.forum {
            Self::note_topic(&mut self.topics, &message);
        }
        self.history.push(message);
    }

    /// The accounts that are told what happens here: its members, or whose copy it is.
    pub(crate) fn audience(&self) -> &[usize] {
        let Some(owner) = self.owner else { return &self.members };
        let at = self.members.iter().position(|member| *member == owner);
        at.and_then(|at| self.members.get(at..=at)).unwrap_or_default()
    }

    /// Gives a chat the history that was made for it, and in a forum the topics that are in it.
    pub(crate) fn adopt(&mut self, history: History) {
        if self.forum {
            history.messages().iter().for_each(|message| Self::note_topic(&mut self.topics, message));
        }
        if self.kind == ChatKind::Group {
            self.numbers = history.messages().iter().map(|message| message.id).zip(0..).collect();
        }
        self.journal = Journal::starting_at(history.top_id());
        self.history = history;
    }

    fn note_topic(topics: &mut Vec<Topic>, message: &Message) {
        let id = Self::topic_of(message);
        if let Some(Service::TopicCreate { title }) = message.service() {
            let (title, creator) = (title.clone(), message.sender);
            topics.push(Topic { id, title, date: message.date, creator, top_message: id });
        } else if let Ok(at) = topics.binary_search_by_key(&id, |topic| topic.id)
            && let Some(topic) = topics.get_mut(at)
        {
            topic.top_message = message.id;
        }
    }

    /// Deletes messages and returns those that were there. A topic goes with the message that created it.
    pub(crate) fn delete(&mut self, ids: &[i32]) -> Vec<i32> {
        let deleted = self.history.remove_all(ids);
        let history = &self.history;
        self.topics.retain(|topic| topic.id == GENERAL_TOPIC || history.get(topic.id).is_some());
        for topic in &mut self.topics {
            if topic.top_message > 0 && history.get(topic.top_message).is_none() {
                let newest = history.messages().iter().rev().find(|message| Self::topic_of(message) == topic.id);
                topic.top_message = newest.map_or(0, |message| message.id);
            }
        }
        deleted
    }
}
