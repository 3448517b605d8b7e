//! Differences (Telegram's incremental sync): what happened since a state, in a channel or outside all channels.

use grammers_tl_types::{enums, functions};

use super::mentioned::{MentionedPeers, learn_mentioned};
use super::updates::{Update, read_update};
use super::{Client, TelegramError};
use crate::model::{MessageId, PeerId, UpdatesState};
use crate::parse;

/// The page size of a channel's difference: Telegram gives accounts at most 100 events.
const CHANNEL_DIFFERENCE_SIZE: i32 = 100;

/// What happened in a channel since a state.
#[derive(Debug)]
pub enum ChannelDifference {
    /// These events, up to a state.
    Events {
        /// What happened, in order.
        events: Vec<Update>,
        /// The state afterwards.
        pts: i32,
        /// Whether that is all.
        last: bool,
        /// Peers that the events mention.
        seen: MentionedPeers,
    },
    /// More than Telegram wants to tell.
    TooLong {
        /// The channel's newest message.
        top: MessageId,
        /// The channel's state.
        pts: i32,
        /// Peers that the answer mentions.
        seen: MentionedPeers,
    },
}

/// What happened outside channels since a state.
#[derive(Debug)]
pub enum CommonDifference {
    /// These events, up to a state.
    Events {
        /// What happened, in order.
        events: Vec<Update>,
        /// The state afterwards.
        state: UpdatesState,
        /// Whether that is all.
        last: bool,
        /// Peers that the events mention.
        seen: MentionedPeers,
    },
    /// More than Telegram wants to tell.
    TooLong {
        /// The state from which it would tell.
        pts: i32,
    },
}

impl Client {
    /// What happened in a channel since a state.
    ///
    /// # Errors
    /// See [`TelegramError`].
    pub async fn channel_difference(&self, peer: PeerId, pts: i32) -> Result<ChannelDifference, TelegramError> {
        let request = functions::updates::GetChannelDifference {
            // Set, it lets Telegram leave out what it takes for unneeded.
            force: false,
            channel: self.input_channel(peer)?,
            filter: enums::ChannelMessagesFilter::Empty,
            pts,
            limit: CHANNEL_DIFFERENCE_SIZE,
        };
        Ok(match self.invoke(&request).await? {
            enums::updates::ChannelDifference::Empty(d) => {
                ChannelDifference::Events { events: Vec::new(), pts: d.pts, last: true, seen: MentionedPeers::default() }
            }
            enums::updates::ChannelDifference::Difference(d) => ChannelDifference::Events {
                seen: learn_mentioned(self.session(), &d.users, &d.chats),
                events: events(&d.new_messages, &d.other_updates),
                pts: d.pts,
                last: d.r#final,
            },
            enums::updates::ChannelDifference::TooLong(d) => {
                let seen = learn_mentioned(self.session(), &d.users, &d.chats);
                let (top, new) = match &d.dialog {
                    enums::Dialog::Dialog(dialog) => (dialog.top_message, dialog.pts.unwrap_or(pts)),
                    enums::Dialog::Folder(_) | enums::Dialog::Community(_) => (0, pts),
                };
                ChannelDifference::TooLong { top: MessageId(top), pts: new, seen }
            }
        })
    }

    /// What happened outside channels since a state.
    ///
    /// # Errors
    /// See [`TelegramError`].
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
                seen: MentionedPeers::default(),
            },
            enums::updates::Difference::Difference(d) => CommonDifference::Events {
                seen: learn_mentioned(self.session(), &d.users, &d.chats),
                events: events(&d.new_messages, &d.other_updates),
                state: state(d.state),
                last: true,
            },
            enums::updates::Difference::Slice(d) => CommonDifference::Events {
                seen: learn_mentioned(self.session(), &d.users, &d.chats),
                events: events(&d.new_messages, &d.other_updates),
                state: state(d.intermediate_state),
                last: false,
            },
            enums::updates::Difference::TooLong(d) => CommonDifference::TooLong { pts: d.pts },
        })
    }

    /// The account's state outside channels; asking also makes Telegram push updates to this connection.
    ///
    /// # Errors
    /// See [`TelegramError`].
    pub async fn state(&self) -> Result<UpdatesState, TelegramError> {
        let enums::updates::State::State(s) = self.invoke(&functions::updates::GetState {}).await?;
        Ok(UpdatesState { pts: s.pts, qts: s.qts, date: s.date, seq: s.seq })
    }
}

fn events(new: &[enums::Message], other: &[enums::Update]) -> Vec<Update> {
    let new = new.iter().filter_map(parse::message).map(|parsed| Update::Message { parsed: Box::new(parsed), pts: 0, count: 0 });
    new.chain(other.iter().filter_map(read_update)).collect()
}
