//! Publishing: every change of the archive as an event in RabbitMQ.
//!
//! A reader of the change log with a position of its own (`publish`). What `docs/events.md` promises to consumers is kept here:
//! - at-least-once delivery: the position (the reader's checkpoint) moves only over events that the broker confirmed, so whatever goes
//!   wrong (a nack, a closed channel, a timeout, a crash of either side) is retried: published again;
//! - ordered, per peer and altogether: one `amqp_channel`, in the order of the change log. After a fault earlier events come
//!   again, but no event is seen for the first time before one that precedes it;
//! - deduplication: the same change has the same `message_id` each time, and, but for counters, the same content, so that consumers can
//!   be idempotent;
//! - an event that no queue wants (unroutable) is counted and passed over.
//!
//! A broker that is down, blocked (its back-pressure), full or misconfigured stops nothing else and loses nothing; [`Status`] says what
//! is wrong.
//!
//! It does not use lapin's auto-recovery, which can wait for ever for confirms that never come; a connection that failed is
//! dropped and the worker retries from the stored position, with backoff. It never declares queues: who consumes is the consumers'
//! business.
//! lapin logs returned messages with their bodies at `warn`, so the program's log filter must say `lapin=error`: message text
//! never reaches a log.
//!
//! The way through: `url` and `settings` (which broker), `event` (what is published), `outbox` (from changes to events), `broker` (the connection),
//! `error` (what can go wrong with it), `batch` (what is in flight), `publisher` (the worker), `status`.

mod batch;
mod broker;
mod error;
mod event;
mod outbox;
mod publisher;
mod settings;
mod status;
mod url;

pub use error::BrokerError;
pub use event::{CONTENT_TYPE, Event};
pub use outbox::events;
pub use publisher::{Publisher, READER};
pub use settings::{Settings, is_exchange_name};
pub use status::{PublishState, Report, Status};
pub use url::{AmqpUrl, InvalidAmqpUrl};
