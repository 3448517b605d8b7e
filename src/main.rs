//! The binary: everything is in the library.

use std::process::ExitCode;
use std::time::Duration;

/// Threads that may block at once, and stand in for those that do: HTTP's reads and searches, the index, and a few commits. tokio's 512 came to
/// be in a second where commits follow each other faster than the system starts threads, and held half a gigabyte of memory.
const BLOCKING_THREADS_MAX: usize = 64;
/// How long a thread may take to end that waits for the system when everything else has ended.
const ENDING_MAX: Duration = Duration::from_secs(3);
/// How long one of them is kept that has nothing to do.
const KEPT: Duration = Duration::from_secs(2);

fn main() -> std::io::Result<ExitCode> {
    if let Some(code) = telescribe::cli::as_decoder() {
        return Ok(code);
    }
    // Nothing but in a build that tests (`FAILPOINTS`).
    let _failpoints = fail::has_failpoints().then(fail::FailScenario::setup);
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    threads.enable_all().max_blocking_threads(BLOCKING_THREADS_MAX).thread_keep_alive(KEPT);
    let program = telescribe::cli::main();
    let runtime = threads.build()?;
    let code = runtime.block_on(program);
    // Not for a thread that waits for the system, such as for an answer to the name of a host.
    runtime.shutdown_timeout(ENDING_MAX);
    Ok(code)
}
