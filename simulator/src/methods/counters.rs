//! Counters: how often posts were viewed, forwarded and commented on.

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::Call;
use crate::answer::{Answer, RpcError};
use crate::encode::{AccountView, MentionedPeers, replies_of};

/// Telegram's own bound on the messages of one request.
const IDS_MAX: usize = 100;

impl Call<'_> {
    /// The counters of messages, in the order in which they are named; looking does not count as a view.
    pub(super) fn get_messages_views(&self) -> Answer {
        let request: f::messages::GetMessagesViews = self.request()?;
        let world = self.core.world();
        let (_, chat) = self.chat_of(&world, &request.peer)?;
        if request.id.len() > IDS_MAX {
            return Err(RpcError::new(400, "MSG_ID_INVALID"));
        }
        let counters = |id: &i32| {
            let message = chat.shown(self.account, *id);
            let counted = message.filter(|message| message.views >= 0);
            let replies = message.and_then(|message| message.extra.as_ref()?.replies);
            enums::MessageViews::Views(types::MessageViews {
                views: counted.map(|message| message.views),
                forwards: counted.map(|message| message.forwards),
                replies: replies.map(|replies| replies_of(chat, replies)),
            })
        };
        let view = AccountView::new(&world, self.account);
        let mut mentioned = MentionedPeers::default();
        mentioned.add(chat.peer);
        let answer = types::messages::MessageViews {
            views: request.id.iter().map(counters).collect(),
            chats: mentioned.chats(view),
            users: vec![],
        };
        Ok(enums::messages::MessageViews::Views(answer).to_bytes())
    }
}
