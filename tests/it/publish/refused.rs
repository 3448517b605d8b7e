//! What is guaranteed where an output refuses events, as a queue does that is full and rejects: which event overtakes which is played here
//! exactly, because a broker does it by chance.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use telescribe::archive::Archive;
use telescribe::event::Event;
use telescribe::lifecycle::Worker as _;
use telescribe::output::{Confirmed, Delivery, Output, OutputBatch, OutputError, OutputSession, State, Status};

use crate::support::desk::{archive_messages, new_archive, peers};
use crate::support::waiting::PATIENCE;

/// A queue that is full while certain deliveries arrive, and takes all others.
struct Queue {
    window: usize,
    /// By the how-manieth delivery it is, from 0; the end is not in it.
    full: Vec<Range<usize>>,
    /// Whether the first connection is lost before what is behind the first refused batch is answered.
    loses: bool,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// Every delivery, and whether it was accepted.
    deliveries: Vec<(u64, bool)>,
    /// How many were not answered yet when each arrived, itself included.
    in_flight: Vec<usize>,
    unanswered: usize,
    connections: usize,
}

struct Connection(Vec<Range<usize>>, bool, Arc<Mutex<Seen>>);

struct Batch(Vec<bool>, bool, Arc<Mutex<Seen>>);

impl Output for Queue {
    type Session = Connection;

    fn target(&self) -> String {
        "a queue".to_owned()
    }

    fn window(&self) -> usize {
        self.window
    }

    fn confirm_timeout(&self) -> Duration {
        PATIENCE
    }

    async fn connect(&self) -> Result<Connection, OutputError> {
        let mut seen = self.seen.lock().unwrap();
        seen.connections += 1;
        seen.unanswered = 0;
        Ok(Connection(self.full.clone(), self.loses && seen.connections == 1, Arc::clone(&self.seen)))
    }
}

impl OutputSession for Connection {
    type Batch = Batch;

    fn is_open(&self) -> bool {
        true
    }

    async fn send(&mut self, events: Vec<Event>) -> Batch {
        let mut seen = self.2.lock().unwrap();
        let is_lost = self.1 && seen.unanswered > 0;
        let mut answers = Vec::new();
        for event in events {
            let at = seen.deliveries.len();
            let accepted = !self.0.iter().any(|full| full.contains(&at));
            seen.deliveries.push((event.seq.0, accepted));
            seen.unanswered += 1;
            let in_flight = seen.unanswered;
            seen.in_flight.push(in_flight);
            answers.push(accepted);
        }
        drop(seen);
        Batch(answers, is_lost, Arc::clone(&self.2))
    }

    async fn close(self) {}
}

impl OutputBatch for Batch {
    async fn settle(&mut self) -> Result<(), OutputError> {
        if self.1 {
            return Err(OutputError::passing("it is gone"));
        }
        self.2.lock().unwrap().unanswered -= self.0.len();
        if self.0.iter().all(|accepted| *accepted) { Ok(()) } else { Err(OutputError::refused("it is full")) }
    }

    fn confirmed(&self) -> Confirmed {
        let accepted = self.0.iter().take_while(|accepted| **accepted).count();
        Confirmed { events: accepted as u64, unroutable: 0 }
    }
}

/// An archive, and its deliveries to a queue.
struct Trial {
    _folder: tempfile::TempDir,
    archive: Arc<Archive>,
    seen: Arc<Mutex<Seen>>,
    status: Arc<Status>,
    delivery: Delivery<Queue>,
    loses: bool,
}

impl Trial {
    fn new(window: usize, full: &[(usize, usize)], messages: i32) -> Self {
        let (folder, archive) = new_archive();
        archive_messages(&archive, &peers(), 1, messages);
        Self::of(folder, archive, window, full, false)
    }

    fn of(folder: tempfile::TempDir, archive: Arc<Archive>, window: usize, full: &[(usize, usize)], loses: bool) -> Self {
        let (seen, status) = (Arc::default(), Arc::new(Status::new()));
        let queue = Queue { window, loses, full: full.iter().map(|(from, to)| *from..*to).collect(), seen: Arc::clone(&seen) };
        let delivery = Delivery::new("queue", Arc::new(queue), Arc::clone(&archive), Arc::clone(&status));
        Self { _folder: folder, archive, seen, status, delivery, loses }
    }

    /// Delivers everything there is.
    async fn run(&mut self) {
        while self.status.report(self.archive.last_seq()).lag > 0 {
            if self.delivery.step().await.unwrap() == telescribe::lifecycle::StepOutcome::Idle {
                tokio::time::timeout(PATIENCE, self.delivery.wait()).await.expect("it goes on");
            }
        }
        let seen = self.seen.lock().unwrap();
        let accepted: BTreeSet<u64> = accepted(&seen).into_iter().collect();
        assert_eq!(accepted.len() as u64, self.archive.last_seq().0, "nothing is missing");
        assert!(self.loses || seen.connections == 1, "a refusal costs no connection");
    }
}

