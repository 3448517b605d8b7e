//! The binary: everything is in the library.

#[tokio::main]
async fn main() -> std::process::ExitCode {
    // Nothing but in a build that tests (`FAILPOINTS`).
    let _failpoints = fail::has_failpoints().then(fail::FailScenario::setup);
    telescribe::cli::main().await
}
