//! Sources: where a file may be got from, and through which account.

use std::sync::Arc;

use crate::accounts::Pool;
use crate::archive::{Archive, ArchiveError, ArchivedFile, ArchivedOrigin};
use crate::model::{AccountName, FileAccess, FileOrigin};
use crate::telegram::Clients;

/// Places of one file that are looked at: a sticker is in a hundred thousand messages, and one that can be read is enough.
const PLACES_MAX: usize = 32;

/// A place where a file was seen, and an account that may ask for it there.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) origin: FileOrigin,
    pub(super) account: AccountName,
    /// What the account needs; `None` where the place has to be read again first.
    pub(super) access: Option<FileAccess>,
}

impl Source {
    /// How much it takes: nothing, or a request more.
    pub(super) fn effort(&self) -> u8 {
        u8::from(self.access.is_none())
    }
}

/// Finds sources.
pub(super) struct Sources {
    archive: Arc<Archive>,
    clients: Arc<Clients>,
    pool: Arc<Pool>,
}

impl Sources {
    pub(super) fn new(archive: Arc<Archive>, clients: Arc<Clients>, pool: Arc<Pool>) -> Self {
        Self { archive, clients, pool }
    }

    /// Where a file may be got: the accounts that were told how to ask for it, then those that can read one of the places.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub(super) fn of(&self, file: &ArchivedFile) -> Result<Vec<Source>, ArchiveError> {
        let ready = self.pool.ready();
        let may = |account: &AccountName| ready.contains(account) && self.clients.has(account);
        let places: Vec<ArchivedOrigin> = self.archive.view().file_origins(file.id).take(PLACES_MAX).collect::<Result<_, _>>()?;
        let mut sources: Vec<Source> = Vec::new();
        for place in &places {
            if let Some(account) = place.account.filter(may) {
                sources.push(Source { origin: place.origin, account, access: Some(place.access.clone()) });
            }
        }
        for place in &places {
            for (account, client) in self.clients.iter() {
                let is_its_own = match place.origin {
                    FileOrigin::Message(key) => key.chat.account().is_none_or(|owner| owner == *account),
                    FileOrigin::Avatar(_) => true,
                };
                let is_told = place.account.as_ref() == Some(account);
                if !is_told && is_its_own && may(account) && client.session().knows(place.origin.peer()) {
                    sources.push(Source { origin: place.origin, account: *account, access: None });
                }
            }
        }
        Ok(sources)
    }
}
