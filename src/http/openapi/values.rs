//! What values can be: the words of members and parameters that have few, bounds, forms and examples.
//!
//! Where a list of words is part of the code, it comes from there.

use serde_json::{Value, json};

use crate::model::{FilePlace, PeerKind};
use crate::schedule::Job;
use crate::search::{CollapseBy, FACET_LIMIT_MAX, FacetField, PAGE_SIZE_MAX, QUERY_LENGTH_MAX, SortOrder};

use super::super::problem::CODES;
use super::super::settings::Settings;
use super::Operation;

const ACCOUNT: &str = "^[a-z0-9][a-z0-9_-]{0,31}$";
const CHAT: &str = "^-?[0-9]+(@[a-z0-9][a-z0-9_-]{0,31})?$";
const WATCH: &str = "^[a-z0-9][a-z0-9._-]{0,63}$";
const SHA256: &str = "^[0-9a-f]{64}$";
const FILE: &str = "^(photo|document):-?[0-9]+$";
const INTERVAL: &str = "^(hour|day|week|month|quarter|year|[1-9][0-9]*[smhd])$";
const POSITION: &str = "^([^:]+:)?[0-9]+$";
/// What a member with one of these names holds, where it is text: a time (RFC 3339).
const TIMES: [&str; 24] = [
    "at",
    "checked_at",
    "closes",
    "completed",
    "created_at",
    "date",
    "date_modified",
    "date_published",
    "deleted",
    "edited",
    "end",
    "ended_at",
    "held_until",
    "last_ended",
    "last_started",
    "next_try",
    "now",
    "ordered_at",
    "posted",
    "rests_until",
    "since",
    "titled_at",
    "unavailable_since",
    "until",
];
/// The schemas of request bodies, and an operation each whose parameters of the same names they have.
const BODIES: [(&str, &str); 17] = [
    ("DropEvents", "/v1/outputs/{name}/drop"),
    ("Erase", "/v1/erasures"),
    ("Export", "/v1/search/export"),
    ("FetchMessages", "/v1/fetch"),
    ("FollowPeer", "/v1/follow"),
    ("JoinPeer", "/v1/join"),
    ("MakeBackup", "/v1/backups"),
    ("MediaWish", "/v1/media/fetch"),
    ("MediaWish", "/v1/media/retry"),
    ("RunJob", "/v1/jobs/{job}/run"),
    ("Search", "/v1/search"),
    ("SkipEvent", "/v1/outputs/{name}/skip"),
    ("TryWatch", "/v1/watches/try"),
    ("UnfollowPeer", "/v1/unfollow"),
    ("WatchBody", "/v1/watches"),
    ("", "/v1/outputs/{name}/resend"),
    ("", "/v1/watches/{name}/remove"),
];

/// Says of schemas which words, bounds and forms their members have, and that a request body has no others.
pub(super) fn of_schemas(schemas: &mut Value, settings: &Settings) {
    for (schema, member, words) in words_of_members() {
        merge(property(schemas, schema, member), &json!({ "enum": words }));
    }
    for (name, schema) in schemas.as_object_mut().into_iter().flatten() {
        match BODIES.iter().find(|(body, _)| body == name) {
            Some((_, path)) => {
                schema["additionalProperties"] = json!(false);
                for (member, value) in properties(schema) {
                    let mut form = of_value(path, member, settings);
                    form.as_object_mut().and_then(|form| form.remove("example"));
                    merge(Some(value), &form);
                }
            }
            None => properties(schema).filter(|(member, value)| is_time(member, value)).for_each(|(_, value)| {
                value["format"] = json!("date-time");
            }),
        }
    }
}

/// Says of the parameters and the body of an operation what they can be, with examples.
pub(super) fn of_operation(operation: &mut Operation<'_>, settings: &Settings) {
    let path = operation.path;
    for parameter in operation.members.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        let mut form = of_value(path, parameter["name"].as_str().unwrap_or_default(), settings);
        if let Some(example) = form.as_object_mut().and_then(|form| form.remove("example")) {
            parameter["example"] = example;
        }
        merge(parameter.get_mut("schema"), &form);
    }
    let body = operation.members.get_mut("requestBody").and_then(|body| body.get_mut("content")?.get_mut("application/json"));
    if let Some(body) = body {
        body["example"] = example(path);
        if path == "/v1/watches/{name}/remove" || path == "/v1/outputs/{name}/resend" {
            body["schema"] = json!({ "type": "object", "additionalProperties": false });
        }
    }
}

