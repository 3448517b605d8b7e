//! Which peer the entry under a key is of, for views that are limited to some peers: the one table of what these see.

use crate::model::{ChatId, FileId, FileOrigin, MessageKey, PeerId, Seq, Timestamp};

use super::super::codec::{OwnedKey, Whose};
use super::{
    AccountKey, AddressKey, ArchiveIdKey, AttachedKey, DeadLetterKey, EpochsKey, ErasureNumber, FileTotalsKey, FormatKey,
    FormerOwnerKey, JobKey, JudgedByKey, MemberKey, NewestChangeKey, NewestKeptKey, OriginKey, OwnKey, PositionKey, ProbeKey,
    QueueKey, RecountedKey, UnknownUsernameKey, UpgradeKey, Username, VersionKey, WalkedKey, WatchKey, WatchesRevisionKey,
};

macro_rules! whose {
    ($($key:ty => |$of:pat_param| $whose:expr;)*) => {
        $(impl OwnedKey for $key {
            fn whose(&self) -> Whose {
                let $of = self;
                $whose
            }
        })*
    };
}

whose! {
    PeerId => |peer| Whose::Peer(*peer);
    ChatId => |chat| Whose::Peer(chat.peer());
    MessageKey => |message| Whose::Peer(message.peer());
    VersionKey => |version| Whose::Peer(version.message.peer());
    (MessageKey, Timestamp) => |(message, _)| Whose::Peer(message.peer());
    (PeerId, Timestamp) => |(peer, _)| Whose::Peer(*peer);
    NewestChangeKey => |newest| Whose::Peer(newest.0);
    MemberKey => |member| Whose::Peer(member.peer);
    FileOrigin => |origin| Whose::Peer(origin.peer());
    OriginKey => |key| Whose::Peer(key.origin.peer());
    AttachedKey => |key| Whose::Peer(key.origin.peer());
    // Which peer has it, its value says.
    Username => |_| Whose::Named;
    // One file can be in many peers' messages.
    FileId => |_| Whose::Named;
    // A change is of a peer by its value: see `View::changes_seen`.
    Seq => |_| Whose::Program;
    RecountedKey => |_| Whose::Program;
    OwnKey => |_| Whose::Program;
    AddressKey => |_| Whose::Program;
    FormatKey => |_| Whose::Program;
    ArchiveIdKey => |_| Whose::Program;
    EpochsKey => |_| Whose::Program;
    UpgradeKey => |_| Whose::Program;
    FileTotalsKey => |_| Whose::Program;
    JudgedByKey => |_| Whose::Program;
    ProbeKey => |_| Whose::Program;
    PositionKey => |_| Whose::Program;
    AccountKey => |_| Whose::Program;
    JobKey => |_| Whose::Program;
    WalkedKey => |_| Whose::Program;
    FormerOwnerKey => |_| Whose::Program;
    UnknownUsernameKey => |_| Whose::Program;
    QueueKey => |_| Whose::Program;
    ErasureNumber => |_| Whose::Program;
    DeadLetterKey => |_| Whose::Program;
    NewestKeptKey => |_| Whose::Program;
    WatchKey => |_| Whose::Program;
    WatchesRevisionKey => |_| Whose::Program;
}
