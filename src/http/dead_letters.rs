//! `/v1/dead-letters`: events that outputs could not deliver; skipping the one that holds back an output, sending them again, and letting go of them, where
//! the listener allows it.

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Map, Value};
use utoipa::IntoParams;

use crate::views::{
    DeadLetterView, DeadLettersPage, DropEventsBody, DroppedEventsView, ResendEventsBody, ResentEventsView, SkipEventBody,
    SkippedEventView,
};

use super::body::OperatorBody;
use super::context::Context;
use super::ingress::Ingress;
use super::output_keeper::OutputRefusal;
use super::paging::PageBudget;
use super::problem::Problem;
use super::query::{FromQuery, NoParams, Query, Values, unknown};

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

/// Skips the event that an output's receiver refuses, and that holds back all behind it. It is kept as a dead letter. Where it is one already, nothing is done.
#[utoipa::path(
    post, path = "/v1/outputs/{name}/skip", operation_id = "skipEvent", tag = "program", params(("name" = String, Path, description = "The output's name.")),
    request_body = SkipEventBody,
    responses(
        (status = 202, description = "It will be skipped, unless it is confirmed first, or it was.", body = SkippedEventView),
        (status = 403, description = "The listener does not set `operate`."),
        (status = 409, description = "None of its events is refused, or another one, which is named."),
        (status = 503, description = "The program is not running."),
    ),
)]
pub(super) async fn skip(
    State(context): State<Arc<Context>>,
    name: Result<Path<String>, PathRejection>,
    _: Query<NoParams>,
    OperatorBody(members): OperatorBody,
) -> Result<(StatusCode, Json<SkippedEventView>), Problem> {
    let missing = "`event` is missing: the id of the event that is refused (`refused_event` in `/v1/status`)";
    let event = event(members)?.ok_or_else(|| Problem::bad_body(missing))?;
    let name = output(name)?;
    let skipped = context.read(move |context| {
        context.output_keeper.skip(&name, &event)?;
        Ok(SkippedEventView { event })
    });
    skipped.await.map(|skipped| (StatusCode::ACCEPTED, Json(skipped)))
}

/// Sends the dead letters of an output again, or one of them, in the order of the change log, behind what was sent meanwhile.
#[utoipa::path(
    post, path = "/v1/outputs/{name}/resend", operation_id = "resendEvents", tag = "program", params(("name" = String, Path, description = "The output's name.")),
    request_body = Option<ResendEventsBody>,
    responses(
        (status = 202, description = "They will be sent, until one is refused: it stays a dead letter, and so do those behind it.", body = ResentEventsView),
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
    let (event, name) = (event(members)?, output(name)?);
    let resent = context.read(move |context| {
        let events = context.output_keeper.resend(&name, event.as_deref())?;
        Ok(ResentEventsView { events })
    });
    resent.await.map(|resent| (StatusCode::ACCEPTED, Json(resent)))
}

/// Lets go of the dead letters of an output, or of one of them: they are not sent again. The output need not be configured any more.
#[utoipa::path(
    post, path = "/v1/outputs/{name}/drop", operation_id = "dropEvents", tag = "program", params(("name" = String, Path, description = "The output's name.")),
    request_body = Option<DropEventsBody>,
    responses(
        (status = 200, description = "How many are gone. One whose change has further events to send stays.", body = DroppedEventsView),
        (status = 403, description = "The listener does not set `operate`."),
        (status = 503, description = "The program is not running."),
    ),
)]
pub(super) async fn let_go(
    State(context): State<Arc<Context>>,
    name: Result<Path<String>, PathRejection>,
    _: Query<NoParams>,
    OperatorBody(members): OperatorBody,
) -> Result<Json<DroppedEventsView>, Problem> {
    let (event, name) = (event(members)?, output(name)?);
    let dropped = context.read(move |context| {
        let events = context.output_keeper.let_go(&name, event.as_deref())?;
        Ok(DroppedEventsView { events })
    });
    dropped.await.map(Json)
}

/// The event that a body names, if any.
fn event(members: Map<String, Value>) -> Result<Option<String>, Problem> {
    let mut event = None;
    for (member, value) in members {
        match (member.as_str(), value) {
            ("event", Value::String(id)) => event = Some(id),
            ("event", Value::Null) => {}
            ("event", _) => return Err(Problem::bad_body("`event` must be a string: the id of an event")),
            (member, _) => return Err(Problem::bad_body(unknown(member, &["event"]))),
        }
    }
    Ok(event)
}

/// The output that is named.
fn output(name: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let Path(name) = name.map_err(|_| OutputRefusal::Unknown)?;
    Ok(name)
}
