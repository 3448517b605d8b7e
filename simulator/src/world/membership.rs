//! Membership: which account is in which chat, and what follows from it for its dialogs.

use super::{ChatKind, PeerId, World};

impl World {
    /// Puts every dialog of every account in order; called once, before the world is served.
    pub(crate) fn order_dialogs(&mut self) {
        for account in 0..self.accounts.len() {
            let Some(of) = self.accounts.get_mut(account) else { continue };
            of.dialogs.sort_unstable();
            for chat in of.dialogs.clone() {
                self.reorder(account, chat);
            }
        }
    }

    /// Moves a chat to its place in the dialogs of one account, in or out of them.
    pub(crate) fn reorder(&mut self, account: usize, chat: u32) {
        let (Some(of), Some(listed)) = (self.accounts.get_mut(account), self.chats.get(chat as usize)) else { return };
        if of.is_member(chat) && (of.lists_forbidden || !of.forbidden.contains(&listed.peer)) {
            of.order.place(chat, listed.sort_key(), of.archived.contains(&chat));
        } else {
            of.order.remove(chat);
        }
    }

    /// Moves a chat to its place in everybody's dialogs, after its newest message has changed.
    pub(crate) fn reorder_everywhere(&mut self, chat: u32) {
        let members = self.chats.get(chat as usize).map(|chat| chat.members.clone()).unwrap_or_default();
        members.into_iter().for_each(|member| self.reorder(member, chat));
    }

    /// Lets an account into a chat, and says whether it was not in it before.
    pub(crate) fn join(&mut self, account: usize, chat: u32) -> bool {
        let (Some(of), Some(joined)) = (self.accounts.get_mut(account), self.chats.get_mut(chat as usize)) else { return false };
        of.forbidden.remove(&joined.peer);
        joined.requested.retain(|asked| *asked != account);
        let is_new = !joined.members.contains(&account);
        if is_new {
            joined.members.push(account);
            joined.members.sort_unstable();
            joined.participants_count += 1;
            if joined.hidden_prehistory {
                joined.first_shown.insert(account, joined.history.top_id() + 1);
            }
            if joined.kind != ChatKind::Channel && !joined.participants.contains(&of.user_id) {
                joined.participants.push(of.user_id);
                joined.participants.sort_unstable();
            }
            if let Err(at) = of.dialogs.binary_search(&chat) {
                of.dialogs.insert(at, chat);
            }
        }
        self.reorder(account, chat);
        is_new
    }

    /// Takes an account out of a chat, and says whether it was in it.
    pub(crate) fn leave(&mut self, account: usize, chat: u32) -> bool {
        let (Some(of), Some(left)) = (self.accounts.get_mut(account), self.chats.get_mut(chat as usize)) else { return false };
        let Some(at) = left.members.iter().position(|member| *member == account) else { return false };
        left.members.remove(at);
        left.first_shown.remove(&account);
        left.participants_count = (left.participants_count - 1).max(0);
        left.participants.retain(|user| *user != of.user_id);
        if let Ok(at) = of.dialogs.binary_search(&chat) {
            of.dialogs.remove(at);
        }
        of.archived.remove(&chat);
        self.reorder(account, chat);
        true
    }

    /// Gives a chat another invite link: the one before leads nowhere any more.
    pub(crate) fn renew_invite(&mut self, chat: u32) -> String {
        let Some(of) = self.chats.get_mut(chat as usize) else { return String::new() };
        of.invites_revoked += 1;
        let (peer, round) = (of.peer, of.invites_revoked);
        let hash = self.invite_hash(peer, round);
        let revoked = self.chats.get_mut(chat as usize).and_then(|of| of.invite.replace(hash.clone()));
        if let Some(revoked) = revoked {
            self.chat_of_invite.remove(&revoked);
        }
        self.chat_of_invite.insert(hash.clone(), chat);
        hash
    }

    /// Whether an account may read a chat: a member, anyone where it has a username, and, for a discussion group, everyone who may
    /// read the channel that it belongs to.
    pub(crate) fn may_read(&self, account: usize, peer: PeerId) -> bool {
        let Some(chat) = self.chat(peer) else { return false };
        if self.accounts.get(account).is_none_or(|of| of.forbidden.contains(&peer)) {
            return false;
        }
        let is_open = |chat: &super::Chat| chat.username.is_some() || chat.members.contains(&account);
        is_open(chat)
            || (chat.kind == ChatKind::Supergroup && chat.linked.and_then(|channel| self.chat(channel)).is_some_and(is_open))
    }
}
