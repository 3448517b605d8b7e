//! `/v1/search/export`: all hits of a search, each message read once, as NDJSON or CSV.
//!
//! Hits are found a step at a time, each within the deadline of a search, and their messages are read as they are sent (back-pressure). A step or
//! a read that fails in the middle aborts the connection, so that a part cannot pass for all. A sealed request gets a page.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

use crate::archive::{Snapshot, StoredMessage};
use crate::search::{Export, SearchError, SearchQuery, SortOrder};
use crate::show::StoredView;
use crate::views::{ExportBody, ExportPage};

use super::body;
use super::client_limits;
use super::context::Context;
use super::csv_lines::CsvLines;
use super::ingress::Ingress;
use super::lines::{self, Chunk, Lines};
use super::paging::PageBudget;
use super::problem::Problem;
use super::query::{FromQuery, NoParams, Query, Values, unknown};
use super::search::{refused, time_limit};

/// How many messages are read at once.
const READ_AT_ONCE: usize = 32;
const CSV: &str = "text/csv; charset=utf-8; header=present";
const NDJSON: &str = "application/x-ndjson";

/// What to export.
#[derive(Clone, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportParams {
    /// The query (docs/query.md); an empty one matches every message.
    q: String,
    /// `newest` (the default), `oldest`, `relevance` or `views` first; a `sort:` in the query goes before it.
    #[param(value_type = Option<String>)]
    sort: SortOrder,
    /// `ndjson` (the default) or `csv`.
    #[param(value_type = Option<String>)]
    format: Format,
    /// `next` of the previous page; sealed responses only.
    cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Format {
    #[default]
    Ndjson,
    Csv,
}

impl FromQuery for ExportParams {
    const NAMES: &'static [&'static str] = &["q", "sort", "format", "cursor"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        let sorts = SortOrder::ALL.map(|order| (order.name(), order));
        let q = values.text("q").ok_or_else(|| Problem::bad_parameter("`q`, the query, is missing; `q=` exports everything"))?;
        Ok(Self {
            q: q.to_owned(),
            sort: values.choice("sort", &sorts)?.unwrap_or_default(),
            format: values.choice("format", &[("ndjson", Format::Ndjson), ("csv", Format::Csv)])?.unwrap_or_default(),
            cursor: values.text("cursor").map(str::to_owned),
        })
    }
}

/// Streams all hits, with the query in the URL; a sealed request gets a page.
#[utoipa::path(
    get, path = "/v1/search/export", operation_id = "exportHits", tag = "search", params(ExportParams),
    responses(
        (status = 200, description = "Plain: NDJSON or CSV; if not all hits can be found and read, the connection is aborted. Sealed: a page.", content(
            (Object = "application/x-ndjson"), (String = "text/csv"), (ExportPage = "application/json"),
        )),
        (status = 503, description = "Too many exports are running, or the index is not ready."),
    ),
)]
pub(super) async fn get(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<ExportParams>,
) -> Result<Response, Problem> {
    answer(context, ingress, params).await
}

/// Streams all hits, with the query in the request body; a sealed request gets a page.
#[utoipa::path(
    post, path = "/v1/search/export", operation_id = "exportHitsByBody", tag = "search", request_body = ExportBody,
    responses(
        (status = 200, description = "Plain: NDJSON or CSV; if not all hits can be found and read, the connection is aborted. Sealed: a page.", content(
            (Object = "application/x-ndjson"), (String = "text/csv"), (ExportPage = "application/json"),
        )),
        (status = 503, description = "Too many exports are running, or the index is not ready."),
    ),
)]
pub(super) async fn post(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    _: Query<NoParams>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let members: Map<String, Value> = body::object(&context, &headers, body, "{\"q\": \"…\"}").await?;
    let mut pairs = Vec::with_capacity(members.len());
    for (name, value) in members {
        match value {
            _ if !ExportParams::NAMES.contains(&name.as_str()) => {
                return Err(Problem::bad_body(unknown(&name, ExportParams::NAMES)));
            }
            Value::Null => {}
            Value::String(text) => pairs.push((name, text)),
            _ => return Err(Problem::bad_body(format!("`{name}` must be a string"))),
        }
    }
    answer(context, ingress, ExportParams::from_query(&Values::from(pairs))?).await
}

async fn answer(context: Arc<Context>, ingress: Ingress, params: ExportParams) -> Result<Response, Problem> {
    let ExportParams { q, sort, format, cursor } = params;
    if cursor.is_some() && !ingress.is_sealed() {
        return Err(Problem::bad_parameter("`cursor` is for sealed requests, which get pages; a plain response has all hits"));
    }
    let query = SearchQuery::parse(&q).map_err(|error| Problem::bad_query(error.to_string()))?;
    let time_limit = time_limit(&context);
    let export = Export::new(query, sort, cursor.as_deref()).map_err(|error| refused(error, time_limit))?;
    let exporting = Exporting { export, writer: Writer::new(format, cursor.is_none()), time_limit, place: None };
    if !ingress.is_sealed() {
        let exporting = Exporting { place: Some(context.exporting()?), ..exporting };
        let media_type = if format == Format::Csv { CSV } else { NDJSON };
        return lines::stream_as(media_type, Streaming { context, exporting: Some(exporting) }).await;
    }
    let _of_client = client_limits::export_place()?;
    let exporting = exporting.with_keys(&context).await?;
    let page = context.read(move |context| exporting.page(&context.archive.flushed(), PageBudget::of_bytes(&ingress))).await?;
    Ok(Json(page).into_response())
}

