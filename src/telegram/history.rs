//! The calls a crawler makes, with answers in the words of the house.

use grammers_tl_types::{enums, functions, types};

use super::updates::{Event, event};
use super::{Client, TelegramError};
use crate::accounts::{Session, UpdatesState};
use crate::model::{IdRange, MessageId, Peer, PeerId, PeerKindOfId};
use crate::parse::{self, Parsed};

/// Messages Telegram gives at most in one page of history.
const PAGE_SIZE: i32 = 100;
/// Dialogs Telegram gives at most in one page.
const DIALOGS_SIZE: i32 = 100;
/// Events of a channel asked for at once: Telegram gives accounts at most 100.
const CHANNEL_DIFFERENCE_SIZE: i32 = 100;

/// Names under which methods are paced and parked.
pub mod method {
    /// `messages.getHistory`
    pub const HISTORY: &str = "messages.getHistory";
    /// `messages.getDialogs`
    pub const DIALOGS: &str = "messages.getDialogs";
    /// `updates.getChannelDifference`
    pub const CHANNEL_DIFFERENCE: &str = "updates.getChannelDifference";
    /// `updates.getDifference`
    pub const DIFFERENCE: &str = "updates.getDifference";
}

/// Peers that an answer mentions.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Users, groups and channels, as far as Telegram describes them.
    pub peers: Vec<Peer>,
    /// Those that this account can no longer read.
    pub lost: Vec<PeerId>,
}

/// A page of history.
#[derive(Clone, Debug)]
pub struct Page {
    /// Messages, newest first.
    pub messages: Vec<Parsed>,
    /// The channel's state when Telegram answered.
    pub pts: Option<i32>,
    /// The part of the asked range that this page answers for completely: what is not among its messages is not there.
    pub window: IdRange,
    /// Peers that the page mentions.
    pub seen: Seen,
}

/// Where to go on in the list of dialogs.
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
    /// Whether it is pinned, and so not in the order of dates.
    pub pinned: bool,
}

/// A page of the list of dialogs.
#[derive(Clone, Debug)]
pub struct DialogPage {
    /// Dialogs, most recent first.
    pub tops: Vec<DialogTop>,
    /// Where to go on; `None` at the end.
    pub next: Option<Offset>,
    /// Peers that the page mentions.
    pub seen: Seen,
}

/// What happened in a channel since a state.
#[derive(Debug)]
pub enum ChannelDifference {
    /// These events, up to a state.
    Events {
        /// What happened, in order.
        events: Vec<Event>,
        /// The state afterwards.
        pts: i32,
        /// Whether that is all.
        last: bool,
        /// Peers that the events mention.
        seen: Seen,
    },
    /// More than Telegram wants to tell.
    TooLong {
        /// The channel's newest message.
        top: MessageId,
        /// The channel's state.
        pts: i32,
        /// Peers that the answer mentions.
        seen: Seen,
    },
}

/// What happened outside channels since a state.
#[derive(Debug)]
pub enum CommonDifference {
    /// These events, up to a state.
    Events {
        /// What happened, in order.
        events: Vec<Event>,
        /// The state afterwards.
        state: UpdatesState,
        /// Whether that is all.
        last: bool,
        /// Peers that the events mention.
        seen: Seen,
    },
    /// More than Telegram wants to tell.
    TooLong {
        /// The state from which it would tell.
        pts: i32,
    },
}

/// A username's peer.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Which peer.
    pub peer: PeerId,
    /// Peers that the answer mentions.
    pub seen: Seen,
}

impl Client {
    /// A page of the list of dialogs.
    ///
    /// # Errors
    /// See [`TelegramError`]; so do all calls below.
    pub async fn dialogs(&self, from: Option<&Offset>) -> Result<DialogPage, TelegramError> {
        let offset_peer = from.map(|o| self.input_peer(o.peer)).transpose()?.unwrap_or(enums::InputPeer::Empty);
        let request = functions::messages::GetDialogs {
            exclude_pinned: false,
            folder_id: None,
            offset_date: from.map_or(0, |o| o.date),
            offset_id: from.map_or(0, |o| o.id),
            offset_peer,
            limit: DIALOGS_SIZE,
            hash: 0,
        };
        let (dialogs, messages, users, chats, whole) = match self.invoke(&request).await? {
            enums::messages::Dialogs::Dialogs(d) => (d.dialogs, d.messages, d.users, d.chats, true),
            enums::messages::Dialogs::Slice(d) => (d.dialogs, d.messages, d.users, d.chats, false),
            enums::messages::Dialogs::NotModified(_) => (Vec::new(), Vec::new(), Vec::new(), Vec::new(), true),
        };
        let seen = harvest(self.session(), &users, &chats);
        let dates: Vec<(PeerId, i32, i32)> = messages.iter().filter_map(place).collect();
        let tops: Vec<DialogTop> = dialogs.iter().filter_map(dialog_top).collect();
        // The next page starts after the last dialog whose message, and so whose date, is known.
        let next = tops.iter().rev().find_map(|top| {
            let (peer, id, date) = *dates.iter().find(|(peer, id, _)| (*peer, *id) == (top.peer, top.top.0))?;
            self.input_peer(peer).is_ok().then_some(Offset { date, id, peer })
        });
        let next = next.filter(|next| !whole && Some(next) != from);
        Ok(DialogPage { tops, next, seen })
    }

