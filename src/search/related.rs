//! The messages that belong to another one: its replies, its thread, its copies elsewhere. Found by their terms, also those marked deleted.

use std::sync::Arc;
use std::time::Duration;

use tantivy::Term;
use tantivy::query::{BooleanQuery, Query as Asked, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};

use super::collect::{Found, Limits, TopHits};
use super::compile::Compiled;
use super::conjunction::Conjunction;
use super::deadline::Deadline;
use super::order::SortOrder;
use super::request::{PAGE_SIZE_MAX, Total};
use super::schema::{source, topic};
use super::span::TimeSpan;
use super::{Index, SearchError};
use crate::model::{ChatId, Message, MessageId, MessageKey, PeerId, Reply, Timestamp};

/// How messages of a chat belong to another message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// They reply to this one. Newest first.
    RepliesTo(MessageId),
    /// They reply to this one, or are in the thread or topic of which it is the root. Newest first.
    ThreadOf(MessageId),
    /// They were forwarded from this peer, and sent at this time or later. Oldest first.
    ForwardedFrom(PeerId, Timestamp),
}

impl Relation {
    /// Whether a message, in the form that the archive has now, belongs.
    #[must_use]
    pub fn is_of(self, message: &Message) -> bool {
        let here = |reply: &&Reply| reply.peer.is_none_or(|peer| peer == message.key.peer());
        let reply = message.reply.as_ref().filter(here).and_then(|reply| reply.id);
        match self {
            Self::RepliesTo(id) => reply == Some(id),
            Self::ThreadOf(id) => message.key.id != id && (reply == Some(id) || topic(message) == id),
            Self::ForwardedFrom(peer, since) => message.forward.as_ref().and_then(source) == Some(peer) && message.date >= since,
        }
    }
}

/// Which messages of a chat are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelatedRequest {
    /// Where they were posted.
    pub chat: ChatId,
    /// How they belong to another message.
    pub relation: Relation,
    /// How many, from 1 to [`PAGE_SIZE_MAX`]; what lies outside is brought inside.
    pub count: usize,
    /// How long it may take.
    pub time_limit: Duration,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelatedPage {
    /// In order. The archive may know a newer form of one, and that may belong to another message.
    pub keys: Vec<MessageKey>,
    /// How many there are, also of those that are not listed.
    pub total: Total,
}

impl Index {
    /// Finds the messages that belong to another one. Blocks: call it where blocking is allowed.
    ///
    /// # Errors
    /// When the time is up, or the index fails.
    pub fn related(&self, request: &RelatedRequest) -> Result<RelatedPage, SearchError> {
        self.caught(|| self.find_related(request))
    }

    fn find_related(&self, request: &RelatedRequest) -> Result<RelatedPage, SearchError> {
        let (segments, deadline) = (self.segments(), Deadline::after(request.time_limit));
        let (fields, chat) = (self.fields(), request.chat);
        let number = |field: Field, number: i64| term(Term::from_field_i64(field, number));
        let (sort, belongs): (_, Vec<Box<dyn Asked>>) = match request.relation {
            Relation::RepliesTo(id) => (SortOrder::Newest, vec![number(fields.reply, id.0.into())]),
            Relation::ThreadOf(id) => {
                let any = [fields.reply, fields.topic].map(|field| number(field, id.0.into()));
                (SortOrder::Newest, vec![Box::new(BooleanQuery::union(any.into()))])
            }
            Relation::ForwardedFrom(source, since) => {
                let span = TimeSpan { not_before: since.0, before: i64::MAX, segments: Arc::clone(&segments) };
                (SortOrder::Oldest, vec![number(fields.source, source.0), Box::new(span)])
            }
        };
        let mut required = vec![number(fields.peer, chat.peer().0)];
        required.extend(chat.account().map(|account| term(Term::from_field_text(fields.account, account.as_str()))));
        required.extend(belongs);
        let asked = Compiled { query: Box::new(Conjunction::of(required, &deadline)), words: None };
        let count = request.count.clamp(1, PAGE_SIZE_MAX);
        let top_hits = TopHits {
            segments: &segments,
            sort,
            count,
            after: None,
            deadline: Arc::clone(&deadline),
            limits: Limits::default(),
            check: None,
        };
        let found = top_hits.find(&asked, segments.searcher()).map_err(|e| self.failed(&e))?;
        if deadline.is_missed() {
            return Err(SearchError::Deadline { limit: request.time_limit });
        }
        let Found { sort_keys, counted: total } = found;
        Ok(RelatedPage { keys: sort_keys.iter().filter_map(|sort_key| sort_key.message_key(sort)).collect(), total })
    }
}

fn term(term: Term) -> Box<dyn Asked> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}
