//! What is in flight: events that were handed to the broker and are not confirmed yet.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;

use lapin::{Confirmation, Error};
use tokio::time::Instant;

use crate::model::{Seq, Timestamp};

use super::BrokerError;

/// An event on its way: queued when first polled, done when the broker has confirmed it.
pub(super) type Sending = Pin<Box<dyn Future<Output = Result<Confirmation, Error>> + Send>>;

/// Some events in flight, oldest first.
///
/// When several events are in flight, lapin can attach a returned one to another's confirmation; so returns are told apart by
/// their `message_id` and counted for the whole batch, never taken as the answer to the event whose confirmation carried them.
pub(super) struct Batch {
    sending: VecDeque<(Seq, Timestamp, Sending)>,
    confirmed: Option<(Seq, Timestamp)>,
    count: u64,
    returned: BTreeSet<String>,
    /// When the broker has taken too long.
    pub(super) deadline: Instant,
}

impl Batch {
    pub(super) fn new(deadline: Instant) -> Self {
        Self { sending: VecDeque::new(), confirmed: None, count: 0, returned: BTreeSet::new(), deadline }
    }

    /// Adds the event of a change, which must follow those added before.
    pub(super) fn push(&mut self, seq: Seq, at: Timestamp, sending: Sending) {
        self.sending.push_back((seq, at, sending));
    }

    /// The last change up to which everything is confirmed, and when it was archived.
    pub(super) fn confirmed(&self) -> Option<(Seq, Timestamp)> {
        self.confirmed
    }

    /// How many events are confirmed.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// How many events came back because no queue was bound for them.
    pub(super) fn returned(&self) -> u64 {
        self.returned.len() as u64
    }

    /// Returns when every event is confirmed. May be dropped and called again.
    pub(super) async fn settle(&mut self) -> Result<(), BrokerError> {
        while let Some((seq, at, sending)) = self.sending.front_mut() {
            let (seq, at, confirmation) = (*seq, *at, sending.await);
            self.sending.pop_front();
            match confirmation.map_err(|e| BrokerError::lost(&e))? {
                Confirmation::Ack(returned) => {
                    let id = returned.and_then(|r| r.delivery.properties.message_id().clone());
                    self.returned.extend(id.map(String::from));
                }
                Confirmation::Nack(_) => return Err(BrokerError::Refused { seq }),
                Confirmation::NotRequested => return Err(BrokerError::Unconfirmed),
            }
            self.confirmed = Some((seq, at));
            self.count += 1;
        }
        Ok(())
    }
}