    /// A page of a peer's history: the newest messages of a range.
    pub async fn history(&self, peer: PeerId, range: IdRange) -> Result<Page, TelegramError> {
        let request = functions::messages::GetHistory {
            peer: self.input_peer(peer)?,
            offset_id: range.last.saturating_add(1),
            offset_date: 0,
            add_offset: 0,
            limit: PAGE_SIZE,
            max_id: 0,
            min_id: range.first.saturating_sub(1),
            hash: 0,
        };
        let (messages, users, chats, pts) = match self.invoke(&request).await? {
            enums::messages::Messages::Messages(m) => (m.messages, m.users, m.chats, None),
            enums::messages::Messages::Slice(m) => (m.messages, m.users, m.chats, None),
            enums::messages::Messages::ChannelMessages(m) => (m.messages, m.users, m.chats, Some(m.pts)),
            enums::messages::Messages::NotModified(_) => {
                return Err(TelegramError::Refused { name: "history not modified".to_owned(), value: None });
            }
        };
        let seen = harvest(self.session(), &users, &chats);
        let messages: Vec<Parsed> = messages
            .iter()
            .filter_map(parse::message)
            .filter(|p| p.message.key.peer == peer && range.contains(p.message.key.id.0))
            .collect();
        // Telegram may give fewer than were asked for in the middle of a history: only an empty page says that nothing
        // is left below, and a page answers for what lies between its messages.
        let lowest = messages.iter().map(|p| p.message.key.id.0).min();
        let window = IdRange { first: lowest.unwrap_or(range.first), last: range.last };
        Ok(Page { messages, pts, window, seen })
    }

    /// What happened in a channel since a state.
    pub async fn channel_difference(&self, peer: PeerId, pts: i32) -> Result<ChannelDifference, TelegramError> {
        let channel = match self.input_peer(peer)? {
            enums::InputPeer::Channel(c) => types::InputChannel { channel_id: c.channel_id, access_hash: c.access_hash }.into(),
            _ => return Err(TelegramError::PeerUnavailable { name: "not a channel".to_owned() }),
        };
        let request = functions::updates::GetChannelDifference {
            force: true,
            channel,
            filter: enums::ChannelMessagesFilter::Empty,
            pts,
            limit: CHANNEL_DIFFERENCE_SIZE,
        };
        Ok(match self.invoke(&request).await? {
            enums::updates::ChannelDifference::Empty(d) => {
                ChannelDifference::Events { events: Vec::new(), pts: d.pts, last: true, seen: Seen::default() }
            }
            enums::updates::ChannelDifference::Difference(d) => ChannelDifference::Events {
                seen: harvest(self.session(), &d.users, &d.chats),
                events: events(&d.new_messages, &d.other_updates),
                pts: d.pts,
                last: d.r#final,
            },
            enums::updates::ChannelDifference::TooLong(d) => {
                let seen = harvest(self.session(), &d.users, &d.chats);
                let (top, new) = match &d.dialog {
                    enums::Dialog::Dialog(dialog) => (dialog.top_message, dialog.pts.unwrap_or(pts)),
                    enums::Dialog::Folder(_) | enums::Dialog::Community(_) => (0, pts),
                };
                ChannelDifference::TooLong { top: MessageId(top), pts: new, seen }
            }
        })
    }

    /// What happened outside channels since a state.
    pub async fn common_difference(&self, from: UpdatesState) -> Result<CommonDifference, TelegramError> {
        let request = functions::updates::GetDifference {
            pts: from.pts,
            pts_limit: None,
            pts_total_limit: None,
            date: from.date,
            qts: from.qts,
            qts_limit: None,
        };
        let state = |enums::updates::State::State(s): enums::updates::State| UpdatesState {
            pts: s.pts,
            qts: s.qts,
            date: s.date,
            seq: s.seq,
        };
        Ok(match self.invoke(&request).await? {
            enums::updates::Difference::Empty(d) => CommonDifference::Events {
                events: Vec::new(),
                state: UpdatesState { date: d.date, seq: d.seq, ..from },
                last: true,
                seen: Seen::default(),
            },
            enums::updates::Difference::Difference(d) => CommonDifference::Events {
                seen: harvest(self.session(), &d.users, &d.chats),
                events: events(&d.new_messages, &d.other_updates),
                state: state(d.state),
                last: true,
            },
            enums::updates::Difference::Slice(d) => CommonDifference::Events {
                seen: harvest(self.session(), &d.users, &d.chats),
                events: events(&d.new_messages, &d.other_updates),
                state: state(d.intermediate_state),
                last: false,
            },
            enums::updates::Difference::TooLong(d) => CommonDifference::TooLong { pts: d.pts },
        })
    }