fn accepted(seen: &Seen) -> Vec<u64> {
    seen.deliveries.iter().filter(|(_, accepted)| *accepted).map(|(seq, _)| *seq).collect()
}

/// What a consumer has that takes only the event after the last one that it took.
fn taken_one_by_one(accepted: &[u64]) -> u64 {
    accepted.iter().fold(0, |last, seq| if *seq == last + 1 { *seq } else { last })
}

/// The events that were accepted for the first time after one that follows them.
fn overtaken(accepted: &[u64]) -> BTreeSet<u64> {
    let (mut known, mut newest) = (BTreeSet::new(), 0);
    let late = |seq: &&u64| {
        let is_late = known.insert(**seq) && **seq < newest;
        newest = newest.max(**seq);
        is_late
    };
    accepted.iter().filter(late).copied().collect()
}

#[tokio::test]
async fn a_refused_event_holds_back_what_is_behind_it_and_all_of_that_is_sent_again_in_order() {
    // As it was seen: 21 to 75 are refused, and there is room again for 76 to 200, which are under way behind them.
    let mut trial = Trial::new(200, &[(20, 75)], 100);
    trial.run().await;
    let seen = trial.seen.lock().unwrap();
    let behind: Vec<u64> = seen.deliveries[200..].iter().map(|(seq, _)| *seq).collect();
    assert_eq!(
        behind,
        (21..=trial.archive.last_seq().0).collect::<Vec<_>>(),
        "all of the window is answered before anything else"
    );
    assert_eq!(seen.in_flight[..200].iter().max(), Some(&200));
    assert!(seen.in_flight[200..].iter().all(|count| *count == 1), "one at a time: {:?}", &seen.in_flight[200..]);
    let accepted = accepted(&seen);
    assert_eq!(taken_one_by_one(&accepted), trial.archive.last_seq().0);
    assert_eq!(overtaken(&accepted), (21..=75).collect());
}

#[tokio::test]
async fn with_a_window_of_one_no_event_overtakes_one_that_is_refused() {
    let mut trial = Trial::new(1, &[(3, 4), (20, 23), (80, 81), (82, 83)], 100);
    trial.run().await;
    let seen = trial.seen.lock().unwrap();
    assert!(seen.in_flight.iter().all(|count| *count == 1));
    let accepted = accepted(&seen);
    assert_eq!(accepted, (1..=trial.archive.last_seq().0).collect::<Vec<_>>(), "and none comes twice");
}

#[tokio::test]
async fn while_refusals_go_on_nothing_overtakes_any_more_and_after_many_accepted_events_the_window_grows_again() {
    // Refused again and again, and once more when the window has grown to two.
    let mut trial = Trial::new(200, &[(20, 75), (300, 303), (700, 701), (1_720, 1_721)], 3_000);
    trial.run().await;
    let seen = trial.seen.lock().unwrap();
    let overtaken = overtaken(&accepted(&seen));
    assert!(overtaken.iter().filter(|seq| **seq > 75).count() <= 1, "{overtaken:?}");
    assert_eq!(taken_one_by_one(&accepted(&seen)), trial.archive.last_seq().0);
    let after = &seen.in_flight[1_721..];
    assert_eq!(after[2..900].iter().max(), Some(&1), "one at a time again");
    assert!(after.iter().max().unwrap() >= &32, "it grows again: {:?}", after.iter().max());
    assert_eq!(trial.status.report(trial.archive.last_seq()).state, State::Connected);
}

#[tokio::test]
async fn a_connection_that_is_lost_behind_a_refusal_is_followed_by_one_event_at_a_time() {
    let (folder, archive) = new_archive();
    archive_messages(&archive, &peers(), 1, 100);
    let mut trial = Trial::of(folder, archive, 200, &[(20, 75)], true);
    trial.run().await;
    let seen = trial.seen.lock().unwrap();
    assert_eq!((seen.connections, seen.deliveries[200].0), (2, 21));
    assert!(seen.in_flight[200..].iter().all(|count| *count == 1), "{:?}", &seen.in_flight[200..]);
    assert_eq!(taken_one_by_one(&accepted(&seen)), trial.archive.last_seq().0);
}

#[tokio::test]
async fn a_refusal_is_told_as_blocked_with_its_reason_until_the_event_is_accepted() {
    let mut trial = Trial::new(200, &[(20, 21), (200, 203)], 100);
    let report = |trial: &Trial| trial.status.report(trial.archive.last_seq());
    while report(&trial).state != State::Blocked {
        trial.delivery.step().await.unwrap();
    }
    assert_eq!((report(&trial).position, report(&trial).last_error.as_deref()), (20, Some("it is full")));
    trial.run().await;
    assert_eq!((report(&trial).state, report(&trial).last_error), (State::Connected, None));
}
