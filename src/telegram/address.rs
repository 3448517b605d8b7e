//! How an account addresses peers: by the access hashes that Telegram gave it.

use grammers_tl_types::{enums, types};

use super::{Client, TelegramError};
use crate::model::{IdSpace, PeerId};

impl Client {
    /// A peer as this account addresses it.
    pub(super) fn input_peer(&self, peer: PeerId) -> Result<enums::InputPeer, TelegramError> {
        let unknown = || TelegramError::PeerUnavailable { name: "no access hash".to_owned() };
        let access_hash = || self.session().access_hash(peer).ok_or_else(unknown);
        Ok(match peer.kind() {
            IdSpace::User => types::InputPeerUser { user_id: peer.bare(), access_hash: access_hash()? }.into(),
            IdSpace::Chat => types::InputPeerChat { chat_id: peer.bare() }.into(),
            IdSpace::Channel => types::InputPeerChannel { channel_id: peer.bare(), access_hash: access_hash()? }.into(),
        })
    }

    /// A channel as this account addresses it.
    pub(super) fn input_channel(&self, peer: PeerId) -> Result<enums::InputChannel, TelegramError> {
        match self.input_peer(peer)? {
            enums::InputPeer::Channel(c) => {
                Ok(types::InputChannel { channel_id: c.channel_id, access_hash: c.access_hash }.into())
            }
            _ => Err(TelegramError::PeerUnavailable { name: "not a channel".to_owned() }),
        }
    }
}
