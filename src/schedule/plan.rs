//! When a job runs (cron expression, time zone, jitter, missed runs), and for which peers.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Job, Scope, Zone};

/// The misfire policy: what becomes of runs that were missed because the program was not running or the machine slept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Missed {
    /// They are made up once, however many there were.
    #[default]
    Once,
    /// They are skipped.
    Skip,
}

/// When a job runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The expression: seconds, minutes, hours, day of month, month, day of week, and optionally the year.
    pub cron: cron::Schedule,
    /// The time zone that the expression is in.
    pub zone: Zone,
    /// The jitter: how much later than its occurrence a run may start, in whole seconds.
    pub jitter: Duration,
    /// The misfire policy.
    pub missed: Missed,
    /// Whether it runs by the clock at all.
    pub enabled: bool,
    /// The seed of the jitter: it tells this run from others, and this archive from others.
    pub seed: u64,
}

/// A scheduled run: a job for some peers, with a plan and a state of its own.
#[derive(Clone, Debug)]
pub struct Run {
    /// What.
    pub job: Job,
    /// The name of the override that it is of; `None` for the job's own run, which takes whom no override names.
    pub name: Option<String>,
    /// For whom.
    pub scope: Scope,
    /// When.
    pub plan: Plan,
}

impl Run {
    /// The key under which it is stored and shown: `catch-up`, or `catch-up/breaking news`.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.name {
            Some(name) => format!("{}/{name}", self.job),
            None => self.job.name().to_owned(),
        }
    }

    /// The same with the jitter of an archive.
    #[must_use]
    pub fn seeded(mut self, archive: &str) -> Self {
        self.plan.seed = hash(archive.bytes().chain([0]).chain(self.key().bytes()));
        self
    }
}

impl Plan {
    /// A plan without jitter that makes up missed runs.
    #[must_use]
    pub fn new(cron: cron::Schedule, zone: Zone) -> Self {
        Self { cron, zone, jitter: Duration::ZERO, missed: Missed::Once, enabled: true, seed: 0 }
    }

    /// When the run of an occurrence starts: up to the jitter later, but before the next occurrence, so that runs keep their order.
    fn start_of(&self, occurrence: DateTime<Utc>) -> DateTime<Utc> {
        let jitter = self.jitter.as_secs();
        if jitter == 0 {
            return occurrence;
        }
        let mixed = hash(self.seed.to_be_bytes().into_iter().chain(occurrence.timestamp().to_be_bytes()));
        let offset = chrono::Duration::seconds(i64::try_from(mixed % jitter).unwrap_or_default());
        let start = occurrence + offset;
        match self.occurrence_after(occurrence) {
            Some(next) if offset > chrono::Duration::zero() => start.min(next - chrono::Duration::seconds(1)),
            _ => start,
        }
    }

    /// The first start after a moment; `None` when the expression names no future time.
    #[must_use]
    pub fn start_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // Only the newest occurrence can have happened without its run having started.
        let pending = self.newest_occurrence(after).map(|occurrence| self.start_of(occurrence)).filter(|start| *start > after);
        pending.or_else(|| self.occurrence_after(after).map(|occurrence| self.start_of(occurrence)))
    }

    /// All starts after a moment, in order.
    pub fn starts_after(&self, after: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        std::iter::successors(self.start_after(after), |start| self.start_after(*start))
    }

    /// The newest occurrence up to a moment that jitter may put behind it. Looks back in growing steps, because an expression can
    /// only be read forwards in a zone.
    fn newest_occurrence(&self, upto: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let jitter = chrono::Duration::from_std(self.jitter).ok().filter(|jitter| jitter.num_seconds() > 0)?;
        let mut back = chrono::Duration::seconds(1);
        loop {
            back = back.min(jitter);
            let occurrences = std::iter::successors(self.occurrence_after(upto - back), |at| self.occurrence_after(*at));
            match occurrences.take_while(|at| *at <= upto).last() {
                None if back < jitter => back = back * 4,
                newest => return newest,
            }
        }
    }
}

