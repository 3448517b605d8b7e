//! Forums: the topics of a supergroup. See <https://core.telegram.org/api/forum>.

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::Call;
use crate::answer::{Answer, RpcError};
use crate::encode::{AccountView, MentionedPeers};
use crate::world::{Chat, Topic};

/// Telegram's own bound on the page size.
const PAGE_SIZE_MAX: i32 = 100;

impl Call<'_> {
    /// Topics with the newest message first, from the one named by the offset on.
    pub(super) fn get_forum_topics(&self) -> Answer {
        let request: f::messages::GetForumTopics = self.request()?;
        let world = self.core.world();
        let (_, chat) = self.chat_of(&world, &request.peer)?;
        let rank = |topic: &Topic| {
            let date = chat.history.get(topic.top_message).map_or(topic.date, |message| message.date);
            (date, topic.top_message, topic.id)
        };
        let titled = |topic: &&Topic| request.q.as_ref().is_none_or(|part| topic.title.contains(part.as_str()));
        let mut topics: Vec<&Topic> = chat.topics.iter().filter(titled).collect();
        topics.sort_by_key(|topic| std::cmp::Reverse(rank(topic)));
        let count = topics.len();
        let last = (request.offset_date, request.offset_id, request.offset_topic);
        if last != (0, 0, 0) {
            // As with dialogs, what the client does not know is above everything.
            let known = |number: i32| if number > 0 { number } else { i32::MAX };
            let last = (known(last.0), known(last.1), known(last.2));
            topics.retain(|topic| rank(topic) < last);
        }
        topics.truncate(request.limit.clamp(0, PAGE_SIZE_MAX) as usize);
        let topics = topics.into_iter().map(Ok).collect();
        topics_of(chat, topics, count, AccountView::new(&world, self.account))
    }

    pub(super) fn get_forum_topics_by_id(&self) -> Answer {
        let request: f::messages::GetForumTopicsById = self.request()?;
        let world = self.core.world();
        let (_, chat) = self.chat_of(&world, &request.peer)?;
        let topics: Vec<Result<&Topic, i32>> = request
            .topics
            .iter()
            .take(PAGE_SIZE_MAX as usize)
            .map(|id| chat.topics.iter().find(|topic| topic.id == *id).ok_or(*id))
            .collect();
        let count = topics.len();
        topics_of(chat, topics, count, AccountView::new(&world, self.account))
    }
}

/// The answer for topics, or the ids of those that are gone, with the newest message of each.
fn topics_of(chat: &Chat, topics: Vec<Result<&Topic, i32>>, count: usize, view: AccountView<'_>) -> Answer {
    if !chat.forum {
        return Err(RpcError::new(400, "CHANNEL_FORUM_MISSING"));
    }
    let mut mentioned = MentionedPeers::default();
    mentioned.add(chat.peer);
    let mut messages = Vec::new();
    for topic in topics.iter().flatten() {
        topic.creator.into_iter().for_each(|creator| mentioned.add(creator));
        if let Some(message) = chat.shown(view.account, topic.top_message) {
            mentioned.add_message(chat, message);
            messages.push(view.message(chat, message));
        }
    }
    let topic = |topic: Result<&Topic, i32>| match topic {
        Ok(topic) => view.topic(chat, topic),
        Err(id) => types::ForumTopicDeleted { id }.into(),
    };
    let answer = types::messages::ForumTopics {
        order_by_create_date: false,
        count: count as i32,
        topics: topics.into_iter().map(topic).collect(),
        messages,
        chats: mentioned.chats(view),
        users: mentioned.users(view),
        pts: chat.journal.pts(),
    };
    Ok(enums::messages::ForumTopics::Topics(answer).to_bytes())
}
