//! Events: what became true in the archive, as data. Who sends them where is the business of `output` and `http`.
//!
//! An event says what its change is about as of that change, so that it says the same however late it is made (deterministic): consumers
//! deduplicate by its id, and a replay is idempotent.

mod claim_check;
mod cloud_event;
mod filter;
mod from_changes;

pub use cloud_event::{CONTENT_TYPE, Event};
pub use filter::{EventFilter, UnknownEvent, WATCH_MATCHED};
pub use from_changes::{MadeEvents, WATCH_EVENTS_MAX, events, wanted_events};
