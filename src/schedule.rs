//! The cron schedule: which run is due. Pure functions of (plan, what was started, now), on the `cron` crate.
//!
//! - Missed runs (misfires): a run that was missed any number of times (the program was not running, the machine slept) is made up once,
//!   or not, as its plan says. A run that never happened is due at once.
//! - A clock that was set back starts nothing at once: counting continues from what it says now.
//! - Daylight saving: a time of day that does not exist is run right after the gap, one that exists twice is run the first time.
//!   An expression that names every hour means intervals, and continues by the interval.
//! - Time zones are those of the newer of two databases, the system's and the one that is compiled in.
//! - Jitter is a pure function of the archive, the run and the occurrence (deterministic): two machines differ, a restart moves nothing.
//!
//! It does not look at any clock, or anything else of the system but its time zones; it does not remember anything on its own, or know what a job does.
//!
//! The way through: [`Job`] is what, [`Selector`] and [`Scope`] for whom, [`Plan`] when; `times` makes instants of expressions, [`due()`]
//! answers for one moment, and a [`RunTracker`] keeps the state between scheduler ticks. A [`Run`] is all of it for one job and some peers.

mod cron_expression;
mod due;
mod job;
mod plan;
mod run_tracker;
mod selector;
mod since;
mod times;
mod zone;

pub use cron_expression::parse_cron;
pub use due::{Due, due};
pub use job::{Job, UnknownJob};
pub use plan::{Missed, Plan, Run};
pub use run_tracker::{RunDecision, RunTracker};
pub use selector::{InvalidSelector, PeerFacts, Scope, Selector};
pub use since::{InvalidSince, since};
pub use zone::{DatabaseVersion, UnknownZone, Zone};
