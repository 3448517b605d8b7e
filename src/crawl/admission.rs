//! Admission: which peers are crawled, by the operator's rules and by the folders that accounts have them in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::archive::{Archive, ArchiveError, Membership};
use crate::model::{AccountName, ChatId, IdSpace, Peer, PeerId, PeerKind};
use crate::schedule::{PeerFacts, Scope};
use crate::telegram::Folder;

/// Which peers are crawled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Kinds of peers.
    pub kinds: Vec<PeerKind>,
    /// Of these, which.
    pub scope: Scope,
}

/// Which peers are crawled, and the folders as they were read last.
#[derive(Debug)]
pub(super) struct Admission {
    archive: Arc<Archive>,
    rules: Rules,
    /// Moves when folders are read.
    folders_generation: AtomicU64,
    folders: Mutex<BTreeMap<AccountName, Vec<Folder>>>,
    /// Which chats each scope covered when they were looked through last.
    covered: Mutex<Vec<Covered>>,
}

/// A number that moves whenever it may change which peers are crawled: of the archive, and of folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation(u64, u64);

/// The chats that a scope covers, as of generations of what that depends on.
#[derive(Debug)]
struct Covered {
    scope: Scope,
    generation: Generation,
    chats: Arc<[ChatId]>,
}

/// Scopes whose chats are kept: jobs have few, and those of requests come and go.
const SCOPES_KEPT: usize = 16;

impl Admission {
    pub(super) fn new(archive: Arc<Archive>, rules: Rules) -> Self {
        Self { archive, rules, folders: Mutex::default(), covered: Mutex::default(), folders_generation: AtomicU64::default() }
    }

    /// Whether the operator's rules let a peer be crawled. `peer` is what an answer says of it, else the archive is asked.
    pub(super) fn admits(&self, id: PeerId, peer: Option<&Peer>) -> Result<bool, ArchiveError> {
        self.admits_in(id, peer, &[])
    }

    /// The same for a peer that an account has in these folders, which the archive may not know yet.
    pub(super) fn admits_in(&self, id: PeerId, peer: Option<&Peer>, folders: &[String]) -> Result<bool, ArchiveError> {
        let known = match peer {
            Some(_) => None,
            None => self.archive.view().peer(id)?,
        };
        let Some(peer) = peer.or(known.as_ref()) else {
            // Nothing but its id is known: enough where nothing else is asked of it.
            return Ok(self.rules.scope.is_all() && self.admits_kind_of(id));
        };
        if !self.rules.kinds.contains(&peer.kind) {
            return Ok(false);
        }
        if self.covers_in(&self.rules.scope, id, Some(peer), folders)? {
            return Ok(true);
        }
        // What was named to be followed need not be named once more.
        let is_followed = self.archive.view().crawl_state(id)?.is_some_and(|state| state.followed);
        Ok(is_followed && !self.excludes(peer)?)
    }

    /// Whether the operator's rules exclude a peer, also where it is named to be followed.
    pub(super) fn excludes(&self, peer: &Peer) -> Result<bool, ArchiveError> {
        let spared = Scope { only: Vec::new(), except: self.rules.scope.except.clone() };
        Ok(!self.rules.kinds.contains(&peer.kind) || !self.covers_in(&spared, peer.id, Some(peer), &[])?)
    }

    /// Whether a scope covers a peer.
    pub(super) fn covers(&self, scope: &Scope, id: PeerId, peer: Option<&Peer>) -> Result<bool, ArchiveError> {
        self.covers_in(scope, id, peer, &[])
    }

    fn covers_in(&self, scope: &Scope, id: PeerId, peer: Option<&Peer>, folders: &[String]) -> Result<bool, ArchiveError> {
        if scope.is_all() {
            return Ok(true);
        }
        let known = match peer {
            Some(_) => None,
            None => self.archive.view().peer(id)?,
        };
        let Some(peer) = peer.or(known.as_ref()) else { return Ok(false) };
        let mut folders = folders.to_vec();
        if scope.is_by_folder() {
            // Also of accounts whose membership is not archived, because their folder is what keeps the peer out.
            let read = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
            folders.extend(read.values().flatten().filter(|f| f.include.contains(&id)).map(|f| f.title.clone()));
            folders.extend(self.archive.view().members(id)?.into_iter().filter(Membership::current).flat_map(|m| m.folders));
        }
        let usernames: Vec<&str> = peer.all_usernames().collect();
        Ok(scope.covers(&PeerFacts { id, usernames: &usernames, title: &peer.title, kind: peer.kind, folders: &folders }))
    }

