//! `/v1/peers/{peer}/messages/{message}/context`: a message with what is around it, read from one snapshot.
//!
//! Replies and comments are found by the index. Where that cannot answer they are said to be unavailable, and the rest is as it would be.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use utoipa::IntoParams;

use crate::archive::{Order, Snapshot, StoredMessage};
use crate::model::{AccountName, ChatId, MessageId, MessageKey, Peer, PeerId, Timestamp};
use crate::search::{RelatedPage, RelatedRequest, Relation, Total, topic_of};
use crate::show::{self, PeerView, StoredView};
use crate::views::{DiscussionView, MessageContextView, RelatedView};

use super::context::Context;
use super::ingress::Ingress;
use super::mentions::{describe, mention};
use super::messages::stored;
use super::paging::PageBudget;
use super::path::{ACCOUNT, MessagePath};
use super::problem::Problem;
use super::query::{FromQuery, Query, Values};
use super::search::{refused, total_view};
use super::surroundings::{ReplyChain, TOO_FAR, album, missing, neighbours};

/// Default number of messages before, and of messages after.
const AROUND: usize = 5;
/// The most messages before, and after: what is further away is history.
const AROUND_MAX: usize = 50;
/// Default number of replies, and of comments.
const REPLIES: usize = 20;
/// The most replies, and comments; the others are found by searching.
const REPLIES_MAX: usize = 100;
/// The share of the request timeout that each of three questions to the index may take.
const TIME_SHARE: f32 = 0.3;
/// How many of the first messages in a group that were forwarded from a channel since a post may be its copy: the group has it within
/// seconds, but for what others forward meanwhile.
const COPIES_MAX: usize = 100;
/// How many seconds before a post its copy may be dated: none, but for what clocks say.
const COPY_EARLIER_MAX: i64 = 60;

/// How much context.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct GetContextParams {
    /// Whose message id is meant, in basic groups and private chats; needed where several accounts archived the peer.
    #[param(value_type = Option<String>)]
    account: Option<AccountName>,
    /// How many messages before it, at most 50; 5 by default. In a forum, of the same topic.
    #[param(value_type = Option<usize>, maximum = 50)]
    before: usize,
    /// How many messages after it, at most 50; 5 by default.
    #[param(value_type = Option<usize>, maximum = 50)]
    after: usize,
    /// How many replies to it, and how many comments on it, at most 100; 20 by default. With 0 neither is looked for.
    #[param(value_type = Option<usize>, maximum = 100)]
    replies: usize,
}

impl FromQuery for GetContextParams {
    const NAMES: &'static [&'static str] = &["account", "before", "after", "replies"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        let number = |name: &str, default: usize, max: usize| match values.parsed(name, &format!("a number up to {max}"))? {
            Some(number) if number > max => Err(Problem::bad_parameter(format!("`{name}` must be at most {max}, not {number}"))),
            number => Ok(number.unwrap_or(default)),
        };
        Ok(Self {
            account: values.parsed("account", ACCOUNT)?,
            before: number("before", AROUND, AROUND_MAX)?,
            after: number("after", AROUND, AROUND_MAX)?,
            replies: number("replies", REPLIES, REPLIES_MAX)?,
        })
    }
}

/// Returns one message in its context.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/messages/{message}/context", operation_id = "getMessageContext", tag = "archive", params(MessagePath, GetContextParams),
    responses(
        (status = 200, body = MessageContextView),
        (status = 410, description = "The message was erased."),
    ),
)]
pub(super) async fn of_message(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<GetContextParams>,
    path: MessagePath,
) -> Result<Json<MessageContextView>, Problem> {
    let asks_index = params.replies > 0;
    let answer = move |context: &Context| answer(context, &ingress, &path, &params);
    if asks_index { context.search(answer).await.map(Json) } else { context.read(answer).await.map(Json) }
}

