//! A fleet in trouble: everything goes wrong while it crawls, and at the end the archive says what Telegram says.
//!
//! The program runs as a process of its own, as an operator runs it, so that it can be killed and its memory be read. The simulated
//! Telegram runs here, with faults of every kind from the first request to the last. `TELESCRIBE_SOAK=full` (`./dev soak`) makes it 20
//! accounts, 2,000 peers and 2 million messages; without it the same happens to a small fleet. What was measured is printed as a
//! line of JSON.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod daemon;
mod files;
mod trouble;

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::Path;
use std::time::Duration;

use daemon::Daemon;
use telescribe_simulator::{EarlyCall, Fault, Options, Rule, Simulator, When, WorldSpec};
use tokio::time::{Instant, sleep};
use trouble::{EXPENDABLE, Trouble};

use crate::support::copies::difference;
use crate::support::fleet::{first_differences, write_sessions};
use crate::support::waiting::UNDER_WAY;

/// Within which a flood wait is in the account's session file, on a busy machine too.
const KEPT_WITHIN: Duration = Duration::from_secs(1);

/// How large the fleet is.
struct Scale {
    spec: WorldSpec,
    /// Messages of the mass deletion.
    wiped: usize,
    /// How long all of it may take; a run that hangs must end.
    patience: Duration,
}

impl Scale {
    fn of_environment() -> Self {
        let whims = WorldSpec {
            seed: 2_026,
            folders: true,
            linked: true,
            forums: true,
            shared_groups: true,
            expendable: EXPENDABLE,
            ..WorldSpec::default()
        };
        match std::env::var("TELESCRIBE_SOAK").as_deref() {
            Ok("full") => Self {
                spec: WorldSpec { accounts: 20, peers: 2_000, messages: 2_000_000, ..whims },
                wiped: 5_000,
                patience: Duration::from_secs(3_600),
            },
            Ok(other) => panic!("`TELESCRIBE_SOAK` is `{other}`; only `full` is known"),
            Err(_) => Self {
                spec: WorldSpec { accounts: 9, peers: 60, messages: 15_000, ..whims },
                wiped: 300,
                patience: Duration::from_secs(300),
            },
        }
    }
}

