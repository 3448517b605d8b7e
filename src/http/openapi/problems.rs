//! What operations may be refused with: problems, each status with the content and the headers that it always has.

use serde_json::{Map, Value, json};

use super::super::problem;
use super::Operation;

/// What many operations may be refused with alike.
struct Refusal {
    status: &'static str,
    /// Its name among the components.
    name: &'static str,
    description: &'static str,
    /// Which operations.
    of: fn(&Operation<'_>) -> bool,
}

const REFUSALS: [Refusal; 9] = [
    Refusal {
        status: "400",
        name: "BadRequest",
        description: "A parameter, the query or the body is missing, malformed or unknown, or was given twice.",
        of: |operation| operation.path.starts_with("/v1/") && !operation.takes_seals(),
    },
    Refusal {
        status: "401",
        name: "Unauthorized",
        description: "The listener requires sealed requests. The same is the one answer to whatever is wrong with a seal.",
        of: |operation| !operation.is_open(),
    },
    Refusal {
        status: "403",
        name: "Forbidden",
        description: "The listener or the client's key does not allow it, the `Host` is not this machine, or a page of another web site asks.",
        of: |operation| !operation.is_open() && !operation.takes_seals(),
    },
    Refusal {
        status: "404",
        name: "NotFound",
        description: "There is no such peer, message or other thing; `code` tells which.",
        of: |operation| operation.parameters().any(|parameter| parameter["in"] == "path" || parameter["name"] == "peer"),
    },
    Refusal {
        status: "413",
        name: "ContentTooLarge",
        description: "The body is longer than `body_size_max`.",
        of: |operation| operation.members.contains_key("requestBody"),
    },
    Refusal {
        status: "415",
        name: "UnsupportedMediaType",
        description: "The body is not `application/json`.",
        of: |operation| operation.members.contains_key("requestBody") && !operation.takes_seals(),
    },
    Refusal {
        status: "429",
        name: "TooManyRequests",
        description: "The client has asked more often than it may, or for more at once.",
        of: |operation| !operation.is_open() && !operation.takes_seals(),
    },
    Refusal {
        status: "500",
        name: "InternalError",
        description: "An error of the server. Its log has it, by the request id.",
        of: |_| true,
    },
    Refusal {
        status: "504",
        name: "TimedOut",
        description: "It took longer than `request_timeout`.",
        of: |operation| operation.path != "/healthz",
    },
];

/// The refusals that operations refer to.
pub(super) fn shared() -> Value {
    let entry = |refusal: &Refusal| (refusal.name.to_owned(), problem(refusal.status, refusal.description.into()));
    REFUSALS.iter().map(entry).collect::<Map<_, _>>().into()
}

/// Adds what an operation may be refused with, and says of the refusals that it describes itself what they hold.
pub(super) fn of_operation(operation: &mut Operation<'_>) {
    let mut wanted = Map::new();
    for refusal in REFUSALS.iter().filter(|refusal| (refusal.of)(operation)) {
        let reference = format!("#/components/responses/{}", refusal.name);
        wanted.insert(refusal.status.to_owned(), json!({ "$ref": reference }));
    }
    let Some(responses) = operation.responses() else { return };
    for (status, own) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
        wanted.insert(status.clone(), problem(status, own["description"].clone()));
    }
    responses.retain(|status, _| !wanted.contains_key(status));
    responses.extend(wanted);
    responses.sort_keys();
}

/// A problem as a response.
fn problem(status: &str, description: Value) -> Value {
    let content = json!({ problem::MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } });
    let mut response = json!({ "description": description, "content": content });
    let header = match status {
        "401" => Some(("WWW-Authenticate", "`Sealed`, which no browser asks a password for.", json!({ "type": "string" }))),
        "405" => Some(("Allow", "The methods that there are.", json!({ "type": "string" }))),
        "429" | "503" => Some(("Retry-After", "Seconds after which to try again.", json!({ "type": "integer", "minimum": 0 }))),
        _ => None,
    };
    if let Some((name, description, schema)) = header {
        response["headers"] = json!({ name: { "description": description, "required": true, "schema": schema } });
    }
    response
}

#[cfg(test)]
mod tests {
    use super::super::super::problem::CODES;

    #[test]
    fn every_code_is_in_the_documentation() {
        let page = include_str!("../../../docs/http.md");
        let missing: Vec<_> = CODES.iter().filter(|code| !page.contains(&format!("`{code}`"))).collect();
        assert!(missing.is_empty(), "docs/http.md lists every code: {missing:?}");
    }
}
