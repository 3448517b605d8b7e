//! What holds whatever happens: random histories of leases, waits, restarts, and clocks that are set.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::{FixedClock, Timestamp};

const METHODS: [&str; 7] = [
    "messages.getHistory",
    "messages.getDialogs",
    "updates.getDifference",
    "contacts.resolveUsername",
    "channels.joinChannel",
    "messages.importChatInvite",
    "upload.getFile",
];
const NAMES: [&str; 5] = ["FLOOD_WAIT", "FLOOD_PREMIUM_WAIT", "SLOWMODE_WAIT", "PEER_FLOOD", "TAKEOUT_INIT_DELAY"];
const URGENCIES: [Urgency; 3] = [Urgency::Live, Urgency::Fresh, Urgency::Background];
const INTERVAL: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
enum Action {
    Pass {
        seconds: i64,
    },
    SetClock {
        by: i64,
    },
    Ask {
        account: usize,
        everybody: bool,
        method: usize,
        urgency: usize,
    },
    Answer,
    Flood {
        account: usize,
        method: usize,
        seconds: u64,
        name: usize,
    },
    /// The program ends, the clock is set back, and the program starts.
    Restart {
        back: i64,
    },
}

fn step() -> impl Strategy<Value = Action> {
    let seconds = prop_oneof![0..5_i64, 0..400_i64, 0..100_000_i64];
    let (method, name) = (0..METHODS.len(), 0..NAMES.len());
    prop_oneof![
        4 => seconds.prop_map(|seconds| Action::Pass { seconds }),
        1 => (-1_000_000..1_000_000_i64).prop_map(|by| Action::SetClock { by }),
        12 => (0..2_usize, prop::bool::ANY, method.clone(), 0..3_usize)
            .prop_map(|(account, everybody, method, urgency)| Action::Ask { account, everybody, method, urgency }),
        6 => Just(Action::Answer),
        3 => (0..2_usize, method, prop_oneof![0..30_u64, 0..90_000_u64], name)
            .prop_map(|(account, method, seconds, name)| Action::Flood { account, method, seconds, name }),
        1 => (0..1_000_000_i64).prop_map(|back| Action::Restart { back }),
    ]
}

