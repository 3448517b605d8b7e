//! A session: what an account needs to speak to Telegram, in memory.
//!
//! Shared by the connection that uses it, the updates that harvest access hashes into it, and the store that saves it. A mutex is held
//! for single reads and changes only; saving has a mutex of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{SocketAddrV4, SocketAddrV6};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::lost::LostSession;
use crate::model::{AccountName, IdSpace, PeerId, UpdatesState};
use crate::seal::fingerprint;

/// An authorisation key: whoever has it *is* the account. Never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct AuthKey([u8; 256]);

impl AuthKey {
    /// The key from its 256 bytes.
    #[must_use]
    pub fn new(bytes: [u8; 256]) -> Self {
        Self(bytes)
    }

    /// The 256 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 256] {
        &self.0
    }
}

impl fmt::Debug for AuthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthKey(..)")
    }
}

impl Serialize for AuthKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for AuthKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = zeroize::Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = zeroize::Zeroizing::new(BASE64.decode(text.as_bytes()).map_err(serde::de::Error::custom)?);
        let key = bytes.as_slice().try_into().map_err(|_| serde::de::Error::custom("an authorisation key has 256 bytes"))?;
        Ok(Self(key))
    }
}

/// A data centre as an account knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataCentre {
    /// Its address.
    pub ipv4: SocketAddrV4,
    /// Its IPv6 address, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<SocketAddrV6>,
    /// The key that the account and the data centre share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_key: Option<AuthKey>,
}

/// An account's updates state as it is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "UpdatesState")]
struct SavedUpdates {
    pts: i32,
    qts: i32,
    date: i32,
    seq: i32,
}

mod saved_updates {
    //! The same where there may be none.

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{SavedUpdates, UpdatesState};

    #[derive(Serialize, Deserialize)]
    struct Saved(#[serde(with = "SavedUpdates")] UpdatesState);

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(state: &Option<UpdatesState>, serializer: S) -> Result<S::Ok, S::Error> {
        state.map(Saved).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UpdatesState>, D::Error> {
        Ok(Option::<Saved>::deserialize(deserializer)?.map(|Saved(state)| state))
    }
}

/// What is saved of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionData {
    /// The version of this form.
    pub version: u32,
    /// The kind of server the session was made for (`telegram.server` of the configuration).
    pub server: String,
    /// The data centre the account lives on.
    pub home: i32,
    /// Every known data centre.
    pub data_centres: BTreeMap<i32, DataCentre>,
    /// The user the account is, once known.
    #[serde(default)]
    pub user_id: Option<i64>,
    /// The account's updates state; absent until it first asked. Where the archive has one, that counts.
    #[serde(default, with = "saved_updates")]
    pub updates: Option<UpdatesState>,
    /// Access hashes by marked peer id; `None` for basic groups, which have none. In the file: those that the archive does not have yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peers: BTreeMap<i64, Option<i64>>,
    /// The account's rate limit budgets, as the pool learnt them and in the pool's own format.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub budgets: serde_json::Value,
    /// What Telegram said when it stopped serving the session; absent while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<LostSession>,
}

pub(super) const VERSION: u32 = 1;

/// An account's session.
pub struct Session {
    name: AccountName,
    data: Mutex<SessionData>,
    changed: Changes<watch::Sender<u64>>,
    /// What of its peers the archive does not have yet; `None` while there is no archive, and the file has all of them.
    unarchived: Mutex<Option<BTreeMap<PeerId, PeerNews>>>,
    /// Whether the account pays for Telegram, as far as it was told since the start.
    premium: AtomicBool,
    /// The revision that its file has. Locked while the file is replaced, so that an older revision never replaces a newer one.
    saved: Mutex<Changes<u64>>,
}

/// What was learnt of a peer: by which access hash it can be addressed (a basic group has none), or that it cannot be any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerNews {
    /// By this.
    Known(Option<i64>),
    /// Not at all.
    Forgotten,
}

impl fmt::Debug for Session {
    /// Without what makes it the account.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("account", &self.name).finish_non_exhaustive()
    }
}

