//! `/v1/erasures`: counting and erasing, where the listener allows it, and what was erased.

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Map, Value};
use utoipa::IntoParams;

use crate::views::{EraseBody, EraseRunView, EraseStartView, ErasureView, ErasuresPage};

use super::body::OperatorBody;
use super::context::Context;
use super::ingress::Ingress;
use super::paging::PageBudget;
use super::problem::Problem;
use super::query::{FromQuery, NoParams, Query, Values, unknown};

const MEMBERS: [&str; 7] = ["peer", "messages", "account", "sender", "before", "retention", "confirmed"];
/// Messages that one request may name: more are a peer, or a time.
const MESSAGES_MAX: usize = 10_000;

/// Erases, or counts what would be erased.
#[utoipa::path(
    post, path = "/v1/erasures", operation_id = "erase", tag = "program", request_body = EraseBody,
    responses(
        (status = 202, description = "It will be done; `/v1/erasures/{run}` tells how it is doing.", body = EraseStartView),
        (status = 403, description = "The listener does not set `operate`."),
        (status = 404, description = "The archive has no such peer or message."),
        (status = 503, description = "The program is not running, or too many requests are pending."),
    ),
)]
pub(super) async fn erase(
    State(context): State<Arc<Context>>,
    _: Query<NoParams>,
    OperatorBody(members): OperatorBody,
) -> Result<(StatusCode, Json<EraseStartView>), Problem> {
    let body = read(members)?;
    let run = context.read(move |context| Ok(context.operator.erase(&body)?)).await?;
    Ok((StatusCode::ACCEPTED, Json(EraseStartView { run })))
}

/// Tells how a request to erase is doing.
#[utoipa::path(
    get, path = "/v1/erasures/{run}", operation_id = "getErasure", tag = "program",
    params(("run" = u64, Path, description = "The number that the request to erase was answered with.")),
    responses((status = 200, body = EraseRunView)),
)]
pub(super) async fn one(
    State(context): State<Arc<Context>>,
    run: Result<Path<u64>, PathRejection>,
    _: Query<NoParams>,
) -> Result<Json<EraseRunView>, Problem> {
    let unknown = || Problem::unknown_erasure("the program has not been asked for it since it started, or it was long ago");
    let Path(run) = run.map_err(|_| unknown())?;
    context.read(move |context| context.operator.erase_run(run).ok_or_else(unknown)).await.map(Json)
}

/// Which erasures.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListErasuresParams {
    /// `next` of the previous page: only erasures with greater numbers.
    after: Option<u32>,
    /// Maximum number of erasures.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
}

impl FromQuery for ListErasuresParams {
    const NAMES: &'static [&'static str] = &["after", "limit"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self { after: values.parsed("after", "the number of an erasure")?, limit: values.limit()? })
    }
}

/// Lists everything that was erased, and what is being erased.
#[utoipa::path(
    get, path = "/v1/erasures", operation_id = "listErasures", tag = "archive", params(ListErasuresParams),
    responses((status = 200, body = ErasuresPage)),
)]
pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<ListErasuresParams>,
) -> Result<Json<ErasuresPage>, Problem> {
    let budget = PageBudget::new(&context, &ingress, params.limit)?;
    let page = context.read(move |context| {
        let erasures = context.archive.flushed().view().erasures()?;
        let entries =
            erasures.iter().map(ErasureView::from).filter(|erasure| params.after.is_none_or(|after| erasure.number > after));
        let page = budget.fill(entries.map(Ok))?;
        Ok(ErasuresPage { next: page.next(|last| last.number), erasures: page.entries })
    });
    page.await.map(Json)
}

fn read(members: Map<String, Value>) -> Result<EraseBody, Problem> {
    let mut body = EraseBody::default();
    for (name, value) in members {
        match (name.as_str(), value) {
            ("peer" | "account" | "sender" | "before", Value::Null) => {}
            ("peer", Value::String(text)) => body.peer = Some(text),
            ("account", Value::String(text)) => body.account = Some(text),
            ("sender", Value::String(text)) => body.sender = Some(text),
            ("before", Value::String(text)) => body.before = Some(text),
            ("confirmed", Value::Bool(confirmed)) => body.confirmed = confirmed,
            ("retention", Value::Bool(retention)) => body.retention = retention,
            ("retention", _) => return Err(Problem::bad_body("`retention` must be `true` or `false`")),
            ("confirmed", _) => return Err(Problem::bad_body("`confirmed` must be `true` or `false`")),
            ("messages", Value::Array(ids)) => body.messages = message_ids(&ids)?,
            ("messages", _) => return Err(Problem::bad_body("`messages` must be a list of message ids")),
            (name, _) if MEMBERS.contains(&name) => return Err(Problem::bad_body(format!("`{name}` must be a string"))),
            (name, _) => return Err(Problem::bad_body(unknown(name, &MEMBERS))),
        }
    }
    Ok(body)
}

fn message_ids(ids: &[Value]) -> Result<Vec<i32>, Problem> {
    if ids.len() > MESSAGES_MAX {
        return Err(Problem::bad_body(format!(
            "`messages` may have {MESSAGES_MAX} ids; name the peer alone, or a time, for more"
        )));
    }
    let id = |id: &Value| id.as_i64().and_then(|id| i32::try_from(id).ok());
    let ids: Option<Vec<i32>> = ids.iter().map(id).collect();
    ids.ok_or_else(|| Problem::bad_body("`messages` must be a list of message ids"))
}
