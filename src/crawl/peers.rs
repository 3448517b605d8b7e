//! Who reads which peer: the accounts that can address it, the one whose ids it is archived by, and the peers that no walk finds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::steps::Steps;
use crate::archive::{Archive, ArchiveError, Completeness};
use crate::model::{AccountName, ChatId, IdSpace, PeerId};
use crate::telegram::{Client, Clients};

/// Who reads which peer.
#[derive(Debug)]
pub(super) struct Peers {
    archive: Arc<Archive>,
    clients: Arc<Clients>,
    /// The peers that each account archives by ids of its own.
    own: Mutex<BTreeMap<AccountName, BTreeSet<PeerId>>>,
    /// The account that archives each basic group.
    owners: Mutex<BTreeMap<PeerId, AccountName>>,
    /// Basic groups that became supergroups, and were looked for.
    sought_pasts: Mutex<BTreeSet<PeerId>>,
    /// How far each account's chats outside channels are in step with what it is told.
    steps: Mutex<BTreeMap<AccountName, Steps>>,
    /// Peers that are crawled though no account has them among its dialogs.
    without_member: Mutex<BTreeSet<PeerId>>,
    /// Accounts that are being asked from where on they see a peer: they read nothing of it before that is known.
    asked: Mutex<BTreeSet<(PeerId, AccountName)>>,
}

impl Peers {
    pub(super) fn new(archive: Arc<Archive>, clients: Arc<Clients>) -> Self {
        Self {
            archive,
            clients,
            own: Mutex::default(),
            owners: Mutex::default(),
            steps: Mutex::default(),
            sought_pasts: Mutex::default(),
            without_member: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// Learns from the archive what is kept in memory: who archives what, and what is crawled without a member.
    pub(super) fn load(&self) -> Result<(), ArchiveError> {
        let (mut members, mut own) = (BTreeSet::new(), BTreeSet::new());
        for entry in self.archive.view().memberships() {
            let (peer, membership) = entry?;
            if membership.current() {
                members.insert(peer);
                if peer.kind() == IdSpace::Chat {
                    own.insert((peer, membership.account));
                }
            }
        }
        for entry in self.archive.view().crawl_states(ChatId::FIRST) {
            let (chat, state) = entry?;
            if state.unavailable.is_some() {
                continue;
            }
            let peer = chat.peer();
            match chat.account() {
                // One that has left a group meanwhile has it no longer.
                Some(account) if peer.kind() != IdSpace::Chat || own.contains(&(peer, account)) => {
                    self.claim(&account, peer);
                }
                Some(_) => {}
                None if !members.contains(&peer) => self.add_without_member(peer),
                None => {}
            }
        }
        Ok(())
    }

    /// The accounts that can read a chat: those that have an access hash for its peer, or, where ids are an account's own, that one.
    pub(super) fn readers(&self, chat: impl Into<ChatId>) -> Vec<AccountName> {
        let chat = chat.into();
        let is_of = |name: &AccountName| !chat.peer().has_own_ids() || chat.account().as_ref() == Some(name);
        let may = |(name, client): &(&AccountName, &Arc<Client>)| is_of(name) && client.session().knows(chat.peer());
        self.clients.iter().filter(may).map(|(name, _)| *name).collect()
    }

    /// The accounts that can read an id of a chat, as far as is known what each sees: one of them, where it is named.
    pub(super) fn readers_of_id(
        &self,
        chat: ChatId,
        id: i32,
        named: Option<AccountName>,
    ) -> Result<Vec<AccountName>, ArchiveError> {
        let mut readers = self.readers(chat);
        readers.retain(|name| named.is_none_or(|named| named == *name));
        let state = self.archive.view().crawl_state(chat)?.unwrap_or_default();
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain(|name| state.is_visible_to(name, id) && !asked.contains(&(chat.peer(), *name)));
        Ok(readers)
    }

    /// The accounts that can read anything of what a chat's history lacks, as far as is known what each sees.
    pub(super) fn readers_of_history(&self, chat: ChatId) -> Result<Vec<AccountName>, ArchiveError> {
        let mut readers = self.readers(chat);
        {
            let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            readers.retain(|name| !asked.contains(&(chat.peer(), *name)));
        }
        let Some(state) = self.archive.view().crawl_state(chat)? else { return Ok(readers) };
        if state.visible_from.values().all(|first| *first <= 1) {
            return Ok(readers);
        }
        let coverage = self.archive.view().coverage(chat)?;
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
            of.insert((peer, *account));
        } else {
            of.remove(&(peer, *account));
        }
    }

    /// What waited for an account that is gone has gone with it.
    pub(super) fn forget_asked(&self) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Has an account archive a peer from now on; false where another one archives the same messages. That is so in basic groups only: the
    /// first one that comes has it until it is lost, and a private chat is each account's own.
    ///
    /// # Correctness
    /// Decided here, before the write that makes it true: two accounts that walk at the same time would both find nobody in the archive.
    pub(super) fn claim(&self, account: &AccountName, peer: PeerId) -> bool {
        match peer.kind() {
            IdSpace::Channel => return true,
            IdSpace::User => {}
            IdSpace::Chat => {
                let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
                if owners.entry(peer).or_insert_with(|| *account) != account {
                    return false;
                }
            }
        }
        self.own.lock().unwrap_or_else(PoisonError::into_inner).entry(*account).or_default().insert(peer);
        true
    }

    /// An account was told of the newest id of a peer as of a state of its own; that is archived.
    pub(super) fn noted(&self, account: &AccountName, peer: PeerId, pts: Option<i32>) {
        let Some(pts) = pts.filter(|_| self.owns(account, peer)) else { return };
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).entry(*account).or_default().noted(peer, pts);
    }