/// An export in progress.
struct Exporting {
    export: Export,
    writer: Writer,
    /// How long a step may take.
    time_limit: Duration,
    /// That of a page is taken when its search has one: who waits to search has found nothing that takes memory.
    place: Option<OwnedSemaphorePermit>,
}

impl Exporting {
    /// Finds the next hits, if there are none left that were found.
    async fn with_keys(mut self, context: &Arc<Context>) -> Result<Self, Problem> {
        if !self.export.wants_keys() {
            return Ok(self);
        }
        let find = move |context: &Context| {
            if self.place.is_none() {
                self.place = Some(context.exporting()?);
            }
            let found = context.index.continue_export(&mut self.export, self.time_limit);
            found.map_err(|error: SearchError| refused(error, self.time_limit))?;
            Ok(self)
        };
        context.search(find).await
    }

    fn chunk(&mut self, archive: &Snapshot) -> Result<Chunk, Problem> {
        let mut chunk = Chunk::default();
        self.writer.begin(&mut chunk)?;
        while !chunk.is_full() {
            let messages = self.export.read(archive, READ_AT_ONCE)?;
            if messages.is_empty() {
                break;
            }
            for message in messages.iter().flatten() {
                self.writer.write(archive, message, &mut chunk)?;
            }
            self.export.take(messages.len());
        }
        Ok(chunk)
    }

    fn page(mut self, archive: &Snapshot, mut budget: PageBudget) -> Result<ExportPage, Problem> {
        let mut lines: Vec<Value> = Vec::new();
        // Not counted: the first message must fit in any case, or the client would get no further.
        lines.extend(self.writer.head()?);
        let mut is_full = false;
        while !is_full {
            let messages = self.export.read(archive, READ_AT_ONCE)?;
            if messages.is_empty() {
                break;
            }
            for message in &messages {
                if let Some(message) = message {
                    let line = self.writer.line(archive, message)?;
                    if !budget.takes(&line) {
                        is_full = true;
                        break;
                    }
                    lines.push(line);
                }
                self.export.take(1);
            }
        }
        let next = if self.export.is_complete() { None } else { self.export.cursor() };
        Ok(ExportPage { lines, next })
    }
}

/// How messages are written.
enum Writer {
    Ndjson,
    Csv(Box<CsvLines>),
}

impl Writer {
    fn new(format: Format, is_first: bool) -> Self {
        match format {
            Format::Ndjson => Self::Ndjson,
            Format::Csv => Self::Csv(Box::new(CsvLines::new(is_first))),
        }
    }

    /// Writes what comes before all messages, once.
    fn begin(&mut self, chunk: &mut Chunk) -> Result<(), Problem> {
        match self {
            Self::Ndjson => Ok(()),
            Self::Csv(lines) => lines.head(chunk.bytes()),
        }
    }

    fn write(&mut self, archive: &Snapshot, message: &StoredMessage, chunk: &mut Chunk) -> Result<(), Problem> {
        match self {
            Self::Ndjson => chunk.line(&StoredView::new(message, &[])),
            Self::Csv(lines) => lines.record(archive, message, chunk.bytes()),
        }
    }

    /// What comes before all messages, as an entry of a page.
    fn head(&mut self) -> Result<Option<Value>, Problem> {
        let mut head = Chunk::default();
        self.begin(&mut head)?;
        Ok(Some(text(head)).filter(|text| text != ""))
    }

    /// A message as an entry of a page.
    fn line(&mut self, archive: &Snapshot, message: &StoredMessage) -> Result<Value, Problem> {
        match self {
            Self::Ndjson => serde_json::to_value(StoredView::new(message, &[])).map_err(|e| Problem::hidden(&e)),
            Self::Csv(_) => {
                let mut record = Chunk::default();
                self.write(archive, message, &mut record)?;
                Ok(text(record))
            }
        }
    }
}

fn text(mut chunk: Chunk) -> Value {
    String::from_utf8_lossy(chunk.bytes()).into()
}

struct Streaming {
    context: Arc<Context>,
    /// `None` when it has ended.
    exporting: Option<Exporting>,
}

impl Streaming {
    async fn step(&self, exporting: Exporting) -> Result<(Chunk, Option<Exporting>), Problem> {
        if self.context.lifecycle.stopping() {
            return Err(Problem::unready("the program is stopping"));
        }
        let mut exporting = exporting.with_keys(&self.context).await?;
        let read = move |context: &Context| {
            let chunk = exporting.chunk(&context.archive.flushed())?;
            Ok((chunk, Some(exporting).filter(|exporting| !exporting.export.is_complete())))
        };
        self.context.read(read).await
    }
}

impl Lines for Streaming {
    async fn next(&mut self) -> Result<Option<Chunk>, Problem> {
        while let Some(exporting) = self.exporting.take() {
            let (chunk, rest) = self.step(exporting).await.inspect_err(|problem| {
                tracing::warn!("an export ended before its end: {}", problem.detail);
            })?;
            self.exporting = rest;
            // Where all of them were deleted a moment ago, there is nothing to send.
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }
}
