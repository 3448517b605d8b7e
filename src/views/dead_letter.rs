//! Dead letters: events that could not be delivered.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::archive::DeadLetter;

/// An event that an output could not deliver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct DeadLetterView {
    /// The output.
    pub output: String,
    /// The number of the change that it is of: `/v1/changes` shows the change.
    pub seq: u64,
    /// The event's id.
    pub event: String,
    /// When it was passed over (RFC 3339).
    pub at: String,
    /// Why: what the output said.
    pub why: String,
}

impl From<&DeadLetter> for DeadLetterView {
    fn from(DeadLetter { output, seq, event, at, why }: &DeadLetter) -> Self {
        Self { output: output.clone(), seq: seq.0, event: event.clone(), at: at.to_string(), why: why.clone() }
    }
}

/// A page of dead letters, by output and in the order of the change log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DeadLetters)]
pub struct DeadLettersPage {
    /// They.
    pub dead_letters: Vec<DeadLetterView>,
    /// Value of `after` for the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Which event is to be skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SkipEvent)]
pub struct SkipEventBody {
    /// Its id: `refused_event` of the output in `/v1/status`. Where another event is refused meanwhile, nothing is skipped.
    pub event: String,
}

/// An event that will be skipped, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SkippedEvent)]
pub struct SkippedEventView {
    /// Its id.
    pub event: String,
}

/// Dead letters that will be sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ResentEvents)]
pub struct ResentEventsView {
    /// How many there are.
    pub events: u64,
}

/// Which dead letters are to be sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ResendEvents)]
pub struct ResendEventsBody {
    /// The id of one event; all of the output where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

/// Which dead letters are to be let go of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DropEvents)]
pub struct DropEventsBody {
    /// The id of one event; all of the output where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

/// Dead letters that are no longer kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DroppedEvents)]
pub struct DroppedEventsView {
    /// How many they were.
    pub events: u64,
}