    /// An event of a peer outside channels was not taken over, which brought its account to this state.
    pub(super) fn dropped(&self, account: &AccountName, peer: PeerId, pts: i32) {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).entry(*account).or_default().dropped(peer, pts);
    }

    /// An account was not told of everything before this state.
    pub(super) fn jumped(&self, account: &AccountName, pts: i32) {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).entry(*account).or_default().jumped(pts);
    }

    /// Whether an account was told of everything in a peer outside channels since its newest id was seen.
    pub(super) fn is_in_step(&self, account: &AccountName, peer: PeerId) -> bool {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).get(account).is_some_and(|steps| steps.hold(peer))
    }

    /// An account archives a basic group no longer, so that another one can.
    pub(super) fn release(&self, account: &AccountName, peer: PeerId) {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if owners.get(&peer) == Some(account) {
            owners.remove(&peer);
        }
        drop(owners);
        if let Some(own) = self.own.lock().unwrap_or_else(PoisonError::into_inner).get_mut(account) {
            own.remove(&peer);
        }
        if let Some(steps) = self.steps.lock().unwrap_or_else(PoisonError::into_inner).get_mut(account) {
            steps.left(peer);
        }
    }

    /// Whether another account archives the same messages: those of a basic group.
    pub(super) fn belongs_to_another(&self, account: &AccountName, peer: PeerId) -> bool {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).get(&peer).is_some_and(|owner| owner != account)
    }

    /// The account that archives a basic group.
    pub(super) fn owner(&self, peer: PeerId) -> Option<AccountName> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).get(&peer).copied()
    }

    /// Whether an account archives a peer by ids of its own.
    pub(super) fn owns(&self, account: &AccountName, peer: PeerId) -> bool {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).get(account).is_some_and(|own| own.contains(&peer))
    }

    /// The chats that an account archives by ids of its own.
    pub(super) fn own_chats(&self, account: &AccountName) -> Vec<ChatId> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.get(account).into_iter().flatten().map(|peer| ChatId::seen_by(*account, *peer)).collect()
    }

    /// Another account among these that is in a basic group and can address it.
    pub(super) fn other_member(
        &self,
        account: &AccountName,
        peer: PeerId,
        able: &BTreeSet<AccountName>,
    ) -> Result<Option<AccountName>, ArchiveError> {
        let members = self.archive.view().members(peer)?;
        let others = members.into_iter().filter(|member| member.current() && member.account != *account);
        Ok(others.map(|member| member.account).find(|name| able.contains(name) && self.is_known_to(name, peer)))
    }

    /// Notes that the group is looked for which a supergroup once was; false where it is, or was, already.
    pub(super) fn seek_past(&self, group: PeerId) -> Result<bool, ArchiveError> {
        let is_first = self.sought_pasts.lock().unwrap_or_else(PoisonError::into_inner).insert(group);
        Ok(is_first && self.archive.view().chats(group)?.is_empty())
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
        if peer.has_own_ids() {
            return Ok(());
        }
        let crawled = self.archive.view().crawl_state(peer)?.is_some_and(|c| c.unavailable.is_none());
        let others =
            || Ok::<_, ArchiveError>(self.archive.view().members(peer)?.iter().any(|m| m.current() && m.account != *account));
        if crawled && !others()? {
            self.add_without_member(peer);
        }
        Ok(())
    }
}
