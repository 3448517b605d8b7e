//! What is to be erased: which messages an operator has chosen, as plain data.

use super::{ChatId, Message, MessageId, PeerId, Timestamp};

/// Whose messages are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErasureScope {
    /// All of a peer, whichever account archived them.
    Peer(PeerId),
    /// All of several peers, ascending.
    Peers(Vec<PeerId>),
    /// Some of a chat.
    Messages {
        /// The chat.
        chat: ChatId,
        /// Their ids, ascending, each once.
        ids: Vec<MessageId>,
    },
    /// What somebody has sent, in all chats, and what others have forwarded of it.
    Sender(PeerId),
    /// All.
    Everything,
}

/// What is to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureSelection {
    /// Whose messages.
    pub scope: ErasureScope,
    /// Only those that were sent before this time.
    pub before: Option<Timestamp>,
}

impl ErasureSelection {
    /// Whether a message is meant.
    #[must_use]
    pub fn selects(&self, message: &Message) -> bool {
        let is_in_scope = match &self.scope {
            ErasureScope::Peer(peer) => message.key.peer() == *peer,
            ErasureScope::Peers(peers) => peers.binary_search(&message.key.peer()).is_ok(),
            ErasureScope::Messages { chat, ids } => message.key.chat == *chat && ids.binary_search(&message.key.id).is_ok(),
            ErasureScope::Sender(sender) => is_from(message, *sender),
            ErasureScope::Everything => true,
        };
        is_in_scope && self.before.is_none_or(|before| message.date < before)
    }

    /// The person or channel of whom nothing is to be kept, also not what is sent later.
    #[must_use]
    pub fn person(&self) -> Option<PeerId> {
        match self.scope {
            ErasureScope::Sender(sender) if self.before.is_none() => Some(sender),
            _ => None,
        }
    }
}

/// Whether a message is somebody's: sent by them, or a copy of what they have sent.
fn is_from(message: &Message, sender: PeerId) -> bool {
    message.sender == Some(sender) || message.forward.as_ref().is_some_and(|forward| forward.from == Some(sender))
}

#[cfg(test)]
mod tests {
    use super::super::{Forward, MessageKey};
    use super::*;

    const CHAT: PeerId = PeerId(-1_000_000_000_007);
    const ALICE: PeerId = PeerId(7);

    fn message(id: i32, date: i64) -> Message {
        Message::new(MessageKey::new(CHAT, MessageId(id)), Timestamp(date))
    }

    fn selection(scope: ErasureScope, before: Option<i64>) -> ErasureSelection {
        ErasureSelection { scope, before: before.map(Timestamp) }
    }

    #[test]
    fn what_somebody_sent_and_what_was_forwarded_of_it_is_theirs_and_nothing_else() {
        let of_alice = selection(ErasureScope::Sender(ALICE), None);
        let sent = Message { sender: Some(ALICE), ..message(1, 10) };
        let forward = Forward { from: Some(ALICE), ..Forward::default() };
        let forwarded = Message { sender: Some(PeerId(8)), forward: Some(forward), ..message(2, 10) };
        let other = Message { sender: Some(PeerId(8)), ..message(3, 10) };
        assert!(of_alice.selects(&sent) && of_alice.selects(&forwarded) && !of_alice.selects(&other));
        assert_eq!(of_alice.person(), Some(ALICE));
        assert_eq!(selection(ErasureScope::Sender(ALICE), Some(9)).person(), None, "of whom a part goes, the rest stays");
    }

    #[test]
    fn only_what_was_sent_before_the_time_is_meant() {
        let old = selection(ErasureScope::Peer(CHAT), Some(10));
        assert!(old.selects(&message(1, 9)) && !old.selects(&message(2, 10)));
        let some = selection(ErasureScope::Messages { chat: CHAT.into(), ids: vec![MessageId(2), MessageId(5)] }, None);
        assert!(some.selects(&message(5, 1)) && !some.selects(&message(4, 1)));
    }
}
