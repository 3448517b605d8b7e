//! Names of peers, as the archive has them: what `in:@name`, `from:@name` and patterns of titles mean.
//!
//! Each is read once; so it is made for a few messages at a time, and what peers are called now is what counts.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::SearchError;
use super::query::{Filter, Node, PeerRef, QueryError, SearchQuery};
use crate::archive::{ArchiveError, View};
use crate::model::{ChatId, Glob, PeerId};

/// The names of an archive's peers.
pub struct PeerNames<'a> {
    view: View<'a>,
    holders: RefCell<HashMap<String, Option<PeerId>>>,
    usernames: RefCell<HashMap<PeerId, Rc<[String]>>>,
    titles: RefCell<HashMap<PeerId, Option<Rc<str>>>>,
}

impl<'a> PeerNames<'a> {
    /// The names that an archive has.
    #[must_use]
    pub fn of(view: View<'a>) -> Self {
        Self { view, holders: RefCell::default(), usernames: RefCell::default(), titles: RefCell::default() }
    }

    /// Who has a username.
    pub(super) fn holder(&self, username: &str) -> Result<Option<PeerId>, ArchiveError> {
        if let Some(known) = self.holders.borrow().get(username) {
            return Ok(*known);
        }
        let holder = self.view.peer_by_username(username)?.map(|peer| peer.id);
        self.holders.borrow_mut().insert(username.to_owned(), holder);
        Ok(holder)
    }

    /// Who has the username that a query names.
    ///
    /// # Errors
    /// When nobody has.
    pub(super) fn named(&self, at: usize, username: &str) -> Result<PeerId, SearchError> {
        self.holder(username)?.ok_or_else(|| {
            let what =
                format!("no archived peer has the username `@{username}`; look it up with `telescribe peers`, or give its id");
            QueryError { at, what }.into()
        })
    }

    /// The usernames of a peer, in lower case.
    pub(super) fn usernames(&self, peer: PeerId) -> Result<Rc<[String]>, ArchiveError> {
        if let Some(known) = self.usernames.borrow().get(&peer) {
            return Ok(Rc::clone(known));
        }
        let found = self.view.peer(peer)?;
        let names: Rc<[String]> = found.iter().flat_map(|peer| peer.all_usernames()).map(str::to_lowercase).collect();
        self.usernames.borrow_mut().insert(peer, Rc::clone(&names));
        Ok(names)
    }
}

impl PeerNames<'_> {
    /// The title of a peer whose messages are crawled: no other is meant by a pattern.
    pub(super) fn chat_title(&self, peer: PeerId) -> Result<Option<Rc<str>>, ArchiveError> {
        if let Some(known) = self.titles.borrow().get(&peer) {
            return Ok(known.clone());
        }
        let is_crawled = !self.view.chats(peer)?.is_empty();
        let found = if is_crawled { self.view.peer(peer)? } else { None };
        let title: Option<Rc<str>> = found.map(|peer| peer.title.into());
        self.titles.borrow_mut().insert(peer, title.clone());
        Ok(title)
    }

    fn check(&self, node: &Node) -> Result<(), SearchError> {
        match node {
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().try_for_each(|node| self.check(node)),
            Node::Not(node) => self.check(node),
            Node::Filter(at, Filter::In(who) | Filter::From(who) | Filter::Via(who) | Filter::Source(who)) => {
                who.iter().try_for_each(|who| match who {
                    PeerRef::Id(_) => Ok(()),
                    PeerRef::Username(name) => self.named(*at, name).map(drop),
                    PeerRef::Title(pattern) => self.check_title(*at, pattern),
                })
            }
            Node::All | Node::Text(_) | Node::Filter(..) => Ok(()),
        }
    }

    /// Whether there is a chat with such a title.
    fn check_title(&self, at: usize, pattern: &Glob) -> Result<(), SearchError> {
        for entry in self.view.crawl_states(ChatId::FIRST) {
            if self.view.peer(entry?.0.peer())?.is_some_and(|peer| pattern.matches(&peer.title)) {
                return Ok(());
            }
        }
        let what = "no archived chat has such a title; `telescribe peers` lists them, and `*` stands for any letters";
        Err(QueryError { at, what: what.to_owned() }.into())
    }
}

impl std::fmt::Debug for PeerNames<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerNames").finish_non_exhaustive()
    }
}

impl SearchQuery {
    /// Checks that every name in it is somebody's: a search would fail otherwise, and nothing would match.
    ///
    /// # Errors
    /// When one is not, or the archive cannot be read.
    pub fn check_names(&self, names: &PeerNames<'_>) -> Result<(), SearchError> {
        names.check(self.root())
    }
}
