//! What an operator asks of running outputs, for `http`, which sends no events itself: a trait, as of the other [operator requests](super::operator).

use super::problem::Problem;

/// The part of the program that has the outputs.
pub trait OutputKeeper: Send + Sync {
    /// Skips the event that is refused at present and holds back all behind it: it becomes a dead letter. Returns its id.
    ///
    /// # Errors
    /// When there is no such output, none of its events is refused, or the program is not running.
    fn skip(&self, output: &str) -> Result<String, OutputRefusal>;

    /// Sends the dead letters of an output again. Returns how many there are.
    ///
    /// # Errors
    /// When there is no such output, or the program is not running.
    fn resend(&self, output: &str) -> Result<u64, OutputRefusal>;
}

/// Nothing is asked of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutputRefusal {
    /// There is no output of this name.
    #[error("there is no output of this name; `telescribe status` and `/v1/status` list them")]
    Unknown,
    /// None of its events is refused.
    #[error("none of its events is refused at present; `telescribe status` shows what is")]
    NothingRefused,
    /// The program is not running.
    #[error("start it with `telescribe run`, then retry")]
    NotRunning,
}

impl From<OutputRefusal> for Problem {
    fn from(refusal: OutputRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            OutputRefusal::Unknown => Self::unknown_output(detail),
            OutputRefusal::NothingRefused => Self::nothing_refused(detail),
            OutputRefusal::NotRunning => Self::not_running(detail),
        }
    }
}
