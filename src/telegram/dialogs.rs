//! Dialogs: an account's list of peers, its folders, and the newest of single peers.

use std::collections::BTreeSet;

use grammers_tl_types::{enums, functions, types};

use super::mentioned::{MentionedPeers, learn_mentioned};
use super::{Client, TelegramError};
use crate::model::{IdSpace, MessageId, PeerId};
use crate::parse;

/// The page size of the list of dialogs: what Telegram gives at most.
pub const DIALOGS_SIZE: i32 = 100;

/// Peers whose newest message may be asked for in one batch: the same bound, which Telegram documents for neither.
pub const PEER_DIALOGS_MAX: usize = 100;

/// The pagination offset in the list of dialogs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offset {
    date: i32,
    id: i32,
    peer: PeerId,
}

/// A dialog, as far as the crawl needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialogTop {
    /// Which peer.
    pub peer: PeerId,
    /// Its newest message.
    pub top: MessageId,
    /// A channel's state.
    pub pts: Option<i32>,
    /// When that was posted, where Telegram tells.
    pub date: Option<i32>,
    /// Whether it is pinned, and so not in the order of dates.
    pub pinned: bool,
}

/// A page of the list of dialogs.
#[derive(Clone, Debug, PartialEq)]
pub struct DialogPage {
    /// Dialogs, most recent first.
    pub tops: Vec<DialogTop>,
    /// The offset of the next page; `None` at the end.
    pub next: Option<Offset>,
    /// Peers that the page mentions.
    pub seen: MentionedPeers,
}

/// A folder of an account: Telegram's "dialog filter".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// What it is called.
    pub title: String,
    /// Peers that are in it by name.
    pub include: Vec<PeerId>,
    /// Peers that are not in it, whatever else it says.
    pub exclude: Vec<PeerId>,
    /// Whether every basic group and supergroup is in it.
    pub groups: bool,
    /// Whether every broadcast channel is in it.
    pub channels: bool,
}

impl Client {
    /// A page of the list of dialogs, so many at most.
    ///
    /// # Errors
    /// See [`TelegramError`]; so do all calls below.
    pub async fn dialogs(&self, from: Option<&Offset>, most: i32) -> Result<DialogPage, TelegramError> {
        let offset_peer = from.map(|o| self.input_peer(o.peer)).transpose()?.unwrap_or(enums::InputPeer::Empty);
        let request = functions::messages::GetDialogs {
            exclude_pinned: false,
            folder_id: None,
            offset_date: from.map_or(0, |o| o.date),
            offset_id: from.map_or(0, |o| o.id),
            offset_peer,
            limit: most,
            hash: 0,
        };
        let (dialogs, messages, users, chats, whole) = match self.invoke(&request).await? {
            enums::messages::Dialogs::Dialogs(d) => (d.dialogs, d.messages, d.users, d.chats, true),
            enums::messages::Dialogs::Slice(d) => (d.dialogs, d.messages, d.users, d.chats, false),
            enums::messages::Dialogs::NotModified(_) => (Vec::new(), Vec::new(), Vec::new(), Vec::new(), true),
        };
        let seen = learn_mentioned(self.session(), &users, &chats);
        let dates: Vec<(PeerId, i32, i32)> = messages.iter().filter_map(place).collect();
        let tops = tops_of(&dialogs, &dates);
        self.learn_users(&tops, &users);
        // Pagination: the next page starts after the last dialog whose message, and so whose date, is known.
        let next = tops.iter().rev().find_map(|top| {
            let (peer, id, date) = *dates.iter().find(|(peer, id, _)| (*peer, *id) == (top.peer, top.top.0))?;
            self.input_peer(peer).is_ok().then_some(Offset { date, id, peer })
        });
        let next = next.filter(|next| !whole && Some(next) != from);
        Ok(DialogPage { tops, next, seen })
    }

