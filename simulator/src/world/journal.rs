//! Journals (append-only logs): what happened in a message sequence, counted in pts.
//!
//! Histories that were there from the start need no events of their own: of a sequence that began with `base` ids, every
//! pts up to `base` stands for "the message of that id is new". Only what happens later is written down, so a world of
//! millions of messages costs nothing here.

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The message of this id is new.
    New(i32),
    /// The message of this id was edited.
    Edited(i32),
    /// The messages of these ids were deleted.
    Deleted(Vec<i32>),
}

impl Event {
    /// How far the event advances pts.
    #[must_use]
    pub fn count(&self) -> i32 {
        match self {
            Self::New(_) | Self::Edited(_) => 1,
            Self::Deleted(ids) => i32::try_from(ids.len()).unwrap_or(i32::MAX),
        }
    }
}

/// The events of a sequence in order.
#[derive(Debug, Default)]
pub struct Journal {
    base: i32,
    /// Each event with the pts after it.
    events: Vec<(i32, Event)>,
}

impl Journal {
    /// A journal that begins with so many new messages.
    pub(crate) fn starting_at(base: i32) -> Self {
        Self { base, events: Vec::new() }
    }

    /// The pts now.
    #[must_use]
    pub fn pts(&self) -> i32 {
        self.events.last().map_or(self.base, |(pts, _)| *pts)
    }

    /// Writes an event down and returns the pts after it.
    pub(crate) fn record(&mut self, event: Event) -> i32 {
        let pts = self.pts().saturating_add(event.count());
        self.events.push((pts, event));
        pts
    }

    /// The events after a pts, oldest first, each with the pts after it.
    pub fn after(&self, pts: i32) -> impl Iterator<Item = (i32, Event)> + '_ {
        let pts = pts.max(0);
        let implied = (pts.saturating_add(1)..=self.base).map(|id| (id, Event::New(id)));
        let from = self.events.partition_point(|(after, _)| *after <= pts);
        implied.chain(self.events.iter().skip(from).cloned())
    }
}
