//! Dialogs: a chat in an account's list.

use grammers_tl_types::{enums, types};

use super::AccountView;
use crate::world::Chat;

/// Notification settings of someone who never changed any.
pub(crate) fn notify_settings() -> enums::PeerNotifySettings {
    enums::PeerNotifySettings::Settings(types::PeerNotifySettings {
        show_previews: None,
        silent: None,
        mute_until: None,
        ios_sound: None,
        android_sound: None,
        other_sound: None,
        stories_muted: None,
        stories_hide_sender: None,
        stories_ios_sound: None,
        stories_android_sound: None,
        stories_other_sound: None,
    })
}

impl AccountView<'_> {
    /// A chat as a dialog; the pts is the channel's own, and absent where the account's counts.
    pub(crate) fn dialog(&self, index: u32, chat: &Chat) -> enums::Dialog {
        let archived = self.world.accounts.get(self.account).is_some_and(|account| account.archived.contains(&index));
        let top_message = chat.newest_shown(self.account).map_or(0, |message| message.id);
        enums::Dialog::Dialog(types::Dialog {
            pinned: false,
            unread_mark: false,
            view_forum_as_messages: false,
            peer: chat.peer.into(),
            top_message,
            read_inbox_max_id: top_message,
            read_outbox_max_id: top_message,
            unread_count: 0,
            unread_mentions_count: 0,
            unread_reactions_count: 0,
            unread_poll_votes_count: 0,
            notify_settings: notify_settings(),
            pts: chat.kind.is_channel().then(|| chat.journal.pts()),
            draft: None,
            folder_id: archived.then_some(1),
            ttl_period: None,
        })
    }
}
