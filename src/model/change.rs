//! A change: one entry of the archive's change log (append-only; change data capture), which every reader (search, publish, ...) follows
//! with a position of its own, its checkpoint.

use std::fmt;

use super::{FileId, FileOrigin, MessageKey, PeerId, Timestamp};

/// The sequence number of a change: gapless, from 1, in commit order. Position 0 is before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// The number after this one; the last number there is, after itself (a caller may ask for what follows on any number).
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A message was archived for the first time.
    MessageNew {
        /// The message.
        key: MessageKey,
    },
    /// A message's content changed; the earlier version is kept.
    MessageEdited {
        /// The message.
        key: MessageKey,
        /// The number of the new version; the first is 0.
        version: u32,
    },
    /// A message was deleted in Telegram; the archive marks it.
    MessageDeleted {
        /// The message.
        key: MessageKey,
    },
    /// A message was erased: nothing of it is left but that it was there.
    MessageErased {
        /// The message.
        key: MessageKey,
    },
    /// A peer was seen for the first time, or its title, username or kind changed.
    PeerChanged {
        /// The peer.
        peer: PeerId,
    },
    /// The first account that sees a peer has come: its dialogs hold it.
    PeerJoined {
        /// The peer.
        peer: PeerId,
    },
    /// The last account that saw a peer has left it, or was thrown out.
    PeerLeft {
        /// The peer.
        peer: PeerId,
    },
    /// A file was stored.
    MediaStored {
        /// The file.
        file: FileId,
        /// Where it was seen, or one of the places.
        origin: FileOrigin,
    },
    /// A file could not be downloaded, and is not tried again unless it is seen anew or asked for.
    MediaFailed {
        /// The file.
        file: FileId,
        /// Where it was seen, or one of the places.
        origin: FileOrigin,
    },
}

impl ChangeKind {
    /// The peer that the change is about; changes of one peer are delivered in order.
    #[must_use]
    pub fn peer(&self) -> PeerId {
        match *self {
            Self::MessageNew { key }
            | Self::MessageEdited { key, .. }
            | Self::MessageDeleted { key }
            | Self::MessageErased { key } => key.peer(),
            Self::PeerChanged { peer } | Self::PeerJoined { peer } | Self::PeerLeft { peer } => peer,
            Self::MediaStored { origin, .. } | Self::MediaFailed { origin, .. } => origin.peer(),
        }
    }

    /// The message that the change is about, if it is about one.
    #[must_use]
    pub fn message(&self) -> Option<MessageKey> {
        match *self {
            Self::MessageNew { key }
            | Self::MessageEdited { key, .. }
            | Self::MessageDeleted { key }
            | Self::MessageErased { key } => Some(key),
            Self::PeerChanged { .. } | Self::PeerJoined { .. } | Self::PeerLeft { .. } => None,
            Self::MediaStored { .. } | Self::MediaFailed { .. } => None,
        }
    }

    /// The message and the number of the form of it that the change brought, if it brought one.
    #[must_use]
    pub fn form(&self) -> Option<(MessageKey, u32)> {
        match *self {
            Self::MessageNew { key } => Some((key, 0)),
            Self::MessageEdited { key, version } => Some((key, version)),
            _ => None,
        }
    }

    /// The file that the change is about, and where it was seen, if it is about one.
    #[must_use]
    pub fn file(&self) -> Option<(FileId, FileOrigin)> {
        match *self {
            Self::MediaStored { file, origin } | Self::MediaFailed { file, origin } => Some((file, origin)),
            _ => None,
        }
    }

    /// The same of another message.
    #[must_use]
    pub fn of_message(self, key: MessageKey) -> Self {
        match self {
            Self::MessageNew { .. } => Self::MessageNew { key },
            Self::MessageEdited { version, .. } => Self::MessageEdited { key, version },
            Self::MessageDeleted { .. } => Self::MessageDeleted { key },
            Self::MessageErased { .. } => Self::MessageErased { key },
            Self::PeerChanged { .. } | Self::PeerJoined { .. } | Self::PeerLeft { .. } => self,
            Self::MediaStored { .. } | Self::MediaFailed { .. } => self,
        }
    }

    /// The names of all kinds.
    pub const NAMES: [&str; 9] = [
        "message.new",
        "message.edited",
        "message.deleted",
        "message.erased",
        "peer.changed",
        "peer.joined",
        "peer.left",
        "media.stored",
        "media.failed",
    ];

    /// The dotted name that events and the command line use.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MessageNew { .. } => "message.new",
            Self::MessageEdited { .. } => "message.edited",
            Self::MessageDeleted { .. } => "message.deleted",
            Self::MessageErased { .. } => "message.erased",
            Self::PeerChanged { .. } => "peer.changed",
            Self::PeerJoined { .. } => "peer.joined",
            Self::PeerLeft { .. } => "peer.left",
            Self::MediaStored { .. } => "media.stored",
            Self::MediaFailed { .. } => "media.failed",
        }
    }
}

/// One entry of the change log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number.
    pub seq: Seq,
    /// When it was archived.
    pub at: Timestamp,
    /// What happened.
    pub kind: ChangeKind,
    /// The number of its peer's change before it, so that who follows a peer sees what it has missed; `None` where there is none, or none is known.
    pub previous: Option<Seq>,
}
