//! `/v1/media`: the files that are known, in which state each is, and wishes about them.

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde_json::Value;
use utoipa::IntoParams;

use crate::archive::{ArchivedFile, Snapshot};
use crate::model::{AccountName, FileId, FileOrigin, FileState, MessageId, MessageKey};
use crate::views::{FileDetail, FilePlaceView, FileView, FilesPage, MediaWishBody, MediaWishView};

use super::body::OperatorBody;
use super::context::Context;
use super::ingress::Ingress;
use super::paging::PageBudget;
use super::path::{ACCOUNT, chat, resolve};
use super::problem::Problem;
use super::query::{FromQuery, NoParams, Query, Values, unknown};

/// Places of a file that are shown.
const PLACES_MAX: usize = 50;
/// Files of a peer that a wish is about at once: a write of some milliseconds.
const WISHED_MAX: usize = 10_000;

/// Which files.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListFilesParams {
    /// Only files in this state: `seen`, `wanted`, `stored`, `skipped`, `failed`; `missing` is `wanted` and `failed`.
    #[param(value_type = Option<String>)]
    state: Option<StateWanted>,
    /// Only files of this peer's messages, newest message first: a marked id, `@` and a username, or a link.
    #[param(value_type = Option<String>)]
    peer: Option<String>,
    /// The account whose chat is meant, of basic groups and private chats that several accounts archived.
    #[param(value_type = Option<String>)]
    account: Option<AccountName>,
    /// `next` of the previous page.
    #[param(value_type = Option<String>)]
    after: Option<Cursor>,
    /// Maximum number of files.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
}

#[derive(Clone, Copy)]
enum StateWanted {
    One(&'static str),
    Missing,
}

impl StateWanted {
    fn is(self, state: &FileState) -> bool {
        match self {
            Self::One(name) => state.name() == name,
            Self::Missing => matches!(state, FileState::Wanted | FileState::Failed { .. }),
        }
    }
}

impl FromQuery for ListFilesParams {
    const NAMES: &'static [&'static str] = &["state", "peer", "account", "after", "limit"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        let states = ["seen", "wanted", "stored", "skipped", "failed"].map(|name| (name, StateWanted::One(name)));
        let choices: Vec<(&str, StateWanted)> = states.into_iter().chain([("missing", StateWanted::Missing)]).collect();
        let params = Self {
            state: values.choice("state", &choices)?,
            peer: values.parsed("peer", "a marked id, `@` and a username, or a link")?,
            account: values.parsed("account", ACCOUNT)?,
            after: values.parsed("after", "`next` of the previous page")?,
            limit: values.limit()?,
        };
        match (&params.peer, &params.after) {
            (None, _) if params.account.is_some() => Err(Problem::bad_parameter("`account` needs a `peer`")),
            (None, Some(Cursor { message: Some(_), .. })) | (Some(_), Some(Cursor { message: None, .. })) => {
                Err(Problem::bad_parameter("`after` is of another list: one with a `peer`, the other without"))
            }
            _ => Ok(params),
        }
    }
}

/// Where a page of files ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    /// The message, in the list of a peer.
    message: Option<MessageId>,
    file: FileId,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.message.map_or(Ok(()), |message| write!(f, "{}/", message.0))?;
        self.file.fmt(f)
    }
}

impl std::str::FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (message, file) = match text.split_once('/') {
            Some((message, file)) => (Some(MessageId(message.parse().map_err(drop)?)), file),
            None => (None, text),
        };
        Ok(Self { message, file: file.parse().map_err(drop)? })
    }
}

/// Files that are looked at for one page. Where few of many million are in a state, pages are short, and `next` goes on.
const LOOKED_AT_MAX: usize = 20_000;

/// A page that is being filled.
struct Filling<'a> {
    archive: &'a Snapshot,
    budget: PageBudget,
    state: Option<StateWanted>,
    page: FilesPage,
    last: Option<Cursor>,
    looked_at: usize,
}

impl Filling<'_> {
    /// Takes a file, if it is in the state that is wanted; false where the page is full.
    fn take(&mut self, at: Cursor, file: Option<ArchivedFile>) -> bool {
        let file = file.filter(|file| self.state.is_none_or(|wanted| wanted.is(&file.state)));
        let file = file.map(|file| FileView { message: at.message.map(|id| id.0), ..FileView::shown(self.archive, &file) });
        let is_full = self.looked_at >= LOOKED_AT_MAX || file.as_ref().is_some_and(|file| !self.budget.takes(file));
        if is_full {
            self.page.next = self.last.map(|last| last.to_string());
        } else {
            self.page.files.extend(file);
            (self.last, self.looked_at) = (Some(at), self.looked_at + 1);
        }
        !is_full
    }
}

