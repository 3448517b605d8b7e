//! Placeholder of this branch: the reading commands; the composition root adds the others.

pub mod changes;
pub mod client;
pub mod coverage;
pub mod dump;
mod output;
pub mod peers;
pub mod search;
pub mod show;
pub mod status;

pub use output::Out;
