//! Who reads which peer: the accounts that can address it, the one whose ids it is archived by, and the peers that no walk finds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::archive::{Archive, ArchiveError, Completeness};
use crate::model::{AccountName, IdSpace, PeerId};
use crate::telegram::{Client, Clients};

/// Who reads which peer.
#[derive(Debug)]
pub(super) struct Peers {
    archive: Arc<Archive>,
    clients: Arc<Clients>,
    /// Peers whose message ids are an account's own, by the account that archives them.
    owned: Mutex<BTreeMap<AccountName, BTreeSet<PeerId>>>,
    /// Peers that are crawled though no account has them among its dialogs.
    without_member: Mutex<BTreeSet<PeerId>>,
    /// Accounts that are being asked from where on they see a peer: they read nothing of it before that is known.
    asked: Mutex<BTreeSet<(PeerId, AccountName)>>,
}

impl Peers {
    pub(super) fn new(archive: Arc<Archive>, clients: Arc<Clients>) -> Self {
        Self { archive, clients, owned: Mutex::default(), without_member: Mutex::default(), asked: Mutex::default() }
    }

    /// Learns from the archive what is kept in memory: who archives what, and what is crawled without a member.
    pub(super) fn load(&self) -> Result<(), ArchiveError> {
        let mut members = BTreeSet::new();
        for entry in self.archive.view().memberships() {
            let (peer, membership) = entry?;
            if membership.current() {
                members.insert(peer);
            }
        }
        for entry in self.archive.view().crawl_states(PeerId(i64::MIN)) {
            let (peer, state) = entry?;
            if let Some(owner) = &state.account {
                self.set_owner(peer, owner);
            }
            if state.unavailable.is_none() && !members.contains(&peer) {
                self.add_without_member(peer);
            }
        }
        Ok(())
    }

    /// The accounts that can read a peer: those that have an access hash for it, or, where ids are the account's own, the
    /// one that archives it.
    pub(super) fn readers(&self, peer: PeerId) -> Result<Vec<AccountName>, ArchiveError> {
        let owner = self.owner(peer)?;
        let may = |(name, client): &(&AccountName, &Arc<Client>)| {
            owner.as_ref().is_none_or(|owner| owner == *name) && client.session().knows(peer)
        };
        Ok(self.clients.iter().filter(may).map(|(name, _)| name.clone()).collect())
    }

    /// The accounts that can read anything of what a peer's history lacks, as far as is known what each sees.
    pub(super) fn readers_of_history(&self, peer: PeerId) -> Result<Vec<AccountName>, ArchiveError> {
        let mut readers = self.readers(peer)?;
        {
            let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            readers.retain(|name| !asked.contains(&(peer, name.clone())));
        }
        let Some(state) = self.archive.view().crawl_state(peer)? else { return Ok(readers) };
        if state.visible_from.values().all(|first| *first <= 1) {
            return Ok(readers);
        }
        let coverage = self.archive.view().coverage(peer)?;
        let Completeness { missing, recheck, held, .. } = Completeness::of(&coverage, &state);
        let newest = [missing.last(), recheck.last(), held.last()];
        if newest.iter().any(Option::is_some) {
            readers.retain(|name| newest.iter().flatten().any(|id| state.is_visible_to(name, *id)));
        }
        Ok(readers)
    }

    /// An account is being asked from where on it sees a peer, or has answered.
    pub(super) fn set_asked(&self, account: &AccountName, peer: PeerId, asked: bool) {
        let mut of = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked {
            of.insert((peer, account.clone()));
        } else {
            of.remove(&(peer, account.clone()));
        }
    }

    /// What waited for an account that is gone has gone with it.
    pub(super) fn forget_asked(&self) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The account that archives a peer whose message ids are each account's own; `None` for channels.
    pub(super) fn owner(&self, peer: PeerId) -> Result<Option<AccountName>, ArchiveError> {
        match peer.kind() {
            IdSpace::Channel => Ok(None),
            IdSpace::User | IdSpace::Chat => Ok(self.archive.view().crawl_state(peer)?.and_then(|state| state.account)),
        }
    }

    /// Whether another account archives a peer whose message ids are each account's own.
    pub(super) fn belongs_to_another(&self, account: &AccountName, peer: PeerId) -> Result<bool, ArchiveError> {
        Ok(self.owner(peer)?.is_some_and(|owner| owner != *account))
    }

    /// Notes that an account archives a peer whose ids are its own.
    pub(super) fn set_owner(&self, peer: PeerId, account: &AccountName) {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner).entry(account.clone()).or_default().insert(peer);
    }

    /// The peers that an account archives because their ids are its own.
    pub(super) fn owned_by(&self, account: &AccountName) -> Vec<PeerId> {
        let owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        owned.get(account).into_iter().flatten().copied().collect()
    }

    /// Whether an account can address a peer.
    pub(super) fn is_known_to(&self, account: &AccountName, peer: PeerId) -> bool {
        self.clients.get(account).is_some_and(|client| client.session().knows(peer))
    }

    /// The peers that are crawled although no account has them among its dialogs: walks do not find them.
    pub(super) fn without_member(&self) -> BTreeSet<PeerId> {
        self.without_member.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has a peer crawled from now on although no account is a member.
    pub(super) fn add_without_member(&self, peer: PeerId) {
        self.without_member.lock().unwrap_or_else(PoisonError::into_inner).insert(peer);
    }

    /// These were seen among an account's dialogs, or cannot be read: walks find them, or nobody does.
    pub(super) fn remove_without_member(&self, peers: impl Iterator<Item = PeerId>) {
        let mut without_member = self.without_member.lock().unwrap_or_else(PoisonError::into_inner);
        if !without_member.is_empty() {
            for peer in peers {
                without_member.remove(&peer);
            }
        }
    }

    /// An account leaves a peer. What the last one leaves is crawled on for as long as it can be read without a member.
    pub(super) fn member_left(&self, account: &AccountName, peer: PeerId) -> Result<(), ArchiveError> {
        let crawled = self.archive.view().crawl_state(peer)?.is_some_and(|c| c.unavailable.is_none());
        let others =
            || Ok::<_, ArchiveError>(self.archive.view().members(peer)?.iter().any(|m| m.current() && m.account != *account));
        if crawled && !others()? {
            self.add_without_member(peer);
        }
        Ok(())
    }
}
