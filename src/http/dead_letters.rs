//! `/v1/dead-letters`: events that outputs could not deliver; skipping the one that holds back an output, and sending them again, where the listener allows
//! it.

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Map, Value};
use utoipa::IntoParams;

use crate::views::{DeadLetterView, DeadLettersPage, ResentEventsView, SkippedEventView};

use super::body::OperatorBody;
use super::context::Context;
use super::ingress::Ingress;
use super::output_keeper::OutputRefusal;
use super::paging::PageBudget;
use super::problem::Problem;
use super::query::{FromQuery, NoParams, Query, Values};

/// Which dead letters.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListDeadLettersParams {
    /// `next` of the previous page.
    #[param(value_type = Option<String>)]
    after: Option<String>,
    /// Maximum number of dead letters.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
}

impl FromQuery for ListDeadLettersParams {
    const NAMES: &'static [&'static str] = &["after", "limit"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self { after: values.parsed("after", "`next` of a page")?, limit: values.limit()? })
    }
}

/// Lists the events that could not be delivered, by output and in the order of the change log.
#[utoipa::path(
    get, path = "/v1/dead-letters", operation_id = "listDeadLetters", tag = "program", params(ListDeadLettersParams),
    responses((status = 200, body = DeadLettersPage)),
)]
pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<ListDeadLettersParams>,
) -> Result<Json<DeadLettersPage>, Problem> {
    let budget = PageBudget::new(&context, &ingress, params.limit)?;
    let page = context.read(move |context| {
        let archive = context.archive.flushed();
        let letters = archive.view().dead_letters_behind(params.after.as_deref());
        let page = budget.fill(letters.map(|letter| Ok(letter.map(|letter| DeadLetterView::from(&letter))?)))?;
        Ok(DeadLettersPage { next: page.next(cursor), dead_letters: page.entries })
    });
    page.await.map(Json)
}

fn cursor(letter: &DeadLetterView) -> String {
    format!("{}/{:020}/{}", letter.output, letter.seq, letter.event)
}

/// Skips the event that an output's receiver refuses, and that holds back all behind it. It is kept as a dead letter.
#[utoipa::path(
    post, path = "/v1/outputs/{name}/skip", operation_id = "skipEvent", tag = "program", params(("name" = String, Path, description = "The output's name.")),
    request_body = Option<serde_json::Map<String, serde_json::Value>>,
    responses(
        (status = 202, description = "It will be skipped, unless it is confirmed first.", body = SkippedEventView),
        (status = 403, description = "The listener does not set `operate`."),
        (status = 409, description = "None of its events is refused."),
        (status = 503, description = "The program is not running."),
    ),
)]
pub(super) async fn skip(
    State(context): State<Arc<Context>>,
    name: Result<Path<String>, PathRejection>,
    _: Query<NoParams>,
    OperatorBody(members): OperatorBody,
) -> Result<(StatusCode, Json<SkippedEventView>), Problem> {
    let name = output(name, &members)?;
    Ok((StatusCode::ACCEPTED, Json(SkippedEventView { event: context.output_keeper.skip(&name)? })))
}

/// Sends the dead letters of an output again, in the order of the change log, behind what was sent meanwhile.
#[utoipa::path(
    post, path = "/v1/outputs/{name}/resend", operation_id = "resendEvents", tag = "program", params(("name" = String, Path, description = "The output's name.")),
    request_body = Option<serde_json::Map<String, serde_json::Value>>,
    responses(
        (status = 202, description = "They will be sent; those that are refused again stay dead letters.", body = ResentEventsView),
        (status = 403, description = "The listener does not set `operate`."),
        (status = 503, description = "The program is not running."),
    ),
)]
pub(super) async fn resend(
    State(context): State<Arc<Context>>,
    name: Result<Path<String>, PathRejection>,
    _: Query<NoParams>,
    OperatorBody(members): OperatorBody,
) -> Result<(StatusCode, Json<ResentEventsView>), Problem> {
    let name = output(name, &members)?;
    Ok((StatusCode::ACCEPTED, Json(ResentEventsView { events: context.output_keeper.resend(&name)? })))
}

/// The output that is named; of the body nothing is expected.
fn output(name: Result<Path<String>, PathRejection>, members: &Map<String, Value>) -> Result<String, Problem> {
    if let Some(member) = members.keys().next() {
        return Err(Problem::bad_body(format!("`{member}` is not known; send `{{}}`")));
    }
    let Path(name) = name.map_err(|_| OutputRefusal::Unknown)?;
    Ok(name)
}
