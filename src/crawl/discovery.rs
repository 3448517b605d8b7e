//! Discovery: which peers are crawled, by the operator's rules; which folders they are in; what an answer tells of who sees what.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::Crawler;
use super::unit::{Priority, Unit};
use crate::accounts::Lease;
use crate::archive::{ArchiveError, Membership, Write};
use crate::model::{AccountName, IdSpace, Peer, PeerId, PeerKind};
use crate::schedule::{Job, PeerFacts, Scope};
use crate::telegram::{Folder, MentionedPeers, TelegramError};

/// Which peers are crawled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Kinds of peers.
    pub kinds: Vec<PeerKind>,
    /// Of these, which.
    pub scope: Scope,
}

impl Default for Rules {
    /// All groups and channels; no private chats.
    fn default() -> Self {
        Self { kinds: vec![PeerKind::Group, PeerKind::Supergroup, PeerKind::Channel], scope: Scope::all() }
    }
}

/// Whether the folders are known that the operator's rules depend on; what allows more is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FoldersKnown {
    /// They are being read.
    #[default]
    Soon,
    /// Some accounts' are not, and these must wait or get no answer. What is crawled already is crawled on, and nothing else is.
    Partly,
    /// They are, or no rule depends on any.
    All,
}

impl Crawler {
    /// Whether the operator's rules let a peer be crawled. `peer` is what an answer says of it, else the archive is asked.
    pub(super) fn admits(&self, id: PeerId, peer: Option<&Peer>) -> Result<bool, ArchiveError> {
        self.admits_in(id, peer, &[])
    }

