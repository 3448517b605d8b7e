//! How large a message may be: what is set, and what the broker has said. Larger events are sent as claim checks.
//!
//! A broker tells its own limit (`max_message_size`) only by closing the channel over a message that is larger; it is kept for all connections after.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::{Error, ErrorKind};

use crate::event::Event;

/// The largest message that is sent; shared by all connections to a broker.
#[derive(Clone, Debug)]
pub(super) struct SizeLimit {
    /// What is set.
    set: usize,
    /// What the broker takes, as far as is known.
    broker: Arc<AtomicUsize>,
}

impl SizeLimit {
    pub(super) fn new(set: usize) -> Self {
        Self { set, broker: Arc::new(AtomicUsize::new(usize::MAX)) }
    }

    /// Forgets what the broker takes: it may have been set to take more.
    pub(super) fn forget(&self) {
        self.broker.store(usize::MAX, Ordering::Relaxed);
    }

    /// The event as it is sent: whole, or its claim check. Where the broker does not take that either: what the broker takes.
    pub(super) fn fit(&self, event: Event) -> Result<Event, usize> {
        let broker = self.broker.load(Ordering::Relaxed);
        if event.body.len() <= self.set.min(broker) {
            return Ok(event);
        }
        let claim = event.claim_check().ok().filter(|claim| claim.body.len() < event.body.len()).unwrap_or(event);
        if claim.body.len() <= broker { Ok(claim) } else { Err(broker) }
    }

    /// Notes what the broker takes, where an error says that a message was too large; `largest` is the largest one that it can have been.
    pub(super) fn learn(&self, error: &Error, largest: usize) -> Option<usize> {
        let taken = taken(error, largest)?;
        self.broker.fetch_min(taken, Ordering::Relaxed);
        Some(taken)
    }
}

/// How large a message may be, where an error says that one was too large.
fn taken(error: &Error, largest: usize) -> Option<usize> {
    let ErrorKind::ProtocolError(error) = error.kind() else { return None };
    if !matches!(error.kind(), AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)) {
        return None;
    }
    limit_in(error.get_message().as_str(), largest)
}

/// As RabbitMQ says it: "message size 20000 is larger than configured max size 10000", or "... larger than max size ...".
fn limit_in(text: &str, largest: usize) -> Option<usize> {
    let (_, said) = text.split_once("message size ")?;
    let numbers: Vec<usize> = said.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
    match *numbers {
        [size, max, ..] if max < size => Some(max),
        [size, ..] => Some(size.saturating_sub(1)),
        [] => Some(largest.saturating_sub(1)),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Seq, Timestamp};

    use super::*;

    fn event(length: usize) -> Event {
        let data = serde_json::json!({ "epoch": "1-0f3c9a72", "seq": 7, "message": { "text": "x".repeat(length) } });
        let body = serde_json::json!({ "id": "a.1-0f3c9a72.7.message.new", "data": data }).to_string().into_bytes();
        let (id, kind, routing_key) = ("a.1-0f3c9a72.7.message.new".to_owned(), String::new(), String::new());
        Event { id, kind, routing_key, seq: Seq(7), at: Timestamp(1), body }
    }

    #[test]
    fn what_is_above_the_limit_is_sent_as_a_claim_check_and_what_the_broker_takes_is_learnt() {
        let limit = SizeLimit::new(4_000);
        assert_eq!(limit.fit(event(100)), Ok(event(100)));
        let claim = event(5_000).claim_check().unwrap();
        assert_eq!(limit.fit(event(5_000)), Ok(claim.clone()));
        limit.broker.store(1_000, Ordering::Relaxed);
        assert_eq!(limit.clone().fit(event(2_000)).unwrap().body.len(), claim.body.len(), "a smaller one of the broker's own");
        limit.broker.store(100, Ordering::Relaxed);
        assert_eq!(limit.fit(event(2_000)), Err(100));
    }

    #[test]
    fn the_limit_is_read_from_what_brokers_say() {
        for (text, limit) in [
            ("PRECONDITION_FAILED - message size 20000 is larger than configured max size 10000", Some(10_000)),
            ("PRECONDITION_FAILED - message size 134217729 is larger than max size 134217728", Some(134_217_728)),
            ("message size 20000 is too large", Some(19_999)),
            ("message size exceeds the limit", Some(2_999)),
            ("PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x' in vhost '/'", None),
        ] {
            assert_eq!(limit_in(text, 3_000), limit, "{text}");
        }
    }
}
