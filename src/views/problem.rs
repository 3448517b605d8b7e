//! An error as RFC 9457 problem details. `http` makes them; a command shows title and detail.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error (RFC 9457, problem details).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:telescribe:problem:` and the code.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The kind of problem, the same for every problem with this code.
    pub(crate) title: Cow<'static, str>,
    /// The HTTP status.
    pub(crate) status: u16,
    /// A short, stable, machine-readable name.
    pub(crate) code: Cow<'static, str>,
    /// What happened in this case, and what to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) detail: String,
    /// After how many seconds to ask again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<u64>,
}
