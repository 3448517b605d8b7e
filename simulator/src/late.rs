//! Late answers (a delay queue): what is to be sent later, in the order in which it is due.
//!
//! One queue a connection and no task for an answer, so that a thousand requests in flight, each answered after a round trip of 80 ms,
//! cost a thousand entries.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::answer::Answer;
use crate::ledger::WaitId;

/// Answers that wait to be sent late on one connection; beyond it requests wait in TCP (back-pressure). More than any client has in flight.
const ANSWERS_MAX: usize = 4_096;
/// Bytes of them: five hundred parts of files.
const BYTES_MAX: usize = 256 << 20;

/// To which request, what it says, and the wait that it asks for.
pub(crate) type LateAnswer = (i64, Answer, Option<WaitId>);

/// What waits on one connection.
#[derive(Default)]
pub(crate) struct LateAnswers {
    /// By when it is due; what is due at once, in the order in which it was asked for.
    answers: BTreeMap<(Instant, u64), LateAnswer>,
    last: u64,
    bytes: usize,
}

impl LateAnswers {
    /// Whether nothing more should be taken in.
    pub(crate) fn is_full(&self) -> bool {
        self.answers.len() >= ANSWERS_MAX || self.bytes >= BYTES_MAX
    }

    pub(crate) fn add(&mut self, delay: Duration, answer: LateAnswer) {
        // A delay that no clock can hold is one that never ends.
        let Some(due) = Instant::now().checked_add(delay) else { return };
        self.last += 1;
        self.bytes += length(&answer);
        self.answers.insert((due, self.last), answer);
    }

    /// Waits until something is due; for ever where nothing waits.
    pub(crate) async fn due(&self) {
        match self.answers.first_key_value() {
            Some(((due, _), _)) => tokio::time::sleep_until(*due).await,
            None => std::future::pending().await,
        }
    }

    /// Takes what is due by now.
    pub(crate) fn take_due(&mut self) -> Vec<LateAnswer> {
        let now = Instant::now();
        let mut due = Vec::new();
        while let Some(first) = self.answers.first_entry().filter(|first| first.key().0 <= now) {
            due.push(first.remove());
        }
        self.bytes -= due.iter().map(length).sum::<usize>();
        due
    }
}

fn length((_, answer, _): &LateAnswer) -> usize {
    answer.as_ref().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_come_when_they_are_due_and_in_order() {
        let mut late = LateAnswers::default();
        let answer = |id: i64| (id, Ok(vec![0; 10]), None);
        late.add(Duration::from_millis(80), answer(1));
        late.add(Duration::from_millis(80), answer(2));
        late.add(Duration::from_millis(10), answer(3));
        late.add(Duration::MAX, answer(4));
        let mut seen = Vec::new();
        while seen.len() < 3 {
            late.due().await;
            seen.extend(late.take_due().into_iter().map(|(id, ..)| id));
        }
        assert_eq!(seen, [3, 1, 2]);
        assert!(late.take_due().is_empty());
    }

    #[test]
    fn a_queue_that_is_full_says_so() {
        let mut late = LateAnswers::default();
        late.add(Duration::from_secs(60), (1, Ok(vec![0; BYTES_MAX]), None));
        assert!(late.is_full());
    }
}
