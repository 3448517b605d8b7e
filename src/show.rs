//! JSON views of the model (serialisation): one shape for the dump, HTTP and events, described in `docs/dump.md`.
//!
//! Members come in the documented order; a member without a value, an empty list, an empty string and `false` are left out, and
//! nothing is ever `null`. A `diff` between two programs relies on that (canonical form), so the snapshots of `tests/it/show.rs` are a
//! contract.
//!
//! It does not read the archive and does not decide what may be shown: it is given plain data and says how it looks. The views
//! own their strings, so that an answer can outlive the read that filled it.

mod button;
mod detail;
mod media;
mod message;
mod origin;
mod peer;
mod service;

use crate::model::{Message, MessageId, Peer, PeerId, Timestamp};

pub use button::ButtonView;
pub use detail::{GiveawayView, PageView, PaymentView, PlaceView, PollResultView, PollView, StoryView, TaskView};
pub use media::MediaView;
pub use message::{ContentView, MessageView, ReactionView, RestrictionView, StoredView, VersionView};
pub use origin::{EntityView, ForwardView, ReplyView, SavedFromView};
pub use peer::PeerView;
pub use service::ServiceView;

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

/// A text that is not empty.
fn non_empty(text: Option<&String>) -> Option<String> {
    text.filter(|t| !t.is_empty()).cloned()
}

fn time(at: Timestamp) -> String {
    at.to_string()
}

fn marked(peer: Option<PeerId>) -> Option<i64> {
    peer.map(|p| p.0)
}

fn number(id: Option<MessageId>) -> Option<i32> {
    id.map(|i| i.0)
}

fn is_false(value: &bool) -> bool {
    !value
}
