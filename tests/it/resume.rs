//! After a stop, a kill or a lost session file the crawl goes on at once: no schedule is waited for.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::process::Child;
use std::time::Duration;

use serde_json::json;
use telescribe::archive::DataFolder;
use telescribe::config::{JobConfig, MissedConfig, OverrideConfig};
use telescribe_simulator::{Fault, Rule, When, WorldSpec};

use crate::support::fleet::{Fleet, small, write_sessions};
use crate::support::methods::{DIALOGS, HISTORY};

/// A day that does not come while a test runs, and that is not made up for.
fn some_day() -> JobConfig {
    JobConfig { missed: MissedConfig::Skip, ..JobConfig::every("0 0 0 29 2 * 2096") }
}

/// A fleet that reads slowly, and that no schedule makes read what is missing.
async fn slow(spec: WorldSpec) -> Fleet {
    let mut fleet = Fleet::new(spec).await;
    fleet.config.jobs.backfill = some_day();
    fleet.simulator.fault(Rule::new(Fault::Delay(Duration::from_millis(30)), When::Always).method(HISTORY));
    fleet
}

fn pages(fleet: &Fleet) -> u64 {
    fleet.simulator.request_count(HISTORY)
}

/// Stops in the middle.
async fn cut_short(fleet: &Fleet) {
    let app = fleet.start().await;
    fleet.until("the crawl is under way", || pages(fleet) > 6).await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stop_left_unread_is_read_at_the_next_start_without_waiting_for_the_schedule() {
    let fleet = slow(small()).await;
    cut_short(&fleet).await;
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
    // Nothing is missing: nothing is read.
    fleet.simulator.clear_ledger();
    let app = fleet.start_and_finish().await;
    fleet.until("it polls", || fleet.simulator.request_count(DIALOGS) > 4).await;
    assert_eq!(pages(&fleet), 0);
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_whose_access_hash_is_lost_is_found_again_at_the_next_start() {
    let mut fleet = slow(small()).await;
    cut_short(&fleet).await;
    // Sessions as they were when the accounts had asked nothing yet: from a backup, or signed in anew.
    write_sessions(&fleet.simulator, &fleet.config.accounts.sessions);
    fleet.config.jobs.discover = some_day();
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_is_read_on_at_once_where_the_folders_of_one_account_cannot_be_known() {
    const FOLDERS: &str = "messages.getDialogFilters";
    // It must wait for hours, or Telegram ends its session when the others' folders are known already.
    let of_alpha = |fault, when| Rule::new(fault, when).account("alpha").method(FOLDERS);
    let revoked = Fault::Error { code: 401, name: "SESSION_REVOKED".to_owned() };
    for rules in [
        vec![of_alpha(Fault::FloodWait { seconds: 54_000 }, When::Always)],
        vec![of_alpha(Fault::Silence, When::Next(1)), of_alpha(revoked, When::Always)],
    ] {
        let mut fleet = slow(small()).await;
        fleet.config.crawl.deny = vec!["folder:Nowhere".to_owned()];
        cut_short(&fleet).await;
        for job in [&mut fleet.config.jobs.catch_up, &mut fleet.config.jobs.discover] {
            *job = some_day();
        }
        for rule in rules.clone() {
            fleet.simulator.fault(rule);
        }
        fleet.simulator.clear_ledger();
        let app = fleet.start().await;
        fleet.until(&format!("it reads on in spite of {rules:?}"), || pages(&fleet) > 6).await;
        fleet.stop(app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_does_not_want_read_by_the_clock_is_not_read_because_of_a_restart() {
    let mut fleet = slow(small()).await;
    cut_short(&fleet).await;
    let unwanted: OverrideConfig = serde_json::from_value(json!({
        "name": "not now", "peers": ["kind:channel", "kind:supergroup", "kind:group"], "backfill": { "enabled": false },
    }))
    .unwrap();
    fleet.config.jobs.overrides = vec![unwanted];
    fleet.config.jobs.discover = some_day();
    fleet.simulator.clear_ledger();
    let app = fleet.start().await;
    fleet.until("it polls", || fleet.simulator.request_count(DIALOGS) > 6).await;
    fleet.until("nothing is left to do", || app.crawler.backlog() == (0, 0)).await;
    assert_eq!(pages(&fleet), 0);
    fleet.stop(app).await;
}

/// `telescribe run` as a process of its own.
struct Process(Child);

impl Process {
    fn start(fleet: &Fleet) -> Self {
        std::fs::remove_file(DataFolder::socket(&fleet.data())).ok();
        let mut command = fleet.daemon();
        command.env("TELESCRIBE__JOBS__BACKFILL__CRON", some_day().cron).env("TELESCRIBE__JOBS__BACKFILL__MISSED", "skip");
        Self(command.spawn().unwrap())
    }
}

impl Drop for Process {
    /// As the machine does that runs out of memory.
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_its_first_seconds_it_goes_on_at_the_next_start_without_waiting_for_the_schedule() {
    for walks_and_pages in [(1, 0), (3, 0), (3, 1), (3, 4), (3, 12)] {
        let fleet = slow(small()).await;
        let process = Process::start(&fleet);
        let asked = |(walks, read): (u64, u64)| fleet.simulator.request_count(DIALOGS) >= walks && pages(&fleet) >= read;
        fleet.until("it has asked so much", || asked(walks_and_pages)).await;
        drop(process);

        let _process = Process::start(&fleet);
        fleet.until("the program answers", || DataFolder::socket(&fleet.data()).exists()).await;
        fleet.until_archived(&format!("killed after {walks_and_pages:?}")).await;
    }
}
