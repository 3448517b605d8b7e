//! Placeholder of this branch: the composition root's `config` takes its place and keeps `mod duration`.

mod duration;

pub use duration::{InvalidSpan, Span};
