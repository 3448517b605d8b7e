//! Dead letters of an output: events that it can never take, or that its operator has it skip, are kept by their ids, and made and sent once more
//! when the operator asks for it.
//!
//! # Correctness
//! A letter is there from the write on that moves the position over its event. Where the event is not the last one of its change, the position stays before
//! the change; so the letters behind the position count as confirmed whenever reading begins there.

use std::time::Duration;

use tokio::time::Instant;

use super::{Delivery, DeliveryFailure, IDLE_CHECK, InFlight, POLL_INTERVAL, RETRY_MIN, SentEvent};
use crate::archive::DeadLetter;
use crate::event::{Event, EventFilter, WATCH_EVENTS_MAX, wanted_events};
use crate::lifecycle::StepOutcome;
use crate::model::{Clock as _, Seq, SystemClock};
use crate::output::status::{Resending, State};
use crate::output::{Confirmed, Output, OutputError, OutputErrorKind, OutputSession as _, Undeliverable};

/// How many dead letters an output may have before it is held back: so many are no exceptions, but something that is to be set right; and all of them
/// are read where they are sent again.
pub(super) const LETTERS_MAX: u64 = 10_000;
/// How often the log tells of dead letters: where an output takes nothing, there would be a line for each event.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// When the log was told of a dead letter last, and how many there were since.
#[derive(Default)]
pub(super) struct LetterLog {
    told_at: Option<Instant>,
    untold: u64,
}

impl LetterLog {
    fn is_due(&self) -> bool {
        self.told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY)
    }

    /// Tells of an event that is not delivered, where none was told of lately.
    fn tell(&mut self, output: &str, event: &SentEvent, why: &str) {
        let (id, seq) = (&event.id, event.seq.0);
        if !self.is_due() {
            self.untold += 1;
            tracing::debug!(
                output.name = output,
                change.seq = seq,
                "output `{output}`: the event `{id}` is not delivered: {why}"
            );
            return;
        }
        tracing::warn!(
            output.name = output,
            change.seq = seq,
            "output `{output}`: the event `{id}` is not delivered: {why}; it is kept (`telescribe dead-letters list`)"
        );
        self.told_at = Some(Instant::now());
    }

    /// Tells of those that were not told of, when it is time to.
    pub(super) fn tell_rest(&mut self, output: &str) {
        if self.untold > 0 && self.is_due() {
            let count = std::mem::take(&mut self.untold);
            tracing::warn!(
                output.name = output,
                "output `{output}`: {count} more events are not delivered; they are kept (`telescribe dead-letters list`)"
            );
            self.told_at = Some(Instant::now());
        }
    }
}

impl<O: Output> Delivery<O> {
    /// How many there are.
    pub(super) fn count_dead_letters(&self) -> anyhow::Result<u64> {
        let mut count = 0;
        for letter in self.reader.archive().view().dead_letters(self.reader.name()) {
            letter?;
            count += 1;
        }
        Ok(count)
    }

    /// Has those behind the position count as confirmed.
    pub(super) fn pass_dead_letters(&mut self) -> anyhow::Result<()> {
        let archive = self.reader.archive();
        for letter in archive.view().dead_letters_after(self.reader.name(), self.position) {
            self.confirmed.insert(letter?.event);
        }
        Ok(())
    }

    /// The letters of a batch, of which some events cannot be delivered.
    pub(super) fn letters(&mut self, sent: &[SentEvent], undeliverable: Vec<Undeliverable>) -> Vec<DeadLetter> {
        let of = |Undeliverable { nth, why }| Some(self.letter(sent.get(usize::try_from(nth).ok()?)?, why));
        undeliverable.into_iter().filter_map(of).collect()
    }

    fn letter(&mut self, event: &SentEvent, why: String) -> DeadLetter {
        let output = self.reader.name();
        self.letter_log.tell(output, event, &why);
        self.letter_log.tell_rest(output);
        // For people only: nothing is decided by it.
        DeadLetter { output: output.to_owned(), seq: event.seq, event: event.id.clone(), at: SystemClock.timestamp(), why }
    }

