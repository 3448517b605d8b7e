//! Erasing: what to erase, how that is doing, and what was erased.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::archive::{ErasedCounts, Erasure, ErasureStage};
use crate::model::ErasureScope;

/// What to erase, or to count only.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = Erase)]
pub struct EraseBody {
    /// A marked id, `@username`, or a link: all of it, or the `messages` that are named. Not together with `sender`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Message ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub messages: Vec<i32>,
    /// Whose message ids are meant, in basic groups and private chats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whose messages in all chats, named as a peer is: with what was forwarded of them and with their name, for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// Only what was sent before: RFC 3339, a date (UTC), or how long ago, such as `365d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What the rules of `archive.retention` would erase now; nothing else is named then, and it is only counted.
    #[serde(default)]
    #[schema(required = false)]
    pub retention: bool,
    /// Whether it is to be erased; without, it is only counted.
    #[serde(default)]
    #[schema(required = false)]
    pub confirmed: bool,
}

/// A request to erase that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = EraseStart)]
pub struct EraseStartView {
    /// The number under which `/v1/erasures/{run}` tells how it is doing; counted since the program started.
    pub run: u64,
}

/// How much was erased, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = ErasedCounts)]
pub struct ErasedCountsView {
    /// Messages.
    pub messages: u64,
    /// Their versions, the newest ones included.
    pub versions: u64,
    /// Stored files that nothing else refers to.
    pub files: u64,
    /// Bytes of these.
    pub bytes: u64,
}

/// An erasure that was ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Erasure)]
pub struct ErasureView {
    /// Its number in this archive.
    pub number: u32,
    /// What names it in every copy of the archive; of a rule of `archive.retention` `rule/` and its name.
    pub id: String,
    /// `peer`, `peers`, `messages`, `sender` or `everything`.
    pub scope: Cow<'static, str>,
    /// The peer, or the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<i64>,
    /// The peers, where there are several: of a rule of `archive.retention`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub peers: Vec<i64>,
    /// The messages that were named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub messages: Vec<i32>,
    /// Whose message ids are meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Only what was sent before this time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// When it was ordered (RFC 3339).
    pub ordered_at: String,
    /// `erasing` (messages), `cleaning` (what is left of them on the disk), or `erased`.
    pub state: Cow<'static, str>,
    /// What was erased so far.
    pub erased: ErasedCountsView,
    /// When nothing was left (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
}

/// How a request to erase is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = EraseRun)]
pub struct EraseRunView {
    /// Its number.
    pub run: u64,
    /// `waiting`, `counted`, `ordered` (see `erasure`), or `failed`.
    pub state: Cow<'static, str>,
    /// What would be erased, where it was only to be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<ErasedCountsView>,
    /// The erasure that was ordered, as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<ErasureView>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A page of the erasures that were ordered, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Erasures)]
pub struct ErasuresPage {
    /// They.
    pub erasures: Vec<ErasureView>,
    /// Value of `after` for the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u32>,
}

impl EraseRunView {
    /// It was counted.
    pub const COUNTED: &'static str = "counted";
    /// It was ordered.
    pub const ORDERED: &'static str = "ordered";
    /// It failed.
    pub const FAILED: &'static str = "failed";
    /// It waits for its turn.
    pub const WAITING: &'static str = "waiting";
}

impl ErasureView {
    /// Nothing is left.
    pub const ERASED: &'static str = "erased";
}

impl From<ErasedCounts> for ErasedCountsView {
    fn from(counts: ErasedCounts) -> Self {
        let ErasedCounts { messages, versions, files, bytes } = counts;
        Self { messages, versions, files, bytes }
    }
}

impl From<&Erasure> for ErasureView {
    fn from(erasure: &Erasure) -> Self {
        let (scope, peer, messages, account) = match &erasure.selection.scope {
            ErasureScope::Peer(peer) => ("peer", Some(peer.0), Vec::new(), None),
            ErasureScope::Messages { chat, ids } => {
                let account = chat.account().map(|account| account.to_string());
                ("messages", Some(chat.peer().0), ids.iter().map(|id| id.0).collect(), account)
            }
            ErasureScope::Sender(sender) => ("sender", Some(sender.0), Vec::new(), None),
            ErasureScope::Everything => ("everything", None, Vec::new(), None),
            ErasureScope::Peers(_) => ("peers", None, Vec::new(), None),
        };
        let peers = match &erasure.selection.scope {
            ErasureScope::Peers(peers) => peers.iter().map(|peer| peer.0).collect(),
            _ => Vec::new(),
        };
        let state = match erasure.stage {
            ErasureStage::Messages => "erasing",
            ErasureStage::Traces => "cleaning",
            ErasureStage::Ended => Self::ERASED,
        };
        Self {
            number: erasure.number.0,
            id: erasure.id.clone(),
            scope: scope.into(),
            peer,
            peers,
            messages,
            account,
            before: erasure.selection.before.map(|at| at.to_string()),
            ordered_at: erasure.ordered_at.to_string(),
            state: state.into(),
            erased: erasure.counts.into(),
            ended_at: erasure.ended_at.map(|at| at.to_string()),
        }
    }
}
