//! Time zones of schedules, as the system's database knows them.

use chrono::{DateTime, Utc};

use crate::schedule::{Run, Zone};

/// Governments change their clocks at short notice, so a run by an old database may be an hour off.
pub(super) fn warn_of_old_time_zones(runs: &[Run], now: DateTime<Utc>) {
    let zone = runs.iter().map(|run| &run.plan).find(|plan| plan.enabled && plan.zone != Zone::utc()).map(|plan| &plan.zone);
    if let (Some(zone), Some(version)) = (zone, Zone::outdated_database(now)) {
        tracing::warn!(
            "the time zone database is of {version}, so the clock of `{zone}` and others may be wrong by it: update the system's tzdata, \
             or this program"
        );
    }
}
