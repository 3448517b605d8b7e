//! A dump in pages. Its lines are what `docs/dump.md` describes: peers and messages as in [`show`](crate::show).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A page of a dump; sealed responses only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DumpPage {
    /// The objects that are lines in a plain dump.
    #[schema(value_type = Vec<Object>)]
    pub(crate) lines: Vec<Value>,
    /// Value of `after` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}