    /// The account's state outside channels; asking also makes Telegram push updates to this connection.
    pub async fn state(&self) -> Result<UpdatesState, TelegramError> {
        let enums::updates::State::State(s) = self.invoke(&functions::updates::GetState {}).await?;
        Ok(UpdatesState { pts: s.pts, qts: s.qts, date: s.date, seq: s.seq })
    }

    /// The user that the account is.
    pub async fn myself(&self) -> Result<Option<Peer>, TelegramError> {
        let request = functions::users::GetUsers { id: vec![enums::InputUser::UserSelf] };
        let users = self.invoke(&request).await?;
        let peer = users.first().and_then(parse::user);
        if let Some(peer) = &peer {
            self.session().set_user_id(peer.id.bare());
        }
        Ok(peer)
    }

    /// The peer that has a username. Telegram limits this call more than any other: only for peers that no account knows.
    pub async fn resolve_username(&self, username: &str) -> Result<Resolved, TelegramError> {
        let request = functions::contacts::ResolveUsername { username: username.to_owned(), referer: None };
        let enums::contacts::ResolvedPeer::Peer(r) = self.invoke(&request).await?;
        let seen = harvest(self.session(), &r.users, &r.chats);
        Ok(Resolved { peer: parse::peer_id(&r.peer), seen })
    }

    fn input_peer(&self, peer: PeerId) -> Result<enums::InputPeer, TelegramError> {
        let unknown = || TelegramError::PeerUnavailable { name: "no access hash".to_owned() };
        let access_hash = || self.session().access_hash(peer).ok_or_else(unknown);
        Ok(match peer.kind() {
            PeerKindOfId::User => types::InputPeerUser { user_id: peer.bare(), access_hash: access_hash()? }.into(),
            PeerKindOfId::Chat => types::InputPeerChat { chat_id: peer.bare() }.into(),
            PeerKindOfId::Channel => types::InputPeerChannel { channel_id: peer.bare(), access_hash: access_hash()? }.into(),
        })
    }
}

/// Learns the access hashes of an answer's peers. Raw calls remember nothing by themselves.
pub(super) fn harvest(session: &Session, users: &[enums::User], chats: &[enums::Chat]) -> Seen {
    let mut seen = Seen::default();
    for user in users {
        // A `min` user has a hash that cannot be used, and often an outdated name.
        if let enums::User::User(u) = user
            && !u.min
        {
            seen.peers.extend(parse::user(user));
        }
    }
    for chat in chats {
        let Some(peer) = parse::chat(chat) else { continue };
        match chat {
            enums::Chat::Channel(c) if c.min => continue,
            // An account that may not read it is told less of it than the others: what they know is kept.
            enums::Chat::Forbidden(_) | enums::Chat::ChannelForbidden(_) => {
                session.forget(peer.id);
                seen.lost.push(peer.id);
                continue;
            }
            enums::Chat::Channel(c) => session.learn(peer.id, c.access_hash),
            enums::Chat::Chat(c) if !c.left && !c.deactivated => session.learn(peer.id, None),
            _ => {
                session.forget(peer.id);
                seen.lost.push(peer.id);
            }
        }
        seen.peers.push(peer);
    }
    seen
}

fn events(new: &[enums::Message], other: &[enums::Update]) -> Vec<Event> {
    let new = new.iter().filter_map(parse::message).map(|parsed| Event::Message { parsed: Box::new(parsed), pts: 0, count: 0 });
    new.chain(other.iter().filter_map(event)).collect()
}

fn dialog_top(dialog: &enums::Dialog) -> Option<DialogTop> {
    match dialog {
        enums::Dialog::Dialog(d) => {
            let peer = parse::peer_id(&d.peer);
            Some(DialogTop { peer, top: MessageId(d.top_message), pts: d.pts, pinned: d.pinned })
        }
        enums::Dialog::Folder(_) | enums::Dialog::Community(_) => None,
    }
}

/// Peer, id and date of a message.
fn place(message: &enums::Message) -> Option<(PeerId, i32, i32)> {
    match message {
        enums::Message::Message(m) => Some((parse::peer_id(&m.peer_id), m.id, m.date)),
        enums::Message::Service(m) => Some((parse::peer_id(&m.peer_id), m.id, m.date)),
        enums::Message::Empty(_) => None,
    }
}
