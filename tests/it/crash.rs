//! The crash harness: the program is killed, aborted, cut off from power, starved and damaged in every way, and each time ends as the truth,
//! or says what is wrong and the way out, which then leads to the truth. What must not occur is anything missing, doubled or changed
//! without a word.
//!
//! The program is the real one, on a simulated Telegram over TCP; power cuts and faults of the disk are those of a file system of our own
//! (`support/faulty_disk.rs`). `TELESCRIBE_CRASH=full` (`./dev crash`) tries everything and prints a table, and JSON below `target/crash`;
//! without it a sample of each kind is tried, chosen by a seed that is printed. `TELESCRIBE_CRASH_SEED` gives the seed, and
//! `TELESCRIBE_CRASH_ONLY` words of which a trial's name must have one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod damage;
mod disk_faults;
mod failpoints;
mod follower;
mod http;
mod kills;
mod power_cuts;
mod recovery;
mod report;
mod site;

use std::path::PathBuf;
use std::time::Duration;

use damage::{Bases, Damage};
use disk_faults::{DiskTrouble, Stage, Trouble};
use failpoints::Hit;
use futures_util::StreamExt as _;
use futures_util::stream;
use kills::{KILLS, Kills};
use power_cuts::PowerCut;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use report::{Outcome, Report};

use crate::support::faulty_disk::{FaultyDisk, Operation};
use crate::support::rabbit::Node;

/// Trials at the same time: most of a trial is waiting for flushes and polls. Fewer beside other tests.
const AT_ONCE: usize = 6;
const AT_ONCE_BESIDE_OTHERS: usize = 4;
/// The longest that a trial may take.
const TRIAL_MAX: Duration = Duration::from_secs(300);
/// How often it is told how far it is, in trials.
const TOLD_EVERY: usize = 50;
/// The settings of `archive.sync`.
const SYNCS: [&str; 2] = ["os", "always"];

/// How much is tried.
struct Scale {
    full: bool,
    seed: u64,
    only: Vec<String>,
}

impl Scale {
    fn of_environment() -> Self {
        let full = match std::env::var("TELESCRIBE_CRASH").as_deref() {
            Ok("full") => true,
            Ok(other) => panic!("`TELESCRIBE_CRASH` is `{other}`; only `full` is known"),
            Err(_) => false,
        };
        let seed = std::env::var("TELESCRIBE_CRASH_SEED")
            .map_or_else(|_| rand::rng().random_range(1..1_000_000), |s| s.parse().unwrap());
        let only = std::env::var("TELESCRIBE_CRASH_ONLY").unwrap_or_default();
        Self { full, seed, only: only.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect() }
    }
}

/// One thing that is tried.
#[derive(Clone, Debug)]
enum Trial {
    Cut(PowerCut),
    Hurt(Damage),
    Disk(DiskTrouble),
    Fail(Hit),
    Kill(Kills),
}

impl Trial {
    fn kind(&self) -> &'static str {
        match self {
            Self::Cut(_) => "power cut",
            Self::Hurt(_) => "damaged file",
            Self::Disk(disk) => disk.kind(),
            Self::Fail(_) => "failpoint",
            Self::Kill(_) => "kills",
        }
    }

    fn stage(&self) -> String {
        match self {
            Self::Cut(cut) => format!("`sync = \"{}\"`", cut.sync),
            Self::Hurt(damage) => format!("{}, {:?}", damage.stage(), damage.end).to_lowercase(),
            Self::Disk(disk) => format!("{:?}", disk.stage),
            Self::Fail(hit) => hit.name.to_owned(),
            Self::Kill(kills) => format!("{} in a row", kills.kills),
        }
    }

    /// Under which it can be asked for again.
    fn name(&self) -> String {
        format!("{} {self:?}", self.kind())
    }

    fn needs_a_disk(&self) -> bool {
        matches!(self, Self::Cut(_) | Self::Disk(_))
    }
}

