//! `/v1/peers/{peer}/messages/{message}/files`: which files a message has, and what has become of each.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use utoipa::IntoParams;

use crate::archive::{Snapshot, View};
use crate::model::{AccountName, FileId, FileOrigin, FilePlace, MessageKey};
use crate::views::{FileView, MessageFileView, MessageFilesView};

use super::context::Context;
use super::path::{ACCOUNT, MessagePath};
use super::problem::Problem;
use super::query::{FromQuery, Query, Values};

/// Files of a message that are listed: an Instant View may have hundreds.
const FILES_MAX: usize = 500;

/// Whose message.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MessageFilesParams {
    /// Whose message id is meant, in basic groups and private chats; needed where several accounts archived the peer.
    #[param(value_type = Option<String>)]
    account: Option<AccountName>,
}

impl FromQuery for MessageFilesParams {
    const NAMES: &'static [&'static str] = &["account"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self { account: values.parsed("account", ACCOUNT)? })
    }
}

/// The files of a message: what it carries before what is beside it.
pub(super) fn attached(view: View<'_>, key: MessageKey) -> Result<Vec<(FileId, FilePlace)>, Problem> {
    let mut attached = view.attached(FileOrigin::Message(key))?;
    attached.sort_by_key(|(_, place)| FilePlace::ALL.iter().position(|known| known == place));
    Ok(attached)
}

/// Lists the files of a message.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/messages/{message}/files", operation_id = "listMessageFiles", tag = "media", params(MessagePath, MessageFilesParams),
    responses((status = 200, body = MessageFilesView)),
)]
pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Query(params): Query<MessageFilesParams>,
    path: MessagePath,
) -> Result<Json<MessageFilesView>, Problem> {
    context.read(move |context| files(&context.archive.flushed(), &path, params.account)).await.map(Json)
}

fn files(archive: &Snapshot, path: &MessagePath, account: Option<AccountName>) -> Result<MessageFilesView, Problem> {
    let key = path.key(archive, account)?;
    let mut files = Vec::new();
    for (id, place) in attached(archive.view(), key)?.into_iter().take(FILES_MAX) {
        if let Some(file) = archive.view().file(id)? {
            files.push(MessageFileView { file: FileView::shown(archive, &file), place: place.name().to_owned() });
        }
    }
    if files.is_empty() && archive.view().message(key)?.is_none() {
        return Err(Problem::unknown_message("the archive does not have this message"));
    }
    Ok(MessageFilesView { files })
}
