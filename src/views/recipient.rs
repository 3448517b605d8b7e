//! What a client must know before it can seal a request.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whom a sealed request is for: it repeats both ids. Nothing of this is secret, and none of it is authentic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Recipient)]
pub struct RecipientView {
    /// The server's id. A client takes it from its key file (`aud`), never from here: this one only tells people what is wrong.
    pub(crate) server: String,
    /// The id of the server's present start, another one after each restart.
    pub(crate) start: String,
    /// Whether requests as this one came must be sealed: others are answered with 401.
    pub(crate) required: bool,
}