    /// Waits for what is in flight, and then for an operator to do something about the dead letters: there are as many as there may be.
    pub(super) async fn wait_for_room(&mut self) -> Result<StepOutcome, DeliveryFailure> {
        if self.session.as_ref().is_some_and(|session| !session.in_flight.is_empty()) {
            return self.settle(POLL_INTERVAL).await;
        }
        let dead_letters = self.count_dead_letters()?;
        self.status.note(|report| report.dead_letters = dead_letters);
        if dead_letters < LETTERS_MAX {
            return Ok(StepOutcome::Busy);
        }
        self.retry_at = Instant::now() + IDLE_CHECK;
        let why = format!(
            "{LETTERS_MAX} events could not be delivered, and no more are kept: nothing is sent; `telescribe dead-letters list` tells why, `resend` \
             sends them again, `drop` lets them go"
        );
        let output = self.reader.name();
        self.status.note(|report| {
            if report.last_error.as_ref() != Some(&why) {
                tracing::warn!(output.name = output, "output `{output}`: {why}");
            }
            (report.state, report.last_error, report.next_try) = (State::Blocked, Some(why), None);
        });
        Ok(StepOutcome::Idle)
    }

    /// Passes over the refused event, where the operator asks for it. Nothing may be in flight. Says whether it did.
    pub(super) fn skip_refused(&mut self) -> anyhow::Result<bool> {
        let Some(asked) = self.status.take_skip() else { return Ok(false) };
        let is_asked = |(event, _): &&(SentEvent, String)| event.id == asked && event.seq > self.position;
        let Some((event, why)) = self.refused.as_ref().filter(is_asked).cloned() else { return Ok(false) };
        let letter = self.letter(&event, format!("it was skipped: {why}"));
        // The others of its change are still to be sent, where there are any.
        self.move_with(event.ends_change.then_some((event.seq, event.at)), vec![letter])?;
        self.refused = None;
        self.confirmed.insert(event.id);
        self.rewind()?;
        (self.retry_at, self.backoff, self.refusal_told) = (Instant::now(), RETRY_MIN, None);
        self.status.note(|report| {
            report.state = State::Connected;
            (report.last_error, report.next_try, report.refused_event) = (None, None, None);
        });
        Ok(true)
    }

    /// Whether dead letters are to be sent again, or are on their way.
    pub(super) fn is_resending(&mut self) -> anyhow::Result<bool> {
        let in_flight =
            self.session.iter().flat_map(|session| &session.in_flight).find_map(|in_flight| in_flight.letter.as_ref());
        let is_under_way = in_flight.is_some();
        if let Some(which) = self.status.take_resend() {
            let read: Result<Vec<DeadLetter>, _> = self.reader.archive().view().dead_letters(self.reader.name()).collect();
            // What was promised is not forgotten because the archive could not be read.
            let letters = match read {
                Ok(letters) => letters,
                Err(error) => {
                    self.status.ask_to_resend(which);
                    return Err(error.into());
                }
            };
            let dead_letters = letters.len() as u64;
            let is_meant = |letter: &DeadLetter| match &which {
                Resending::All => true,
                Resending::One(event) => *event == letter.event,
            };
            let is_free = |letter: &DeadLetter| in_flight.is_none_or(|sent| sent.event != letter.event);
            self.resending = letters.into_iter().filter(|letter| is_meant(letter) && is_free(letter)).collect();
            self.output.forget_limits();
            self.status.note_dead_letters(dead_letters);
        }
        Ok(is_under_way || !self.resending.is_empty())
    }

