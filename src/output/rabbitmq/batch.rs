//! Batches in flight: events that were sent to the broker and are not confirmed yet.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;

use lapin::{Confirmation, Error};

use crate::model::Seq;

use super::BrokerError;
use super::size_limit::SizeLimit;
use crate::output::{Confirmed, OutputBatch, OutputError, Undeliverable};

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
    pending: VecDeque<(Seq, Sent)>,
    count: u64,
    returned: BTreeSet<String>,
    undeliverable: Vec<Undeliverable>,
    /// The first that was refused.
    refused: Option<Seq>,
    limit: SizeLimit,
}

/// What became of an event when it was to be sent.
enum Sent {
    /// It is on its way, with so many bytes.
    Published(usize, PendingConfirm),
    /// The broker would not take it, and why.
    Undeliverable(String),
}

impl Batch {
    pub(super) fn new(limit: SizeLimit) -> Self {
        let (pending, undeliverable) = (VecDeque::new(), Vec::new());
        Self { pending, count: 0, returned: BTreeSet::new(), undeliverable, refused: None, limit }
    }

    /// Adds the event of a change, which must follow those added before.
    pub(super) fn push(&mut self, seq: Seq, size: usize, pending: PendingConfirm) {
        self.pending.push_back((seq, Sent::Published(size, pending)));
    }

    /// Adds an event that the broker would not take.
    pub(super) fn push_undeliverable(&mut self, seq: Seq, why: String) {
        self.pending.push_back((seq, Sent::Undeliverable(why)));
    }

    /// What a lost channel means: that a message was too large, or nothing of its own.
    fn lost(&self, error: &Error, size: usize) -> BrokerError {
        let sizes = self.pending.iter().map(|(_, sent)| if let Sent::Published(size, _) = sent { *size } else { 0 });
        match self.limit.learn(error, sizes.chain([size]).max().unwrap_or(size)) {
            Some(max) => BrokerError::TooLarge { max },
            None => BrokerError::lost(error),
        }
    }
}

impl OutputBatch for Batch {
    fn confirmed(&self) -> Confirmed {
        Confirmed { events: self.count, unroutable: self.returned.len() as u64 }
    }

    fn undeliverable(&self) -> Vec<Undeliverable> {
        self.undeliverable.clone()
    }

    async fn settle(&mut self) -> Result<(), OutputError> {
        while let Some((seq, sent)) = self.pending.front_mut() {
            let seq = *seq;
            let (size, confirmation) = match sent {
                Sent::Published(size, confirm) => (*size, Some(confirm.await)),
                Sent::Undeliverable(_) => (0, None),
            };
            let sent = self.pending.pop_front();
            let confirmation = match confirmation {
                // What is behind a refused event is sent again.
                None if self.refused.is_some() => continue,
                None => {
                    if let Some((_, Sent::Undeliverable(why))) = sent {
                        self.undeliverable.push(Undeliverable { nth: self.count, why });
                        self.count += 1;
                    }
                    continue;
                }
                // That the connection is lost shows by itself; that an event was refused is told here only.
                Some(Err(_)) if self.refused.is_some() => break,
                Some(Err(error)) => return Err(self.lost(&error, size).into()),
                Some(Ok(confirmation)) => confirmation,
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
