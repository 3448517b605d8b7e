//! Reading again where a file was seen, for a file reference that has not run out.

use grammers_tl_types::{enums, functions, types};

use super::super::mentioned::learn_mentioned;
use super::super::{Client, TelegramError, method};
use crate::model::{FileOrigin, IdSpace, MessageKey, PeerId};
use crate::parse;

/// What was read where a file was seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Refetched {
    /// The message.
    Message(Box<enums::Message>),
    /// The user whose profile photo it was.
    User(Box<enums::User>),
    /// The group or channel whose profile photo it was.
    Chat(Box<enums::Chat>),
}

impl Client {
    /// The method that [`Client::refetch`] calls, for which its caller has a lease.
    #[must_use]
    pub fn refetch_method(origin: FileOrigin) -> &'static str {
        match origin {
            FileOrigin::Message(key) if key.peer().kind() == IdSpace::Channel => method::CHANNEL_MESSAGES,
            FileOrigin::Message(_) => method::MESSAGES,
            FileOrigin::Avatar(peer) => match peer.kind() {
                IdSpace::User => method::USERS,
                IdSpace::Chat => method::CHATS,
                IdSpace::Channel => method::CHANNELS,
            },
        }
    }

    /// Reads again where a file was seen, in one request; `None` where nothing is there any more.
    ///
    /// # Errors
    /// See [`TelegramError`]; [`TelegramError::PeerUnavailable`] for what only another account can read.
    pub async fn refetch(&self, origin: FileOrigin) -> Result<Option<Refetched>, TelegramError> {
        match origin {
            FileOrigin::Message(key) => Ok(self.message(key).await?.map(|message| Refetched::Message(Box::new(message)))),
            FileOrigin::Avatar(peer) if peer.kind() == IdSpace::User => {
                let users = self.invoke(&functions::users::GetUsers { id: vec![self.input_user(peer)?] }).await?;
                learn_mentioned(self.session(), &users, &[]);
                let user = users.into_iter().find(|user| parse::user(user).is_some_and(|user| user.id == peer));
                Ok(user.map(|user| Refetched::User(Box::new(user))))
            }
            FileOrigin::Avatar(peer) => {
                let chats = if peer.kind() == IdSpace::Channel {
                    self.invoke(&functions::channels::GetChannels { id: vec![self.input_channel(peer)?] }).await?
                } else {
                    self.invoke(&functions::messages::GetChats { id: vec![peer.bare()] }).await?
                };
                let chats = match chats {
                    enums::messages::Chats::Chats(c) => c.chats,
                    enums::messages::Chats::Slice(c) => c.chats,
                };
                learn_mentioned(self.session(), &[], &chats);
                let chat = chats.into_iter().find(|chat| parse::chat(chat).is_some_and(|chat| chat.id == peer));
                Ok(chat.map(|chat| Refetched::Chat(Box::new(chat))))
            }
        }
    }

    /// One message by its id.
    async fn message(&self, key: MessageKey) -> Result<Option<enums::Message>, TelegramError> {
        // Outside channels an id is of the account that counts it, and another message to others.
        if key.chat.account().is_some_and(|account| account != *self.session().name()) {
            return Err(TelegramError::PeerUnavailable { name: "another account's message".to_owned() });
        }
        let id = vec![types::InputMessageId { id: key.id.0 }.into()];
        let answer = if key.peer().kind() == IdSpace::Channel {
            let channel = self.input_channel(key.peer())?;
            self.invoke(&functions::channels::GetMessages { channel, id }).await?
        } else {
            self.invoke(&functions::messages::GetMessages { id }).await?
        };
        let (messages, users, chats) = match answer {
            enums::messages::Messages::Messages(m) => (m.messages, m.users, m.chats),
            enums::messages::Messages::Slice(m) => (m.messages, m.users, m.chats),
            enums::messages::Messages::ChannelMessages(m) => (m.messages, m.users, m.chats),
            enums::messages::Messages::NotModified(_) => {
                return Err(TelegramError::Transient { why: "message not modified".to_owned() });
            }
        };
        learn_mentioned(self.session(), &users, &chats);
        Ok(messages.into_iter().find(|message| match message {
            enums::Message::Empty(_) => false,
            enums::Message::Message(m) => m.id == key.id.0 && parse::peer_id(&m.peer_id) == key.peer(),
            enums::Message::Service(m) => m.id == key.id.0 && parse::peer_id(&m.peer_id) == key.peer(),
        }))
    }

    /// A user as this account addresses it.
    fn input_user(&self, peer: PeerId) -> Result<enums::InputUser, TelegramError> {
        if self.session().user_id() == Some(peer.bare()) {
            return Ok(enums::InputUser::UserSelf);
        }
        match self.input_peer(peer)? {
            enums::InputPeer::User(u) => Ok(types::InputUser { user_id: u.user_id, access_hash: u.access_hash }.into()),
            _ => Err(TelegramError::PeerUnavailable { name: "not a user".to_owned() }),
        }
    }
}
