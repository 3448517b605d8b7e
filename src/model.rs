//! The words of the house as plain data: what a peer, a message and a change *are*.
//!
//! No I/O, no serialisation, no foreign library: how a message is stored is the archive's business, how it is shown is
//! HTTP's and the dump's. Everything else in the crate may use this module; this module uses nothing.

mod change;
mod clock;
mod id;
mod media;
mod message;
mod peer;
mod range;

pub use change::{Change, ChangeKind, Seq};
pub use clock::{Clock, FixedClock, SystemClock, Timestamp};
pub use id::{AccountName, InvalidAccountName, MessageId, MessageKey, PeerId, PeerKindOfId};
pub use media::{Media, MediaKind};
pub use message::{Counters, Entity, EntityKind, Forward, Message, Reaction, Reply, Service};
pub use peer::{Peer, PeerKind};
pub use range::{IdRange, RangeSet};
