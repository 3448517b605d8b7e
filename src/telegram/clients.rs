//! The clients of all accounts, and when their connections are closed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use super::Client;
use crate::model::AccountName;

/// One client for each account.
#[derive(Debug)]
pub struct Clients {
    by_account: BTreeMap<AccountName, Arc<Client>>,
    users: AtomicUsize,
}

impl Clients {
    /// The clients of these accounts; nobody uses them yet.
    #[must_use]
    pub fn new(by_account: BTreeMap<AccountName, Arc<Client>>) -> Self {
        Self { by_account, users: AtomicUsize::new(0) }
    }

    /// The client of an account.
    #[must_use]
    pub fn get(&self, account: &AccountName) -> Option<&Arc<Client>> {
        self.by_account.get(account)
    }

    /// Whether there is such an account.
    #[must_use]
    pub fn has(&self, account: &AccountName) -> bool {
        self.by_account.contains_key(account)
    }

    /// All of them, by account.
    pub fn iter(&self) -> impl Iterator<Item = (&AccountName, &Arc<Client>)> {
        self.by_account.iter()
    }

    /// The accounts.
    pub fn names(&self) -> impl Iterator<Item = &AccountName> {
        self.by_account.keys()
    }

    /// One worker more uses them, until it calls [`Clients::release`].
    pub fn use_until_released(&self) {
        self.users.fetch_add(1, Ordering::SeqCst);
    }

    /// A worker has ended: the last one ends takeouts and closes the connections.
    pub async fn release(&self) {
        if self.users.fetch_sub(1, Ordering::SeqCst) != 1 {
            return;
        }
        let ends = self.by_account.iter().map(|(account, client)| async move {
            if client.in_takeout().await
                && let Err(error) = client.end_takeout().await
            {
                tracing::warn!(account.name = %account, "account `{account}`: the takeout session could not be finished: {error}");
            }
            client.close();
        });
        join_all(ends).await;
    }
}