/// What trials share.
struct Shared {
    broker: String,
    bases: Bases,
    /// How many operations of a disk a crawl takes, for each setting of `archive.sync`.
    operations: Vec<(&'static str, u64)>,
}

impl Shared {
    async fn run(&self, trial: &Trial) -> anyhow::Result<Outcome> {
        let broker = Some(self.broker.as_str());
        match trial {
            Trial::Cut(cut) => {
                let operations = self.operations.iter().find(|(sync, _)| *sync == cut.sync).map_or(1, |(_, count)| *count);
                cut.run(broker, operations).await
            }
            Trial::Hurt(damage) => damage.run(&self.bases).await,
            Trial::Disk(disk) => disk.run().await,
            Trial::Fail(hit) => hit.run(broker).await,
            Trial::Kill(kills) => kills.run(broker).await,
        }
    }
}

/// What is tried: everything, or a sample of each kind.
fn trials(scale: &Scale, bases: &Bases) -> Vec<Trial> {
    let mut rng = StdRng::seed_from_u64(scale.seed);
    let mut seeds = |count: usize| -> Vec<u64> { (0..count).map(|_| u64::from(rng.random::<u32>())).collect() };
    let cuts = seeds(if scale.full { 50 } else { 4 });
    let kills = seeds(if scale.full { 20 } else { 1 });
    let (seed, some) = (seeds(1)[0], rng.random_range(3..30));
    let mut all: Vec<Trial> = Vec::new();
    all.extend(
        cuts.into_iter().enumerate().map(|(at, seed)| Trial::Cut(PowerCut { seed, sync: SYNCS[at % SYNCS.len()], lying: false })),
    );
    let damages = bases.harms();
    let hits = Hit::all(&[1, 2, 10, some], seed);
    let disks = DiskTrouble::all();
    if !scale.full {
        all.extend(once_wrong(&damages));
    }
    if scale.full {
        all.extend(damages.into_iter().map(|damage| Trial::Hurt(Damage { seed: u64::from(rng.random::<u32>()), ..damage })));
        all.extend(hits.into_iter().map(Trial::Fail));
        all.extend(disks.into_iter().map(Trial::Disk));
    } else {
        all.extend(Damage::sample(&damages, 14, &mut rng).into_iter().map(Trial::Hurt));
        all.extend(hits.sample(&mut rng, 5).cloned().map(Trial::Fail));
        all.extend(disks.sample(&mut rng, 5).cloned().map(Trial::Disk));
    }
    let times = if scale.full { KILLS } else { 4 };
    all.extend(kills.into_iter().map(|seed| Trial::Kill(Kills { seed, kills: times })));
    all
}

/// What was wrong once; always tried.
fn once_wrong(damages: &[Damage]) -> Vec<Trial> {
    let full = DiskTrouble { stage: Stage::Crawl, trouble: Trouble::Full(200_000), seed: 1 };
    let trouble = Trouble::Errors { operation: Operation::Write, name: ".log", after: 0, times: None };
    let stopped_in_trouble = DiskTrouble { stage: Stage::Start, trouble, seed: 298 };
    let is_one = |damage: &&Damage| {
        (damage.file.ends_with("archive.json") || damage.file.ends_with("keys.json")) && damage.harm == damage::Harm::FlippedAtEnd
    };
    let hurt = damages.iter().filter(is_one).map(|damage| Trial::Hurt(Damage { seed: 1, ..damage.clone() }));
    hurt.chain([Trial::Disk(full), Trial::Disk(stopped_in_trouble)]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_nothing_is_missing_doubled_or_changed_without_a_word() {
    let scale = Scale::of_environment();
    eprintln!("crash: TELESCRIBE_CRASH_SEED={}", scale.seed);
    let unavailable = FaultyDisk::unavailable();
    if let Some(why) = &unavailable {
        assert!(!scale.full, "{why}; the full form needs /dev/fuse, and root");
        eprintln!("crash: {why}: power cuts and faults of the disk are NOT tried here");
    }
    let mut shared = Shared { broker: Node::shared().url(), bases: Bases::make().await.unwrap(), operations: Vec::new() };
    let mut trials = trials(&scale, &shared.bases);
    trials.retain(|trial| scale.only.is_empty() || scale.only.iter().any(|word| trial.name().contains(word.as_str())));
    assert!(!trials.is_empty(), "no trial has one of {:?} in its name", scale.only);
    trials.retain(|trial| unavailable.is_none() || !trial.needs_a_disk());
    if trials.iter().any(|trial| matches!(trial, Trial::Cut(_))) {
        for sync in SYNCS {
            shared.operations.push((sync, power_cuts::operations(sync).await.unwrap()));
        }
        eprintln!("crash: operations of the disk in a crawl: {:?}", shared.operations);
    }
    let (count, shared) = (trials.len(), &shared);
    let run = |(at, trial): (usize, Trial)| async move {
        let outcome = tokio::time::timeout(TRIAL_MAX, shared.run(&trial)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(anyhow::anyhow!("it does not end")));
        match &outcome {
            Ok(outcome) if !outcome.is_refused() => {}
            told => eprintln!("crash: {} of {count}, {}: {told:?}", at + 1, trial.name()),
        }
        if (at + 1) % TOLD_EVERY == 0 {
            eprintln!("crash: {} of {count}", at + 1);
        }
        (trial, outcome)
    };
    let at_once = if scale.full { AT_ONCE } else { AT_ONCE_BESIDE_OTHERS };
    let mut report = Report::default();
    let mut ended = stream::iter(trials.into_iter().enumerate()).map(run).buffer_unordered(at_once);
    while let Some((trial, outcome)) = ended.next().await {
        report.add(trial.kind(), &trial.stage(), &trial.name(), outcome);
    }
    drop(ended);
    eprintln!("\n{}", report.table());
    if scale.full {
        let place = PathBuf::from(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())).join("crash");
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("crash.json"), format!("{:#}\n", report.json(scale.seed))).unwrap();
        std::fs::write(place.join("crash.md"), report.table()).unwrap();
        eprintln!("crash: {}", place.join("crash.json").display());
    }
    let wrong = report.wrong();
    assert!(wrong.is_empty(), "TELESCRIBE_CRASH_SEED={}: {} trials are wrong: {wrong:#?}", scale.seed, wrong.len());
}

/// The harness itself: it sees what no program can keep.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_disk_takes_back_that_says_it_has_it_is_seen_by_those_who_follow() {
    if let Some(why) = FaultyDisk::unavailable() {
        eprintln!("crash: {why}: NOT tried here");
        return;
    }
    // What was not synced may survive all the same, and a start that sees what is torn begins a new epoch, of which who follows is told.
    for seed in 1..=150 {
        let lied_to = PowerCut { seed, sync: "os", lying: true }.run(None, 600).await;
        if lied_to.is_err_and(|error| format!("{error:#}").contains("follower")) {
            return;
        }
    }
    panic!("nobody has noticed");
}
