//! The deadline of a search, looked at wherever documents are advanced: between hits alone it would be missed by a query that has none.
//!
//! What is not worth that much time gets an allowance of looks ([`Deadline::allow`]): who looks is told to give up when it is used up, and the deadline is
//! not missed by that. How many looks something takes depends on the index alone, not on the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How many steps are made between two looks at the clock: some ten microseconds of work, for most queries.
pub(super) const STEPS: u32 = 64;

/// The deadline of one search.
#[derive(Debug)]
pub(super) struct Deadline {
    at: Instant,
    /// Whether anything was given up because of it: that must not look like an end.
    is_missed: AtomicBool,
    /// How many looks are left to what is done now.
    allowance: AtomicU32,
    /// How many looks at the clock find that there is time left, whatever the clock says.
    #[cfg(test)]
    looks: Option<AtomicU32>,
}

impl Deadline {
    pub(super) fn after(limit: Duration) -> Arc<Self> {
        Arc::new(Self {
            at: Instant::now() + limit,
            is_missed: AtomicBool::new(false),
            allowance: AtomicU32::new(UNLIMITED),
            #[cfg(test)]
            looks: None,
        })
    }

    /// One that passes at a look, counted from none, instead of at a time.
    #[cfg(test)]
    pub(super) fn at_look(number: u32) -> Arc<Self> {
        let (is_missed, allowance) = (AtomicBool::new(false), AtomicU32::new(UNLIMITED));
        Arc::new(Self { at: Instant::now(), is_missed, allowance, looks: Some(number.into()) })
    }

    /// Whether it has passed, which is noted, or the allowance is used up: whoever is told so gives up.
    pub(super) fn has_passed(&self) -> bool {
        let has_passed = self.is_missed() || self.is_over();
        if has_passed {
            self.is_missed.store(true, Ordering::Relaxed);
        }
        has_passed || self.takes_from_allowance().is_err()
    }

    fn takes_from_allowance(&self) -> Result<u32, u32> {
        let taken = |left| if left == UNLIMITED { Some(UNLIMITED) } else { u32::checked_sub(left, 1) };
        self.allowance.try_update(Ordering::Relaxed, Ordering::Relaxed, taken)
    }

    /// Limits what is done from now on to a number of looks, until the allowance is dropped.
    pub(super) fn allow(&self, looks: u32) -> Allowance<'_> {
        self.allowance.store(looks, Ordering::Relaxed);
        Allowance(self)
    }

    #[cfg(not(test))]
    fn is_over(&self) -> bool {
        Instant::now() >= self.at
    }

    #[cfg(test)]
    fn is_over(&self) -> bool {
        match &self.looks {
            None => Instant::now() >= self.at,
            Some(left) => left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err(),
        }
    }

    /// Whether somebody was told that it has passed.
    pub(super) fn is_missed(&self) -> bool {
        self.is_missed.load(Ordering::Relaxed)
    }
}

/// How long the allowance lasts that nobody has limited.
const UNLIMITED: u32 = u32::MAX;

/// A limit to the looks that are left.
pub(super) struct Allowance<'d>(&'d Deadline);

impl Allowance<'_> {
    /// Whether none is left, so that something may have been given up.
    pub(super) fn is_used_up(&self) -> bool {
        self.0.allowance.load(Ordering::Relaxed) == 0
    }
}

impl Drop for Allowance<'_> {
    fn drop(&mut self) {
        self.0.allowance.store(UNLIMITED, Ordering::Relaxed);
    }
}

/// The steps of one walk.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    deadline: Arc<Deadline>,
    left: u32,
}

impl Steps {
    pub(super) fn until(deadline: &Arc<Deadline>) -> Self {
        Self { deadline: Arc::clone(deadline), left: STEPS }
    }

    /// Makes a step; `false` when there is no time for it.
    #[inline]
    pub(super) fn step(&mut self) -> bool {
        self.left -= 1;
        if self.left > 0 {
            return true;
        }
        self.left = STEPS;
        !self.deadline.has_passed()
    }
}
