//! What an operator asks of running outputs, for `http`, which sends no events itself: a trait, as of the other [operator requests](super::operator).

use super::problem::Problem;
use crate::archive::ArchiveError;

/// The part of the program that has the outputs.
pub trait OutputKeeper: Send + Sync {
    /// Skips an event that is refused at present and holds back all behind it: it becomes a dead letter. Where it is one, that is done.
    ///
    /// # Errors
    /// When there is no such output, none of its events is refused or another one is, or the program is not running.
    fn skip(&self, output: &str, event: &str) -> Result<(), OutputRefusal>;

    /// Sends the dead letters of an output again. Returns how many there are.
    ///
    /// # Errors
    /// When there is no such output, or the program is not running.
    fn resend(&self, output: &str, event: Option<&str>) -> Result<u64, OutputRefusal>;

    /// Lets go of the dead letters of an output, or of one of them; the output need not be configured any more. Those of a change that is not over stay:
    /// without them their events were sent again. Returns how many are gone.
    ///
    /// # Errors
    /// When there is no such output and nothing of it, or the program is not running.
    fn let_go(&self, output: &str, event: Option<&str>) -> Result<u64, OutputRefusal>;
}

/// Nothing is asked of an output.
#[derive(Debug, thiserror::Error)]
pub enum OutputRefusal {
    /// There is no output of this name.
    #[error("there is no output of this name; `telescribe status` and `/v1/status` list them")]
    Unknown,
    /// None of its events is refused.
    #[error("none of its events is refused at present; `telescribe status` shows what is")]
    NothingRefused,
    /// Another one is.
    #[error("another event is refused at present: `{0}`")]
    OtherRefused(String),
    /// The program is not running.
    #[error("start it with `telescribe run`, then retry")]
    NotRunning,
    /// The disk refuses.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl From<OutputRefusal> for Problem {
    fn from(refusal: OutputRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            OutputRefusal::Unknown => Self::unknown_output(detail),
            OutputRefusal::NothingRefused => Self::nothing_refused(detail),
            OutputRefusal::OtherRefused(_) => Self::other_event_refused(detail),
            OutputRefusal::NotRunning => Self::not_running(detail),
            OutputRefusal::Archive(error) => error.into(),
        }
    }
}
