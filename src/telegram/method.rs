//! Names under which methods are paced and parked.

/// `messages.getHistory`
pub const HISTORY: &str = "messages.getHistory";
/// `messages.getDialogs`
pub const DIALOGS: &str = "messages.getDialogs";
/// `messages.getPeerDialogs`
pub const PEER_DIALOGS: &str = "messages.getPeerDialogs";
/// `messages.getDialogFilters`
pub const FOLDERS: &str = "messages.getDialogFilters";
/// `updates.getChannelDifference`
pub const CHANNEL_DIFFERENCE: &str = "updates.getChannelDifference";
/// `updates.getDifference`
pub const DIFFERENCE: &str = "updates.getDifference";
/// `channels.getFullChannel`
pub const FULL_CHANNEL: &str = "channels.getFullChannel";
/// `messages.getMessagesViews`
pub const VIEWS: &str = "messages.getMessagesViews";
/// `contacts.resolveUsername`
pub const RESOLVE_USERNAME: &str = "contacts.resolveUsername";
/// `channels.joinChannel`
pub const JOIN: &str = "channels.joinChannel";
/// `messages.importChatInvite`
pub const JOIN_BY_INVITE: &str = "messages.importChatInvite";
/// `account.initTakeoutSession`
pub const INIT_TAKEOUT: &str = "account.initTakeoutSession";
