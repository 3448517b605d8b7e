//! What a message replies to, and where it was forwarded from.

use grammers_tl_types::enums;

use crate::model::{Forward, MessageId, Reply};

use super::{UnknownConstructors, entity, media, peer_id, timestamp};

pub(super) fn reply(header: &enums::MessageReplyHeader, unknown: &mut UnknownConstructors) -> Reply {
    let h = match header {
        enums::MessageReplyHeader::Header(h) => h,
        enums::MessageReplyHeader::MessageReplyStoryHeader(h) => {
            return Reply { peer: Some(peer_id(&h.peer)), story: Some(h.story_id), ..Reply::default() };
        }
    };
    let in_topic = h.reply_to_msg_id.filter(|_| h.forum_topic);
    Reply {
        id: h.reply_to_msg_id.map(MessageId),
        topic: h.reply_to_top_id.or(in_topic).map(MessageId),
        quote: h.quote_text.clone(),
        quote_offset: h.quote_offset,
        quote_entities: entity::entities(h.quote_entities.as_ref(), unknown),
        peer: h.reply_to_peer_id.as_ref().map(peer_id),
        from: h.reply_from.as_ref().map(forward),
        media: h.reply_media.as_ref().and_then(|tl| media::media(tl, unknown)).map(Box::new),
        story: None,
        task: h.todo_item_id,
        option: h.poll_option.clone(),
    }
}

pub(super) fn forward(header: &enums::MessageFwdHeader) -> Forward {
    let enums::MessageFwdHeader::Header(h) = header;
    Forward {
        from: h.from_id.as_ref().map(peer_id),
        name: h.from_name.clone(),
        date: Some(timestamp(h.date)),
        post: h.channel_post.map(MessageId),
        author: h.post_author.clone(),
        saved_from: h.saved_from_peer.as_ref().map(peer_id).zip(h.saved_from_msg_id.map(MessageId)),
        announcement: h.psa_type.clone(),
        imported: h.imported,
    }
}
