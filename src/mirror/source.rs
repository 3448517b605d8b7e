//! Reading what is in the mirror only, for those who serve files: a few ranges at once, and no long wait for a server that does not answer.

use std::ops::Range;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::store::Store;
use crate::blob::{BlobHash, MirrorSource};
use crate::lifecycle::Lifecycle;

/// Ranges that are read at once: a quarter of what HTTP reads at once, so that a slow mirror leaves room for what is here.
const READS_AT_ONCE: usize = 8;
/// How long a read may take: half of what a request is given.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How long nothing is asked after a read that got no answer: whoever asks meanwhile is told at once.
const REST: Duration = Duration::from_secs(2);

/// Reads from the mirror.
#[derive(Debug)]
pub(super) struct MirrorReads {
    store: Arc<Store>,
    lifecycle: Lifecycle,
    /// Told of a read that got no answer, so that the worker looks whether the server is there.
    suspicion: Arc<Notify>,
    places: Arc<Semaphore>,
    rest: Mutex<Option<(Instant, String)>>,
}

impl MirrorReads {
    pub(super) fn new(store: &Arc<Store>, lifecycle: &Lifecycle, suspicion: &Arc<Notify>) -> Self {
        let (store, places) = (Arc::clone(store), Arc::new(Semaphore::new(READS_AT_ONCE)));
        Self { store, lifecycle: lifecycle.clone(), suspicion: Arc::clone(suspicion), places, rest: Mutex::default() }
    }

    fn set_rest(&self, why: Option<&str>) {
        let until = why.map(|why| (Instant::now() + REST, why.to_owned()));
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

impl MirrorSource for MirrorReads {
    fn read(&self, hash: &BlobHash, range: Range<u64>) -> Result<Vec<u8>, String> {
        if let Some((until, why)) = &*self.rest.lock().unwrap_or_else(PoisonError::into_inner)
            && Instant::now() < *until
        {
            return Err(why.clone());
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err("too much is read from it at once".to_owned());
        };
        let (send, receive) = sync_channel(1);
        let (store, lifecycle, hash) = (Arc::clone(&self.store), self.lifecycle.clone(), *hash);
        // A task, because the caller's thread blocks.
        self.lifecycle.task(async move {
            let _place = place;
            let read = tokio::select! {
                read = tokio::time::timeout(READ_TIMEOUT, store.read(&hash, range)) => match read {
                    Ok(Ok(Some(bytes))) => Ok(bytes),
                    Ok(Ok(None)) => Err((false, "the storage server has lost it".to_owned())),
                    Ok(Err(error)) => Err((true, error.to_string())),
                    Err(_) => Err((true, format!("the storage server has not answered for {READ_TIMEOUT:?}"))),
                },
                () = lifecycle.stop_asked() => Err((false, "the program is stopping".to_owned())),
            };
            // Nobody waits for it any more where that fails.
            drop(send.send(read));
        });
        let read = receive.recv().unwrap_or_else(|_| Err((false, "the program is stopping".to_owned())));
        match read {
            Ok(bytes) => {
                self.set_rest(None);
                Ok(bytes)
            }
            Err((rests, why)) => {
                if rests {
                    self.suspicion.notify_one();
                }
                self.set_rest(rests.then_some(why.as_str()));
                Err(why)
            }
        }
    }
}