/// The pool, and what is known of it from outside.
struct World {
    clock: FixedClock,
    names: Vec<AccountName>,
    pool: Arc<Pool>,
    running: Vec<Lease>,
    /// When Telegram's waits end, by account and budget.
    waits: BTreeMap<(usize, &'static str), Duration>,
    /// When a live request of an account was last made, and the last one, live or not, of an account and budget.
    live: BTreeMap<usize, Duration>,
    calls: BTreeMap<(usize, &'static str), (Option<Duration>, Duration)>,
    started: Duration,
    requests: [u32; 2],
}

fn budget(method: &'static str) -> &'static str {
    if method == "messages.importChatInvite" { "channels.joinChannel" } else { method }
}

impl World {
    fn new() -> Self {
        let clock = FixedClock::new(Timestamp(2_000_000_000));
        let names: Vec<AccountName> = ["alpha", "bravo"].iter().map(|n| n.parse().unwrap()).collect();
        let pool = Self::pool(&names, &clock);
        let (waits, live, calls) = Default::default();
        Self { clock, names, pool, running: Vec::new(), waits, live, calls, started: Duration::ZERO, requests: [0; 2] }
    }

    fn pool(names: &[AccountName], clock: &FixedClock) -> Arc<Pool> {
        let settings = PoolSettings { request_interval: INTERVAL, requests_in_flight_max: 2, ..PoolSettings::default() };
        Pool::new(names.to_vec(), settings, Arc::new(clock.clone()))
    }

    fn ask(&mut self, account: usize, everybody: bool, method: &'static str, urgency: Urgency) {
        let now = self.clock.elapsed();
        let candidates = if everybody { &self.names[..] } else { &self.names[account..=account] };
        let promised = self.promised(account, budget(method), now);
        match self.pool.lease(candidates, method, urgency) {
            LeaseOutcome::Granted(lease) => {
                let account = self.names.iter().position(|name| name == lease.account()).unwrap();
                let place = (account, budget(method));
                let wait = self.waits.get(&place).copied().unwrap_or_default();
                assert!(now >= wait, "{method} of {account} at {now:?} in spite of a wait until {wait:?}");
                let last = self.calls.entry(place).or_default();
                last.1 = now;
                if urgency == Urgency::Live {
                    last.0 = Some(now);
                    self.live.insert(account, now);
                }
                if method != "upload.getFile" {
                    self.requests[account] += 1;
                    let most = 3.0 + (now - self.started).as_secs_f64() / INTERVAL.as_secs_f64();
                    assert!(f64::from(self.requests[account]) <= most + 1e-6, "{} of {most}", self.requests[account]);
                }
                self.running.push(lease);
            }
            LeaseOutcome::NotBefore(at) => {
                let wait = (at - self.clock.now()).to_std().unwrap();
                if urgency == Urgency::Live && !everybody {
                    let promised = promised.saturating_sub(now) + Duration::from_millis(1);
                    assert!(wait <= promised, "live {method} of {account} waits {wait:?}, not {promised:?}");
                }
            }
            LeaseOutcome::Busy => assert!(!self.running.is_empty()),
            LeaseOutcome::NoCandidate => panic!("nobody"),
        }
    }

    /// When a live request may go at the latest: after the wait, and an interval after the live one before. A method that comes one
    /// at a time has no reserve: an interval after the one before, whatever it was.
    fn promised(&self, account: usize, budget: &'static str, now: Duration) -> Duration {
        let status = self.pool.status().swap_remove(account);
        let parked = status.parked.get(budget).map_or(now, |until| now + (*until - self.clock.now()).to_std().unwrap());
        let interval = status.intervals.get(budget).copied().unwrap_or_default();
        let alone = ["contacts.resolveUsername", "channels.joinChannel"].contains(&budget);
        let (live, any) = self.calls.get(&(account, budget)).copied().unwrap_or_default();
        let before = if alone { Some(any) } else { live };
        let own = before.map_or(now, |before| before + interval);
        let pace = self.live.get(&account).map_or(now, |live| *live + INTERVAL);
        parked.max(own).max(pace)
    }

    fn flood(&mut self, account: usize, method: &'static str, seconds: u64, name: &str) {
        let wait = Duration::from_secs(seconds);
        self.pool.flood(&self.names[account], method, wait, name);
        let own = (name != "TAKEOUT_INIT_DELAY").then(|| budget(method));
        let others: &[&str] = match name {
            "PEER_FLOOD" => &["contacts.resolveUsername", "channels.joinChannel"],
            "FLOOD_PREMIUM_WAIT" => &["upload.getFile"],
            _ => &[],
        };
        for budget in own.iter().chain(others) {
            let until = self.waits.entry((account, budget)).or_default();
            *until = (*until).max(self.clock.elapsed() + wait);
        }
    }

    fn restart(&mut self, back: i64) {
        self.running.clear();
        let saved: Vec<Value> = self.names.iter().map(|name| self.pool.budgets(name)).collect();
        self.clock.set_by(-back);
        self.pool = Self::pool(&self.names, &self.clock);
        for (name, saved) in self.names.iter().zip(saved) {
            self.pool.restore(name, &saved);
        }
        (self.started, self.requests) = (self.clock.elapsed(), [0; 2]);
        // What is owed over a restart, after calls or after a wait, is owed from the start where the clock was set back, and all of it:
        // a live request waits an interval then.
        let owing: Vec<_> = self.calls.keys().chain(self.waits.keys()).copied().collect();
        self.calls.extend(owing.into_iter().map(|place| (place, (Some(self.started), self.started))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_wait_is_cut_short_and_nothing_live_waits_for_the_past(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            match step {
                Action::Pass { seconds } => world.clock.advance(seconds),
                Action::SetClock { by } => world.clock.set_by(by),
                Action::Ask { account, everybody, method, urgency } => {
                    world.ask(account, everybody, METHODS[method], URGENCIES[urgency]);
                }
                Action::Answer => drop(world.running.pop()),
                Action::Flood { account, method, seconds, name } => world.flood(account, METHODS[method], seconds, NAMES[name]),
                Action::Restart { back } => world.restart(back),
            }
        }
    }
}
