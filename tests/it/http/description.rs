//! The OpenAPI document is one, and the server does what it says: other people's tools hold both to it.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use telescribe::config::{ListenerConfig, SealingConfig, Span};
use telescribe::http::Sealing;

use crate::support::fleet::{Fleet, small};
use crate::support::python::python;
use crate::support::served::{Served, listening};

/// Requests that schemathesis makes, where `TELESCRIBE_API_CASES` says no other number.
const CASES: usize = 200;
/// With so many requests, each bound of each parameter is tried too, which alone is some thousand of them.
const CASES_WITH_BOUNDS: usize = 2_000;
/// An answer that is another one than documented, or an error of the server.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance";

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi").join(name)
}

/// Runs a program, and shows what it said where it is not content.
async fn run(mut command: Command) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_openapi_3_1_and_describes_everything() {
    let python = python(&["openapi_spec_validator"]);
    let served = Served::start(listening(Sealing::Off)).await;
    let document = served.folder.path().join("openapi.json");
    std::fs::write(&document, served.get("/openapi.json").await.body).unwrap();
    let mut command = Command::new(python);
    command.arg(script("check.py")).arg(&document);
    run(command).await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_does_what_it_describes() {
    let python = python(&["schemathesis"]);
    let cases = std::env::var("TELESCRIBE_API_CASES").map_or(CASES, |cases| cases.parse().unwrap());
    let mut fleet = Fleet::new(small()).await;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    fleet.config.http.listeners = vec![ListenerConfig { operate: true, ..ListenerConfig::new(any, SealingConfig::Off) }];
    // A machine that is busy with other tests is not an answer that comes too late.
    fleet.config.http.request_timeout = Span::seconds(30);
    fleet.config.media.enabled = true;
    let app = fleet.start_and_finish().await;
    fleet.wish("/v1/watches", json!({ "name": "books", "query": "книга" })).await.unwrap();
    let server = format!("http://{}", app.addresses[0]);

    let operations = operations(&fleet.get("/openapi.json").await);
    let phases = if cases >= CASES_WITH_BOUNDS { "examples,coverage,fuzzing" } else { "examples,fuzzing" };
    let mut command = Command::new(python);
    command
        .args(["-m", "schemathesis.cli", "run", &format!("{server}/openapi.json")])
        .args(["--phases", phases, "--checks", CHECKS, "--max-examples", &cases.div_ceil(operations).to_string()])
        // Each run asks the same, one after the other, and goes on behind what is wrong.
        .args(["--generation-deterministic", "--workers", "1", "--continue-on-failure"])
        .args(["--request-timeout", "60", "--warnings", "off", "--no-color", "--output-truncate", "false"])
        .env("SCHEMATHESIS_HOOKS", script("hooks.py"))
        .env("TELESCRIBE_URL", &server)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(fleet.path(""));
    run(command).await;
    fleet.stop(app).await;
}

fn operations(document: &Value) -> usize {
    document["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum()
}
