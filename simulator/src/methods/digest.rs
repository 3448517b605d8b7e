//! A summary of a request's parameters, for the ledger.
//!
//! Only what tests assert on, and nothing secret: no hashes, phone numbers, codes, passwords or file references.

use grammers_tl_types::{Deserializable, Identifiable, enums, functions as f};

use crate::world::PeerId;

/// The parameters of a request in short; empty for methods without any, or that do not decode.
pub(super) fn digest(constructor: u32, body: &[u8]) -> String {
    digest_of(constructor, body).unwrap_or_default()
}

fn digest_of(constructor: u32, body: &[u8]) -> Option<String> {
    Some(match constructor {
        f::messages::GetHistory::CONSTRUCTOR_ID => {
            let r = f::messages::GetHistory::from_bytes(body).ok()?;
            format!(
                "peer={} offset_id={} offset_date={} add_offset={} limit={} max_id={} min_id={}",
                peer(&r.peer),
                r.offset_id,
                r.offset_date,
                r.add_offset,
                r.limit,
                r.max_id,
                r.min_id
            )
        }
        f::messages::GetDialogs::CONSTRUCTOR_ID => {
            let r = f::messages::GetDialogs::from_bytes(body).ok()?;
            let folder = r.folder_id.map(|folder| format!(" folder_id={folder}")).unwrap_or_default();
            format!(
                "offset_date={} offset_id={} offset_peer={} limit={}{folder}",
                r.offset_date,
                r.offset_id,
                peer(&r.offset_peer),
                r.limit
            )
        }
        f::messages::GetPeerDialogs::CONSTRUCTOR_ID => {
            let r = f::messages::GetPeerDialogs::from_bytes(body).ok()?;
            let dialog = |dialog: &enums::InputDialogPeer| match dialog {
                enums::InputDialogPeer::Peer(dialog) => peer(&dialog.peer),
                enums::InputDialogPeer::Folder(folder) => format!("folder {}", folder.folder_id),
                enums::InputDialogPeer::Community(_) => "community".into(),
            };
            format!("peers={}", r.peers.iter().map(dialog).collect::<Vec<_>>().join(","))
        }
        f::contacts::ResolveUsername::CONSTRUCTOR_ID => {
            format!("username={}", f::contacts::ResolveUsername::from_bytes(body).ok()?.username)
        }
        f::updates::GetDifference::CONSTRUCTOR_ID => {
            format!("pts={}", f::updates::GetDifference::from_bytes(body).ok()?.pts)
        }
        f::updates::GetChannelDifference::CONSTRUCTOR_ID => {
            let r = f::updates::GetChannelDifference::from_bytes(body).ok()?;
            format!("peer={} pts={} limit={}", channel(&r.channel), r.pts, r.limit)
        }
        f::channels::GetMessages::CONSTRUCTOR_ID => {
            let r = f::channels::GetMessages::from_bytes(body).ok()?;
            format!("peer={} ids={}", channel(&r.channel), ids(&r.id))
        }
        f::messages::GetMessages::CONSTRUCTOR_ID => {
            format!("ids={}", ids(&f::messages::GetMessages::from_bytes(body).ok()?.id))
        }
        f::channels::GetFullChannel::CONSTRUCTOR_ID => {
            format!("peer={}", channel(&f::channels::GetFullChannel::from_bytes(body).ok()?.channel))
        }
        f::channels::JoinChannel::CONSTRUCTOR_ID => {
            format!("peer={}", channel(&f::channels::JoinChannel::from_bytes(body).ok()?.channel))
        }
        f::channels::LeaveChannel::CONSTRUCTOR_ID => {
            format!("peer={}", channel(&f::channels::LeaveChannel::from_bytes(body).ok()?.channel))
        }
        f::messages::GetMessagesViews::CONSTRUCTOR_ID => {
            let r = f::messages::GetMessagesViews::from_bytes(body).ok()?;
            let ids: Vec<String> = r.id.iter().map(i32::to_string).collect();
            format!("peer={} ids={} increment={}", peer(&r.peer), ids.join(","), r.increment)
        }
        f::messages::GetForumTopics::CONSTRUCTOR_ID => {
            let r = f::messages::GetForumTopics::from_bytes(body).ok()?;
            let (peer, date, id, topic) = (peer(&r.peer), r.offset_date, r.offset_id, r.offset_topic);
            format!("peer={peer} offset_date={date} offset_id={id} offset_topic={topic} limit={}", r.limit)
        }
        f::upload::GetFile::CONSTRUCTOR_ID => {
            let r = f::upload::GetFile::from_bytes(body).ok()?;
            let (id, size) = match r.location {
                enums::InputFileLocation::InputDocumentFileLocation(location) => (location.id, location.thumb_size),
                enums::InputFileLocation::InputPhotoFileLocation(location) => (location.id, location.thumb_size),
                enums::InputFileLocation::InputPeerPhotoFileLocation(location) => {
                    (location.photo_id, if location.big { "big".into() } else { "small".into() })
                }
                _ => (0, String::new()),
            };
            format!("file={id} size={size} offset={} limit={}", r.offset, r.limit)
        }
        f::auth::ExportAuthorization::CONSTRUCTOR_ID => {
            format!("dc={}", f::auth::ExportAuthorization::from_bytes(body).ok()?.dc_id)
        }
        _ => String::new(),
    })
}

fn peer(peer: &enums::InputPeer) -> String {
    match peer {
        enums::InputPeer::Empty => "none".into(),
        enums::InputPeer::PeerSelf => "self".into(),
        enums::InputPeer::Chat(chat) => PeerId::group(chat.chat_id).to_string(),
        enums::InputPeer::User(user) => PeerId::user(user.user_id).to_string(),
        enums::InputPeer::Channel(channel) => PeerId::channel(channel.channel_id).to_string(),
        enums::InputPeer::UserFromMessage(user) => PeerId::user(user.user_id).to_string(),
        enums::InputPeer::ChannelFromMessage(channel) => PeerId::channel(channel.channel_id).to_string(),
    }
}

fn channel(channel: &enums::InputChannel) -> String {
    match channel {
        enums::InputChannel::Empty => "none".into(),
        enums::InputChannel::Channel(channel) => PeerId::channel(channel.channel_id).to_string(),
        enums::InputChannel::FromMessage(channel) => PeerId::channel(channel.channel_id).to_string(),
    }
}

fn ids(messages: &[enums::InputMessage]) -> String {
    let ids: Vec<String> = messages
        .iter()
        .filter_map(|message| match message {
            enums::InputMessage::Id(message) => Some(message.id.to_string()),
            _ => None,
        })
        .collect();
    ids.join(",")
}