fn answer(
    context: &Context,
    ingress: &Ingress,
    path: &MessagePath,
    params: &GetContextParams,
) -> Result<MessageContextView, Problem> {
    let archive = context.archive.flushed();
    let message = stored(&archive, path.key(&archive, params.account)?)?;
    let (view, key) = (archive.view(), message.message.key);
    let topic = path.peer.marks.forum.then(|| topic_of(&message.message));
    let (album, chain) = (album(view, &message)?, ReplyChain::of(view, &message)?);
    let before = neighbours(view, key, topic, Order::NewestFirst, params.before)?;
    let after = neighbours(view, key, topic, Order::OldestFirst, params.after)?;
    let below = Below { context, archive: &archive, count: params.replies };
    let mut replies = (params.replies > 0).then(|| below.related(key.chat, Relation::RepliesTo(key.id))).transpose()?;
    let mut discussion = if params.replies > 0 { below.discussion(&message, &album)? } else { None };

    let mut page = ContextPage::new(&archive, PageBudget::of_bytes(ingress), &path.peer);
    let shown = page.first(&message)?;
    let mut sections = [
        Section::new("chain", chain.messages),
        Section::new("album", album),
        Section::new("before", before),
        Section::new("after", after),
        Section::new("replies", replies.as_mut().map(Related::take).unwrap_or_default()),
        Section::new("comments", discussion.as_mut().map(|found| found.comments.take()).unwrap_or_default()),
    ];
    page.fill(&mut sections)?;
    let shortened = sections.iter().filter(|section| section.first_left_out.is_some());
    let shortened = shortened.map(|section| section.name.to_owned()).collect();
    let [above, album, before, after, below, comments] = sections;
    let chain_missing = above.first_left_out.map_or(chain.missing, |key| Some(missing(key, TOO_FAR)));
    Ok(MessageContextView {
        peer: show::peer(&path.peer),
        message: shown,
        topic: topic.map(|topic| topic.0),
        before: before.farthest_first(),
        after: after.shown,
        chain: above.farthest_first(),
        chain_missing,
        album: album.shown,
        replies: replies.map(|related| related.view(below.farthest_first())),
        discussion: discussion.map(|found| found.view(comments.farthest_first())),
        peers: page.peers,
        shortened,
    })
}

/// What is below a message: who finds it.
struct Below<'a> {
    context: &'a Context,
    archive: &'a Snapshot,
    count: usize,
}

/// Messages that belong to another one.
struct Related {
    /// The newest first.
    messages: Vec<StoredMessage>,
    total: Option<Total>,
    unavailable: Option<String>,
}

struct Discussion {
    group: PeerId,
    post: Option<MessageId>,
    comments: Related,
}

impl Below<'_> {
    /// The messages that the index finds, as the archive has them; of those only the ones that still belong.
    fn related(&self, chat: ChatId, relation: Relation) -> Result<Related, Problem> {
        let count = if matches!(relation, Relation::ForwardedFrom(..)) { COPIES_MAX } else { self.count };
        let time_limit = self.context.settings.request_timeout.mul_f32(TIME_SHARE);
        match self.context.index.related(&RelatedRequest { chat, relation, count, time_limit }) {
            Ok(RelatedPage { keys, total }) => {
                let messages = self.archive.view().messages_by_key(&keys)?.into_iter().flatten();
                let messages = messages.filter(|stored| relation.is_of(&stored.message)).collect();
                Ok(Related { messages, total: Some(total), unavailable: None })
            }
            Err(error) => Ok(Related::unavailable(refused(error, time_limit).detail)),
        }
    }

    /// The discussion of a post; of an album, the one that any of its messages has.
    fn discussion(&self, message: &StoredMessage, album: &[StoredMessage]) -> Result<Option<Discussion>, Problem> {
        let of = |stored: &&StoredMessage| stored.message.comments.is_some();
        let Some(post) = Some(message).filter(of).or_else(|| album.iter().find(of)) else { return Ok(None) };
        let (Some(group), key) = (post.message.comments, post.message.key) else { return Ok(None) };
        let since = Timestamp(post.message.date.0.saturating_sub(COPY_EARLIER_MAX));
        let copies = self.related(group.into(), Relation::ForwardedFrom(key.peer(), since))?;
        let is_copy = |copy: &&StoredMessage| {
            copy.message.forward.as_ref().and_then(|forward| forward.saved_from) == Some((key.peer(), key.id))
        };
        let Some(copy) = copies.messages.iter().find(is_copy).map(|copy| copy.message.key.id) else {
            let none = || "the group's copy of the post is not archived, or not indexed yet".to_owned();
            let comments = Related::unavailable(copies.unavailable.unwrap_or_else(none));
            return Ok(Some(Discussion { group, post: None, comments }));
        };
        let comments = self.related(group.into(), Relation::ThreadOf(copy))?;
        Ok(Some(Discussion { group, post: Some(copy), comments }))
    }
}

