//! Batches in flight: events that were sent to the broker and are not confirmed yet.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;

use lapin::{Confirmation, Error};

use crate::model::Seq;

use super::BrokerError;
use crate::output::{Confirmed, OutputBatch, OutputError};

/// The pending publisher confirm of an event: sent when first polled, done when the broker has confirmed it.
pub(super) type PendingConfirm = Pin<Box<dyn Future<Output = Result<Confirmation, Error>> + Send>>;

/// Some events in flight, oldest first.
///
/// A refused event ends what is confirmed, but not the waiting: those behind it may find room that it did not, and until they are
/// answered they could still arrive, behind what is published again.
///
/// When several events are in flight, lapin can attach a returned one to another's confirmation; so returns are told apart by
/// their `message_id` and counted for the whole batch, never taken as the answer to the event whose confirmation carried them.
pub struct Batch {
    pending: VecDeque<(Seq, PendingConfirm)>,
    count: u64,
    returned: BTreeSet<String>,
    /// The first that was refused.
    refused: Option<Seq>,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self { pending: VecDeque::new(), count: 0, returned: BTreeSet::new(), refused: None }
    }

    /// Adds the event of a change, which must follow those added before.
    pub(super) fn push(&mut self, seq: Seq, pending: PendingConfirm) {
        self.pending.push_back((seq, pending));
    }
}

impl OutputBatch for Batch {
    fn confirmed(&self) -> Confirmed {
        Confirmed { events: self.count, unroutable: self.returned.len() as u64 }
    }

    async fn settle(&mut self) -> Result<(), OutputError> {
        while let Some((seq, pending)) = self.pending.front_mut() {
            let (seq, confirmation) = (*seq, pending.await);
            self.pending.pop_front();
            let confirmation = match confirmation {
                // That the connection is lost shows by itself; that an event was refused is told here only.
                Err(_) if self.refused.is_some() => break,
                confirmation => confirmation.map_err(|e| BrokerError::lost(&e))?,
            };
            match confirmation {
                // What was returned of those behind a refused event is counted when they are published again.
                Confirmation::Ack(_) if self.refused.is_some() => {}
                Confirmation::Ack(returned) => {
                    let id = returned.and_then(|r| r.delivery.properties.message_id().clone());
                    self.returned.extend(id.map(String::from));
                    self.count += 1;
                }
                Confirmation::Nack(_) => {
                    self.refused.get_or_insert(seq);
                }
                Confirmation::NotRequested => return Err(BrokerError::Unconfirmed.into()),
            }
        }
        self.refused.map_or(Ok(()), |seq| Err(BrokerError::Refused { seq }.into()))
    }
}
