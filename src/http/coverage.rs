//! `/v1/coverage`: which message ids were really read, and what is still missing.

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use utoipa::IntoParams;

use crate::archive::FileTotals;
use crate::model::{AccountName, ChatId, Peer, PeerId};
use crate::views::{CoverageDetail, CoveragePage, CoverageRow, CoverageSummary, CoverageView};

use super::context::Context;
use super::ingress::Ingress;
use super::mentions::known_or_bare;
use super::paging::PageBudget;
use super::path::{ACCOUNT, PeerPath, chat};
use super::problem::Problem;
use super::query::{FromQuery, Query, Values};

/// Ids on a page of one peer's coverage, with the ranges that begin there: a peer with more is being crawled in a strange way.
const ROWS_MAX: usize = 500;

/// Which peers.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListCoverageParams {
    /// `next` of the previous page.
    #[param(value_type = Option<String>)]
    after: Option<ChatId>,
    /// Maximum number of peers.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
    /// Whether to list only peers that are not complete.
    #[param(value_type = Option<bool>)]
    incomplete: bool,
}

impl FromQuery for ListCoverageParams {
    const NAMES: &'static [&'static str] = &["after", "limit", "incomplete"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self {
            after: values.parsed("after", "the `next` of a page")?,
            limit: values.limit()?,
            incomplete: values.claim("incomplete")?,
        })
    }
}

/// Returns the coverage of all crawled peers.
#[utoipa::path(get, path = "/v1/coverage", operation_id = "listCoverage", tag = "crawl", params(ListCoverageParams), responses((status = 200, body = CoveragePage)))]
pub(super) async fn all(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<ListCoverageParams>,
) -> Result<Json<CoveragePage>, Problem> {
    let budget = PageBudget::new(&context, &ingress, params.limit)?;
    context.read(move |context| page(context, &params, budget)).await.map(Json)
}

fn page(context: &Context, params: &ListCoverageParams, budget: PageBudget) -> Result<CoveragePage, Problem> {
    // Totals and entries are of one moment, whatever is written meanwhile.
    let snapshot = context.archive.flushed();
    let view = snapshot.view();
    let from = params.after.unwrap_or(ChatId::FIRST);
    let after = view.crawl_states(from).filter(|entry| !matches!(entry, Ok((chat, _)) if Some(*chat) == params.after));
    let views = after.map(|entry| -> Result<CoverageView, Problem> {
        let (chat, state) = entry?;
        let (peer, coverage) = (known_or_bare(view, chat.peer())?, view.coverage(chat)?);
        Ok(CoverageView::new(&peer, chat, &coverage, &state, || context.status.hindrance(chat)))
    });
    let page = budget.fill(views.filter(|view| !params.incomplete || !view.as_ref().is_ok_and(|view| view.complete)))?;
    let next = page.next(chat_of).flatten().map(|chat| chat.to_string());
    let FileTotals { wanted, failed, given_up, .. } = snapshot.file_totals();
    let (files_missing, files_failed) = (wanted + failed.saturating_sub(given_up), given_up);
    let summary = CoverageSummary { files_missing, files_failed, ..snapshot.totals().into() };
    Ok(CoveragePage { next, peers: page.entries, summary })
}

/// The chat that an entry is of.
fn chat_of(view: &CoverageView) -> Option<ChatId> {
    let account = view.account.as_deref().map(str::parse).transpose().ok()?;
    Some(ChatId::new(PeerId(view.peer.id), account))
}

/// Which chat with a peer.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct GetCoverageParams {
    /// Whose message ids are meant, in basic groups and private chats; needed where several accounts archived the peer.
    #[param(value_type = Option<String>)]
    account: Option<AccountName>,
    /// Only ranges that begin behind this id: `next` of the previous page.
    after: Option<i32>,
}

impl FromQuery for GetCoverageParams {
    const NAMES: &'static [&'static str] = &["account", "after"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self { account: values.parsed("account", ACCOUNT)?, after: values.parsed("after", "a message id")? })
    }
}

/// Returns the coverage of one peer, with a page of its ranges of ids.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/coverage", operation_id = "getCoverage", tag = "crawl", params(PeerPath, GetCoverageParams),
    responses((status = 200, body = CoverageDetail)),
)]
pub(super) async fn one(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<GetCoverageParams>,
    PeerPath(peer): PeerPath,
) -> Result<Json<CoverageDetail>, Problem> {
    let budget = PageBudget::of_bytes(&ingress).at_most(ROWS_MAX);
    context.read(move |context| detail(context, &peer, &params, budget)).await.map(Json)
}

fn detail(context: &Context, peer: &Peer, params: &GetCoverageParams, budget: PageBudget) -> Result<CoverageDetail, Problem> {
    let unknown = || Problem::unknown_peer("this peer is known but not crawled");
    let snapshot = context.archive.flushed();
    let chat = chat(&snapshot, peer.id, params.account)?;
    let state = snapshot.view().crawl_state(chat)?.ok_or_else(unknown)?;
    let coverage = snapshot.view().coverage(chat)?;
    let page = budget.fill(CoverageRow::after(params.after, &coverage, &state).map(Ok))?;
    let next = page.next(|last| last.first);
    let view = CoverageView::new(peer, chat, &coverage, &state, || context.status.hindrance(chat));
    Ok(CoverageDetail::new(view, page.entries, next))
}
