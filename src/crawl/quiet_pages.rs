//! Pages of dialogs that said nothing new when they were noted, and are the same again (a cache of answers).
//!
//! An account that is polled every second shows the same hundred dialogs each time. Looking all of them up again, only to find that each is
//! known, was half of what a poll cost.
//!
//! # Guarantees
//! - A page is passed over only where it is equal to the one that was noted, all that decides about its dialogs is as it was then (the
//!   generations of archive and folders), and that was less than a minute ago: what no generation tells of is noticed by the next minute.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::admission::{Admission, Generation};
use super::dialogs::CHECKED_EVERY;
use super::resumption::FoldersKnown;
use crate::model::{AccountName, Timestamp};
use crate::schedule::Scope;
use crate::telegram::DialogPage;

/// The first pages of each account's dialogs, as they were noted last.
pub(super) struct QuietPages {
    admission: Arc<Admission>,
    noted: Mutex<BTreeMap<AccountName, Quiet>>,
}

/// What a page was noted as of.
#[derive(PartialEq)]
pub(super) struct AsOf {
    generation: Generation,
    folders_known: FoldersKnown,
    scope: Scope,
}

struct Quiet {
    page: DialogPage,
    as_of: AsOf,
    at: Timestamp,
}

impl QuietPages {
    pub(super) fn new(admission: &Arc<Admission>) -> Self {
        Self { admission: Arc::clone(admission), noted: Mutex::default() }
    }

    /// What a page is to be noted as of; taken before anything is looked up for it.
    pub(super) fn as_of(&self, folders_known: FoldersKnown, scope: &Scope) -> AsOf {
        AsOf { generation: self.admission.generation(), folders_known, scope: scope.clone() }
    }

    /// Whether an account's page is the one that was noted, as of the same, within the last minute.
    pub(super) fn is_noted(&self, account: &AccountName, page: &DialogPage, as_of: &AsOf, now: Timestamp) -> bool {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |at: Timestamp| (0..CHECKED_EVERY).contains(&(now.0 - at.0));
        noted.get(account).is_some_and(|quiet| is_recent(quiet.at) && quiet.as_of == *as_of && quiet.page == *page)
    }

    /// Notes a page that said nothing new, after what it says was committed.
    pub(super) fn note(&self, account: &AccountName, page: DialogPage, as_of: AsOf, now: Timestamp) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).insert(*account, Quiet { page, as_of, at: now });
    }
}
