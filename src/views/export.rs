//! The export of all hits of a search.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The parameters of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Export)]
pub struct ExportBody {
    /// The query (docs/query.md); an empty one matches every message.
    pub(crate) q: String,
    /// `newest` (the default), `oldest`, `relevance` or `views` first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sort: Option<String>,
    /// `ndjson` (the default) or `csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<String>,
    /// `next` of the previous page; sealed responses only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<String>,
}

/// A page of an export; sealed responses only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportPage {
    /// What are lines in a plain export: messages, or records of CSV as text, each with its line end.
    #[schema(value_type = Vec<Object>)]
    pub(crate) lines: Vec<Value>,
    /// Value of `cursor` for the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}
