//! The JSON view of a button.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::Button;

use super::{marked, non_empty};

/// A button below a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Button)]
pub struct ButtonView {
    /// `url`, `callback`, `text`, ...
    pub kind: Cow<'static, str>,
    /// What is written on it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub text: String,
    /// The link that it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The data that it tells the bot, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The inline query that it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The marked id of the user whose profile it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<i64>,
    /// The text that it copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<String>,
}

impl From<&Button> for ButtonView {
    fn from(button: &Button) -> Self {
        Self {
            kind: button.kind.name().into(),
            text: button.text.clone(),
            url: non_empty(button.url.as_ref()),
            data: button.data.as_ref().filter(|data| !data.is_empty()).map(|data| STANDARD.encode(data)),
            query: non_empty(button.query.as_ref()),
            user: marked(button.user),
            copy: non_empty(button.copy.as_ref()),
        }
    }
}
