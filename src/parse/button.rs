//! Buttons below a message.

use grammers_tl_types::enums;

use crate::model::{Button, ButtonKind, PeerId};

use super::UnknownConstructors;

/// The rows of a keyboard; none for what only hides one or asks for a reply.
pub(super) fn rows(tl: &enums::ReplyMarkup, unknown: &mut UnknownConstructors) -> Vec<Vec<Button>> {
    match tl {
        enums::ReplyMarkup::ReplyKeyboardHide(_) | enums::ReplyMarkup::ReplyKeyboardForceReply(_) => Vec::new(),
        enums::ReplyMarkup::ReplyKeyboardMarkup(m) => {
            let row = |enums::KeyboardButtonRow::Row(r): &enums::KeyboardButtonRow| {
                r.buttons.iter().map(|b| of_keyboard(b, unknown)).collect()
            };
            m.rows.iter().map(row).collect()
        }
        enums::ReplyMarkup::ReplyInlineMarkup(m) => {
            let row = |enums::KeyboardInlineButtonRow::Row(r): &enums::KeyboardInlineButtonRow| {
                let button = |enums::KeyboardInlineButton::Button(b): &enums::KeyboardInlineButton| {
                    inline(&b.r#type, b.text.clone(), unknown)
                };
                r.buttons.iter().map(button).collect()
            };
            m.rows.iter().map(row).collect()
        }
    }
}

fn of_keyboard(tl: &enums::KeyboardButton, unknown: &mut UnknownConstructors) -> Button {
    use enums::ButtonType as T;
    let enums::KeyboardButton::Button(b) = tl;
    let of = |kind| Button::new(kind, b.text.clone());
    match &b.r#type {
        T::Default => of(ButtonKind::Text),
        T::RequestPhone => of(ButtonKind::RequestPhone),
        T::RequestGeoLocation => of(ButtonKind::RequestLocation),
        T::RequestPoll(_) => of(ButtonKind::RequestPoll),
        T::RequestPeer(_) => of(ButtonKind::RequestPeer),
        T::SimpleWebView(t) => Button { url: Some(t.url.clone()), ..of(ButtonKind::WebApp) },
        // Only bots send it.
        other @ T::InputButtonTypeRequestPeer(_) => {
            unknown.note(other);
            of(ButtonKind::Other)
        }
    }
}

/// A button of an inline keyboard or of a page.
pub(super) fn inline(tl: &enums::InlineButtonType, text: String, unknown: &mut UnknownConstructors) -> Button {
    use enums::InlineButtonType as T;
    let of = |kind| Button::new(kind, text);
    match tl {
        T::Url(t) => Button { url: Some(t.url.clone()), ..of(ButtonKind::Url) },
        T::UrlAuth(t) => Button { url: Some(t.url.clone()), ..of(ButtonKind::Login) },
        T::WebView(t) => Button { url: Some(t.url.clone()), ..of(ButtonKind::WebApp) },
        T::Callback(t) => Button { data: Some(t.data.clone()), ..of(ButtonKind::Callback) },
        T::Game => of(ButtonKind::Game),
        T::Buy => of(ButtonKind::Buy),
        T::SwitchInline(t) => Button { query: Some(t.query.clone()), ..of(ButtonKind::SwitchInline) },
        T::UserProfile(t) => Button { user: Some(PeerId::user(t.user_id)), ..of(ButtonKind::User) },
        T::Copy(t) => Button { copy: Some(t.copy_text.clone()), ..of(ButtonKind::Copy) },
        T::Disabled => of(ButtonKind::Disabled),
        // Only bots send them.
        T::InputInlineButtonTypeUrlAuth(_) | T::InputInlineButtonTypeUserProfile(_) => {
            unknown.note(tl);
            of(ButtonKind::Other)
        }
    }
}
