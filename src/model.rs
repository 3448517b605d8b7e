//! The data model as plain data: what a peer, a message and a change *are*.
//!
//! No I/O, no serialisation, no foreign library: how a message is stored is the archive's business, how it is shown is
//! HTTP's and the dump's. Everything else in the crate may use this module; this module uses nothing.

mod button;
mod change;
mod clock;
mod entity;
mod erasure;
mod file;
mod file_name;
mod glob;
mod id;
mod link;
mod media;
mod media_kind;
mod message;
mod origin;
mod peer;
mod range;
mod service;
mod updates;
mod watch;

pub use button::{Button, ButtonKind};
pub use change::{Change, ChangeKind, Seq};
pub use clock::{Clock, FixedClock, SystemClock, Timestamp};
pub use entity::{Entity, EntityKind};
pub use erasure::{ErasureScope, ErasureSelection};
pub use file::{
    ContentHash, FileAccess, FileId, FileKind, FileOrigin, FilePlace, FileState, InvalidContentHash, InvalidFileId, Rendition,
    RenditionRole, SeenFile, StoredBytes,
};
pub use file_name::safe_file_name;
pub use glob::Glob;
pub use id::{AccountName, ChatId, IdSpace, InvalidAccountName, InvalidChatId, MessageId, MessageKey, PeerId};
pub use link::{InvalidLink, PeerLink};
pub use media::{GeoPlace, Giveaway, Media, PagePreview, Payment, Poll, PollResult, Story, TodoTask};
pub use media_kind::MediaKind;
pub use message::{Counters, Message, Reaction, Restriction};
pub use origin::{Forward, Reply};
pub use peer::{Peer, PeerKind, PeerMarks};
pub use range::{IdRange, InvalidIds, RangeSet};
pub use service::Service;
pub use updates::UpdatesState;
pub use watch::{InvalidWatchName, WatchName};
