//! What became of each trial, as a table for people and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

/// What became of a trial that was not wrong.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// What the program said is the way out was done; empty where nothing was to be done.
    refused: Option<String>,
    /// Whether the fault happened at all.
    met: bool,
    took: Duration,
}

impl Outcome {
    pub(super) fn equal(took: Duration) -> Self {
        Self { refused: None, met: true, took }
    }

    /// Says whether the fault happened at all: a trial without it shows nothing.
    pub(super) fn met(self, met: bool) -> Self {
        Self { met, ..self }
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    pub(super) fn refused(took: Duration, said: String) -> Self {
        Self { refused: Some(said), met: true, took }
    }
}

/// What became of the trials of a kind at a stage.
#[derive(Default)]
struct Row {
    equal: u32,
    not_met: u32,
    refused: u32,
    wrong: u32,
    took: Vec<Duration>,
    refusals: BTreeMap<String, u32>,
}

/// What became of all trials.
#[derive(Default)]
pub(super) struct Report {
    rows: BTreeMap<(String, String), Row>,
    wrong: Vec<(String, String)>,
}

impl Report {
    pub(super) fn add(&mut self, kind: &str, stage: &str, trial: &str, outcome: anyhow::Result<Outcome>) {
        let row = self.rows.entry((kind.to_owned(), stage.to_owned())).or_default();
        match outcome {
            Err(error) => {
                row.wrong += 1;
                self.wrong.push((trial.to_owned(), format!("{error:#}")));
            }
            Ok(Outcome { refused, met, took }) => {
                row.took.push(took);
                match refused {
                    None if !met => row.not_met += 1,
                    None => row.equal += 1,
                    Some(said) => {
                        row.refused += 1;
                        *row.refusals.entry(said).or_default() += 1;
                    }
                }
            }
        }
    }

    /// What was wrong, by trial.
    pub(super) fn wrong(&self) -> &[(String, String)] {
        &self.wrong
    }

    pub(super) fn table(&self) -> String {
        let mut table = String::from("| trial | stage | runs | equal | not met | refused | wrong | median time to recover |\n");
        table.push_str("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
        for ((kind, stage), row) in &self.rows {
            let Row { equal, not_met, refused, wrong, .. } = row;
            let runs = equal + not_met + refused + wrong;
            let median = median(&row.took).map_or("-".to_owned(), |took| format!("{:.1} s", took.as_secs_f64()));
            writeln!(table, "| {kind} | {stage} | {runs} | {equal} | {not_met} | {refused} | {wrong} | {median} |").ok();
        }
        table
    }

    pub(super) fn json(&self, seed: u64) -> Value {
        let row = |((kind, stage), row): (&(String, String), &Row)| {
            let median = median(&row.took).map(|took| took.as_secs_f64());
            json!({
                "kind": kind, "stage": stage, "equal": row.equal, "not_met": row.not_met, "refused": row.refused, "wrong": row.wrong,
                "median_seconds_to_recover": median, "refusals": row.refusals,
            })
        };
        let wrong = |(trial, what): &(String, String)| json!({ "trial": trial, "what": what });
        json!({
            "seed": seed,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "wrong": self.wrong.iter().map(wrong).collect::<Vec<_>>(),
        })
    }
}

fn median(took: &[Duration]) -> Option<Duration> {
    let mut took = took.to_vec();
    took.sort();
    took.get(took.len() / 2).copied()
}
