//! The shapes that were met, by which the first one is found that a shape is near.
//!
//! Two shapes that are near differ in five of their 16 cells at most, and so in five of the eight pairs of neighbouring cells. At least three pairs
//! are equal, and of three pairs two are in the same half. So a shape is found under one of the twelve choices of two pairs of one
//! half, each 16 bits: no near one is missed, and of a million there are some fifteen to compare under each.

use super::near::are_near;

/// The choices of two bytes of one half: by how many bits each is shifted.
const CHOICES: [(u32, u32); 12] =
    [(0, 8), (0, 16), (0, 24), (8, 16), (8, 24), (16, 24), (32, 40), (32, 48), (32, 56), (40, 48), (40, 56), (48, 56)];
/// How many values 16 bits have.
const VALUES: usize = 1 << 16;
/// No shape.
const NONE: u32 = u32::MAX;

/// Shapes, each with the group that it stands for.
pub(super) struct NearIndex {
    shapes: Vec<Entry>,
    /// For each choice and value the newest shape that has it.
    newest: Vec<u32>,
}

struct Entry {
    shape: u64,
    group: u32,
    /// For each choice the shape before it that has the same value.
    before: [u32; CHOICES.len()],
}

fn places(shape: u64) -> impl Iterator<Item = usize> {
    CHOICES.iter().enumerate().map(move |(choice, (high, low))| {
        let byte = |shift: &u32| usize::from((shape >> shift) as u8);
        choice * VALUES + (byte(high) << 8 | byte(low))
    })
}

impl NearIndex {
    pub(super) fn new() -> Self {
        Self { shapes: Vec::new(), newest: Vec::new() }
    }

    /// The least group with a shape that this one is near; `goes_on` is asked before each comparison, and ends the search.
    pub(super) fn first_near(&self, shape: u64, mut goes_on: impl FnMut() -> bool) -> Option<u32> {
        let mut first = None;
        for (choice, place) in places(shape).enumerate() {
            let mut at = self.newest.get(place).copied().unwrap_or(NONE);
            while let Some(entry) = usize::try_from(at).ok().and_then(|at| self.shapes.get(at)) {
                if !goes_on() {
                    return first;
                }
                if first.is_none_or(|first| entry.group < first) && are_near(entry.shape, shape) {
                    first = Some(entry.group);
                }
                at = entry.before[choice];
            }
        }
        first
    }

    /// Adds a shape that stands for a group.
    pub(super) fn add(&mut self, shape: u64, group: u32) {
        if self.newest.is_empty() {
            self.newest = vec![NONE; CHOICES.len() * VALUES];
        }
        let Ok(number) = u32::try_from(self.shapes.len()) else { return };
        let mut before = [NONE; CHOICES.len()];
        for (place, before) in places(shape).zip(&mut before) {
            *before = std::mem::replace(&mut self.newest[place], number);
        }
        self.shapes.push(Entry { shape, group, before });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_near_shape_is_found_as_by_comparing_with_all(
            base: [u64; 2],
            // Few bases and few changes, so that many are near each other.
            shapes in prop::collection::vec((0_usize..2, prop::collection::vec((0_u32..16, 0_u64..16), 0..9)), 1..60),
        ) {
            let mut index = NearIndex::new();
            let mut known: Vec<u64> = Vec::new();
            for (of, changes) in shapes {
                let shape = changes.iter().fold(base[of], |shape, (cell, value)| shape ^ value << (cell * 4));
                let first = known.iter().position(|known| are_near(*known, shape)).map(|at| at as u32);
                prop_assert_eq!(index.first_near(shape, || true), first);
                index.add(shape, known.len() as u32);
                known.push(shape);
            }
        }
    }
}
