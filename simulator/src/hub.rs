//! The hub (publish/subscribe): which connections want live updates.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

/// The bound of the queue of updates for a slow client (back-pressure). Beyond it they are dropped, as Telegram does: the client sees a
/// gap in the pts.
pub(crate) const PUSHES_MAX: usize = 1024;

/// The sender of updates to one connection.
pub(crate) type PushSender = mpsc::Sender<Vec<u8>>;

/// All connections that want live updates, by account.
#[derive(Default)]
pub(crate) struct Hub {
    subscribers: Mutex<HashMap<usize, Vec<PushSender>>>,
}

impl Hub {
    /// Adds a connection of an account, and forgets the ones that ended.
    pub(crate) fn subscribe(&self, account: usize, updates: PushSender) {
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        let of_account = subscribers.entry(account).or_default();
        of_account.retain(|subscriber| !subscriber.is_closed());
        of_account.push(updates);
    }

    /// Whether an account has subscribers: if not, nothing need be encoded.
    pub(crate) fn has_subscribers(&self, account: usize) -> bool {
        let subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.get(&account).is_some_and(|subscribers| subscribers.iter().any(|subscriber| !subscriber.is_closed()))
    }

    /// Sends an update to every connection of an account but one, and returns to how many.
    pub(crate) fn push(&self, account: usize, update: &[u8], but: Option<&PushSender>) -> usize {
        let subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sent = 0;
        let of_account = subscribers.get(&account).into_iter().flatten();
        for subscriber in of_account.filter(|subscriber| but.is_none_or(|but| !but.same_channel(subscriber))) {
            match subscriber.try_send(update.to_vec()) {
                Ok(()) => sent += 1,
                Err(error) => tracing::debug!(%error, "an update was dropped"),
            }
        }
        sent
    }
}
