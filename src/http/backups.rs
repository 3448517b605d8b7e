//! `/v1/backups`: making a backup while the program runs, for the owner of its data folder only.
//!
//! The folder that a backup goes to is named in the request, so that it is accepted over the data folder's socket alone (`rights`): a client elsewhere
//! must not have the program write wherever it likes. The backups that the configuration plans are a job, which an operator may run.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::views::{BackupBody, BackupRunView, BackupStartView};

use super::body::OperatorBody;
use super::context::Context;
use super::problem::Problem;
use super::query::{NoParams, Query, unknown};

/// Makes a backup.
#[utoipa::path(
    post, path = "/v1/backups", operation_id = "makeBackup", tag = "program", request_body = BackupBody,
    responses(
        (status = 202, description = "It will be made; `/v1/backups/{run}` tells how it is doing.", body = BackupStartView),
        (status = 403, description = "The request did not come over the socket in the data folder."),
        (status = 503, description = "The program is not running, or too many requests are pending."),
    ),
)]
pub(super) async fn make(
    State(context): State<Arc<Context>>,
    _: Query<NoParams>,
    OperatorBody(members): OperatorBody,
) -> Result<(StatusCode, Json<BackupStartView>), Problem> {
    let (target, keep) = read(members)?;
    let run = context.operator.back_up(target, keep)?;
    Ok((StatusCode::ACCEPTED, Json(BackupStartView { run })))
}

/// Tells how a backup is doing.
#[utoipa::path(
    get, path = "/v1/backups/{run}", operation_id = "getBackup", tag = "program",
    params(("run" = u64, Path, description = "The number that the request to make it was answered with.")),
    responses((status = 200, body = BackupRunView)),
)]
pub(super) async fn one(
    State(context): State<Arc<Context>>,
    run: Result<Path<u64>, PathRejection>,
    _: Query<NoParams>,
) -> Result<Json<BackupRunView>, Problem> {
    let unknown = || Problem::unknown_backup("the program has not been asked for it since it started, or it was long ago");
    let Path(run) = run.map_err(|_| unknown())?;
    context.operator.backup_run(run).map(Json).ok_or_else(unknown)
}

fn read(members: Map<String, Value>) -> Result<(PathBuf, Option<u32>), Problem> {
    let (mut target, mut keep) = (None, None);
    for (name, value) in members {
        match name.as_str() {
            "target" => {
                let path = value.as_str().map(PathBuf::from).filter(|path| path.is_absolute());
                target =
                    Some(path.ok_or_else(|| Problem::bad_body("`target` must be an absolute path such as `\"/mnt/backup\"`"))?);
            }
            "keep" if value.is_null() => {}
            "keep" => {
                let count = value.as_u64().and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0);
                keep =
                    Some(count.ok_or_else(|| Problem::bad_body("`keep` must be a number from 1 on; leave it out to keep all"))?);
            }
            name => return Err(Problem::bad_body(unknown(name, &["target", "keep"]))),
        }
    }
    let target = target.ok_or_else(|| Problem::bad_body("`target` is missing; send `{\"target\": \"/mnt/backup\"}`"))?;
    Ok((target, keep))
}
