//! `/v1/media/rules`, and what the rules say of the files of a message; `/v1/media/progress`: how far the downloads are.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use utoipa::IntoParams;

use crate::model::{AccountName, FileOrigin, FilePlace};
use crate::views::{FileExplainedView, FileRulesView, FileView, FilesExplainedView, MediaProgressView, RulesSaidView};

use super::context::Context;
use super::path::{ACCOUNT, MessagePath};
use super::problem::Problem;
use super::query::{FromQuery, NoParams, Query, Values};

/// Places of a file about which the rules are asked: a sticker is in a hundred thousand messages.
const PLACES_MAX: usize = 200;

/// Returns the rules about files: those of the configuration, in their order, and what holds where none of them is about a file.
#[utoipa::path(
    get, path = "/v1/media/rules", operation_id = "listFileRules", tag = "media",
    responses(
        (status = 200, body = FileRulesView),
        (status = 503, description = "No configuration was read."),
    ),
)]
pub(super) async fn rules(State(context): State<Arc<Context>>, _: Query<NoParams>) -> Result<Json<FileRulesView>, Problem> {
    Ok(Json(context.operator.file_rules()?))
}

/// Which message is meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ExplainParams {
    /// Whose message id is meant, in basic groups and private chats; needed where several accounts archived the peer.
    #[param(value_type = Option<String>)]
    account: Option<AccountName>,
}

impl FromQuery for ExplainParams {
    const NAMES: &'static [&'static str] = &["account"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self { account: values.parsed("account", ACCOUNT)? })
    }
}

/// Explains which of a message's files are downloaded: what each rule says of each of them.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/messages/{message}/media/rules", operation_id = "explainFileRules", tag = "media", params(MessagePath, ExplainParams),
    responses(
        (status = 200, body = FilesExplainedView),
        (status = 503, description = "No configuration was read."),
    ),
)]
pub(super) async fn explain(
    State(context): State<Arc<Context>>,
    Query(params): Query<ExplainParams>,
    path: MessagePath,
) -> Result<Json<FilesExplainedView>, Problem> {
    context.read(move |context| explained(context, &path, params.account)).await.map(Json)
}

fn explained(context: &Context, path: &MessagePath, account: Option<AccountName>) -> Result<FilesExplainedView, Problem> {
    // Without a configuration there are no rules to explain.
    context.operator.file_rules()?;
    let archive = context.archive.flushed();
    let key = path.key(&archive, account)?;
    if archive.view().message(key)?.is_none() {
        return Err(Problem::unknown_message("the archive has no such message"));
    }
    let origin = FileOrigin::Message(key);
    let mut attached = archive.view().attached(origin)?;
    attached.sort_by_key(|(_, place)| FilePlace::ALL.iter().position(|known| known == place));
    let mut files = Vec::new();
    for (id, place) in attached {
        let Some(file) = archive.view().file(id)? else { continue };
        let places = context.operator.explain_file(&file, PLACES_MAX)?;
        let (here, elsewhere): (Vec<_>, Vec<_>) = places.into_iter().partition(|(seen, _)| *seen == origin);
        let not_asked = || RulesSaidView {
            steps: Vec::new(),
            verdict: format!("it was seen in more than {PLACES_MAX} places; the rules were not asked about this one"),
            wanted: false,
        };
        files.push(FileExplainedView {
            file: FileView::of(&file),
            place: place.name().to_owned(),
            said: here.into_iter().next().map_or_else(not_asked, |(_, said)| said),
            places_other: elsewhere.len(),
            wanted_elsewhere: elsewhere.iter().any(|(_, said)| said.wanted),
        });
    }
    Ok(FilesExplainedView { files })
}

/// Returns how far the downloads are: how many files there are in each state, and the downloads that run.
#[utoipa::path(get, path = "/v1/media/progress", operation_id = "getMediaProgress", tag = "media", responses((status = 200, body = MediaProgressView)))]
pub(super) async fn progress(
    State(context): State<Arc<Context>>,
    _: Query<NoParams>,
) -> Result<Json<MediaProgressView>, Problem> {
    let read = |context: &Context| {
        let files = context.archive.flushed().file_totals().into();
        Ok(MediaProgressView { files, downloads: context.operator.downloads() })
    };
    context.read(read).await.map(Json)
}
