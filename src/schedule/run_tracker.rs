//! The state of one run between scheduler ticks: what was started, skipped, and cut short by a stop or a crash.

use chrono::{DateTime, TimeDelta, Utc};

use super::due::bounded_by_now;
use super::{Due, Plan, due};

/// A run of every few seconds is stored only so often: each would have the disk flushed. What a crash forgets of it is due at once.
const STORED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// The state of one run while the program runs; starts and ends are also in the archive, as its checkpoint.
#[derive(Clone, Debug, Default)]
pub struct RunTracker {
    /// The high-water mark: every occurrence up to it was started, skipped or given up.
    handled_until: Option<DateTime<Utc>>,
    started: Option<DateTime<Utc>>,
    ended: Option<DateTime<Utc>>,
    /// The start that is in the archive.
    stored: Option<DateTime<Utc>>,
    skipped: u64,
}

/// What the scheduler is to do with a run at one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunDecision {
    /// Start it, and call [`RunTracker::mark_started`].
    Start,
    /// It is due but the run before has not ended (runs do not overlap): this occurrence is skipped, and counted.
    Skip,
    /// Nothing before this time; nothing at all with `None`.
    Wait(Option<DateTime<Utc>>),
}

impl RunTracker {
    /// Resumes from the checkpoint of an earlier process. A start without an end was cut short: the run is retried, as if it had not
    /// been started.
    #[must_use]
    pub fn resume(started: Option<DateTime<Utc>>, ended: Option<DateTime<Utc>>) -> Self {
        let handled_until = started.filter(|started| ended.is_some_and(|ended| ended >= *started));
        Self { handled_until, started, ended, stored: handled_until, skipped: 0 }
    }

    /// Decides whether the run is to start now. `running` says that nobody could begin it, and is called only when it is due. To be called
    /// again at the time of [`RunDecision::Wait`], and now and then before, in case the clock is set.
    pub fn decide(&mut self, plan: &Plan, running: impl FnOnce() -> bool, now: DateTime<Utc>) -> RunDecision {
        self.handled_until = bounded_by_now(self.handled_until, now);
        match due(plan, self.handled_until, now) {
            Due::Now if running() => {
                self.skipped += 1;
                self.handled_until = Some(now);
                RunDecision::Skip
            }
            Due::Now => RunDecision::Start,
            Due::At(at) => RunDecision::Wait(Some(at)),
            Due::Never => RunDecision::Wait(None),
        }
    }

    /// Whether a start is to be stored.
    #[must_use]
    pub fn is_to_be_stored(&self, now: DateTime<Utc>) -> bool {
        self.stored.is_none_or(|stored| !(TimeDelta::zero()..STORED_EVERY).contains(&(now - stored)))
    }

    /// Notes that it was started, and whether that was stored.
    pub fn mark_started(&mut self, now: DateTime<Utc>, stored: bool) {
        (self.handled_until, self.started, self.ended) = (Some(now), Some(now), None);
        if stored {
            self.stored = Some(now);
        }
    }