/// Lists files: all, by id; or those of a peer, newest message first.
#[utoipa::path(get, path = "/v1/media", operation_id = "listFiles", tag = "media", params(ListFilesParams), responses((status = 200, body = FilesPage)))]
pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<ListFilesParams>,
) -> Result<Json<FilesPage>, Problem> {
    let budget = PageBudget::new(&context, &ingress, params.limit)?;
    context.read(move |context| page(&context.archive.flushed(), &params, budget)).await.map(Json)
}

fn page(archive: &Snapshot, params: &ListFilesParams, budget: PageBudget) -> Result<FilesPage, Problem> {
    let page = FilesPage { files: Vec::new(), next: None };
    let mut filling = Filling { archive, budget, state: params.state, page, last: None, looked_at: 0 };
    let Some(peer) = &params.peer else {
        let from = params.after.map_or(Some(FileId::photo(i64::MIN)), |after| after.file.next());
        for file in from.into_iter().flat_map(|from| archive.view().files(from)) {
            let file = file?;
            if !filling.take(Cursor { message: None, file: file.id }, Some(file)) {
                break;
            }
        }
        return Ok(filling.page);
    };
    let peer = resolve(archive, peer)?;
    let chat = chat(archive, peer.id, params.account)?;
    let before = params.after.and_then(|Cursor { message, file }| Some((message?, file)));
    for entry in archive.view().attached_before(chat, before) {
        let (key, id, _) = entry?;
        if !filling.take(Cursor { message: Some(key.id), file: id }, archive.view().file(id)?) {
            break;
        }
    }
    Ok(filling.page)
}

/// Returns one file, with where it was seen and what the rules say of it there.
#[utoipa::path(
    get, path = "/v1/files/{file}", operation_id = "getFile", tag = "media",
    params(("file" = String, Path, description = "Its id, such as `document:77`.")),
    responses((status = 200, body = FileDetail)),
)]
pub(super) async fn one(
    State(context): State<Arc<Context>>,
    file: Result<Path<String>, PathRejection>,
    _: Query<NoParams>,
) -> Result<Json<FileDetail>, Problem> {
    let Path(id) = file.map_err(|_| Problem::bad_parameter("the id of the file is not UTF-8"))?;
    let id: FileId = id.parse().map_err(|error: crate::model::InvalidFileId| Problem::bad_parameter(error.to_string()))?;
    let read = move |context: &Context| {
        let archive = context.archive.flushed();
        let unknown = || Problem::unknown_file("no message that is archived has this file");
        let file = archive.view().file(id)?.ok_or_else(unknown)?;
        let said = context.operator.explain_file(&file, PLACES_MAX)?;
        let mut places = Vec::new();
        for origin in archive.view().file_origins(id).take(PLACES_MAX) {
            let origin = origin?;
            let rules = said.iter().find(|(place, _)| *place == origin.origin).map(|(_, said)| said.verdict.clone());
            places.push(FilePlaceView::of(&origin, rules));
        }
        Ok(FileDetail { file: FileView::of(&file), places })
    };
    context.read(read).await.map(Json)
}

const MEMBERS: [&str; 4] = ["files", "peer", "message", "account"];

/// What a wish is about, read from its body.
fn wish(members: serde_json::Map<String, Value>) -> Result<MediaWishBody, Problem> {
    let mut body = MediaWishBody::default();
    for (name, value) in members {
        match (name.as_str(), value) {
            ("peer" | "account" | "message" | "files", Value::Null) => {}
            ("peer", Value::String(text)) => body.peer = Some(text),
            ("account", Value::String(text)) => body.account = Some(text),
            ("message", Value::Number(number)) => {
                let id = number.as_i64().and_then(|id| i32::try_from(id).ok());
                body.message = Some(id.ok_or_else(|| Problem::bad_body("`message` must be the id of a message"))?);
            }
            ("files", Value::Array(ids)) => {
                let text = |id: Value| match id {
                    Value::String(text) => Ok(text),
                    _ => Err(Problem::bad_body("`files` must be a list of ids such as `document:77`")),
                };
                body.files = ids.into_iter().map(text).collect::<Result<_, _>>()?;
            }
            ("peer" | "account", _) => return Err(Problem::bad_body(format!("`{name}` must be a string"))),
            ("message", _) => return Err(Problem::bad_body("`message` must be a number")),
            ("files", _) => return Err(Problem::bad_body("`files` must be a list")),
            (name, _) => return Err(Problem::bad_body(unknown(name, &MEMBERS))),
        }
    }
    Ok(body)
}

