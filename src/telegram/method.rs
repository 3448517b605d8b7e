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
/// `channels.getMessages`
pub const CHANNEL_MESSAGES: &str = "channels.getMessages";
/// `messages.getMessages`
pub const MESSAGES: &str = "messages.getMessages";
/// `channels.getChannels`
pub const CHANNELS: &str = "channels.getChannels";
/// `messages.getChats`
pub const CHATS: &str = "messages.getChats";
/// `upload.getFile`
pub const GET_FILE: &str = "upload.getFile";
/// `updates.getState`
pub const STATE: &str = "updates.getState";
/// `auth.exportAuthorization`
pub const EXPORT_AUTHORIZATION: &str = "auth.exportAuthorization";
/// `auth.importAuthorization`
pub const IMPORT_AUTHORIZATION: &str = "auth.importAuthorization";
/// `help.getConfig`, with which every connection begins.
pub const CONFIG: &str = "help.getConfig";

/// The name of a method in Telegram's schema, from that of its type: `messages.getHistory`. Of a request that wraps another it is the
/// inner one's.
pub(super) fn method_of<R>() -> String {
    let name = std::any::type_name::<R>();
    let inner = name.rsplit('<').next().unwrap_or(name).trim_end_matches('>');
    let path = inner.rsplit_once("functions::").map_or(inner, |(_, path)| path);
    let (namespace, method) = path.rsplit_once("::").map_or((None, path), |(namespace, method)| (Some(namespace), method));
    let mut letters = method.chars();
    let method = letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect());
    namespace.map_or_else(|| method.clone(), |namespace| format!("{}.{method}", namespace.replace("::", ".")))
}

#[cfg(test)]
mod tests {
    use grammers_tl_types::functions;

    use super::*;

    #[test]
    fn a_method_is_named_as_in_the_schema() {
        assert_eq!(method_of::<functions::messages::GetHistory>(), "messages.getHistory");
        assert_eq!(method_of::<functions::updates::GetState>(), "updates.getState");
        assert_eq!(method_of::<functions::InvokeWithTakeout<functions::messages::GetHistory>>(), "messages.getHistory");
        assert_eq!(method_of::<functions::Ping>(), "ping");
    }
}
