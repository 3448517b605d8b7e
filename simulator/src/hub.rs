//! The hub: which connections want live updates.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

/// Updates that wait for a slow client. Beyond it they are dropped, as Telegram does: the client sees a gap in the pts.
pub(crate) const PUSHES_MAX: usize = 1024;

/// A connection that wants live updates.
struct Subscriber {
    account: usize,
    updates: mpsc::Sender<Vec<u8>>,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Hub {
    subscribers: Mutex<Vec<Subscriber>>,
}

impl Hub {
    /// Adds a connection of an account, and forgets the ones that ended.
    pub(crate) fn subscribe(&self, account: usize, updates: mpsc::Sender<Vec<u8>>) {
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|subscriber| !subscriber.updates.is_closed());
        subscribers.push(Subscriber { account, updates });
    }

    /// Sends an update to every connection of an account, and returns to how many.
    pub(crate) fn push(&self, account: usize, update: &[u8]) -> usize {
        let subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        let of_account = subscribers.iter().filter(|subscriber| subscriber.account == account);
        let mut sent = 0;
        for subscriber in of_account {
            match subscriber.updates.try_send(update.to_vec()) {
                Ok(()) => sent += 1,
                Err(error) => tracing::debug!(%error, "an update was dropped"),
            }
        }
        sent
    }
}
