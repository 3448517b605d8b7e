//! How the model looks as JSON: one shape for the dump, HTTP and events, described in `docs/dump.md`.
//!
//! Members come in the documented order; a member without a value, an empty list, an empty string and `false` are left out, and
//! nothing is ever `null`. A `diff` between two programs relies on that, so the snapshots below are a contract.
//!
//! It does not read the archive and does not decide what may be shown: it is given plain data and says how it looks. The views
//! own their strings, so that an answer can outlive the read that filled it.

mod media;
mod message;
mod peer;

use crate::model::{Message, Peer};

pub use media::MediaView;
pub use message::{
    ContentView, EntityView, ForwardView, MessageView, ReactionView, ReplyView, ServiceView, StoredView, VersionView,
};
pub use peer::PeerView;

/// The JSON form of a peer.
#[must_use]
pub fn peer(peer: &Peer) -> PeerView {
    peer.into()
}

/// The JSON form of a message.
#[must_use]
pub fn message(message: &Message) -> MessageView {
    message.into()
}

/// A text that has something to say.
fn said(text: Option<&String>) -> Option<String> {
    text.filter(|t| !t.is_empty()).cloned()
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests;