/// A hash that is the same in every version and on every machine (FNV-1a, its bits mixed as SplitMix64 does).
fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let fnv =
        bytes.into_iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(cron: &str, zone: &str, jitter: u64, seed: u64) -> Plan {
        Plan { jitter: Duration::from_secs(jitter), seed, ..Plan::new(cron.parse().unwrap(), zone.parse().unwrap()) }
    }

    fn starts(plan: &Plan, from: i64, count: usize) -> Vec<DateTime<Utc>> {
        plan.starts_after(DateTime::from_timestamp(from, 0).unwrap()).take(count).collect()
    }

    #[test]
    fn a_run_has_the_same_jitter_after_a_restart_and_another_one_in_another_archive_or_override() {
        let run = |name: Option<&str>| Run {
            job: Job::CatchUp,
            name: name.map(str::to_owned),
            scope: Scope::all(),
            plan: plan("0 */5 * * * *", "UTC", 240, 0),
        };
        let of = |run: Run| starts(&run.plan, 1_780_000_000, 20);
        assert_eq!(run(Some("news")).key(), "catch-up/news");
        assert_eq!(of(run(None).seeded("a")), of(run(None).seeded("a")));
        assert_ne!(of(run(None).seeded("a")), of(run(None).seeded("b")));
        assert_ne!(of(run(None).seeded("a")), of(run(Some("news")).seeded("a")));
        let first = starts(&run(None).seeded("a").plan, 1_780_000_000, 1);
        assert_eq!(first[0].to_rfc3339(), "2026-05-28T20:31:54+00:00", "in this version as in all others");
    }

    #[test]
    fn jitter_uses_its_whole_span() {
        let plan = plan("0 0 * * * *", "UTC", 600, 7);
        let offsets: Vec<i64> = starts(&plan, 1_780_000_000, 400).iter().map(|start| start.timestamp() % 3_600).collect();
        assert!(offsets.iter().all(|offset| (0..600).contains(offset)));
        assert!((0..10).all(|tenth| offsets.iter().any(|offset| offset / 60 == tenth)), "{offsets:?}");
    }

    proptest! {
        #[test]
        fn each_occurrence_has_one_start_after_it_and_before_the_next(
            cron in prop::sample::select(vec!["* * * * * *", "*/7 * * * * *", "0 */5 * * * *", "0 30 2 * * *", "0 0 12 1,15 * *"]),
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
            from in 1_760_000_000_i64..1_800_000_000, jitter in 0_u64..90_000, seed: u64,
        ) {
            let (jittered, exact) = (plan(cron, zone, jitter, seed), plan(cron, zone, 0, 0));
            let occurrences = starts(&exact, from - 90_000, 3);
            let (first, last) = (occurrences[0], occurrences[2]);
            let started: Vec<_> = jittered.starts_after(first - chrono::Duration::seconds(1)).take_while(|start| *start < last).collect();
            // One that belongs to an earlier occurrence may still be on its way.
            let earlier = jittered.newest_occurrence(first - chrono::Duration::seconds(1)).map(|o| jittered.start_of(o));
            let own: Vec<_> = started.iter().filter(|start| Some(**start) != earlier || **start >= first).collect();
            prop_assert_eq!(own.len(), 2, "{:?} of {:?}", started, occurrences);
            prop_assert!(first <= *own[0] && *own[0] < occurrences[1] && occurrences[1] <= *own[1]);
            for (start, occurrence) in own.iter().zip(&occurrences) {
                prop_assert!((**start - occurrence).num_seconds() < i64::try_from(jitter.max(1)).unwrap());
                prop_assert_eq!(jittered.start_after(**start - chrono::Duration::seconds(1)), Some(**start), "from anywhere before it");
            }
        }
    }
}