/// What goes wrong throughout. The first rule that fires decides.
fn faults() -> Vec<Rule> {
    let share = |fault: Fault, share: f64, seed: u64| Rule::new(fault, When::Share { share, seed });
    let error = |code: i32, name: &str| Fault::Error { code, name: name.to_owned() };
    vec![
        // Five of a hundred calls are flooded.
        share(Fault::FloodWait { seconds: 1 }, 0.03, 1),
        share(Fault::FloodWait { seconds: 2 }, 0.01, 2),
        share(error(420, "FLOOD_PREMIUM_WAIT_1"), 0.005, 3),
        share(error(420, "SLOWMODE_WAIT_1"), 0.005, 4),
        share(Fault::Drop, 0.01, 5),
        share(error(500, "INTERDC_2_CALL_ERROR"), 0.01, 6),
        share(error(-503, "Timeout"), 0.005, 7),
        share(Fault::WrongSession, 0.001, 8),
        share(Fault::Silence, 0.001, 9),
        share(Fault::Delay(Duration::from_millis(100)), 0.02, 10),
        share(Fault::TooLong, 0.05, 11).method("updates.getChannelDifference"),
        share(Fault::TooLong, 0.05, 12).method("updates.getDifference"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_in_every_kind_of_trouble_ends_with_the_truth() {
    let scale = Scale::of_environment();
    let started = Instant::now();
    let options = Options { channel_difference_gap_max: 500, difference_gap_max: 500, ..Options::default() };
    let world = scale.spec.generate();
    let began = Instant::now();
    let simulator = Simulator::start(world, options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_sessions(&simulator, &folder.path().join("sessions"));
    for rule in faults() {
        simulator.fault(rule);
    }
    let pages: u64 = simulator.inspect(|world| {
        let crawled = world.chats.iter().filter(|chat| chat.peer.marked() < 0);
        crawled.map(|chat| (chat.history.messages().len() as u64).div_ceil(100)).sum()
    });
    let daemon = Daemon::start(folder.path(), &trouble::unreachable(&simulator));
    let mut trouble = Trouble::new(simulator, began, daemon, pages, scale.wiped);
    let end = started + scale.patience;
    while trouble.left() > 0 {
        assert!(Instant::now() < end, "the crawl does not get on: {}", trouble.report());
        trouble.step().await;
        sleep(Duration::from_millis(20)).await;
    }
    // What moves without anybody telling is found by reading again.
    trouble.daemon.telescribe(&["schedule", "run", "recheck"]);
    until_equal(&mut trouble, end, folder.path()).await;

    let Trouble { simulator, mut daemon, log, killed_at, .. } = trouble;
    let simulator = simulator.unwrap();
    // A wait that was asked for in the last moment before a kill is not on the disk yet.
    let was_forgotten = |call: &EarlyCall| {
        let known = call.early.at.saturating_sub(call.after);
        killed_at.iter().any(|kill| *kill + UNDER_WAY > known && *kill < known + KEPT_WITHIN && *kill < call.early.at)
    };
    let early = simulator.early_calls().into_iter().filter(|call| call.after > UNDER_WAY && !was_forgotten(call));
    let early: Vec<EarlyCall> = early.collect();
    assert!(early.is_empty(), "{} calls before their flood wait had ended, such as {:?}", early.len(), early.first());
    assert_eq!(simulator.request_count("contacts.resolveUsername"), 0, "every peer has a known hash");
    let took = started.elapsed();
    let memory = daemon.memory_max();
    daemon.stop();
    let verified = daemon.telescribe(&["verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let requests: std::collections::BTreeMap<&str, u64> = {
        let mut sums = std::collections::BTreeMap::new();
        for ((_, method), count) in simulator.request_counts() {
            *sums.entry(method).or_default() += count;
        }
        sums
    };
    let messages = simulator.inspect(telescribe_simulator::World::message_count);
    let report = serde_json::json!({
        "soak": { "accounts": scale.spec.accounts, "peers": scale.spec.peers, "messages": messages },
        "seconds": took.as_secs(), "memory_max": memory, "pages_at_least": pages, "requests": requests, "log": log,
    });
    std::io::stdout().lock().write_all(format!("{report}\n").as_bytes()).unwrap();
    simulator.stop().await;
}

/// Waits until nothing is left to do, the dump is the truth, byte for byte, and coverage is complete.
async fn until_equal(trouble: &mut Trouble, end: Instant, folder: &Path) {
    let (dump, truth) = (folder.join("dump.ndjson"), folder.join("truth.ndjson"));
    loop {
        let late = Instant::now() > end;
        if late || trouble.daemon.is_idle() {
            trouble.daemon.dump(&dump);
            let mut out = BufWriter::new(File::create(&truth).unwrap());
            trouble.simulator().truth(&mut out).unwrap();
            drop(out);
            let differs = difference(open(&dump), open(&truth));
            let equal = differs.is_none();
            // A difference that is too long just now has something read again (a race with the look before).
            let covered = trouble.daemon.telescribe(&["coverage", "--incomplete"]);
            if equal && covered.status.success() {
                return;
            }
            let covered = String::from_utf8_lossy(&covered.stdout);
            assert!(!late || !equal, "coverage is not complete: {covered}");
            let differs = differs.unwrap_or_default();
            assert!(
                !late,
                "the archive is not what Telegram holds: {differs}\n{}\n{}",
                differences(&dump, &truth),
                trouble.report()
            );
        }
        sleep(Duration::from_secs(1)).await;
    }
}

fn open(path: &Path) -> BufReader<File> {
    BufReader::new(File::open(path).unwrap())
}

fn differences(dump: &Path, truth: &Path) -> String {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    first_differences(&read(dump), &read(truth))
}
