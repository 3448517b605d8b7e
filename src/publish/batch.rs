//! Batches in flight: events that were sent to the broker and are not confirmed yet.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;

use lapin::{Confirmation, Error};
use tokio::time::Instant;

use crate::model::{Seq, Timestamp};

use super::BrokerError;

/// The pending publisher confirm of an event: sent when first polled, done when the broker has confirmed it.
pub(super) type PendingConfirm = Pin<Box<dyn Future<Output = Result<Confirmation, Error>> + Send>>;

/// Some events in flight, oldest first.
///
/// When several events are in flight, lapin can attach a returned one to another's confirmation; so returns are told apart by
/// their `message_id` and counted for the whole batch, never taken as the answer to the event whose confirmation carried them.
pub(super) struct Batch {
    pending: VecDeque<(Seq, Timestamp, PendingConfirm)>,
    confirmed: Option<(Seq, Timestamp)>,
    count: u64,
    returned: BTreeSet<String>,
    /// The timeout of the confirms.
    pub(super) deadline: Instant,
}

impl Batch {
    pub(super) fn new(deadline: Instant) -> Self {
        Self { pending: VecDeque::new(), confirmed: None, count: 0, returned: BTreeSet::new(), deadline }
    }

    /// Adds the event of a change, which must follow those added before.
    pub(super) fn push(&mut self, seq: Seq, at: Timestamp, pending: PendingConfirm) {
        self.pending.push_back((seq, at, pending));
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

    /// Returns when every event is confirmed. Cancel safe: may be dropped and called again.
    pub(super) async fn settle(&mut self) -> Result<(), BrokerError> {
        while let Some((seq, at, pending)) = self.pending.front_mut() {
            let (seq, at, confirmation) = (*seq, *at, pending.await);
            self.pending.pop_front();
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
