//! `/v1/watches/{name}/feed`: the newest matches of a watch as a feed, for feed readers: Atom (RFC 4287) or JSON Feed 1.1.
//!
//! They are what a search for the watch's query finds, the newest first; also what was archived before the watch was created.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::DateTime;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use utoipa::IntoParams;

use crate::archive::{ArchivedWatch, Snapshot};
use crate::model::{IdSpace, Peer, PeerId, Timestamp};
use crate::search::{Hit, Request, SearchQuery};
use crate::views::{FeedAuthorView, FeedItemView, FeedView};

use super::context::Context;
use super::etag::{is_known, set_tag, tag_of};
use super::ingress::Ingress;
use super::paging;
use super::problem::Problem;
use super::query::{FromQuery, Query, Values};
use super::{search, watches};

/// How many matches a feed has, at most: what feed readers keep of one.
const ITEMS_MAX: usize = 50;
const ATOM: &str = "application/atom+xml; charset=utf-8";
const JSON_FEED: &str = "application/feed+json";
const JSON_FEED_VERSION: &str = "https://jsonfeed.org/version/1.1";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FeedFormat {
    Atom,
    Json,
}

/// The form of a feed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FeedParams {
    /// `atom` or `json`; by default `atom`, and sealed always `json`.
    #[param(value_type = Option<String>)]
    format: Option<FeedFormat>,
}

impl FromQuery for FeedParams {
    const NAMES: &'static [&'static str] = &["format"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self { format: values.choice("format", &[("atom", FeedFormat::Atom), ("json", FeedFormat::Json)])? })
    }
}

