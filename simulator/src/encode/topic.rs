//! Topics of a forum.

use grammers_tl_types::{enums, types};

use super::{AccountView, notify_settings};
use crate::world::{Chat, PeerId, Topic};

/// One of the six colours that Telegram gives to topics.
pub(super) const TOPIC_ICON_COLOR: i32 = 0x006f_b9f0;

impl AccountView<'_> {
    /// A topic, read to its end.
    pub(crate) fn topic(&self, chat: &Chat, topic: &Topic) -> enums::ForumTopic {
        let creator = topic.creator.unwrap_or(PeerId::user(self.own_id()));
        enums::ForumTopic::Topic(types::ForumTopic {
            my: creator == PeerId::user(self.own_id()),
            closed: false,
            pinned: false,
            short: false,
            hidden: false,
            title_missing: false,
            id: topic.id,
            date: topic.date,
            peer: chat.peer.into(),
            title: topic.title.clone(),
            icon_color: TOPIC_ICON_COLOR,
            icon_emoji_id: None,
            top_message: topic.top_message,
            read_inbox_max_id: topic.top_message,
            read_outbox_max_id: topic.top_message,
            unread_count: 0,
            unread_mentions_count: 0,
            unread_reactions_count: 0,
            unread_poll_votes_count: 0,
            from_id: creator.into(),
            notify_settings: notify_settings(),
            draft: None,
        })
    }
}