    /// Whether the start of the current run, or of the last one, was stored; then its end is to be, too.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.started.is_some() && self.stored == self.started
    }

    /// Notes whether it still runs; true when it has just ended.
    pub fn note_running(&mut self, running: bool, now: DateTime<Utc>) -> bool {
        let ends = !running && self.is_open();
        if ends {
            self.ended = self.started.max(Some(now));
        }
        ends
    }

    /// Whether it is due, as of the last decision.
    #[must_use]
    pub fn due(&self, plan: &Plan, now: DateTime<Utc>) -> Due {
        due(plan, self.handled_until, now)
    }

    /// Whether it has started and not ended yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.started.is_some() && self.ended.is_none_or(|ended| Some(ended) < self.started)
    }

    /// When it was last started.
    #[must_use]
    pub fn started(&self) -> Option<DateTime<Utc>> {
        self.started
    }

    /// When it last ended.
    #[must_use]
    pub fn ended(&self) -> Option<DateTime<Utc>> {
        self.ended
    }

    /// How many occurrences were skipped because it still ran.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use proptest::prelude::*;

    use super::super::Zone;
    use super::*;

    /// A machine with a clock that may be wrong, a scheduler on it that ticks when it is told to (and every 30 s), and a log of starts
    /// by true time.
    struct Machine {
        plan: Plan,
        tracker: RunTracker,
        truth: DateTime<Utc>,
        wrong_by: Duration,
        /// How long a run takes.
        takes: Duration,
        busy_until: DateTime<Utc>,
        starts: Vec<DateTime<Utc>>,
    }

    impl Machine {
        fn new(cron: &str, zone: &str) -> Self {
            let truth = at("2026-01-01T00:00:30Z");
            let plan = Plan::new(cron.parse().unwrap(), zone.parse().unwrap());
            let tracker = RunTracker::resume(Some(truth), Some(truth));
            Self {
                plan,
                tracker,
                truth,
                wrong_by: Duration::zero(),
                takes: Duration::zero(),
                busy_until: truth,
                starts: Vec::new(),
            }
        }

        fn now(&self) -> DateTime<Utc> {
            self.truth + self.wrong_by
        }

        fn runs(&mut self, length: Duration) {
            let end = self.truth + length;
            while self.truth < end {
                let (now, running) = (self.now(), self.busy_until > self.truth);
                self.tracker.note_running(running, now);
                let wait = match self.tracker.decide(&self.plan, || running, now) {
                    RunDecision::Start => {
                        self.tracker.mark_started(now, true);
                        self.starts.push(self.truth);
                        self.busy_until = self.truth + self.takes;
                        Duration::zero()
                    }
                    RunDecision::Skip => Duration::zero(),
                    RunDecision::Wait(at) => at.map_or(Duration::seconds(30), |at| (at - now).min(Duration::seconds(30))),
                };
                assert!(wait >= Duration::zero());
                self.truth = (self.truth + wait.max(Duration::milliseconds(1))).min(end);
            }
        }

        fn sleeps(&mut self, length: Duration) {
            self.truth += length;
        }

        fn starts_since(&mut self) -> Vec<String> {
            self.starts.drain(..).map(|at| at.format("%dT%H:%M:%S").to_string()).collect()
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_machine_that_slept_makes_up_once_and_goes_on() {
        let mut machine = Machine::new("0 0 * * * *", "UTC");
        machine.runs(Duration::minutes(150));
        assert_eq!(machine.starts_since(), ["01T01:00:00", "01T02:00:00"]);
        machine.sleeps(Duration::days(3));
        machine.runs(Duration::minutes(60));
        assert_eq!(machine.starts_since(), ["04T02:30:30", "04T03:00:00"]);
        machine.plan.missed = super::super::Missed::Skip;
        machine.sleeps(Duration::days(3));
        machine.runs(Duration::minutes(60));
        assert_eq!(machine.starts_since(), ["07T04:00:00"]);
    }

    #[test]
    fn a_clock_that_jumps_makes_neither_a_storm_nor_a_silence() {
        let mut machine = Machine::new("0 */10 * * * *", "Europe/Berlin");
        machine.runs(Duration::minutes(25));
        assert_eq!(machine.starts_since(), ["01T00:10:00", "01T00:20:00"]);
        machine.wrong_by = Duration::days(3_650);
        machine.runs(Duration::minutes(20));
        assert_eq!(machine.starts_since(), ["01T00:25:30", "01T00:30:00", "01T00:40:00"], "forwards: made up once");
        machine.wrong_by = Duration::zero();
        machine.runs(Duration::minutes(20));
        assert_eq!(machine.starts_since(), ["01T00:50:00", "01T01:00:00"], "back again: nothing at once, nothing left out");
        machine.wrong_by = -Duration::seconds(3);
        machine.runs(Duration::minutes(20));
        assert_eq!(machine.starts_since(), ["01T01:10:03", "01T01:20:03"]);
    }

    #[test]
    fn a_correction_by_seconds_right_after_a_start_does_not_start_it_again() {
        let mut machine = Machine::new("0 */10 * * * *", "UTC");
        machine.runs(Duration::seconds(571));
        assert_eq!(machine.starts_since(), ["01T00:10:00"]);
        machine.wrong_by = -Duration::seconds(5);
        machine.runs(Duration::minutes(5));
        assert_eq!(machine.starts_since(), [""; 0]);
    }

    #[test]
    fn a_run_that_still_runs_is_not_started_again_and_what_is_left_out_is_counted() {
        let mut machine = Machine::new("*/30 * * * * *", "UTC");
        machine.takes = Duration::seconds(100);
        machine.runs(Duration::seconds(301));
        assert_eq!(machine.starts_since(), ["01T00:01:00", "01T00:03:00", "01T00:05:00"]);
        assert_eq!(machine.tracker.skipped(), 7);
        assert!(machine.tracker.is_open());
    }

    #[test]
    fn a_run_that_a_stop_cut_short_is_due_at_the_next_start_and_one_that_ended_is_not() {
        let hourly = Plan::new("0 0 * * * *".parse().unwrap(), Zone::utc());
        let (started, now) = (at("2026-01-01T10:00:00Z"), at("2026-01-01T10:20:00Z"));
        let next = RunDecision::Wait(Some(at("2026-01-01T11:00:00Z")));
        let an_hour_before = Some(started - Duration::hours(1));
        assert_eq!(RunTracker::resume(Some(started), None).decide(&hourly, || false, now), RunDecision::Start);
        assert_eq!(RunTracker::resume(Some(started), an_hour_before).decide(&hourly, || false, now), RunDecision::Start);
        let asked = || panic!("a run that is not due asks nobody whether it could begin");
        assert_eq!(RunTracker::resume(Some(started), Some(started)).decide(&hourly, asked, now), next);
        assert_eq!(RunTracker::resume(None, None).decide(&hourly, || false, now), RunDecision::Start, "never ran");
        let mut tracker = RunTracker::resume(Some(now + Duration::days(400)), Some(now + Duration::days(400)));
        assert_eq!(tracker.decide(&hourly, || false, now), next, "noted by a clock that was wrong");
        assert_eq!(tracker.decide(&hourly, || false, at("2026-01-01T11:00:00Z")), RunDecision::Start);
    }

    #[test]
    fn a_run_of_every_few_seconds_is_stored_once_a_minute_and_others_each_time() {
        let started = at("2026-01-01T10:00:00Z");
        let mut tracker = RunTracker::resume(None, None);
        let stored = [0, 15, 59, 60, 61, 3_600, 3_590].map(|after| {
            let now = started + Duration::seconds(after);
            let stored = tracker.is_to_be_stored(now);
            tracker.mark_started(now, stored);
            assert!(tracker.note_running(false, now), "it has ended");
            assert_eq!(tracker.is_stored(), stored, "an end is stored with its start");
            stored
        });
        assert_eq!(stored, [true, false, false, true, false, true, true], "and when the clock was set back");
        let cut_short = RunTracker::resume(Some(started), None);
        assert!(cut_short.is_to_be_stored(started), "what a crash cut short is stored when it is made up for");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

        /// A month around a change of the clocks, with naps: runs keep their distance, and while the machine is awake none is missing.
        #[test]
        fn runs_are_in_order_one_for_each_occurrence_and_one_for_each_sleep(
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York"]),
            cron in prop::sample::select(vec!["0 */20 * * * *", "0 30 2 * * *", "0 15 1-3 * * *", "0 0 */6 * * *"]),
            jitter in prop::sample::select(vec![0_u64, 45, 900]),
            naps in prop::collection::vec((1_i64..3 * 1_440, 1_i64..2 * 1_440), 1..8),
        ) {
            let mut machine = Machine::new(cron, zone);
            machine.plan.jitter = std::time::Duration::from_secs(jitter);
            machine.truth = at("2026-03-25T00:00:30Z");
            machine.tracker = RunTracker::resume(Some(machine.truth), Some(machine.truth));
            for (awake, asleep) in naps {
                let from = machine.truth;
                machine.runs(Duration::minutes(awake));
                let made_up = machine.starts.first() == Some(&from);
                let on_time: Vec<_> = machine.starts.drain(..).skip(usize::from(made_up)).collect();
                let expected: Vec<_> = machine.plan.starts_after(from).take_while(|at| *at < machine.truth).collect();
                prop_assert_eq!(on_time, expected);
                let missed = machine.plan.start_after(machine.truth - Duration::milliseconds(1)).unwrap();
                machine.sleeps(Duration::minutes(asleep));
                let now = machine.now();
                let due = machine.tracker.clone().decide(&machine.plan, || false, now) == RunDecision::Start;
                prop_assert_eq!(due, missed <= now);
            }
        }
    }
}
