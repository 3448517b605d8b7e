//! Dead letters of an output: events that it can never take, or that its operator has it skip, are kept by their ids, and made and sent once more
//! when the operator asks for it.
//!
//! # Correctness
//! A letter is there from the write on that moves the position over its event. Where the event is not the last one of its change, the position stays before
//! the change; so the letters behind the position count as confirmed whenever reading begins there.

use tokio::time::Instant;

use super::{Delivery, DeliveryFailure, InFlight, POLL_INTERVAL, RETRY_MIN, SentEvent};
use crate::archive::DeadLetter;
use crate::event::{Event, EventFilter, WATCH_EVENTS_MAX, wanted_events};
use crate::lifecycle::StepOutcome;
use crate::model::{Clock as _, Seq, SystemClock};
use crate::output::status::State;
use crate::output::{Confirmed, Output, OutputError, OutputErrorKind, OutputSession as _, Undeliverable};

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
    pub(super) fn letters(&self, sent: &[SentEvent], undeliverable: Vec<Undeliverable>) -> Vec<DeadLetter> {
        let of = |Undeliverable { nth, why }| Some(self.letter(sent.get(usize::try_from(nth).ok()?)?, why));
        undeliverable.into_iter().filter_map(of).collect()
    }

    fn letter(&self, event: &SentEvent, why: String) -> DeadLetter {
        let (output, seq, id) = (self.reader.name(), event.seq, &event.id);
        tracing::warn!(
            output.name = output,
            change.seq = seq.0,
            "output `{output}`: the event `{id}` is not delivered: {why}; it is kept (`telescribe dead-letters list`)"
        );
        // For people only: nothing is decided by it.
        DeadLetter { output: output.to_owned(), seq, event: id.clone(), at: SystemClock.timestamp(), why }
    }

    /// Passes over the refused event, where the operator asks for it. Nothing may be in flight. Says whether it did.
    pub(super) fn skip_refused(&mut self) -> anyhow::Result<bool> {
        let Some(asked) = self.status.take_skip() else { return Ok(false) };
        let Some((event, why)) = self.refused.take_if(|(event, _)| event.id == asked) else { return Ok(false) };
        let letter = self.letter(&event, format!("it was skipped: {why}"));
        // The others of its change are still to be sent, where there are any.
        self.move_with(event.ends_change.then_some((event.seq, event.at)), vec![letter])?;
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
        if self.status.take_resend() {
            let letters = self.reader.archive().view().dead_letters(self.reader.name());
            self.resending = letters.collect::<Result<_, _>>()?;
            self.output.forget_limits();
        }
        let is_under_way = self.session.iter().flat_map(|session| &session.in_flight).any(|in_flight| in_flight.letter.is_some());
        Ok(is_under_way || !self.resending.is_empty())
    }

    /// Sends the next dead letter when nothing else is in flight, and waits a while for what is.
    pub(super) async fn resend(&mut self) -> Result<StepOutcome, DeliveryFailure> {
        if self.session.as_ref().is_some_and(|session| !session.in_flight.is_empty()) {
            return self.settle(POLL_INTERVAL).await;
        }
        let Some(letter) = self.resending.pop_front() else { return Ok(StepOutcome::Idle) };
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

    /// What became of a dead letter that was sent again. One that is refused stays one, and holds back nothing.
    pub(super) fn resent(
        &mut self,
        letter: DeadLetter,
        outcome: Result<(), OutputError>,
        confirmed: Confirmed,
        mut undeliverable: Vec<Undeliverable>,
    ) -> Result<StepOutcome, DeliveryFailure> {
        let why = match (outcome, undeliverable.pop()) {
            (Err(error), _) if error.kind() != OutputErrorKind::Refused => {
                self.resending.push_front(letter);
                return Err(error.into());
            }
            (Err(refused), _) => refused.to_string(),
            (Ok(()), Some(Undeliverable { why, .. })) => why,
            (Ok(()), None) => {
                self.let_go(letter)?;
                self.status.note(|report| {
                    report.confirmed += confirmed.events;
                    report.unroutable += confirmed.unroutable;
                });
                return Ok(StepOutcome::Busy);
            }
        };
        let (output, id) = (self.reader.name(), &letter.event);
        tracing::warn!(output.name = output, "output `{output}`: the event `{id}` was sent again and is not delivered: {why}");
        // In the place of the one before.
        let letter = DeadLetter { at: SystemClock.timestamp(), why, ..letter };
        let at = letter.at;
        self.reader.store_with(None, vec![letter], at).map_err(anyhow::Error::from)?;
        Ok(StepOutcome::Busy)
    }

    fn let_go(&mut self, letter: DeadLetter) -> anyhow::Result<()> {
        let mut write = self.reader.archive().write(letter.at);
        write.remove_dead_letter(letter);
        write.commit()?;
        self.status.note(|report| report.dead_letters = report.dead_letters.saturating_sub(1));
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