    /// Every chat that is crawled, may be, can be, and is covered by a scope. Looked through only when anything of that may have changed: a
    /// job every few seconds must not read tens of thousands of crawl states each time.
    pub(super) fn crawled(&self, scope: &Scope) -> Result<Arc<[ChatId]>, ArchiveError> {
        let generation = self.generation();
        let mut covered = self.covered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = covered.iter().find(|known| known.scope == *scope && known.generation == generation) {
            return Ok(Arc::clone(&known.chats));
        }
        let chats: Arc<[ChatId]> = self.look_through(scope)?.into();
        covered.retain(|known| known.scope != *scope);
        if covered.len() >= SCOPES_KEPT {
            covered.remove(0);
        }
        covered.push(Covered { scope: scope.clone(), generation, chats: Arc::clone(&chats) });
        Ok(chats)
    }

    /// What is admitted and covered can have changed only if this has.
    pub(super) fn generation(&self) -> Generation {
        Generation(self.archive.crawled_generation(), self.folders_generation.load(Ordering::SeqCst))
    }

    fn look_through(&self, scope: &Scope) -> Result<Vec<ChatId>, ArchiveError> {
        let mut chats = Vec::new();
        for entry in self.archive.view().crawl_states(ChatId::FIRST) {
            let (chat, state) = entry?;
            let peer = chat.peer();
            if state.unavailable.is_none() && self.covers(scope, peer, None)? && self.admits(peer, None)? {
                chats.push(chat);
            }
        }
        Ok(chats)
    }

    /// Whether anything but its id is known of a peer, so that rules can decide.
    pub(super) fn is_known(&self, peer: PeerId) -> Result<bool, ArchiveError> {
        Ok(self.archive.view().peer(peer)?.is_some())
    }

    /// Whether the operator wants peers of this kind at all.
    pub(super) fn admits_kind_of(&self, peer: PeerId) -> bool {
        let kinds = &self.rules.kinds;
        match peer.kind() {
            IdSpace::User => kinds.contains(&PeerKind::User),
            IdSpace::Chat => kinds.contains(&PeerKind::Group),
            IdSpace::Channel => true,
        }
    }

    /// Whether the rules depend on folders.
    pub(super) fn is_by_folder(&self) -> bool {
        self.rules.scope.is_by_folder()
    }

    /// Takes over an account's folders; true when none were known of it.
    pub(super) fn set_folders(&self, account: &AccountName, folders: Vec<Folder>) -> bool {
        self.folders_generation.fetch_add(1, Ordering::SeqCst);
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).insert(*account, folders).is_none()
    }

    /// The accounts among these whose folders were not read yet.
    pub(super) fn without_folders(&self, accounts: impl IntoIterator<Item = AccountName>) -> Vec<AccountName> {
        let read = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.into_iter().filter(|name| !read.contains_key(name)).collect()
    }

    /// Titles of the folders in which an account has a peer, as far as they were read.
    pub(super) fn folders_of(&self, account: &AccountName, id: PeerId, kind: Option<PeerKind>) -> Vec<String> {
        let folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        let of_account = folders.get(account).into_iter().flatten();
        let titles: BTreeSet<&str> = of_account.filter(|f| holds(f, id, kind)).map(|f| f.title.as_str()).collect();
        titles.into_iter().map(str::to_owned).collect()
    }
}

/// Whether a folder holds a peer. What depends on being muted or read changes by the minute, and is not looked at.
fn holds(folder: &Folder, peer: PeerId, kind: Option<PeerKind>) -> bool {
    let by_kind = match kind {
        Some(PeerKind::Group | PeerKind::Supergroup) => folder.groups,
        Some(PeerKind::Channel) => folder.channels,
        Some(PeerKind::User) | None => false,
    };
    folder.include.contains(&peer) || (by_kind && !folder.exclude.contains(&peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_what_it_names_and_the_kinds_it_wants_without_what_it_excludes() {
        let [named, excluded, other] = [1, 2, 3].map(PeerId::channel);
        let folder = Folder {
            title: "Work".to_owned(),
            include: vec![named],
            exclude: vec![excluded, named],
            groups: false,
            channels: true,
        };
        let channel = Some(PeerKind::Channel);
        assert!(holds(&folder, named, Some(PeerKind::Supergroup)), "named, whatever else is said");
        assert!(!holds(&folder, excluded, channel));
        assert!(holds(&folder, other, channel));
        assert!(!holds(&folder, other, Some(PeerKind::Group)));
        assert!(!holds(&folder, other, None));
    }
}