/// The files that a wish is about.
fn wished(archive: &Snapshot, body: &MediaWishBody, only_failed: bool) -> Result<Vec<FileId>, Problem> {
    let mut files = Vec::new();
    for id in &body.files {
        files.push(id.parse().map_err(|error: crate::model::InvalidFileId| Problem::bad_body(error.to_string()))?);
    }
    let Some(text) = &body.peer else {
        if body.message.is_some() || body.account.is_some() {
            return Err(Problem::bad_body("`message` and `account` need a `peer`"));
        }
        return Ok(files);
    };
    let peer = resolve(archive, text)?;
    let account: Option<AccountName> = match &body.account {
        Some(name) => Some(name.parse().map_err(|_| Problem::bad_body("`account` is not the name of an account"))?),
        None => None,
    };
    let chat = chat(archive, peer.id, account)?;
    match body.message {
        Some(id) => {
            let key = MessageKey { chat, id: MessageId(id) };
            let attached = archive.view().attached(FileOrigin::Message(key))?;
            if attached.is_empty() {
                return Err(Problem::unknown_message("the archive has no file of this message"));
            }
            files.extend(attached.into_iter().map(|(file, _)| file));
        }
        None if only_failed => {
            for entry in archive.view().attached_in(chat) {
                let (_, file, _) = entry?;
                if files.len() < WISHED_MAX && !files.contains(&file) {
                    files.push(file);
                }
            }
        }
        None => return Err(Problem::bad_body("`message` is missing: which message's files are meant?")),
    }
    Ok(files)
}

/// Has files downloaded, whatever the rules say.
#[utoipa::path(
    post, path = "/v1/media/fetch", operation_id = "fetchFiles", tag = "media", request_body = MediaWishBody,
    responses(
        (status = 200, body = MediaWishView),
        (status = 403, description = "The listener does not set `operate`."),
        (status = 404, description = "The archive has no such peer, message or file."),
        (status = 503, description = "The program is not running."),
    ),
)]
pub(super) async fn fetch(
    State(context): State<Arc<Context>>,
    _: Query<NoParams>,
    OperatorBody(members): OperatorBody,
) -> Result<Json<MediaWishView>, Problem> {
    let body = wish(members)?;
    let read = move |context: &Context| {
        let files = wished(&context.archive.flushed(), &body, false)?;
        if files.is_empty() {
            return Err(Problem::bad_body(
                "name files: `{\"files\": [\"document:77\"]}`, or a message: `{\"peer\": \"@news\", \"message\": 5}`",
            ));
        }
        Ok(context.operator.wish_files(&files, false)?)
    };
    context.read(read).await.map(|files| Json(MediaWishView { files }))
}

/// Tries files again now that have failed: those that are named, those of a peer, or all.
#[utoipa::path(
    post, path = "/v1/media/retry", operation_id = "retryFiles", tag = "media", request_body = MediaWishBody,
    responses(
        (status = 200, body = MediaWishView),
        (status = 403, description = "The listener does not set `operate`."),
        (status = 404, description = "The archive has no such peer, message or file."),
        (status = 503, description = "The program is not running."),
    ),
)]
pub(super) async fn retry(
    State(context): State<Arc<Context>>,
    _: Query<NoParams>,
    OperatorBody(members): OperatorBody,
) -> Result<Json<MediaWishView>, Problem> {
    let body = wish(members)?;
    let read = move |context: &Context| {
        let archive = context.archive.flushed();
        let mut files = wished(&archive, &body, true)?;
        if body == MediaWishBody::default() {
            for large in [false, true] {
                for entry in archive.view().files_queued(large).take(WISHED_MAX) {
                    files.push(entry?.1);
                }
            }
        }
        Ok(context.operator.wish_files(&files, true)?)
    };
    context.read(read).await.map(|files| Json(MediaWishView { files }))
}