/// The members that have few words.
fn words_of_members() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    let places = || FilePlace::ALL.map(FilePlace::name).to_vec();
    vec![
        ("BackupRun", "state", vec!["waiting", "running", "made", "failed"]),
        ("BackupStatus", "state", vec!["none", "made", "failed", "running"]),
        (
            "Change",
            "kind",
            vec![
                "message.new",
                "message.edited",
                "message.deleted",
                "message.erased",
                "peer.changed",
                "peer.joined",
                "peer.left",
                "media.stored",
                "media.failed",
            ],
        ),
        ("EraseRun", "state", vec!["waiting", "counted", "ordered", "failed"]),
        ("Erasure", "scope", vec!["peer", "peers", "messages", "sender", "everything"]),
        ("Erasure", "state", vec!["erasing", "cleaning", "erased"]),
        ("Fetch", "state", vec!["done", "reading", "failed"]),
        ("File", "state", vec!["seen", "wanted", "stored", "skipped", "failed"]),
        ("FileExplained", "place", places()),
        ("FilePlace", "place", places()),
        ("FileRule", "action", vec!["download", "on-demand", "skip"]),
        ("Follow", "outcome", vec!["followed", "already_followed"]),
        (
            "Hole",
            "reason",
            vec![
                "not_read_yet",
                "peer_unavailable",
                "hidden",
                "taken_over",
                "not_wanted",
                "unreadable",
                "to_be_read_again",
                "deletion_to_be_confirmed",
            ],
        ),
        ("Job", "missed", vec!["once", "skip"]),
        ("Job", "name", Job::ALL.map(Job::name).to_vec()),
        ("Job", "state", vec!["running", "due", "waiting", "disabled", "over"]),
        ("Join", "outcome", vec!["joined", "already_in", "requested"]),
        ("Message", "type", vec!["message"]),
        ("MessageFile", "place", places()),
        ("MissingMessage", "why", vec!["not_read", "absent", "erased", "not_archived", "too_far"]),
        ("Peer", "kind", PeerKind::ALL.map(PeerKind::name).to_vec()),
        ("Peer", "type", vec!["peer"]),
        ("Problem", "code", CODES.to_vec()),
    ]
}

/// What a value of this name can be, of an operation's parameters and of its body; with an example.
fn of_value(path: &str, name: &str, settings: &Settings) -> Value {
    let id = |lowest: i32| json!({ "minimum": lowest, "maximum": i32::MAX });
    match (name, path) {
        ("limit", "/v1/changes") => json!({ "minimum": 1, "example": 100 }),
        ("limit", "/v1/search") => json!({ "minimum": 1, "maximum": settings.page_size_max.min(PAGE_SIZE_MAX), "example": 20 }),
        ("limit", _) => json!({ "minimum": 1, "maximum": settings.page_size_max, "example": 50 }),
        ("facet_limit", _) => json!({ "minimum": 1, "maximum": FACET_LIMIT_MAX, "example": 10 }),
        ("sort", _) => json!({ "enum": SortOrder::ALL.map(SortOrder::name), "example": "newest" }),
        ("order", _) => json!({ "enum": ["newest", "oldest"], "example": "oldest" }),
        ("state", _) => json!({ "enum": ["seen", "wanted", "stored", "skipped", "failed", "missing"], "example": "missing" }),
        ("format", "/v1/search/export") => json!({ "enum": ["ndjson", "csv"], "example": "csv" }),
        ("format", _) => json!({ "enum": ["atom", "json"], "example": "json" }),
        ("job", _) => json!({ "enum": Job::ALL.map(Job::name), "example": "recheck" }),
        ("q" | "query", _) => json!({ "maxLength": QUERY_LENGTH_MAX, "example": "книга has:link after:2024-01-01" }),
        ("facets", _) => list_of(&FacetField::ALL.map(FacetField::name)),
        ("collapse", _) => list_of(&CollapseBy::ALL.map(CollapseBy::name)),
        ("histogram", _) => json!({ "pattern": INTERVAL, "example": "month" }),
        ("timezone", _) => json!({ "example": "Europe/Berlin" }),
        ("group", _) => json!({ "example": "-1001500000001/42" }),
        ("account", _) => json!({ "pattern": ACCOUNT, "example": "alpha" }),
        ("sha256", _) => {
            json!({ "pattern": SHA256, "example": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" })
        }
        ("file", _) => json!({ "pattern": FILE, "example": "document:77" }),
        ("files", _) => json!({ "items": { "type": "string", "pattern": FILE } }),
        ("name", _) => json!({ "pattern": WATCH, "example": "books" }),
        ("run", _) => json!({ "example": 1 }),
        ("peer", _) => json!({ "minLength": 1, "example": "-1001500000001" }),
        ("peers", _) => json!({ "minItems": 1, "maxItems": 100 }),
        ("message", "/v1/media/fetch" | "/v1/media/retry") => id(1),
        ("message", _) => json!({ "minimum": 1, "maximum": i32::MAX, "example": 42 }),
        ("messages", "/v1/watches/try") => json!({ "minimum": 1 }),
        ("before" | "after", "/v1/peers/{peer}/messages")
        | ("after", "/v1/peers/{peer}/topics" | "/v1/peers/{peer}/coverage") => id(i32::MIN),
        ("after", "/v1/peers") => json!({ "minimum": i64::MIN, "maximum": i64::MAX }),
        ("after", "/v1/changes") => json!({ "pattern": POSITION, "example": "1042" }),
        ("after", "/v1/coverage") => json!({ "pattern": CHAT, "example": "-1001500000001" }),
        ("after", "/v1/watches") => json!({ "pattern": WATCH }),
        ("after", path) if path.ends_with("/counters") => json!({ "format": "date-time", "example": "2026-01-31T12:00:00Z" }),
        ("versions_before", _) => json!({ "minimum": 0, "maximum": u32::MAX }),
        ("keep", _) => json!({ "minimum": 1, "maximum": u32::MAX }),
        _ => json!({}),
    }
}

/// Some of these words, with commas between.
fn list_of(words: &[&str]) -> Value {
    let one = words.join("|");
    json!({ "pattern": format!("^({one})(,({one}))*$"), "example": words.first() })
}

/// An example of a request's body.
fn example(path: &str) -> Value {
    match path {
        "/v1/search" => json!({ "q": "книга has:link", "sort": "newest", "limit": 20 }),
        "/v1/search/export" => json!({ "q": "has:file", "format": "ndjson" }),
        "/v1/watches" => json!({ "name": "leaks", "query": "password leak", "note": "what to look at first" }),
        "/v1/watches/try" => json!({ "query": "password leak", "messages": 10_000 }),
        "/v1/jobs/{job}/run" => json!({ "peers": ["@example_channel", "title:*news*"] }),
        "/v1/join" | "/v1/follow" | "/v1/unfollow" | "/v1/media/retry" => json!({ "peer": "@example_channel" }),
        "/v1/fetch" => json!({ "peer": "@example_channel", "ids": "100-200" }),
        "/v1/media/fetch" => json!({ "files": ["document:77"] }),
        "/v1/erasures" => json!({ "peer": "@example_channel", "messages": [5] }),
        "/v1/outputs/{name}/skip" => json!({ "event": "6f1d0c7a.1-0f3c9a72.1042.message.edited" }),
        "/v1/backups" => json!({ "target": "/mnt/backup", "keep": 7 }),
        _ => json!({}),
    }
}

/// The members of a schema, also where it is made of several.
fn properties(schema: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    let parts: Vec<&mut Value> = match schema.get("allOf").is_some() {
        true => schema["allOf"].as_array_mut().into_iter().flatten().collect(),
        false => vec![schema],
    };
    parts.into_iter().filter_map(|part| part.get_mut("properties")?.as_object_mut()).flatten()
}

fn property<'a>(schemas: &'a mut Value, schema: &str, member: &str) -> Option<&'a mut Value> {
    let found = properties(schemas.get_mut(schema)?).find(|(name, _)| *name == member).map(|(_, value)| value);
    debug_assert!(found.is_some(), "`{schema}` has no `{member}`");
    found
}

