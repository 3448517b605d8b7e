//! Names under which methods are rate limited and parked. Every request that a running crawl makes has one here: it is leased under
//! it, or depends on one that is.

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
/// `account.finishTakeoutSession`
pub const FINISH_TAKEOUT: &str = "account.finishTakeoutSession";
/// `users.getUsers`
pub const USERS: &str = "users.getUsers";
/// `updates.getState`
pub const STATE: &str = "updates.getState";
/// `auth.exportAuthorization`
pub const EXPORT_AUTHORIZATION: &str = "auth.exportAuthorization";
/// `auth.importAuthorization`
pub const IMPORT_AUTHORIZATION: &str = "auth.importAuthorization";
/// `help.getConfig`, with which every connection begins.
pub const CONFIG: &str = "help.getConfig";
