//! Membership: which account is in which chat, and what follows from it for its dialogs and, in basic groups, its copy.

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
        let audience = self.chats.get(chat as usize).map(|chat| chat.audience().to_vec()).unwrap_or_default();
        audience.into_iter().for_each(|member| self.reorder(member, chat));
    }

    /// Lets an account into a chat, and says whether it was not in it before. Into a basic group it comes with a copy of its own, to which
    /// nothing is added yet.
    pub(crate) fn join(&mut self, account: usize, chat: u32) -> bool {
        let Some(of) = self.chats.get(chat as usize) else { return false };
        let (peer, is_new) = (of.peer, !of.members.contains(&account));
        let own = if of.kind == ChatKind::Group { self.copy_for(account, chat) } else { Some(chat) };
        let (Some(of), Some(own)) = (self.accounts.get_mut(account), own) else { return false };
        of.forbidden.remove(&peer);
        let user = of.user_id;
        if is_new && let Err(at) = of.dialogs.binary_search(&own) {
            of.dialogs.insert(at, own);
        }
        self.change_copies(chat, |joined| {
            joined.requested.retain(|asked| *asked != account);
            if !is_new {
                return;
            }
            joined.members.push(account);
            joined.members.sort_unstable();
            joined.participants_count += 1;
            if joined.hidden_prehistory && joined.kind.is_channel() {
                joined.first_shown.insert(account, joined.history.top_id() + 1);
            }
            if joined.kind != ChatKind::Channel && !joined.participants.contains(&user) {
                joined.participants.push(user);
                joined.participants.sort_unstable();
            }
        });
        self.reorder(account, own);
        is_new
    }

    /// Takes an account out of a chat, and says whether it was in it. Its copy of a basic group stays as it is.
    pub(crate) fn leave(&mut self, account: usize, chat: u32) -> bool {
        let Some(left) = self.chats.get(chat as usize).filter(|left| left.members.contains(&account)) else { return false };
        let (Some(own), Some(of)) = (self.chat_index(account, left.peer), self.accounts.get_mut(account)) else { return false };
        let user = of.user_id;
        if let Ok(at) = of.dialogs.binary_search(&own) {
            of.dialogs.remove(at);
        }
        of.archived.remove(&own);
        self.change_copies(chat, |left| {
            left.members.retain(|member| *member != account);
            left.first_shown.remove(&account);
            left.participants_count = (left.participants_count - 1).max(0);
            left.participants.retain(|participant| *participant != user);
        });
        self.reorder(account, own);
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
