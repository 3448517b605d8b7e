//! `/v1/verify`: compares archive, index and positions beside the running program, and tells how far it is.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use tokio::sync::mpsc;

use crate::archive::ArchiveError;
use crate::search::SearchError;
use crate::verification::{self, VerificationProgress};
use crate::views::{VerifyLine, VerifyProgressView, VerifyReportView};

use super::context::Context;
use super::lines::{self, Chunk, Lines};
use super::problem::Problem;
use super::query::{NoParams, Query};

/// Lines that may wait to be sent; the verification waits for who reads them.
const LINES_WAITING_MAX: usize = 4;

/// Compares archive, index and positions; streams how far it is, and at last what was found.
#[utoipa::path(
    get, path = "/v1/verify", operation_id = "verify", tag = "program",
    responses(
        (status = 200, description = "NDJSON: progress, and the report as the last line.", body = VerifyLine, content_type = "application/x-ndjson"),
        (status = 403, description = "The listener does not set `operate`, or the request is sealed."),
        (status = 503, description = "One is running."),
    ),
)]
pub(super) async fn verify(State(context): State<Arc<Context>>, _: Query<NoParams>) -> Result<Response, Problem> {
    let turn = Arc::clone(&context.verifications).try_acquire_owned();
    let turn = turn.map_err(|_| Problem::busy("a verification is running; try again when it has ended"))?;
    let (lines, inbox) = mpsc::channel(LINES_WAITING_MAX);
    let verifying = Arc::clone(&context);
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let outcome = run(&verifying, &lines);
        // Nobody may be left who reads it.
        drop(lines.blocking_send(outcome.map(VerifyLine::Report)));
    });
    lines::stream(Verifying { inbox }).await
}

fn run(context: &Context, lines: &mpsc::Sender<Result<VerifyLine, Problem>>) -> Result<VerifyReportView, Problem> {
    let mut tell = |VerificationProgress { reading, done, total, .. }| {
        let line = VerifyLine::Progress(VerifyProgressView { reading, done, total });
        !context.lifecycle.stopping() && lines.blocking_send(Ok(line)).is_ok()
    };
    // The program itself has refused to start where the archive lacks what was seen of it.
    let take = || context.archive.flushed();
    let found = match context.index.get() {
        Ok(index) => verification::verify(take, Ok(&index), Vec::new(), &mut tell),
        Err(error) => verification::verify(take, Err(error), Vec::new(), &mut tell),
    };
    match found {
        Ok(report) => Ok(report.into()),
        Err(SearchError::Archive(ArchiveError::Stopped)) => Err(Problem::unready("the program is stopping")),
        Err(error) => Err(Problem::hidden(&error)),
    }
}

struct Verifying {
    inbox: mpsc::Receiver<Result<VerifyLine, Problem>>,
}

impl Lines for Verifying {
    async fn next(&mut self) -> Result<Option<Chunk>, Problem> {
        let Some(line) = self.inbox.recv().await else { return Ok(None) };
        let mut chunk = Chunk::default();
        chunk.line(&line?)?;
        Ok(Some(chunk))
    }
}