/// Returns the newest matches of a watch as a feed.
#[utoipa::path(
    get, path = "/v1/watches/{name}/feed", operation_id = "getWatchFeed", tag = "watches", params(("name" = String, Path, description = "The watch's name."), FeedParams),
    responses(
        (status = 200, content((String = "application/atom+xml"), (FeedView = "application/feed+json"))),
        (status = 503, description = "The index is not ready."),
        (status = 304, description = "It is as `If-None-Match` says."),
    ),
)]
pub(super) async fn feed(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    name: Result<Path<String>, PathRejection>,
    Query(params): Query<FeedParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let format = match params.format {
        Some(FeedFormat::Atom) if ingress.is_sealed() => {
            return Err(Problem::bad_parameter("a sealed answer is JSON; use `format=json`"));
        }
        None if ingress.is_sealed() => FeedFormat::Json,
        format => format.unwrap_or(FeedFormat::Atom),
    };
    let (time_limit, bytes_max, is_sealed) = (search::time_limit(&context), paging::bytes_max(&ingress), ingress.is_sealed());
    let made = context.search(move |context| {
        let archive = context.archive.flushed();
        let watch = watches::named(&archive, name)?;
        let query = SearchQuery::parse(&watch.query).map_err(|error| Problem::bad_query(error.to_string()))?;
        let request = Request { page_size: ITEMS_MAX, time_limit, ..Request::new(query) };
        let found = context.index.search(&request).map_err(|error| search::refused(error, time_limit))?;
        let mut feed = Feed::new(&archive, &watch, &found.hits)?;
        loop {
            let body = match format {
                FeedFormat::Atom => feed.atom().map_err(|e| Problem::hidden(&e))?,
                FeedFormat::Json => serde_json::to_vec(&feed.view).map_err(|e| Problem::hidden(&e))?,
            };
            if body.len() <= bytes_max || feed.view.items.pop().is_none() {
                return Ok((body, feed.updated));
            }
        }
    });
    let (body, updated) = made.await?;
    let tag = tag_of(&body);
    let mut response = if is_known(&headers, &tag) && !is_sealed {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let media_type = match format {
            FeedFormat::Atom => ATOM,
            FeedFormat::Json if is_sealed => "application/json",
            FeedFormat::Json => JSON_FEED,
        };
        ([(header::CONTENT_TYPE, media_type)], body).into_response()
    };
    let modified = DateTime::from_timestamp(updated.0, 0).map(|at| at.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    if let Some(modified) = modified.and_then(|at| at.parse().ok()) {
        response.headers_mut().insert(header::LAST_MODIFIED, modified);
    }
    set_tag(&mut response, &tag);
    Ok(response)
}

struct Feed {
    view: FeedView,
    /// What names it for ever.
    id: String,
    /// Where it is.
    path: String,
    updated: Timestamp,
}

impl Feed {
    fn new(archive: &Snapshot, watch: &ArchivedWatch, hits: &[Hit]) -> Result<Self, Problem> {
        let mut peers: BTreeMap<PeerId, Option<Peer>> = BTreeMap::new();
        let mentioned: BTreeSet<PeerId> =
            hits.iter().flat_map(|hit| [Some(hit.key.peer()), hit.message.message.sender]).flatten().collect();
        for id in mentioned {
            peers.insert(id, archive.view().peer(id)?);
        }
        let updated = hits.iter().map(|hit| hit.message.message.edited.unwrap_or(hit.message.message.date)).max();
        let view = FeedView {
            version: JSON_FEED_VERSION.to_owned(),
            title: format!("Telescribe: {}", watch.name),
            description: watch.note.clone().unwrap_or_else(|| watch.query.clone()),
            items: hits.iter().map(|hit| item(archive.id(), hit, &peers)).collect(),
        };
        let id = format!("urn:telescribe:{}:watch:{}", archive.id(), watch.name);
        let path = format!("/v1/watches/{}/feed", watch.name);
        Ok(Self { view, id, path, updated: updated.unwrap_or(watch.created_at) })
    }

    fn atom(&self) -> io::Result<Vec<u8>> {
        let mut writer = Writer::new(Vec::new());
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
        let feed = writer.create_element("feed").with_attribute(("xmlns", "http://www.w3.org/2005/Atom"));
        feed.write_inner_content(|writer| {
            element(writer, "id", &self.id)?;
            element(writer, "title", &self.view.title)?;
            element(writer, "subtitle", &self.view.description)?;
            element(writer, "updated", &self.updated.to_string())?;
            link(writer, "self", &self.path)?;
            self.view.items.iter().try_for_each(|item| entry(writer, item))
        })?;
        Ok(writer.into_inner())
    }
}

fn item(archive: &str, hit: &Hit, peers: &BTreeMap<PeerId, Option<Peer>>) -> FeedItemView {
    let message = &hit.message.message;
    let peer = |id: PeerId| peers.get(&id).and_then(Option::as_ref);
    let name =
        |id: PeerId| peer(id).map(|peer| peer.title.clone()).filter(|title| !title.is_empty()).unwrap_or_else(|| id.to_string());
    let public =
        peer(hit.key.peer()).filter(|peer| peer.id.kind() == IdSpace::Channel).and_then(|peer| peer.all_usernames().next());
    FeedItemView {
        id: format!("urn:telescribe:{archive}:message:{}", hit.key),
        url: public.map(|username| format!("https://t.me/{username}/{}", hit.key.id)),
        title: name(hit.key.peer()),
        content_text: message.text.clone(),
        summary: hit.snippet.text.clone(),
        date_published: message.date.to_string(),
        date_modified: message.edited.map(|at| at.to_string()),
        authors: message.sender.map(|sender| FeedAuthorView { name: name(sender) }).into_iter().collect(),
    }
}

fn entry(writer: &mut Writer<Vec<u8>>, item: &FeedItemView) -> io::Result<()> {
    writer.create_element("entry").write_inner_content(|writer| {
        element(writer, "id", &item.id)?;
        element(writer, "title", &item.title)?;
        element(writer, "published", &item.date_published)?;
        element(writer, "updated", item.date_modified.as_ref().unwrap_or(&item.date_published))?;
        // Each entry must have an author.
        let author = item.authors.first().map_or(&item.title, |author| &author.name);
        writer.create_element("author").write_inner_content(|writer| element(writer, "name", author))?;
        if let Some(url) = &item.url {
            link(writer, "alternate", url)?;
        }
        element(writer, "summary", &item.summary)?;
        element(writer, "content", &item.content_text)
    })?;
    Ok(())
}

fn link(writer: &mut Writer<Vec<u8>>, relation: &str, href: &str) -> io::Result<()> {
    writer.create_element("link").with_attribute(("rel", relation)).with_attribute(("href", href)).write_empty().map(drop)
}

/// An element with text, without the characters that XML 1.0 cannot have.
fn element(writer: &mut Writer<Vec<u8>>, name: &str, text: &str) -> io::Result<()> {
    let is_xml = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let text: String = text.chars().filter(is_xml).collect();
    writer.create_element(name).write_text_content(BytesText::new(&text)).map(drop)
}