    /// The newest message and state of single peers, at most [`PEER_DIALOGS_MAX`].
    ///
    /// # Errors
    /// See [`TelegramError`]; one peer that the account cannot read fails all.
    pub async fn peer_dialogs(&self, peers: &[PeerId]) -> Result<DialogPage, TelegramError> {
        let input = |peer: &PeerId| Ok(types::InputDialogPeer { peer: self.input_peer(*peer)? }.into());
        let peers = peers.iter().map(input).collect::<Result<Vec<enums::InputDialogPeer>, TelegramError>>()?;
        let enums::messages::PeerDialogs::Dialogs(d) = self.invoke(&functions::messages::GetPeerDialogs { peers }).await?;
        let seen = learn_mentioned(self.session(), &d.users, &d.chats);
        let dates: Vec<(PeerId, i32, i32)> = d.messages.iter().filter_map(place).collect();
        let tops = tops_of(&d.dialogs, &dates);
        self.learn_users(&tops, &d.users);
        Ok(DialogPage { tops, next: None, seen })
    }

    /// Learns the hashes of users that the account has a dialog with: a page may be all private chats, and the next one starts after
    /// one of them. Other users are not needed.
    fn learn_users(&self, tops: &[DialogTop], users: &[enums::User]) {
        let dialogs: BTreeSet<i64> = tops.iter().filter(|t| t.peer.kind() == IdSpace::User).map(|t| t.peer.bare()).collect();
        for user in users {
            if let enums::User::User(u) = user
                && !u.min
                && dialogs.contains(&u.id)
            {
                self.session().learn(PeerId::user(u.id), u.access_hash);
            }
        }
    }

    /// The account's folders, in its order.
    ///
    /// # Errors
    /// See [`TelegramError`].
    pub async fn folders(&self) -> Result<Vec<Folder>, TelegramError> {
        let enums::messages::DialogFilters::Filters(f) = self.invoke(&functions::messages::GetDialogFilters {}).await?;
        Ok(f.filters.iter().filter_map(|filter| self.folder(filter)).collect())
    }

    fn folder(&self, filter: &enums::DialogFilter) -> Option<Folder> {
        let title = |enums::TextWithEntities::Entities(t): &enums::TextWithEntities| t.text.clone();
        let named = |peers: &[enums::InputPeer]| peers.iter().filter_map(|p| self.named(p)).collect::<Vec<_>>();
        match filter {
            enums::DialogFilter::Default => None,
            enums::DialogFilter::Filter(f) => Some(Folder {
                title: title(&f.title),
                include: named(&[f.pinned_peers.as_slice(), f.include_peers.as_slice()].concat()),
                exclude: named(&f.exclude_peers),
                groups: f.groups,
                channels: f.broadcasts,
            }),
            enums::DialogFilter::Chatlist(f) => Some(Folder {
                title: title(&f.title),
                include: named(&[f.pinned_peers.as_slice(), f.include_peers.as_slice()].concat()),
                exclude: Vec::new(),
                groups: false,
                channels: false,
            }),
        }
    }

    fn named(&self, peer: &enums::InputPeer) -> Option<PeerId> {
        match peer {
            enums::InputPeer::User(p) => Some(PeerId::user(p.user_id)),
            enums::InputPeer::Chat(p) => Some(PeerId::chat(p.chat_id)),
            enums::InputPeer::Channel(p) => Some(PeerId::channel(p.channel_id)),
            enums::InputPeer::PeerSelf => self.session().user_id().map(PeerId::user),
            _ => None,
        }
    }
}

/// Dialogs, and when the newest message of each was posted, by peer, id and date of the messages that came along.
fn tops_of(dialogs: &[enums::Dialog], dates: &[(PeerId, i32, i32)]) -> Vec<DialogTop> {
    let top = |dialog: &enums::Dialog| match dialog {
        enums::Dialog::Dialog(d) => {
            let peer = parse::peer_id(&d.peer);
            let date = dates.iter().find(|(of, id, _)| (*of, *id) == (peer, d.top_message)).map(|(_, _, date)| *date);
            Some(DialogTop { peer, top: MessageId(d.top_message), pts: d.pts, date, pinned: d.pinned })
        }
        enums::Dialog::Folder(_) | enums::Dialog::Community(_) => None,
    };
    dialogs.iter().filter_map(top).collect()
}

/// Peer, id and date of a message.
fn place(message: &enums::Message) -> Option<(PeerId, i32, i32)> {
    match message {
        enums::Message::Message(m) => Some((parse::peer_id(&m.peer_id), m.id, m.date)),
        enums::Message::Service(m) => Some((parse::peer_id(&m.peer_id), m.id, m.date)),
        enums::Message::Empty(_) => None,
    }
}
