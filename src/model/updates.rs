//! How far an account has followed what Telegram tells it.

/// How far an account has followed Telegram's updates outside channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct UpdatesState {
    /// Messages, edits and deletions in private chats and basic groups.
    pub pts: i32,
    /// Secret chats and bot events.
    pub qts: i32,
    /// The time of the last update.
    pub date: i32,
    /// The number of the last batch of updates.
    pub seq: i32,
}
