//! How much a client may ask: a rate of requests (a token bucket) and a number of searches at once, so that none takes the server from the others.
//!
//! A client is who seals with any of the keys of one name. Requests in the clear have none: they come from this machine.
//!
//! # Guarantees
//! - A search counts until it ends, also where its client has gone.
//! - No client has all places at once, of searches or of exports: the last one is always somebody else's (where there is more than one).
//! - What is refused costs nothing but its answer, which says when to ask again.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::seal::ClientName;

use super::problem::Problem;
use super::settings::Settings;

/// How long a client may have asked nothing and catch up with that at once: a page of many pictures, a script that begins.
const BURST: Duration = Duration::from_secs(10);
/// How many exports run at once: each holds the keys of what it has found, some megabytes at most, for as long as its client reads.
pub(super) const CONCURRENT_EXPORTS_MAX: usize = 8;
/// How many exports a client has at once: half of all.
const EXPORTS_MAX: usize = CONCURRENT_EXPORTS_MAX / 2;
/// After how long a search is to be asked for again: most of them have ended by then.
const SEARCH_AGAIN: Duration = Duration::from_secs(1);

tokio::task_local! {
    /// Whose request this task answers.
    static ASKING: Arc<ClientUse>;
}

/// What each client has asked of late.
#[derive(Debug)]
pub(super) struct ClientLimits {
    /// The time that one request takes up; nothing where there is no limit.
    interval: Duration,
    searches_max: usize,
    /// Of these, how many run at once; the others wait.
    running_max: usize,
    clients: Mutex<HashMap<ClientName, Arc<ClientUse>>>,
}

/// What one client has asked of late.
#[derive(Debug)]
pub(super) struct ClientUse {
    /// Up to when all of its time is taken up (GCRA, the generic cell rate algorithm).
    taken_until: Mutex<Option<Instant>>,
    searches: Arc<Semaphore>,
    running: Arc<Semaphore>,
    exports: Arc<Semaphore>,
}

/// A search of a client, as long as it counts.
#[derive(Debug)]
pub(super) struct SearchPlace {
    _one: OwnedSemaphorePermit,
    _running: OwnedSemaphorePermit,
}

impl ClientLimits {
    pub(super) fn new(settings: &Settings) -> Self {
        let interval = Duration::from_secs(1).checked_div(settings.client_requests_max).unwrap_or_default();
        let running_max = settings.concurrent_searches_max.saturating_sub(1).max(1);
        Self { interval, searches_max: settings.client_searches_max, running_max, clients: Mutex::default() }
    }

    /// Counts a request of a client.
    ///
    /// # Errors
    /// When it asks too often.
    pub(super) fn admit(&self, name: &ClientName, now: Instant) -> Result<Arc<ClientUse>, Problem> {
        let client = {
            let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            // As many as there are names in the key file.
            let new = || {
                let places = |count| Arc::new(Semaphore::new(count));
                let (searches, running, exports) = (places(self.searches_max), places(self.running_max), places(EXPORTS_MAX));
                Arc::new(ClientUse { taken_until: Mutex::default(), searches, running, exports })
            };
            Arc::clone(clients.entry(name.clone()).or_insert_with(new))
        };
        match client.take(self.interval, now) {
            Ok(()) => Ok(client),
            Err(wait) => {
                Err(Problem::too_many_requests("this client asks more often than it may (`client_requests_max`)")
                    .retry_after(wait))
            }
        }
    }
}

impl ClientUse {
    /// Takes the time of a request; how long to wait where there is none left.
    fn take(&self, interval: Duration, now: Instant) -> Result<(), Duration> {
        let mut taken_until = self.taken_until.lock().unwrap_or_else(PoisonError::into_inner);
        let from = taken_until.map_or(now, |until| until.max(now));
        let wait = from.duration_since(now).saturating_sub(BURST);
        if !wait.is_zero() {
            return Err(wait);
        }
        *taken_until = Some(from + interval);
        Ok(())
    }
}

/// Answers a request of a client.
pub(super) async fn answer_for<T>(client: Arc<ClientUse>, answering: impl Future<Output = T>) -> T {
    ASKING.scope(client, answering).await
}

/// One of the searches that the client may have at once whose request this task answers, for as long as it is held, as soon as it may run. Who is no client
/// has no limit.
///
/// # Errors
/// When the client has as many as it may.
pub(super) async fn search_place() -> Result<Option<SearchPlace>, Problem> {
    let Ok(client) = ASKING.try_with(Arc::clone) else { return Ok(None) };
    let one = Arc::clone(&client.searches).try_acquire_owned().map_err(|_| {
        let what = "this client has as many searches at once as it may (`client_searches_max`); wait for one of them to end";
        Problem::too_many_requests(what).retry_after(SEARCH_AGAIN)
    })?;
    let running = Arc::clone(&client.running).acquire_owned().await.map_err(|e| Problem::hidden(&e))?;
    Ok(Some(SearchPlace { _one: one, _running: running }))
}

