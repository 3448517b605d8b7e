//! Accounts: the users that a client can be signed in as, with what is theirs alone.

use std::collections::{HashMap, HashSet};

use super::{DialogOrder, Folder, Journal, PeerId};

/// What no chat is numbered by: marks an id of the account's sequence that was deleted.
pub(crate) const NO_CHAT: u32 = u32::MAX;

/// The state of an account at Telegram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// Signed in.
    SignedIn,
    /// Its key is known but no user is bound to it.
    SignedOut,
    /// Banned: every request says so.
    Banned,
}

/// An account.
#[derive(Debug)]
pub struct Account {
    /// Its name in the access file, not known to Telegram.
    pub name: String,
    /// Its user.
    pub user_id: i64,
    /// The phone number it signs in with, digits only.
    pub phone: String,
    /// The code that signs it in.
    pub code: String,
    /// The two-step password, where one is set.
    pub password: Option<String>,
    /// The data centre it lives in.
    pub home_dc: i32,
    /// Its state at Telegram.
    pub state: AccountState,
    /// The chats in its dialog list, as positions in the world, ascending.
    pub dialogs: Vec<u32>,
    /// The same dialogs, newest first.
    pub(crate) order: DialogOrder,
    /// Its folders.
    pub folders: Vec<Folder>,
    /// Which of them are in the archive folder.
    pub archived: HashSet<u32>,
    /// The chats whose ids are its own, as positions in the world: its private chats by the other user, and its copies of basic groups.
    pub own_chats: HashMap<PeerId, u32>,
    /// The chat of every id of its own message sequence, from id 1 on.
    pub(crate) sequence: Vec<u32>,
    /// What happened in that sequence: the account's pts.
    pub journal: Journal,
    /// Data centres other than its own that it was let into; its own too, once it has moved.
    pub(crate) imported: HashSet<i32>,
    /// Data centres that it lived in before.
    pub(crate) former_homes: HashSet<i32>,
    /// Its takeout session, and how many there were.
    pub(crate) takeout: Option<i64>,
    pub(crate) takeouts: i64,
    /// Peers that it was thrown out of: `CHANNEL_PRIVATE`.
    pub(crate) forbidden: HashSet<PeerId>,
    /// Whether these stay in its list of dialogs.
    pub(crate) lists_forbidden: bool,
    /// The names of users in its address book.
    pub(crate) contacts: HashMap<i64, String>,
    /// Whether live updates are withheld from it.
    pub(crate) muted: bool,
    /// Grows whenever its file references are made to expire.
    pub(crate) reference_epoch: u32,
    /// A QR login that was accepted but not yet collected.
    pub(crate) login_accepted: bool,
}

impl Account {
    pub(crate) fn new(name: String, user_id: i64, home_dc: i32) -> Self {
        Self {
            name,
            user_id,
            phone: String::new(),
            code: String::new(),
            password: None,
            home_dc,
            state: AccountState::SignedIn,
            dialogs: Vec::new(),
            order: DialogOrder::default(),
            folders: Vec::new(),
            archived: HashSet::new(),
            own_chats: HashMap::new(),
            sequence: Vec::new(),
            journal: Journal::default(),
            imported: HashSet::new(),
            former_homes: HashSet::new(),
            takeout: None,
            takeouts: 0,
            forbidden: HashSet::new(),
            lists_forbidden: false,
            contacts: HashMap::new(),
            muted: false,
            reference_epoch: 1,
            login_accepted: false,
        }
    }

    /// Signs it in, in the data centre that it lives in.
    pub(crate) fn sign_in(&mut self) {
        self.state = AccountState::SignedIn;
        self.imported.insert(self.home_dc);
    }

    /// The chat of a message of the account's own sequence.
    pub(crate) fn chat_of_message(&self, id: i32) -> Option<u32> {
        let at = usize::try_from(id).ok()?.checked_sub(1)?;
        self.sequence.get(at).copied().filter(|chat| *chat != NO_CHAT)
    }

    /// Whether the chat is among its dialogs.
    #[must_use]
    pub fn is_member(&self, chat: u32) -> bool {
        self.dialogs.binary_search(&chat).is_ok()
    }
}
