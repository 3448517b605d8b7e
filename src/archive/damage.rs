//! Records that cannot be decoded: each costs itself, and not what is around it.
//!
//! Who reads many of them passes over those that are damaged; each is counted and logged once, and a message among them is remembered, so
//! that the crawl can ask Telegram for it again. What the disk or RocksDB refuses is no such damage: it is an error, always.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::model::MessageKey;

use super::codec::RecordError;

/// How many damaged records are told apart. There are more only where nothing is left to be saved.
const KNOWN_MAX: usize = 100_000;

/// The damaged records that were met since the archive was opened.
#[derive(Debug, Default)]
pub struct Damage {
    found: Mutex<Found>,
    /// Messages were found that are to be asked for again.
    news: Notify,
}

#[derive(Debug, Default)]
struct Found {
    /// By column family and key.
    known: HashSet<(&'static str, Box<[u8]>)>,
    messages: BTreeSet<MessageKey>,
}

impl Damage {
    /// Notes that the value under a key is damaged; `message` is the message that it was of.
    pub(super) fn note(&self, family: &'static str, key: &[u8], message: Option<MessageKey>, error: &RecordError) {
        let mut found = self.found();
        if found.known.len() >= KNOWN_MAX || !found.known.insert((family, key.into())) {
            return;
        }
        metrics::counter!("telescribe_archive_damaged_total", "family" => family).increment(1);
        match message {
            Some(message) => {
                tracing::error!(message.key = %message, "message {message} is damaged in the archive and passed over: {}", error.why());
                found.messages.insert(message);
                drop(found);
                self.news.notify_one();
            }
            None => tracing::error!(family, "a record of `{family}` is damaged in the archive and passed over: {}", error.why()),
        }
    }

    /// How many damaged records were met.
    #[must_use]
    pub fn count(&self) -> usize {
        self.found().known.len()
    }

    /// The messages that were found damaged since this was asked last.
    #[must_use]
    pub fn take_messages(&self) -> BTreeSet<MessageKey> {
        std::mem::take(&mut self.found().messages)
    }

    /// Returns when messages were found. May be dropped at any moment.
    pub async fn wait(&self) {
        self.news.notified().await;
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
