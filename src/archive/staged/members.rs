//! What a write does to memberships: who sees which peer.

use crate::model::{AccountName, ChangeKind, ChatId, PeerId};

use super::super::ArchiveError;
use super::super::family::MEMBER;
use super::super::key::MemberKey;
use super::super::members::Membership;
use super::{MembershipChange, Staged};

impl Staged<'_> {
    /// What an account sees of a peer.
    pub(in crate::archive) fn membership(
        &mut self,
        peer: PeerId,
        account: &AccountName,
        change: MembershipChange,
    ) -> Result<(), ArchiveError> {
        if !self.members.contains_key(&peer) {
            self.members.insert(peer, self.view().members(peer)?);
        }
        let now = self.now;
        let members = self.members.entry(peer).or_default();
        let before = members.iter().any(Membership::current);
        let at = members.iter().position(|m| m.account == *account);
        let known = at.and_then(|at| members.get_mut(at));
        let changed = match (change, known) {
            (MembershipChange::Joined, Some(m)) if m.current() => return Ok(()),
            (MembershipChange::Joined, Some(m)) => {
                (m.since, m.until) = (now, None);
                m.clone()
            }
            (MembershipChange::Joined, None) => {
                let m = Membership { account: *account, since: now, until: None, folders: Vec::new() };
                members.push(m.clone());
                m
            }
            (MembershipChange::Left, Some(m)) if m.current() => {
                m.until = Some(now);
                m.clone()
            }
            (MembershipChange::Folders(folders), Some(m)) if m.current() && m.folders != folders => {
                m.folders = folders;
                m.clone()
            }
            (MembershipChange::Left | MembershipChange::Folders(_), _) => return Ok(()),
        };
        let after = members.iter().any(Membership::current);
        // What it may see when it is let in again is another matter.
        let chat = ChatId::seen_by(*account, peer);
        if !changed.current() && self.view().crawl_state(chat)?.is_some_and(|state| state.visible_from.contains_key(account)) {
            self.crawl_state(chat)?.visible_from.remove(account);
        }
        self.moves_crawled = true;
        self.put(&MEMBER, &MemberKey { peer, account: *account }, &changed);
        match (before, after) {
            (false, true) => self.change(ChangeKind::PeerJoined { peer }),
            (true, false) => self.change(ChangeKind::PeerLeft { peer }),
            _ => {}
        }
        Ok(())
    }
}
