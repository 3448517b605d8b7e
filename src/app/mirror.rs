//! The mirror as the operator set it up: where it is, and with which keys it is asked.

use std::env::{VarError, var};
use std::path::Path;

use anyhow::Context as _;
use zeroize::Zeroizing;

use super::secret_file::read_secret_file;
use crate::config::Config;
use crate::mirror::{Credentials, Mirror, MirrorReport, MirrorSettings};
use crate::views::{AmountView, MirrorView};

/// The environment variables that hold the keys, where no file does.
const KEY_ID_VARIABLE: &str = "TELESCRIBE_MIRROR_ACCESS_KEY_ID";
const SECRET_VARIABLE: &str = "TELESCRIBE_MIRROR_SECRET_ACCESS_KEY";
const TOKEN_VARIABLE: &str = "TELESCRIBE_MIRROR_SESSION_TOKEN";

/// How to mirror; `None` where no mirror is configured. Reads the keys, and asks nobody.
///
/// # Errors
/// When there are no keys, or they are none, or are there twice.
pub fn mirror_settings(config: &Config) -> anyhow::Result<Option<MirrorSettings>> {
    let mirror = &config.mirror;
    if !mirror.is_on() {
        return Ok(None);
    }
    let path = mirror.credentials_file.as_path();
    let from_file = (!path.as_os_str().is_empty()).then(|| read_file(path)).transpose()?;
    let credentials = match (from_file, from_environment()?) {
        (Some(_), Some(_)) => {
            anyhow::bail!("`mirror.credentials_file` and {KEY_ID_VARIABLE} are both set; set one of them only")
        }
        (Some(credentials), None) | (None, Some(credentials)) => credentials,
        (None, None) => anyhow::bail!(
            "`mirror.bucket` is set and no keys are: set `mirror.credentials_file`, or {KEY_ID_VARIABLE} and {SECRET_VARIABLE}"
        ),
    };
    Ok(mirror.settings(credentials))
}

fn from_environment() -> anyhow::Result<Option<Credentials>> {
    let read = |name: &str| match var(name) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(anyhow::anyhow!("{name} is not a text")),
    };
    match (read(KEY_ID_VARIABLE)?, read(SECRET_VARIABLE)?) {
        (None, None) => Ok(None),
        (Some(key_id), Some(secret)) => {
            let token = read(TOKEN_VARIABLE)?;
            let credentials = Credentials::new(&key_id, &secret, token.as_ref().map(|token| token.as_str()));
            Ok(Some(credentials.with_context(|| format!("{KEY_ID_VARIABLE} and {SECRET_VARIABLE}"))?))
        }
        _ => anyhow::bail!("of {KEY_ID_VARIABLE} and {SECRET_VARIABLE} only one is set; set both"),
    }
}

fn read_file(path: &Path) -> anyhow::Result<Credentials> {
    const KEY: &str = "mirror.credentials_file";
    let text = read_secret_file(KEY, path)?;
    Credentials::read(&text).with_context(|| format!("`{KEY}` `{}`", path.display()))
}

/// How a mirror is doing, as HTTP shows it.
pub(super) fn mirror_view(mirror: &Mirror) -> MirrorView {
    let MirrorReport { state, position, lag, objects, only_there, waiting, uploading, failed, last_error } = mirror.report();
    let amount = |amount: crate::blob::BlobAmount| AmountView { count: amount.count, bytes: amount.bytes };
    MirrorView {
        target: mirror.target().to_owned(),
        state: state.name().into(),
        position,
        lag,
        objects: amount(objects),
        only_there: amount(only_there),
        waiting,
        uploading,
        failed,
        last_error,
    }
}