impl Related {
    fn unavailable(why: String) -> Self {
        Self { messages: Vec::new(), total: None, unavailable: Some(why) }
    }

    fn take(&mut self) -> Vec<StoredMessage> {
        std::mem::take(&mut self.messages)
    }

    fn view(self, messages: Vec<StoredView>) -> RelatedView {
        RelatedView { messages, total: self.total.map(total_view), unavailable: self.unavailable }
    }
}

impl Discussion {
    fn view(self, comments: Vec<StoredView>) -> DiscussionView {
        let Self { group, post, comments: related } = self;
        DiscussionView { group: group.0, post: post.map(|id| id.0), comments: related.view(comments) }
    }
}

/// A part of the response, of which the most important messages come first.
struct Section {
    name: &'static str,
    left: VecDeque<StoredMessage>,
    shown: Vec<StoredView>,
    first_left_out: Option<MessageKey>,
}

impl Section {
    fn new(name: &'static str, messages: Vec<StoredMessage>) -> Self {
        Self { name, left: messages.into(), shown: Vec::new(), first_left_out: None }
    }

    fn farthest_first(mut self) -> Vec<StoredView> {
        self.shown.reverse();
        self.shown
    }
}

/// A response that is filled within its byte limit, with each peer that it mentions described once.
struct ContextPage<'a> {
    archive: &'a Snapshot,
    budget: PageBudget,
    described: BTreeSet<PeerId>,
    peers: Vec<PeerView>,
}

impl<'a> ContextPage<'a> {
    fn new(archive: &'a Snapshot, budget: PageBudget, peer: &Peer) -> Self {
        Self { archive, budget, described: BTreeSet::from([peer.id]), peers: Vec::new() }
    }

    /// The message that was asked for, which always fits.
    fn first(&mut self, stored: &StoredMessage) -> Result<StoredView, Problem> {
        let (view, peers) = self.viewed(stored)?;
        self.budget.takes(&(&view, &peers));
        self.describe(peers);
        Ok(view)
    }

    /// Takes from each section in turn, so that a long one does not leave the others without room. A section ends with its first message
    /// that does not fit.
    fn fill(&mut self, sections: &mut [Section]) -> Result<(), Problem> {
        while sections.iter().any(|section| !section.left.is_empty()) {
            for section in &mut *sections {
                let Some(stored) = section.left.pop_front() else { continue };
                let (view, peers) = self.viewed(&stored)?;
                if self.budget.takes(&(&view, &peers)) {
                    self.describe(peers);
                    section.shown.push(view);
                } else {
                    section.first_left_out = Some(stored.message.key);
                    section.left.clear();
                }
            }
        }
        Ok(())
    }

    fn describe(&mut self, peers: Vec<PeerView>) {
        self.described.extend(peers.iter().map(|peer| PeerId(peer.id)));
        self.peers.extend(peers);
    }

    /// A message as it is shown, and the peers that it is the first to mention.
    fn viewed(&self, stored: &StoredMessage) -> Result<(StoredView, Vec<PeerView>), Problem> {
        let view = StoredView::new(stored, &[]);
        let mut mentioned = BTreeSet::from([stored.message.key.peer()]);
        mention(&view.message.content, &mut mentioned);
        mentioned.extend(stored.message.comments);
        let new = mentioned.difference(&self.described).copied().collect();
        Ok((view, describe(self.archive, &new)?))
    }
}