/// One of the exports that the client may have at once whose request this task answers, for as long as it is held. Who is no client has no limit.
///
/// # Errors
/// When the client has as many as it may.
pub(super) fn export_place() -> Result<Option<OwnedSemaphorePermit>, Problem> {
    let Ok(place) = ASKING.try_with(|client| Arc::clone(&client.exports).try_acquire_owned()) else { return Ok(None) };
    place.map(Some).map_err(|_| {
        let what =
            format!("this client has {EXPORTS_MAX} exports at once, which is the most there may be; wait for one of them to end");
        Problem::too_many_requests(what).retry_after(SEARCH_AGAIN)
    })
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;

    use super::*;

    fn limits(client_requests_max: u32, client_searches_max: usize) -> ClientLimits {
        ClientLimits::new(&Settings { client_requests_max, client_searches_max, ..Settings::default() })
    }

    #[tokio::test]
    async fn a_client_that_asks_too_often_is_told_when_to_ask_again_and_is_in_nobodys_way() {
        let (limits, start) = (limits(2, 1), Instant::now());
        let [desk, analyst] = ["desk", "analyst"].map(|name| name.parse::<ClientName>().unwrap());
        let admitted = (0..1_000).take_while(|_| limits.admit(&desk, start).is_ok()).count();
        assert_eq!(admitted, 21, "what ten seconds have, and one more");
        let refused = limits.admit(&desk, start).unwrap_err();
        assert_eq!((refused.status, refused.retry_after), (429, Some(1)));
        assert!(limits.admit(&analyst, start).is_ok());
        assert!(limits.admit(&desk, start + Duration::from_millis(500)).is_ok());
        assert!(limits.admit(&desk, start + Duration::from_millis(500)).is_err());
        // Whoever waits long has no more than ten seconds all the same.
        let later = start + Duration::from_secs(3_600);
        assert_eq!((0..1_000).take_while(|_| limits.admit(&desk, later).is_ok()).count(), 21);
    }

    #[tokio::test]
    async fn without_a_rate_none_is_too_often() {
        let (limits, now) = (limits(0, 1), Instant::now());
        assert!((0..10_000).all(|_| limits.admit(&"desk".parse().unwrap(), now).is_ok()));
    }

    #[tokio::test]
    async fn a_client_has_so_many_searches_at_once_and_gets_a_place_back_when_one_ends() {
        let limits = limits(0, 2);
        assert!(search_place().await.unwrap().is_none(), "who is no client has no limit");
        let client = limits.admit(&"desk".parse().unwrap(), Instant::now()).unwrap();
        answer_for(client, async {
            let (first, _second) = (search_place().await.unwrap().unwrap(), search_place().await.unwrap().unwrap());
            let refused = search_place().await.unwrap_err();
            assert_eq!((refused.status, refused.retry_after), (429, Some(1)));
            drop(first);
            assert!(search_place().await.unwrap().is_some());
        })
        .await;
    }

    #[tokio::test]
    async fn one_client_alone_takes_neither_all_places_of_searches_nor_all_of_exports() {
        let settings = Settings { client_searches_max: 8, concurrent_searches_max: 4, ..Settings::default() };
        let client = ClientLimits::new(&settings).admit(&"desk".parse().unwrap(), Instant::now()).unwrap();
        answer_for(client, async {
            let mut running = Vec::new();
            for _ in 0..3 {
                running.push(search_place().await.unwrap().unwrap());
            }
            let mut fourth = pin!(search_place());
            assert!(fourth.as_mut().now_or_never().is_none(), "it waits, and is not refused");
            drop(running.pop());
            assert!(fourth.await.unwrap().is_some());
            let exports: Vec<_> = (0..CONCURRENT_EXPORTS_MAX).map_while(|_| export_place().ok()).collect();
            assert_eq!(exports.len(), 4);
            assert_eq!(export_place().unwrap_err().status, 429);
        })
        .await;
        let settings = Settings { concurrent_searches_max: 1, ..Settings::default() };
        let client = ClientLimits::new(&settings).admit(&"desk".parse().unwrap(), Instant::now()).unwrap();
        answer_for(client, async { assert!(search_place().await.unwrap().is_some()) }).await;
    }
}