fn is_time(member: &str, value: &Value) -> bool {
    TIMES.contains(&member) && (value["type"] == "string" || value["type"] == json!(["string", "null"]))
}

/// Adds members to a schema. One that can be null can be so among words too.
fn merge(schema: Option<&mut Value>, more: &Value) {
    let (Some(schema), Some(more)) = (schema.and_then(Value::as_object_mut), more.as_object()) else { return };
    let is_nullable = schema.get("type").and_then(Value::as_array).is_some_and(|types| types.contains(&json!("null")));
    for (name, value) in more {
        let mut value = value.clone();
        if let (true, "enum", Some(words)) = (is_nullable, name.as_str(), value.as_array_mut()) {
            words.push(Value::Null);
        }
        schema.insert(name.clone(), value);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn document() -> Value {
        let (_, description) = super::super::super::described().split_for_parts();
        super::super::complete(&description, &Settings::default())
    }

    #[test]
    fn what_is_said_of_members_is_said_of_members_that_there_are() {
        let document = document();
        let mut schemas = document["components"]["schemas"].clone();
        for (schema, member, words) in words_of_members() {
            let property = property(&mut schemas, schema, member).unwrap_or_else(|| panic!("{schema}.{member}"));
            assert_eq!(property["enum"], json!(words), "{schema}.{member}");
        }
        for (schema, path) in BODIES {
            assert!(schema.is_empty() || schemas.get(schema).is_some(), "{schema}");
            assert!(document["paths"].get(path).is_some(), "{path}");
            assert!(document["paths"][path]["post"]["requestBody"].is_object(), "{path}");
        }
        let mut members = BTreeSet::new();
        for (name, schema) in schemas.as_object_mut().into_iter().flatten() {
            if BODIES.iter().all(|(body, _)| body != name) {
                members.extend(properties(schema).map(|(member, _)| member.clone()));
            }
        }
        for time in TIMES {
            assert!(members.contains(time), "no schema has `{time}`");
        }
    }

    #[test]
    fn each_operation_has_a_name_of_its_own_a_summary_and_says_every_answer() {
        let document = document();
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let name = operation["operationId"].as_str().unwrap_or_default();
                assert!(names.insert(name), "`{name}` of {method} {path} is the name of another one");
                assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{method} {path}");
                for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                    let is_said =
                        response.get("$ref").is_some() || response["description"].as_str().is_some_and(|text| !text.is_empty());
                    assert!(is_said, "{method} {path} {status}");
                }
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    assert!(parameter["description"].is_string(), "{method} {path} {}", parameter["name"]);
                }
            }
        }
    }
}
