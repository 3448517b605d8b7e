//! Single peers: who we are, who has a username, what is to know about a channel, how often posts were seen, and joining.

use grammers_tl_types::{enums, functions};

use super::mentioned::{MentionedPeers, learn_mentioned};
use super::{Client, TelegramError};
use crate::model::{Counters, MessageId, Peer, PeerId};
use crate::parse;

/// The batch size for views: Telegram gives a page's worth.
pub const VIEWS_MAX: usize = 100;

/// A username's peer.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Which peer.
    pub peer: PeerId,
    /// Peers that the answer mentions.
    pub seen: MentionedPeers,
}

/// What a channel or supergroup says of itself.
#[derive(Clone, Debug)]
pub struct FullChannel {
    /// How many members it has, where Telegram tells.
    pub members: Option<i32>,
    /// Its discussion group, or the channel that it is the discussion group of.
    pub linked: Option<PeerId>,
    /// The basic group that it was.
    pub migrated_from: Option<PeerId>,
    /// The first message id that the account can see: what is before is hidden from it (hidden pre-history), or was cleared by it.
    pub visible_from: i32,
    /// Peers that the answer mentions.
    pub seen: MentionedPeers,
}

/// The outcome of joining; idempotent for a member.
#[derive(Clone, Debug)]
pub enum Joined {
    /// The account is in.
    In {
        /// Peers that the answer mentions, the joined one among them.
        seen: MentionedPeers,
    },
    /// It was in before.
    Already {
        /// The peer, where Telegram tells it.
        peer: Option<PeerId>,
    },
    /// An administrator of the peer has to agree first.
    Requested,
}

impl Client {
    /// The user that the account is.
    ///
    /// # Errors
    /// See [`TelegramError`].
    pub async fn myself(&self) -> Result<Option<Peer>, TelegramError> {
        let request = functions::users::GetUsers { id: vec![enums::InputUser::UserSelf] };
        let users = self.invoke(&request).await?;
        let peer = users.first().and_then(parse::user);
        if let Some(peer) = &peer {
            self.session().set_user_id(peer.id.bare());
        }
        if let Some(enums::User::User(user)) = users.first() {
            self.session().set_premium(user.premium);
        }
        Ok(peer)
    }

    /// The peer that has a username. Telegram rate limits this call more than any other: only for peers that no account knows.
    ///
    /// # Errors
    /// See [`TelegramError`].
    pub async fn resolve_username(&self, username: &str) -> Result<Resolved, TelegramError> {
        let request = functions::contacts::ResolveUsername { username: username.to_owned(), referer: None };
        let enums::contacts::ResolvedPeer::Peer(r) = self.invoke(&request).await?;
        let seen = learn_mentioned(self.session(), &r.users, &r.chats);
        Ok(Resolved { peer: parse::peer_id(&r.peer), seen })
    }

    /// What a channel or supergroup says of itself.
    ///
    /// # Errors
    /// See [`TelegramError`].
    pub async fn full_channel(&self, peer: PeerId) -> Result<FullChannel, TelegramError> {
        let request = functions::channels::GetFullChannel { channel: self.input_channel(peer)? };
        let enums::messages::ChatFull::Full(full) = self.invoke(&request).await?;
        let seen = learn_mentioned(self.session(), &full.users, &full.chats);
        let enums::ChatFull::ChannelFull(c) = full.full_chat else {
            return Err(TelegramError::PeerUnavailable { name: "not a channel".to_owned() });
        };
        Ok(FullChannel {
            members: c.participants_count,
            linked: c.linked_chat_id.map(PeerId::channel),
            migrated_from: c.migrated_from_chat_id.map(PeerId::chat),
            visible_from: c.available_min_id.map_or(1, |hidden| hidden.saturating_add(1)),
            seen,
        })
    }

    /// How often posts were viewed and forwarded, at most [`VIEWS_MAX`]; asking counts as no view.
    ///
    /// # Errors
    /// See [`TelegramError`].
    pub async fn views(&self, peer: PeerId, ids: &[MessageId]) -> Result<Vec<(MessageId, Counters)>, TelegramError> {
        let request = functions::messages::GetMessagesViews {
            peer: self.input_peer(peer)?,
            id: ids.iter().map(|id| id.0).collect(),
            increment: false,
        };
        let enums::messages::MessageViews::Views(answer) = self.invoke(&request).await?;
        let counters = |enums::MessageViews::Views(v): &enums::MessageViews| Counters {
            views: v.views,
            forwards: v.forwards,
            replies: v.replies.as_ref().map(|enums::MessageReplies::Replies(r)| r.replies),
            reactions: None,
        };
        // The answers come in the order of the question.
        Ok(ids.iter().copied().zip(answer.views.iter().map(counters)).collect())
    }

    /// Joins a channel or supergroup that this account can address.
    ///
    /// # Errors
    /// See [`TelegramError`].
    pub async fn join(&self, peer: PeerId) -> Result<Joined, TelegramError> {
        let request = functions::channels::JoinChannel { channel: self.input_channel(peer)? };
        self.outcome(self.invoke(&request).await, Some(peer))
    }

    /// Joins by the hash of an invite link.
    ///
    /// # Errors
    /// See [`TelegramError`].
    pub async fn join_by_invite(&self, hash: &str) -> Result<Joined, TelegramError> {
        let request = functions::messages::ImportChatInvite { hash: hash.to_owned() };
        let answer = self.invoke(&request).await;
        self.outcome(answer, None)
    }

    fn outcome(
        &self,
        answer: Result<enums::messages::ChatInviteJoinResult, TelegramError>,
        peer: Option<PeerId>,
    ) -> Result<Joined, TelegramError> {
        match answer {
            Ok(enums::messages::ChatInviteJoinResult::Ok(ok)) => Ok(Joined::In { seen: self.mentioned(&ok.updates) }),
            Ok(_) => Ok(Joined::Requested),
            Err(TelegramError::Refused { name, .. }) if name == "INVITE_REQUEST_SENT" => Ok(Joined::Requested),
            Err(TelegramError::Refused { name, .. }) if name == "USER_ALREADY_PARTICIPANT" => Ok(Joined::Already { peer }),
            Err(error) => Err(error),
        }
    }

    fn mentioned(&self, updates: &enums::Updates) -> MentionedPeers {
        match updates {
            enums::Updates::Updates(u) => learn_mentioned(self.session(), &u.users, &u.chats),
            enums::Updates::Combined(u) => learn_mentioned(self.session(), &u.users, &u.chats),
            _ => MentionedPeers::default(),
        }
    }
}
