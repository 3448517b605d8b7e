//! Worlds from an export of Telegram Desktop (`result.json`, of one chat or of everything).
//!
//! Exports in the wild are not quite JSON, come from many versions, and lack files. So only a file that cannot be read or is
//! no export at all is an error; everything else is skipped and returned as an [`ExportWarning`], and what could be
//! understood is served. What an export does not tell (views, albums, topics) is not made up.
//!
//! The world has one account, `alpha`, which sees every chat.

mod attachment;
mod chat;
mod escapes;
mod fields;
mod line;
mod text;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

use crate::world::World;

/// Why an export cannot be used at all.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no JSON, even with its invalid escapes repaired.
    #[error("`{path}`, line {line}, column {column}: {reason}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// The file is JSON, but has neither `messages` nor `chats`.
    #[error("`{path}` is no export of Telegram Desktop: it has neither `messages` nor `chats.list`; export as JSON, not HTML")]
    NotAnExport {
        /// The file.
        path: PathBuf,
    },
}

/// Something in an export that was skipped or repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportWarning {
    /// Where: a chat and, mostly, a message.
    pub place: String,
    /// What.
    pub reason: String,
}

impl fmt::Display for ExportWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

/// Collects warnings about one place.
pub(crate) struct Warnings<'w> {
    place: String,
    list: &'w mut Vec<ExportWarning>,
}

impl Warnings<'_> {
    fn warn(&mut self, reason: impl Into<String>) {
        self.list.push(ExportWarning { place: self.place.clone(), reason: reason.into() });
    }
}

impl World {
    /// Reads an export: its `result.json` or the folder that holds it. Files beside it are served from disk.
    ///
    /// # Errors
    /// When the file cannot be read or is no export; the error names the file and the place.
    pub fn from_export(path: &Path) -> Result<(Self, Vec<ExportWarning>), ExportError> {
        let path = if path.is_dir() { path.join("result.json") } else { path.to_owned() };
        let bytes = fs::read(&path).map_err(|source| ExportError::Read { path: path.clone(), source })?;
        let mut warnings = Vec::new();
        let (text, repaired) = escapes::repair(&bytes);
        if repaired > 0 {
            let reason = format!("{repaired} invalid escapes or characters were repaired");
            warnings.push(ExportWarning { place: path.display().to_string(), reason });
        }
        let export: Value = serde_json::from_str(&text).map_err(|error| ExportError::Json {
            path: path.clone(),
            line: error.line(),
            column: error.column(),
            reason: error.to_string(),
        })?;
        let root = path.parent().map(Path::to_owned).unwrap_or_default();
        let chats: Vec<&Value> = if export.get("messages").is_some_and(Value::is_array) {
            vec![&export]
        } else {
            let lists = ["chats", "left_chats"].map(|key| export.get(key).and_then(|chats| chats.get("list")));
            if lists.iter().all(Option::is_none) {
                return Err(ExportError::NotAnExport { path });
            }
            lists.into_iter().flatten().filter_map(Value::as_array).flatten().collect()
        };
        let own_id = export.get("personal_information").and_then(|person| fields::number(person, "user_id"));
        Ok((chat::world_of(&chats, own_id, root, &mut warnings), warnings))
    }
}
