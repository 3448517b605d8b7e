//! The configuration: `config.toml`, typed, with every default in the file that is generated from these types.
//!
//! Each section has a file: the type that operators write, every default with its reason, the checks that types cannot make, and the
//! conversion to the plain settings of the part that it is for. The parts know nothing of the configuration.
//!
//! An unknown key is refused with its line and the nearest known key. An environment variable overrides a key:
//! `TELESCRIBE__HTTP__REQUEST_TIMEOUT=5s` is `http.request_timeout = "5s"` (two underscores for each dot).

mod accounts;
mod archive;
mod crawl;
mod error;
mod file_keys;
mod http;
mod jobs;
mod log;
mod media;
mod mirror;
mod outputs;
mod read;
mod search;
mod secret_url;
mod telegram;
mod template;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::span::{InvalidSpan, Span};

pub use accounts::AccountsConfig;
pub use archive::{ArchiveConfig, Sync};
pub use crawl::{CrawlConfig, Kind};
pub use error::ConfigError;
pub use file_keys::ConfigFile;
pub use http::{HttpConfig, ListenerConfig, SealingConfig};
pub use jobs::{BackupJobConfig, InvalidPlan, JobChange, JobConfig, JobsConfig, MissedConfig, OverrideConfig};
pub use log::{LogConfig, LogFormat};
pub use media::{MediaAction, MediaConfig, MediaRuleConfig};
pub use mirror::MirrorConfig;
pub use outputs::{OutputConfig, OutputKind, OutputTarget, PUBLISH, PlannedOutput, PlannedWebhook, PublishConfig};
pub use search::SearchConfig;
pub use secret_url::{BrokerUrl, EndpointUrl, OutputAddress, OutputUrl, ProxyUrl, SecretUrl, SigningSecret};
pub use telegram::{DataCentreConfig, Server, TelegramConfig};
pub use template::template;

/// Telescribe's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The server to connect to, and the application that connects.
    pub telegram: TelegramConfig,
    /// The accounts that crawl.
    pub accounts: AccountsConfig,
    /// Which peers are crawled, and how.
    pub crawl: CrawlConfig,
    /// When each job runs.
    pub jobs: JobsConfig,
    /// The archive on disk.
    pub archive: ArchiveConfig,
    /// Files: photos, videos, documents, and which of them are downloaded.
    pub media: MediaConfig,
    /// Mirror: every stored file once more, in a bucket of a storage server that speaks S3. Off unless a bucket is named (docs/mirror.md).
    pub mirror: MirrorConfig,
    /// The full-text index.
    pub search: SearchConfig,
    /// Publishing to RabbitMQ.
    pub publish: PublishConfig,
    /// Further outputs of the same events, each with a position of its own; they do not wait for each other. Instead of the line below:
    ///
    ///     [[outputs]]
    ///     name = "research"
    ///     kind = "rabbitmq"
    ///     url = "amqp://user:password@192.0.2.7:5672/%2f"
    ///
    /// `exchange`, `declare`, `window` and `event_size_max_kib` are as in `publish`. A web hook is sent what watches match (docs/events.md):
    ///
    ///     [[outputs]]
    ///     name = "alerts"
    ///     kind = "webhook"
    ///     url = "https://hooks.example.org/telescribe"
    ///     secret_file = "/etc/telescribe/alerts.secret"
    ///
    /// The file, which only its owner may read, holds what the receiver verifies requests with: whsec_ and the base64 of 24 to 64 bytes; it may also stand
    /// here as `secret`, or in the environment as TELESCRIBE_OUTPUT_ALERTS_SECRET. `events = ["watch.matched"]` says which events are sent,
    /// `watches = ["leaks"]` of which watches (all, if it is left out), `timeout = "15s"` how long a request may take; `allow_http = true` lets a receiver
    /// elsewhere be sent to without encryption.
    pub outputs: Vec<OutputConfig>,
    /// The HTTP API and the web page.
    pub http: HttpConfig,
    /// What is logged.
    pub log: LogConfig,
    /// The file that it was read from, where it was.
    #[serde(skip)]
    pub file: Option<ConfigFile>,
}

/// A configuration file's text. One in another encoding is named, so that nobody has to find that out.
fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String, ConfigError> {
    let encoding = |why: String| ConfigError::Encoding { path: path.to_owned(), why };
    // A zero is in no text but in UTF-16, where the other half of every plain letter is one.
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.contains(&0) {
        return Err(encoding("is UTF-16".to_owned()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        encoding(format!("is not UTF-8 (line {})", valid.iter().filter(|byte| **byte == b'\n').count() + 1))
    })
}

impl Config {
    /// Reads a configuration file with the environment's overrides. A file that is missing counts as empty when `required` is
    /// not set.
    ///
    /// # Errors
    /// When it cannot be read, or something in it is invalid.
    pub fn load(path: &Path, required: bool, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let text = match std::fs::read(path) {
            Ok(bytes) => Some(utf8(path, bytes)?),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !required => None,
            Err(source) => return Err(ConfigError::Io { path: path.to_owned(), source }),
        };
        let environment: Vec<(String, String)> = environment.collect();
        let overridden = environment.iter().filter_map(|(name, _)| read::overridden_key(name)).collect();
        let config = read::read(&path.display().to_string(), text.as_deref().unwrap_or_default(), environment.into_iter())?;
        Ok(Self { file: Some(ConfigFile::of(path, text.as_deref(), overridden)), ..config })
    }

    /// Validates what types cannot, as [`Config::load`] has done with what it read: for a configuration that was made otherwise.
    ///
    /// # Errors
    /// When a value is invalid.
    pub fn check(&self) -> Result<(), ConfigError> {
        read::check(self)
    }

    /// What is wrong with a value, and with which key.
    fn check_values(&self) -> Result<(), (String, String)> {
        let of = |section: &str, (key, why): (&str, String)| (format!("{section}.{key}"), why);
        self.jobs.runs().map_err(|error| (error.key, error.why))?;
        self.accounts.check(self.telegram.server).map_err(|(key, why)| (format!("accounts.{key}"), why))?;
        self.crawl.check().map_err(|wrong| of("crawl", wrong))?;
        self.archive.check().map_err(|(key, why)| (format!("archive.{key}"), why))?;
        self.media.check().map_err(|(key, why)| (format!("media.{key}"), why))?;
        self.mirror.check().map_err(|wrong| of("mirror", wrong))?;
        self.search.check().map_err(|wrong| of("search", wrong))?;
        self.http.settings().check().map_err(|error| ("http".to_owned(), error.to_string()))?;
        self.telegram.check().map_err(|wrong| of("telegram", wrong))?;
        self.planned_outputs().map(drop)
    }
}
