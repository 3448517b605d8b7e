//! Mark-up of texts.

use grammers_tl_types::enums;

use crate::model::{Entity, EntityKind, PeerId};

use super::{UnknownConstructors, timestamp};

/// Parses the mark-up of a text.
pub(super) fn entities(tl: Option<&Vec<enums::MessageEntity>>, unknown: &mut UnknownConstructors) -> Vec<Entity> {
    tl.into_iter().flatten().map(|e| entity(e, unknown)).collect()
}

fn entity(tl: &enums::MessageEntity, unknown: &mut UnknownConstructors) -> Entity {
    use enums::MessageEntity as E;
    let kind = match tl {
        E::Unknown(_) => EntityKind::Unknown,
        E::Mention(_) => EntityKind::Mention,
        E::Hashtag(_) => EntityKind::Hashtag,
        E::BotCommand(_) => EntityKind::BotCommand,
        E::Url(_) => EntityKind::Url,
        E::Email(_) => EntityKind::Email,
        E::Bold(_) => EntityKind::Bold,
        E::Italic(_) => EntityKind::Italic,
        E::Code(_) => EntityKind::Code,
        E::Pre(_) => EntityKind::Pre,
        E::TextUrl(_) => EntityKind::TextUrl,
        E::MentionName(_) => EntityKind::MentionName,
        E::Phone(_) => EntityKind::Phone,
        E::Cashtag(_) => EntityKind::Cashtag,
        E::Underline(_) => EntityKind::Underline,
        E::Strike(_) => EntityKind::Strike,
        E::Blockquote(_) => EntityKind::Blockquote,
        E::BankCard(_) => EntityKind::BankCard,
        E::Spoiler(_) => EntityKind::Spoiler,
        E::CustomEmoji(_) => EntityKind::CustomEmoji,
        E::FormattedDate(_) => EntityKind::Date,
        E::DiffInsert(_) => EntityKind::DiffInsert,
        E::DiffReplace(_) => EntityKind::DiffReplace,
        E::DiffDelete(_) => EntityKind::DiffDelete,
        E::TonAddress(_) => EntityKind::TonAddress,
        // Only clients send it.
        E::InputMessageEntityMentionName(_) => {
            unknown.note(tl);
            EntityKind::Unknown
        }
    };
    let mut entity = Entity::new(kind, tl.offset(), tl.length());
    match tl {
        E::Pre(e) => entity.language = Some(e.language.clone()).filter(|language| !language.is_empty()),
        E::TextUrl(e) => entity.url = Some(e.url.clone()),
        E::MentionName(e) => entity.user = Some(PeerId::user(e.user_id)),
        E::CustomEmoji(e) => entity.emoji = Some(e.document_id),
        E::Blockquote(e) => entity.collapsed = e.collapsed,
        E::FormattedDate(e) => entity.date = Some(timestamp(e.date)),
        E::DiffReplace(e) => entity.old = Some(e.old_text.clone()),
        _ => {}
    }
    entity
}
