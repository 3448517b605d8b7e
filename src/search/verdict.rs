//! Whether a message is what a query asks for, where the index cannot tell: it has no forms of words, only what all forms have in common.

use std::cell::RefCell;

use super::SearchError;
use super::matcher::Matcher;
use super::peer_names::PeerNames;
use super::query_set::QuerySet;
use super::schema::earlier_versions;
use crate::archive::{ArchiveError, Snapshot};
use crate::model::MessageKey;

/// The verdicts on the messages of an archive.
pub(super) struct Verdicts<'a> {
    matcher: RefCell<Matcher<'a>>,
    names: PeerNames<'a>,
    archive: &'a Snapshot,
    reads_earlier: bool,
    failure: RefCell<Option<ArchiveError>>,
}

impl<'a> Verdicts<'a> {
    /// Those on what the one query of a set asks for.
    pub(super) fn of(set: &'a QuerySet, archive: &'a Snapshot) -> Self {
        Self {
            matcher: RefCell::new(Matcher::new(set)),
            names: PeerNames::of(archive.view()),
            archive,
            reads_earlier: set.asks_for_earlier(),
            failure: RefCell::default(),
        }
    }

    /// Whether a message matches. After a failure none does any more.
    pub(super) fn is_match(&self, key: MessageKey) -> bool {
        if self.failure.borrow().is_some() {
            return false;
        }
        self.matches(key).unwrap_or_else(|error| {
            self.failure.replace(Some(error));
            false
        })
    }

    fn matches(&self, key: MessageKey) -> Result<bool, ArchiveError> {
        let Some(stored) = self.archive.view().message(key)? else { return Ok(false) };
        let version = |number| self.archive.view().version_if_whole(key, number).transpose();
        let numbers = if self.reads_earlier { earlier_versions(&stored) } else { 0..0 };
        let earlier = numbers.filter_map(version).collect::<Result<Vec<_>, _>>()?;
        Ok(!self.matcher.borrow_mut().matching(&stored, &earlier, &self.names)?.is_empty())
    }

    /// Says whether the archive could be read.
    ///
    /// # Errors
    /// When it could not: then no verdict can be relied on.
    pub(super) fn end(&self) -> Result<(), SearchError> {
        self.failure.take().map_or(Ok(()), |error| Err(error.into()))
    }
}