/// How many changes there were, or a channel that notifies of them, by how soon they must be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Changes<T> {
    /// Saved at once, because it cannot be learnt again: keys, the home data centre, who the account is, flood waits.
    pub immediate: T,
    /// Debounced, because the next answers would teach it again: the updates state, and access hashes where no archive keeps them.
    pub coalesced: T,
}

/// How soon a change must be saved.
#[derive(Clone, Copy)]
enum SavePriority {
    Immediate,
    Coalesced,
}

impl Session {
    /// A new session for a kind of server, with the data centres to start from.
    #[must_use]
    pub fn new(name: AccountName, server: &str, home: i32, data_centres: BTreeMap<i32, DataCentre>) -> Self {
        let data = SessionData {
            version: VERSION,
            server: server.to_owned(),
            home,
            data_centres,
            user_id: None,
            updates: None,
            peers: BTreeMap::new(),
            budgets: serde_json::Value::Null,
            lost: None,
        };
        Self::of(name, data)
    }

    pub(super) fn of(name: AccountName, data: SessionData) -> Self {
        let changed = Changes { immediate: watch::Sender::new(0), coalesced: watch::Sender::new(0) };
        let premium = AtomicBool::new(false);
        Self { name, data: Mutex::new(data), changed, unarchived: Mutex::default(), premium, saved: Mutex::default() }
    }

    /// Writes a snapshot of the session to its file, one save at a time.
    pub(super) fn save_with<E>(&self, write: impl FnOnce(&SessionData) -> Result<(), E>) -> Result<(), E> {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        // The revision is read before the snapshot: what changes in between is saved once more, and never left out.
        let revision = self.revision();
        write(&self.data_of_file())?;
        *saved = revision;
        Ok(())
    }