    /// The same for a peer that an account has in these folders, which the archive may not know yet.
    pub(super) fn admits_in(&self, id: PeerId, peer: Option<&Peer>, folders: &[String]) -> Result<bool, ArchiveError> {
        let known = match peer {
            Some(_) => None,
            None => self.archive.peer(id)?,
        };
        let Some(peer) = peer.or(known.as_ref()) else {
            // Nothing but its id is known: enough where nothing else is asked of it.
            return Ok(self.settings.rules.scope.is_all() && self.may_be_crawled(id));
        };
        Ok(self.settings.rules.kinds.contains(&peer.kind)
            && self.covers_in(&self.settings.rules.scope, id, Some(peer), folders)?)
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
            None => self.archive.peer(id)?,
        };
        let Some(peer) = peer.or(known.as_ref()) else { return Ok(false) };
        let mut folders = folders.to_vec();
        if scope.is_by_folder() {
            // Also of accounts whose membership is not archived, because their folder is what keeps the peer out.
            let read = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
            folders.extend(read.values().flatten().filter(|f| f.include.contains(&id)).map(|f| f.title.clone()));
        }
        folders.extend(self.archive.members(id)?.into_iter().filter(Membership::current).flat_map(|m| m.folders));
        let usernames: Vec<&str> = peer.all_usernames().collect();
        Ok(scope.covers(&PeerFacts { id, usernames: &usernames, title: &peer.title, kind: peer.kind, folders: &folders }))
    }

    /// Has the folders read that the operator's rules depend on, where they were not yet, and tells whether they can be waited for.
    ///
    /// What must not be crawled because of its folder would otherwise be, until its folder is known.
    pub(super) fn folders_known(&self) -> FoldersKnown {
        if !self.settings.rules.scope.is_by_folder() {
            return FoldersKnown::All;
        }
        let lacking: Vec<AccountName> = {
            let read = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
            self.pool.ready().into_iter().filter(|name| !read.contains_key(name)).collect()
        };
        if lacking.is_empty() {
            return FoldersKnown::All;
        }
        let standing = self.standing(Job::Discover, &Scope::all());
        for account in &lacking {
            self.enqueue(Unit::Folders { account: account.clone() }, Priority::Live);
        }
        let held = lacking.iter().all(|name| standing.held().contains_key(name));
        if held { FoldersKnown::Partly } else { FoldersKnown::Soon }
    }

    /// Titles of the folders in which an account has a peer, as far as they were read.
    pub(super) fn folders_of(&self, account: &AccountName, id: PeerId, kind: Option<PeerKind>) -> Vec<String> {
        let folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        let of_account = folders.get(account).into_iter().flatten();
        let titles: BTreeSet<&str> = of_account.filter(|f| holds(f, id, kind)).map(|f| f.title.as_str()).collect();
        titles.into_iter().map(str::to_owned).collect()
    }

    /// Adds the peers that an answer mentions to a write, and what it says of who sees them.
    pub(super) fn see(&self, write: &mut Write<'_>, account: &AccountName, seen: MentionedPeers) -> Result<(), ArchiveError> {
        self.found(&seen)?;
        for peer in seen.peers {
            write.peer(peer);
        }
        for peer in seen.left {
            write.left(peer, account);
            self.followed_from_outside(account, peer)?;
        }
        for peer in seen.lost {
            write.left(peer, account);
            self.queue.withdraw(account, peer);
            if self.archive.cursor(peer)?.is_some_and(|c| c.unavailable.is_none()) && self.readers(peer)?.is_empty() {
                tracing::warn!(account.name = %account, peer.id = peer.0, "no account can read peer {peer} any more");
                write.cursor(peer, |cursor| cursor.unavailable = Some("CHANNEL_PRIVATE".to_owned()));
            }
        }
        Ok(())
    }

    /// An account leaves a peer. What the last one leaves is crawled on for as long as it can be read without a member.
    pub(super) fn followed_from_outside(&self, account: &AccountName, peer: PeerId) -> Result<(), ArchiveError> {
        let crawled = self.archive.cursor(peer)?.is_some_and(|c| c.unavailable.is_none());
        let others = || Ok::<_, ArchiveError>(self.archive.members(peer)?.iter().any(|m| m.current() && m.account != *account));
        if crawled && !others()? {
            self.follow_alone(peer);
        }
        Ok(())
    }

    /// An account's membership in a group or channel has changed: what it is now says the peer itself.
    pub(super) fn membership_changed(&self, account: &AccountName, peer: PeerId, gone: bool) {
        // One that the account is out of was told by the same update; one that it is in may be far down in its dialogs.
        if gone {
            return;
        }
        if self.clients.get(account).is_some_and(|client| client.session().knows(peer)) {
            self.enqueue(Unit::Poll { account: account.clone(), peers: vec![peer] }, Priority::Live);
        } else {
            self.look_for_news(account);
        }
    }

    /// Whether another account archives a peer whose message ids are each account's own.
    pub(super) fn belongs_to_another(&self, account: &AccountName, peer: PeerId) -> Result<bool, ArchiveError> {
        if peer.kind() == IdSpace::Channel {
            return Ok(false);
        }
        Ok(self.archive.cursor(peer)?.and_then(|c| c.account).is_some_and(|owner| owner != *account))
    }

    /// Reads an account's folders.
    pub(super) async fn read_folders(&self, lease: Lease) -> anyhow::Result<Result<(), TelegramError>> {
        let account = lease.account().clone();
        let Some(client) = self.clients.get(&account) else { return Ok(Ok(())) };
        let folders = match client.folders().await {
            Ok(folders) => folders,
            Err(error) => return Ok(Err(error)),
        };
        drop(lease);
        let is_first = self.folders.lock().unwrap_or_else(PoisonError::into_inner).insert(account.clone(), folders).is_none();
        let mut write = self.archive.write(self.clock.timestamp());
        for entry in self.archive.memberships() {
            let (peer, membership) = entry?;
            if membership.account != account || !membership.current() {
                continue;
            }
            let kind = self.archive.peer(peer)?.map(|p| p.kind);
            let titles = self.folders_of(&account, peer, kind);
            if titles != membership.folders {
                write.folders(peer, &account, titles);
            }
        }
        Self::commit(write)?;
        if is_first && self.settings.rules.scope.is_by_folder() {
            // Of an account that is back: the others' walks are put off while its folders are being read.
            let mut gone_on = self.gone_on.lock().unwrap_or_else(PoisonError::into_inner);
            *gone_on = (*gone_on).min(FoldersKnown::Partly);
        }
        self.go_on_with(self.folders_known())?;
        Ok(Ok(()))
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
