//! Why a configuration cannot be used: where, what, and the way out. It never shows the text that it was read from, in which
//! passwords stand.

use std::path::{Path, PathBuf};

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file `{}`: {source}{}", path.display(), way_out(path, source))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is text of another encoding, or none.
    #[error("configuration file `{}` {why}; save it as UTF-8", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// What it is.
        why: String,
    },
    /// A key that does not exist.
    #[error("{place}: unknown key `{key}`{}", near.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownKey {
        /// File and line, or the environment variable.
        place: String,
        /// The key, with the tables it is in.
        key: String,
        /// The nearest known key.
        near: Option<String>,
    },
    /// It is not TOML, or a value has the wrong type.
    #[error("{place}: {why}")]
    Invalid {
        /// File and line, or the environment variable.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// A value is invalid.
    #[error("{place}: `{key}` {why}")]
    Value {
        /// File and line, or the environment variable.
        place: String,
        /// The key.
        key: String,
        /// What is wrong and what would be right.
        why: String,
    },
}

/// Where there is no file, one can be written; where there is one, that would overwrite it.
fn way_out(path: &Path, source: &std::io::Error) -> String {
    match source.kind() {
        std::io::ErrorKind::NotFound => format!("; `telescribe config > {}` writes one with every default", path.display()),
        _ => String::new(),
    }
}

/// A parser's message, without the texts that it repeats: a URL with a password may stand where something else belongs.
pub(super) fn without_secrets(message: &str) -> String {
    without_url(&without_text(message))
}

/// A text of the wrong type or name: `invalid type: string "socks5://…", expected a map` needs no text to be understood.
fn without_text(message: &str) -> String {
    let end = ", expected ";
    for begin in ["invalid type: string ", "invalid value: string ", "unknown variant "] {
        if let (Some(from), Some(to)) = (message.find(begin), message.rfind(end))
            && from + begin.len() <= to
        {
            return format!("{}{}", &message[..from + begin.len() - 1], &message[to..]);
        }
    }
    message.to_owned()
}

/// Leaves out what stands behind `://`, up to the last quote: a password may hold any other character.
fn without_url(message: &str) -> String {
    let Some((before, url)) = message.split_once("://") else { return message.to_owned() };
    let behind = url.rfind(['"', '`', '\'']).map_or("", |at| &url[at..]);
    format!("{before}://…{behind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_parser_repeats_is_left_out() {
        for (message, shown) in [
            ("invalid type: string \"five\", expected i32", "invalid type: string, expected i32"),
            ("invalid type: string \"u:s3cret, expected \", expected a map", "invalid type: string, expected a map"),
            ("unknown variant `amqp://u:s3`cret@h`, expected one of `a`, `b`", "unknown variant, expected one of `a`, `b`"),
            ("unknown variant `u:s3cret@h`, expected `a` or `b`", "unknown variant, expected `a` or `b`"),
            ("`amqp://u:s3cret@h", "`amqp://…"),
            ("string values must be quoted", "string values must be quoted"),
        ] {
            assert_eq!(without_secrets(message), shown);
        }
    }
}
