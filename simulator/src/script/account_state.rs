//! The state of accounts: signed out, banned, moved.

use grammers_tl_types::{Serializable, enums, types};

use super::ScriptError;
use crate::clock;
use crate::simulator::Simulator;
use crate::world::{Account, AccountState, Folder, PeerId};

impl Simulator {
    /// Signs an account out: every request is answered `401 AUTH_KEY_UNREGISTERED` until it signs in again.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn sign_out(&self, account: &str) -> Result<(), ScriptError> {
        self.with_account(account, |account| {
            account.state = AccountState::SignedOut;
            account.imported.clear();
        })
    }

    /// Signs an account in without a code.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn sign_in(&self, account: &str) -> Result<(), ScriptError> {
        self.with_account(account, Account::sign_in)
    }

    /// Bans an account: every request is answered `401 USER_DEACTIVATED_BAN`.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn ban(&self, account: &str) -> Result<(), ScriptError> {
        self.with_account(account, |account| account.state = AccountState::Banned)
    }

    /// Accepts the QR login that an account's client shows, which is told so at once.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn accept_login(&self, account: &str) -> Result<(), ScriptError> {
        self.with_account(account, |account| account.login_accepted = true)?;
        let told = types::UpdateShort { update: enums::Update::LoginToken, date: clock::unix_seconds() };
        let index = self.inspect(|world| world.accounts.iter().position(|a| a.name == account));
        self.core.hub.push(index.unwrap_or_default(), &enums::Updates::UpdateShort(told).to_bytes(), None);
        Ok(())
    }

    /// Hides a peer from an account (`CHANNEL_PRIVATE`), or shows it again, without a word; see [`Simulator::kick`] for the rest.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn forbid(&self, account: &str, peer: PeerId, forbidden: bool) -> Result<(), ScriptError> {
        self.with_account(account, |account| {
            if forbidden {
                account.forbidden.insert(peer);
            } else {
                account.forbidden.remove(&peer);
            }
        })?;
        let mut world = self.core.world_mut();
        let at = world.account_named(account).and_then(|at| Some((at, world.chat_index(at, peer)?)));
        if let Some((at, chat)) = at {
            world.reorder(at, chat);
        }
        Ok(())
    }

    /// Keeps what is forbidden to an account ([`Simulator::forbid`]) in its list of dialogs, as Telegram does with a group that somebody was
    /// thrown out of, or no longer.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn list_forbidden(&self, account: &str, listed: bool) -> Result<(), ScriptError> {
        self.with_account(account, |account| account.lists_forbidden = listed)
    }

    /// Puts a user into an account's address book: the account sees it under that name from now on.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn save_contact(&self, account: &str, user: i64, name: impl Into<String>) -> Result<(), ScriptError> {
        self.with_account(account, |account| drop(account.contacts.insert(user, name.into())))
    }

    /// Moves an account to another data centre. From then on its old home answers `303 USER_MIGRATE_n`, and the new one lets it
    /// in with `auth.importAuthorization` of what `auth.exportAuthorization` in the old one gave, or when it signs in anew.
    ///
    /// # Errors
    /// When there is no such account or data centre.
    pub fn move_home(&self, account: &str, dc: i32) -> Result<(), ScriptError> {
        if !self.core.world().data_centres.contains(&dc) {
            return Err(ScriptError::NoSuchDataCentre(dc));
        }
        self.with_account(account, |account| {
            if account.home_dc != dc {
                account.former_homes.insert(account.home_dc);
                account.former_homes.remove(&dc);
                account.imported.remove(&dc);
                account.home_dc = dc;
            }
        })
    }

    /// Gives an account other folders, and tells its connections so.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn set_folders(&self, account: &str, folders: Vec<Folder>) -> Result<(), ScriptError> {
        self.with_account(account, |account| account.folders = folders)?;
        let world = self.core.world();
        let updates = types::Updates {
            updates: vec![enums::Update::DialogFilters],
            users: vec![],
            chats: vec![],
            date: clock::unix_seconds(),
            seq: 0,
        };
        if let Some(at) = world.account_named(account) {
            self.core.hub.push(at, &enums::Updates::Updates(updates).to_bytes(), None);
        }
        Ok(())
    }

    /// Withholds live updates from an account, or gives them again; differences tell what was missed.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn withhold_updates(&self, account: &str, withheld: bool) -> Result<(), ScriptError> {
        self.with_account(account, |account| account.muted = withheld)
    }

    fn with_account(&self, name: &str, change: impl FnOnce(&mut Account)) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        let account = world.accounts.iter_mut().find(|account| account.name == name);
        change(account.ok_or_else(|| ScriptError::NoSuchAccount(name.into()))?);
        Ok(())
    }
}
