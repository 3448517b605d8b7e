//! Texts of an export: a string, or a list of strings and marked-up parts, with offsets to be counted.

use serde_json::Value;

use super::Warnings;
use super::fields;
use crate::world::{Entity, EntityKind};

/// The text and mark-up of a message. Newer exports have `text_entities`, which leaves nothing to guess.
pub(super) fn text_of(message: &Value, warnings: &mut Warnings<'_>) -> (String, Vec<Entity>) {
    let parts = match message.get("text_entities") {
        Some(parts @ Value::Array(list)) if !list.is_empty() => parts,
        _ => message.get("text").unwrap_or(&Value::Null),
    };
    read(parts, warnings)
}

/// A text by itself, such as a poll's question.
pub(super) fn plain(value: &Value, warnings: &mut Warnings<'_>) -> String {
    read(value, warnings).0
}

fn read(value: &Value, warnings: &mut Warnings<'_>) -> (String, Vec<Entity>) {
    let (mut text, mut entities, mut offset) = (String::new(), Vec::new(), 0);
    let parts = match value {
        Value::String(whole) => return (whole.clone(), entities),
        Value::Array(parts) => &parts[..],
        Value::Null => &[],
        _ => {
            warnings.warn("the text is neither a string nor a list");
            &[]
        }
    };
    for part in parts {
        let (piece, kind) = match part {
            Value::String(piece) => (piece.as_str(), None),
            part => {
                let piece = part.get("text").and_then(Value::as_str).unwrap_or_default();
                (piece, kind_of(part, warnings))
            }
        };
        let length = piece.encode_utf16().count() as i32;
        text.push_str(piece);
        if let Some(kind) = kind.filter(|_| length > 0) {
            entities.push(Entity { kind, offset, length });
        }
        offset += length;
    }
    (text, entities)
}

fn kind_of(part: &Value, warnings: &mut Warnings<'_>) -> Option<EntityKind> {
    let name = fields::text(part, "type").unwrap_or("plain");
    Some(match name {
        "plain" => return None,
        "mention" => EntityKind::Mention,
        "hashtag" => EntityKind::Hashtag,
        "bot_command" => EntityKind::BotCommand,
        "link" => EntityKind::Url,
        "email" => EntityKind::Email,
        "bold" => EntityKind::Bold,
        "italic" => EntityKind::Italic,
        "code" => EntityKind::Code,
        "pre" => EntityKind::Pre { language: fields::text(part, "language").unwrap_or_default().into() },
        "text_link" => EntityKind::TextUrl { url: fields::text(part, "href").unwrap_or_default().into() },
        "mention_name" => match fields::number(part, "user_id") {
            Some(user) => EntityKind::MentionName { user },
            None => return None,
        },
        "phone" => EntityKind::Phone,
        "cashtag" => EntityKind::Cashtag,
        "underline" => EntityKind::Underline,
        "strikethrough" => EntityKind::Strike,
        "blockquote" => EntityKind::Blockquote,
        "bank_card" => EntityKind::BankCard,
        "spoiler" => EntityKind::Spoiler,
        // Where the emoji's file was exported too, its path stands in the place of its id.
        "custom_emoji" => match fields::number(part, "document_id") {
            Some(document) => EntityKind::CustomEmoji { document },
            None => return None,
        },
        other => {
            warnings.warn(format!("unknown mark-up `{other}`"));
            EntityKind::Unknown
        }
    })
}