    /// The revision that the session's file has.
    pub(super) fn saved_revision(&self) -> Changes<u64> {
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session's revision now: how many changes of each kind it has seen.
    pub(super) fn revision(&self) -> Changes<u64> {
        Changes { immediate: *self.changed.immediate.borrow(), coalesced: *self.changed.coalesced.borrow() }
    }

    /// Has an archive keep the peers that it can address: takes over those that the archive has, by which user each was learnt, and tells of
    /// those that only the file has as news.
    ///
    /// The file is replaced as a whole at each save, which with tens of thousands of peers in it would be most of what a disk writes.
    pub fn keep_peers_in_archive(&self, archived: impl IntoIterator<Item = (PeerId, Option<i64>, Option<i64>)>) {
        let mut data = self.lock();
        let mut news: BTreeMap<PeerId, PeerNews> =
            data.peers.iter().map(|(peer, hash)| (PeerId(*peer), PeerNews::Known(*hash))).collect();
        let own = data.user_id;
        for (peer, user, hash) in archived {
            // A hash of somebody who had the name before is of no use.
            if user.zip(own).is_some_and(|(user, own)| user != own) {
                continue;
            }
            if news.get(&peer) == Some(&PeerNews::Known(hash)) {
                news.remove(&peer);
            }
            data.peers.entry(peer.0).or_insert(hash);
        }
        drop(data);
        *self.unarchived() = Some(news);
    }

    /// What the archive is to be told of its peers.
    #[must_use]
    pub fn news_of_peers(&self) -> Vec<(PeerId, PeerNews)> {
        self.unarchived().iter().flatten().map(|(peer, news)| (*peer, *news)).collect()
    }

    /// The archive has these.
    pub fn archived_peers(&self, told: &[(PeerId, PeerNews)]) {
        let mut unarchived = self.unarchived();
        let Some(news) = unarchived.as_mut() else { return };
        for (peer, told) in told {
            // What was learnt meanwhile is told the next time.
            if news.get(peer) == Some(told) {
                news.remove(peer);
            }
        }
    }

    fn note_news(&self, peer: PeerId, news: PeerNews) -> bool {
        self.unarchived().as_mut().map(|unarchived| unarchived.insert(peer, news)).is_some()
    }

    fn unarchived(&self) -> MutexGuard<'_, Option<BTreeMap<PeerId, PeerNews>>> {
        self.unarchived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn data(&self) -> SessionData {
        self.lock().clone()
    }

    /// What its file is to hold.
    fn data_of_file(&self) -> SessionData {
        let unarchived = self.unarchived();
        let Some(news) = unarchived.as_ref() else { return self.data() };
        let known = |(peer, news): (&PeerId, &PeerNews)| match news {
            PeerNews::Known(hash) => Some((peer.0, *hash)),
            PeerNews::Forgotten => None,
        };
        let peers = news.iter().filter_map(known).collect();
        let data = self.lock();
        let SessionData { version, home, user_id, updates, .. } = *data;
        SessionData {
            version,
            home,
            user_id,
            updates,
            peers,
            server: data.server.clone(),
            data_centres: data.data_centres.clone(),
            budgets: data.budgets.clone(),
            lost: data.lost.clone(),
        }
    }

    /// The account's name.
    #[must_use]
    pub fn name(&self) -> &AccountName {
        &self.name
    }

    /// Channels that notify of every change, counted from 0 when the session was made or loaded.
    pub(super) fn changes(&self) -> Changes<watch::Receiver<u64>> {
        Changes { immediate: self.changed.immediate.subscribe(), coalesced: self.changed.coalesced.subscribe() }
    }

    /// Asks for the file to be replaced although nothing in the session changed.
    pub(super) fn save_soon(&self) {
        self.change(SavePriority::Immediate, |_| true);
    }

    /// The data centre the account lives on.
    #[must_use]
    pub fn home(&self) -> i32 {
        self.lock().home
    }

    /// Moves the account to another data centre, as Telegram asks at login.
    pub fn set_home(&self, home: i32) {
        self.change(SavePriority::Immediate, |data| std::mem::replace(&mut data.home, home) != home);
    }

    /// A data centre.
    #[must_use]
    pub fn data_centre(&self, id: i32) -> Option<DataCentre> {
        self.lock().data_centres.get(&id).cloned()
    }

    /// Notes a data centre's address or key. The home data centre's key is never replaced: a server that does not know it
    /// (anymore) must end in a clear "signed out", not in a new, empty authorisation that overwrites the old one.
    ///
    /// # Errors
    /// When that would happen.
    pub fn set_data_centre(&self, id: i32, new: DataCentre) -> Result<(), HomeKeyKept> {
        let mut kept = Ok(());
        self.change(SavePriority::Immediate, |data| {
            let home = data.home == id;
            if let Some(old) = data.data_centres.get(&id) {
                if home && old.auth_key.is_some() && old.auth_key != new.auth_key {
                    kept = Err(HomeKeyKept);
                    return false;
                }
                if *old == new {
                    return false;
                }
            }
            data.data_centres.insert(id, new);
            true
        });
        kept
    }

    /// Notes the key that was made with a data centre other than home in place of another, and says whether it did: where the place has
    /// got another key meanwhile, that one stays.
    pub fn replace_foreign_key(&self, id: i32, old: Option<&AuthKey>, new: AuthKey) -> bool {
        self.change(SavePriority::Immediate, |data| {
            let is_home = data.home == id;
            match data.data_centres.get_mut(&id).filter(|dc| !is_home && dc.auth_key.as_ref() == old) {
                Some(dc) => {
                    dc.auth_key = Some(new);
                    true
                }
                None => false,
            }
        })
    }

    /// The fingerprints of its authorisation keys, in the order of their data centres. A key is random, so nobody finds it from them.
    #[must_use]
    pub fn key_fingerprints(&self) -> Vec<String> {
        let keys = self.lock();
        let keys = keys.data_centres.values().filter_map(|dc| dc.auth_key.as_ref());
        keys.map(|key| fingerprint("telescribe authorisation key", key.bytes())).collect()
    }

    /// The user the account is, once known.
    #[must_use]
    pub fn user_id(&self) -> Option<i64> {
        self.lock().user_id
    }

    /// Notes the user the account is.
    pub fn set_user_id(&self, id: i64) {
        self.change(SavePriority::Immediate, |data| data.user_id.replace(id) != Some(id));
    }

    /// Whether the account pays for Telegram (premium), as far as it was told since the start.
    #[must_use]
    pub fn is_premium(&self) -> bool {
        self.premium.load(Ordering::Relaxed)
    }

    /// Notes whether the account pays for Telegram. It is kept in memory only: the next start is told again.
    pub fn set_premium(&self, premium: bool) {
        self.premium.store(premium, Ordering::Relaxed);
    }

    /// How far the account has followed Telegram's updates outside channels.
    #[must_use]
    pub fn updates(&self) -> Option<UpdatesState> {
        self.lock().updates
    }

    /// Notes how far the account has followed Telegram's updates outside channels. An older state only tells more; but without
    /// any, what happens until the next start would not be told at all.
    pub fn set_updates(&self, state: UpdatesState) {
        let priority = if self.updates().is_none() { SavePriority::Immediate } else { SavePriority::Coalesced };
        self.change(priority, |data| data.updates.replace(state) != Some(state));
    }

    /// Notes a peer that this account can address. A basic group has no access hash.
    pub fn learn(&self, peer: PeerId, access_hash: Option<i64>) {
        if access_hash.is_none() && peer.kind() != IdSpace::Chat {
            return;
        }
        let is_new = self.lock().peers.insert(peer.0, access_hash) != Some(access_hash);
        if is_new && !self.note_news(peer, PeerNews::Known(access_hash)) {
            self.change(SavePriority::Coalesced, |_| true);
        }
    }

    /// Forgets a peer that this account can no longer read.
    pub fn forget(&self, peer: PeerId) {
        let was_known = self.lock().peers.remove(&peer.0).is_some();
        if was_known && !self.note_news(peer, PeerNews::Forgotten) {
            self.change(SavePriority::Coalesced, |_| true);
        }
    }

    /// Whether this account can address a peer.
    #[must_use]
    pub fn knows(&self, peer: PeerId) -> bool {
        self.lock().peers.contains_key(&peer.0)
    }

    /// The access hash that Telegram gave this account for a peer; `None` when it gave none or needs none.
    #[must_use]
    pub fn access_hash(&self, peer: PeerId) -> Option<i64> {
        self.lock().peers.get(&peer.0).copied().flatten()
    }

    /// Every peer that this account can address.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerId> {
        self.lock().peers.keys().copied().map(PeerId).collect()
    }

