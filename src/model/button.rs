//! Buttons below a message: of a bot or a channel's author, or the keyboard that a bot offers.

use super::PeerId;

/// What a button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ButtonKind {
    /// Sends its text.
    Text,
    /// Opens a link.
    Url,
    /// Tells the bot its data.
    Callback,
    /// Starts an inline query.
    SwitchInline,
    /// Starts a game.
    Game,
    /// Pays.
    Buy,
    /// Opens a link and signs in there.
    Login,
    /// Opens a web app.
    WebApp,
    /// Sends the phone number.
    RequestPhone,
    /// Sends the location.
    RequestLocation,
    /// Makes a poll.
    RequestPoll,
    /// Chooses a user or chat.
    RequestPeer,
    /// Opens a user's profile.
    User,
    /// Copies a text.
    Copy,
    /// Does nothing.
    Disabled,
    /// Does what this version does not know; the raw bytes are kept.
    Other,
}

impl ButtonKind {
    /// Every kind; the position is the number under which it is stored, so only append.
    pub const ALL: [Self; 16] = [
        Self::Text,
        Self::Url,
        Self::Callback,
        Self::SwitchInline,
        Self::Game,
        Self::Buy,
        Self::Login,
        Self::WebApp,
        Self::RequestPhone,
        Self::RequestLocation,
        Self::RequestPoll,
        Self::RequestPeer,
        Self::User,
        Self::Copy,
        Self::Disabled,
        Self::Other,
    ];

    /// The name used in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Url => "url",
            Self::Callback => "callback",
            Self::SwitchInline => "switch_inline",
            Self::Game => "game",
            Self::Buy => "buy",
            Self::Login => "login",
            Self::WebApp => "web_app",
            Self::RequestPhone => "request_phone",
            Self::RequestLocation => "request_location",
            Self::RequestPoll => "request_poll",
            Self::RequestPeer => "request_peer",
            Self::User => "user",
            Self::Copy => "copy",
            Self::Disabled => "disabled",
            Self::Other => "other",
        }
    }
}

/// A button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// What it does.
    pub kind: ButtonKind,
    /// What is written on it.
    pub text: String,
    /// The link that it opens.
    pub url: Option<String>,
    /// The data that it tells the bot.
    pub data: Option<Vec<u8>>,
    /// The inline query that it starts.
    pub query: Option<String>,
    /// The user whose profile it opens.
    pub user: Option<PeerId>,
    /// The text that it copies.
    pub copy: Option<String>,
}

impl Button {
    /// A button of a kind, with nothing but its text.
    #[must_use]
    pub fn new(kind: ButtonKind, text: String) -> Self {
        Self { kind, text, url: None, data: None, query: None, user: None, copy: None }
    }
}
