//! Budgets in serialised form, to survive a restart.
//!
//! Waits are saved by the wall clock, as the time of their end, with their length: a clock that was set back since then makes no wait
//! last for ever, because what is left is never more than the whole. A clock that was set *forward* between two runs ends
//! waits early; nothing on the machine can tell. While the program runs, the monotonic clock counts, and no setting of the wall
//! clock matters.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::Account;
use super::bucket::{Bucket, Rate};
use super::budget::{Budget, Now, SLOWDOWN_MAX, WAIT_MAX};
use super::limits::Limits;

/// The version of this form. Another one is not read: budgets are learnt again.
const VERSION: u32 = 1;
/// Methods that are read back: more than Telegram has that anybody here would call, less than what fills memory.
const METHODS_MAX: usize = 64;
/// What a method still owes is saved from this length on: shorter pauses pass while the program starts.
pub(super) const OWED_MIN: Duration = Duration::from_secs(10);
/// By how much the clock may be off from when a wait was noted before its end is worked out anew; as much is added to what is saved.
const CLOCK_DRIFT_MAX: TimeDelta = TimeDelta::seconds(1);

#[derive(Serialize)]
struct SavedBudgets<'a> {
    version: u32,
    methods: BTreeMap<&'a str, SavedBudget>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct SavedBudget {
    #[serde(skip_serializing_if = "Option::is_none")]
    parked_until: Option<DateTime<Utc>>,
    /// How long that wait is in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    parked_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owes_until: Option<DateTime<Utc>>,
    slowdown: f64,
    floods: u64,
    repetitions: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_flood: Option<DateTime<Utc>>,
}

/// Serialises an account's budgets; those that have nothing to remember are left out.
pub(super) fn save(account: &mut Account, limits: &Limits, now: Now) -> Value {
    let mut methods = BTreeMap::new();
    for (method, budget) in &mut account.budgets {
        let usual = limits.of(method).rate;
        let parked = budget.waiting(now.at).map(|mut parked| {
            // Kept as it was noted, so that saving is idempotent (the same bytes twice), unless the clock was set.
            if (now.show(parked.until) - parked.shown).abs() > CLOCK_DRIFT_MAX {
                parked.shown = now.show(parked.until);
                budget.parked = Some(parked);
            }
            parked
        });
        let owed = budget.bucket.owed(budget.rate(usual, now.at), now.at);
        let saved = SavedBudget {
            parked_until: parked.map(|p| whole_seconds(p.shown + CLOCK_DRIFT_MAX)),
            parked_seconds: parked.map(|p| p.whole.as_secs() + 2),
            owes_until: (owed >= OWED_MIN && parked.is_none()).then(|| whole_seconds(now.show(now.at + owed))),
            slowdown: (budget.slowdown(now.at) * 100.0).round() / 100.0,
            floods: budget.floods,
            repetitions: budget.repetitions,
            last_flood: budget.last_flood.map(whole_seconds),
        };
        if saved.floods > 0 || saved.parked_until.is_some() || saved.owes_until.is_some() {
            methods.insert(method.as_str(), saved);
        }
    }
    serde_json::to_value(SavedBudgets { version: VERSION, methods }).unwrap_or_default()
}

/// Restores what was saved; what cannot be read is skipped. Monotonic: nothing that is in force already gets weaker.
pub(super) fn restore(account: &mut Account, saved: &Value, limits: &Limits, now: Now) {
    if saved.get("version").and_then(Value::as_u64) != Some(u64::from(VERSION)) {
        return;
    }
    let Some(methods) = saved.get("methods").and_then(Value::as_object) else { return };
    for (method, value) in methods.iter().take(METHODS_MAX) {
        let Ok(saved) = serde_json::from_value::<SavedBudget>(value.clone()) else { continue };
        let limit = limits.of(method);
        let budget = account.budget(method, limit, now.at);
        if saved.slowdown.is_finite() {
            budget.slowdown = budget.slowdown(now.at).max(saved.slowdown).clamp(1.0, SLOWDOWN_MAX);
        }
        budget.calm_from = budget.calm_from.max(now.at);
        budget.floods = budget.floods.max(saved.floods);
        budget.repetitions = budget.repetitions.max(saved.repetitions);
        budget.last_flood = budget.last_flood.max(saved.last_flood);
        if let Some(until) = saved.owes_until {
            owe(budget, until, limit.rate, now);
        }
        if let Some(until) = saved.parked_until {
            let whole = saved.parked_seconds.map_or(WAIT_MAX, Duration::from_secs).min(WAIT_MAX);
            budget.park(left(until, whole, now), now);
        }
    }
}

/// A method that was called shortly before the program ended is not called again at once because it was started anew.
fn owe(budget: &mut Budget, until: DateTime<Utc>, usual: Rate, now: Now) {
    let rate = budget.rate(usual, now.at);
    let owed = left(until, WAIT_MAX, now);
    if owed > budget.bucket.owed(rate, now.at) {
        budget.bucket = Bucket::owing(owed, rate, now.at);
    }
}

/// What is left until a time, at most the whole.
fn left(until: DateTime<Utc>, whole: Duration, now: Now) -> Duration {
    (until - now.shown).to_std().unwrap_or_default().min(whole)
}

/// Whole seconds, rounded up: never early.
fn whole_seconds(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_round_up(TimeDelta::seconds(1)).unwrap_or(at)
}