    /// The account's rate limit budgets, as [`Session::set_budgets`] left them; null at first.
    #[must_use]
    pub fn budgets(&self) -> serde_json::Value {
        self.lock().budgets.clone()
    }

    /// Notes the account's rate limit budgets. A restart must not forget a flood wait, so they are saved at once.
    pub fn set_budgets(&self, budgets: serde_json::Value) {
        self.change(SavePriority::Immediate, |data| {
            let changed = data.budgets != budgets;
            data.budgets = budgets;
            changed
        });
    }

    /// Telegram's error when it stopped serving the session; `None` while it does, as far as is known.
    #[must_use]
    pub fn lost(&self) -> Option<LostSession> {
        self.lock().lost.clone()
    }

    /// Notes that Telegram stopped serving the session. The first time counts until [`Session::clear_lost`].
    pub fn set_lost(&self, name: &str, at: DateTime<Utc>) {
        self.change(SavePriority::Immediate, |data| {
            if data.lost.as_ref().is_some_and(|lost| lost.name == name) {
                return false;
            }
            data.lost = Some(LostSession { name: name.to_owned(), at });
            true
        });
    }

    /// Notes that Telegram serves the session.
    pub fn clear_lost(&self) {
        self.change(SavePriority::Immediate, |data| data.lost.take().is_some());
    }

    /// Gives up every authorisation key, because Telegram no longer takes them: the next login makes new ones.
    pub fn forget_keys(&self) {
        self.change(SavePriority::Immediate, |data| {
            let keys = data.data_centres.values_mut().filter_map(|dc| dc.auth_key.take()).count();
            keys > 0
        });
    }

    fn change(&self, priority: SavePriority, change: impl FnOnce(&mut SessionData) -> bool) -> bool {
        let changed = change(&mut self.lock());
        if changed {
            let counter = match priority {
                SavePriority::Immediate => &self.changed.immediate,
                SavePriority::Coalesced => &self.changed.coalesced,
            };
            counter.send_modify(|n| *n += 1);
        }
        changed
    }

    fn lock(&self) -> MutexGuard<'_, SessionData> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server that does not know the account's key tried to give it another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server does not know this account's authorisation key; it was kept")]
pub struct HomeKeyKept;