    /// Sends the next dead letter when nothing else is in flight, and waits a while for what is.
    pub(super) async fn resend(&mut self) -> Result<StepOutcome, DeliveryFailure> {
        if self.session.as_ref().is_some_and(|session| !session.in_flight.is_empty()) {
            return self.settle(POLL_INTERVAL).await;
        }
        let Some(letter) = self.resending.pop_front() else { return Ok(StepOutcome::Idle) };
        // Dropped meanwhile.
        if !self.reader.archive().view().is_dead_letter(&letter).map_err(anyhow::Error::from)? {
            return Ok(StepOutcome::Busy);
        }
        let Some(event) = self.event_of(&letter)? else {
            let (output, id) = (self.reader.name(), &letter.event);
            tracing::warn!(output.name = output, "output `{output}`: there is no event `{id}` any more; it is no longer kept");
            self.let_go(letter)?;
            return Ok(StepOutcome::Busy);
        };
        let Some(session) = self.session.as_mut() else { return Ok(StepOutcome::Idle) };
        let deadline = Instant::now() + self.output.confirm_timeout();
        let batch = session.output.send(vec![event]).await;
        session.in_flight.push_back(InFlight { batch, sent: Vec::new(), deadline, letter: Some(letter) });
        Ok(StepOutcome::Busy)
    }

    /// What became of a dead letter that was sent again. One that is refused stays one, and so do those behind it: what refuses one may refuse them all,
    /// and is not to be asked more often than anything else that refuses.
    pub(super) fn resent(
        &mut self,
        letter: DeadLetter,
        outcome: Result<(), OutputError>,
        confirmed: Confirmed,
        mut undeliverable: Vec<Undeliverable>,
    ) -> Result<StepOutcome, DeliveryFailure> {
        let mut refused = None;
        let why = match (outcome, undeliverable.pop()) {
            (Err(error), _) if error.kind() != OutputErrorKind::Refused => {
                self.resending.push_front(letter);
                return Err(error.into());
            }
            (Err(error), _) => {
                let why = error.to_string();
                refused = Some(error);
                why
            }
            (Ok(()), Some(Undeliverable { why, .. })) => why,
            (Ok(()), None) => {
                self.let_go(letter)?;
                self.backoff = RETRY_MIN;
                self.status.note(|report| {
                    report.confirmed += confirmed.events;
                    report.unroutable += confirmed.unroutable;
                });
                return Ok(StepOutcome::Busy);
            }
        };
        let (output, id) = (self.reader.name(), &letter.event);
        let text = format!("the event `{id}` was sent again and is not delivered: {why}");
        match refused {
            Some(error) => {
                let retry_max = self.output.refused_retry_max();
                let (wait, left) = (self.backoff.min(retry_max).max(error.retry_after()), self.resending.len());
                tracing::warn!(output.name = output, "output `{output}`: {text}; the {left} behind it are not sent now");
                self.resending.clear();
                self.back_off(wait, retry_max);
                self.status.note(|report| {
                    report.state = State::Blocked;
                    (report.last_error, report.next_try) = (Some(why.clone()), Some(self.retry_at));
                });
            }
            None => tracing::debug!(output.name = output, "output `{output}`: {text}"),
        }
        // In the place of the one before, where it was not dropped meanwhile.
        let letter = DeadLetter { at: SystemClock.timestamp(), why, ..letter };
        self.reader.renew(letter).map_err(anyhow::Error::from)?;
        Ok(StepOutcome::Busy)
    }

    fn let_go(&mut self, letter: DeadLetter) -> anyhow::Result<()> {
        // Dropped meanwhile, it is counted no longer.
        let is_kept = self.reader.archive().view().is_dead_letter(&letter)?;
        let mut write = self.reader.archive().write(letter.at);
        write.remove_dead_letter(letter);
        write.commit()?;
        self.status.note(|report| report.dead_letters = report.dead_letters.saturating_sub(u64::from(is_kept)));
        Ok(())
    }

    /// The event of a letter, made once more; `None` where there is none any more.
    fn event_of(&self, letter: &DeadLetter) -> anyhow::Result<Option<Event>> {
        let archive = self.reader.archive().flushed();
        let changes = archive.view().changes(Seq(letter.seq.0.saturating_sub(1)), 1)?;
        let made = wanted_events(&archive, &self.watching, &changes, &EventFilter::default(), WATCH_EVENTS_MAX)?;
        Ok(made.events.into_iter().find(|event| event.id == letter.event))
    }
}
