//! What a picture shows: a pattern of squares on a background that grows lighter, in colours that follow from an id.
//!
//! It is described block by block (8 by 8 pixels) and not pixel by pixel: a block is one brightness, perhaps with a slope, so that its
//! cosine transform is known without computing any, and a picture of a megapixel takes a millisecond.

use crate::mixing::mix;

/// Squares of the pattern in each direction; the right half mirrors the left one.
const SQUARES: i32 = 5;
/// How much of the shorter side the pattern takes.
const SHARE: f32 = 0.6;

/// A block: its mean, from 0 to 255, and by how much it grows from pixel to pixel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub mean: f32,
    pub slope: (f32, f32),
}

/// The picture of an id in some dimensions.
pub(super) struct Design {
    width: f32,
    height: f32,
    pattern: u64,
    /// Blue and red of the background and of the pattern.
    ground: (f32, f32),
    figure: (f32, f32),
    sloped: bool,
}

impl Design {
    pub(super) fn new(id: i64, width: u16, height: u16, sloped: bool) -> Self {
        let chance = mix(id as u64 ^ 0x91c7);
        let colour = |turn: f32| {
            let angle = (chance & 0xff) as f32 / 256.0 * std::f32::consts::TAU + turn;
            (128.0 + 55.0 * angle.cos(), 128.0 + 55.0 * angle.sin())
        };
        let (width, height) = (f32::from(width), f32::from(height));
        Self { width, height, pattern: chance >> 8, ground: colour(0.0), figure: colour(2.5), sloped }
    }

    /// The block of a component (brightness, blue, red) around a pixel.
    pub(super) fn block(&self, component: usize, x: f32, y: f32) -> Block {
        let is_figure = self.is_figure(x, y);
        let (blue, red) = if is_figure { self.figure } else { self.ground };
        let flat = |mean: f32| Block { mean, slope: (0.0, 0.0) };
        match component {
            0 if is_figure => flat(215.0),
            0 => {
                let mean = 70.0 + 50.0 * (x / self.width).min(1.0) + 40.0 * (y / self.height).min(1.0);
                let slope = if self.sloped { (50.0 / self.width, 40.0 / self.height) } else { (0.0, 0.0) };
                Block { mean, slope }
            }
            1 => flat(blue),
            _ => flat(red),
        }
    }

    fn is_figure(&self, x: f32, y: f32) -> bool {
        let square = self.width.min(self.height) * SHARE / SQUARES as f32;
        let half = square * SQUARES as f32 / 2.0;
        let place = |at: f32, side: f32| ((at - (side / 2.0 - half)) / square).floor() as i32;
        let (column, row) = (place(x, self.width), place(y, self.height));
        if !(0..SQUARES).contains(&column) || !(0..SQUARES).contains(&row) {
            return false;
        }
        let mirrored = column.min(SQUARES - 1 - column);
        self.pattern >> (row * 3 + mirrored) & 1 == 1
    }
}
