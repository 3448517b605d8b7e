//! The configuration: `config.toml`, typed, with every default in the file that is generated from these types.
//!
//! An unknown key is refused with its line and the nearest known key. An environment variable overrides a key:
//! `TELESCRIBE__HTTP__REQUEST_TIMEOUT=5s` is `http.request_timeout = "5s"` (two underscores for each dot).

mod error;
mod jobs;
mod read;
mod secret_url;
mod template;

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::crawl::{self, Rules};
use crate::model::PeerKind;
use crate::output::rabbitmq;
use crate::schedule::{InvalidSelector, Scope, Selector};
pub use crate::span::{InvalidSpan, Span};
use crate::telegram::{self, NetworkScope};

pub use error::ConfigError;
pub use jobs::{InvalidPlan, JobChange, JobConfig, JobsConfig, MissedConfig, OverrideConfig};
pub use secret_url::{BrokerUrl, ProxyUrl, SecretUrl};
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
    /// The full-text index.
    pub search: SearchConfig,
    /// Publishing to RabbitMQ.
    pub publish: PublishConfig,
    /// Further outputs of the same events, each with a position of its own; they do not wait for each other. For example:
    ///
    ///     [[outputs]]
    ///     name = "research"
    ///     kind = "rabbitmq"
    ///     url = "amqp://user:password@192.0.2.7:5672/%2f"
    ///
    /// `exchange` and `declare` are as in `publish`.
    pub outputs: Vec<OutputConfig>,
    /// The HTTP API and the web page.
    pub http: crate::http::Settings,
    /// What is logged.
    pub log: LogConfig,
}

/// The kind of server: a session made for one kind is refused on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// Telegram.
    #[default]
    Telegram,
    /// The simulated Telegram of `telescribe simulate`: loopback addresses only.
    Simulated,
    /// A server of your own.
    SelfHosted,
}

impl Server {
    /// The name under which sessions remember it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Telegram => "telegram",
            Self::Simulated => "simulated",
            Self::SelfHosted => "self-hosted",
        }
    }
}

/// A data centre's address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataCentreConfig {
    /// Its number.
    pub id: i32,
    /// IPv4 address and port.
    #[schemars(with = "String")]
    pub address: SocketAddrV4,
}

/// The server to connect to, and the application that connects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelegramConfig {
    /// The kind of server: "telegram", "simulated" (telescribe simulate) or "self-hosted". A session of one kind is refused on another.
    pub server: Server,
    /// The application's id, from https://my.telegram.org/apps.
    pub api_id: i32,
    /// The application's hash, from the same page; needed for `telescribe login` only.
    pub api_hash: String,
    /// Addresses of data centres, each { id = 2, address = "192.0.2.1:443" }; empty for Telegram's own.
    pub data_centres: Vec<DataCentreConfig>,
    /// Timeout of a request to Telegram, connecting included.
    pub request_timeout: Span,
    /// SOCKS5 proxy for all accounts, such as "socks5://user:password@127.0.0.1:1080"; empty for none. Only letters, digits and
    /// -._~!$&'()*+, may be used in user and password.
    pub proxy: ProxyUrl,
}

/// The accounts that crawl.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccountsConfig {
    /// Folder of the session files, one per account.
    pub sessions: PathBuf,
    /// File with the master key that encrypts ("seals") session files, made with `telescribe account new-key`; empty for none. The environment
    /// variable TELESCRIBE_MASTER_KEY may hold the key instead.
    pub master_key_file: PathBuf,
    /// Rate limit: the minimum time between two requests of one account. Telegram tolerates about one history request per second; a shorter
    /// interval risks flood waits and bans.
    pub request_interval: Span,
    /// Pause before any account sends requests after the program was killed or has crashed: a flood wait that Telegram sent in the last
    /// moment may not have been saved. "0s" for no pause.
    pub rest_after_crash: Span,
    /// Maximum number of concurrent requests per account; one extra slot is reserved for live requests.
    pub requests_in_flight_max: usize,
    /// Whether large histories are read in a takeout session: Telegram then tolerates more requests, but notifies the account's owner, and may
    /// delay the takeout by up to a day.
    pub takeout: bool,
    /// Rate limits of single methods: the minimum time between two calls by one account, instead of the default in docs/limits.md, such as
    /// "contacts.resolveUsername" = "10s". Flood waits make the interval longer, never shorter.
    pub intervals: BTreeMap<String, Span>,
    /// SOCKS5 proxies for single accounts, such as alpha = "socks5://user:password@127.0.0.1:1080"; the others use telegram.proxy. An account
    /// never connects without its proxy.
    pub proxies: BTreeMap<String, ProxyUrl>,
}

/// Which peers are crawled, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CrawlConfig {
    /// Kinds of peers to crawl: "channel", "supergroup", "group" (basic) and "user" (private chats).
    pub kinds: Vec<Kind>,
    /// Peer selectors: of these kinds, only matching peers are crawled; empty for all. A selector is a marked id ("-1001234567890"),
    /// "@username", "title:*news*", "folder:Work" or "kind:channel".
    pub allow: Vec<String>,
    /// Peer selectors: matching peers are never crawled, not even those that `allow` matches.
    pub deny: Vec<String>,
    /// Whether the discussion groups of crawled channels are crawled too, where they can be read without joining.
    pub linked_groups: bool,
    /// How far back the recheck job reads messages again, for edits, deletions, reactions and views that Telegram sent no update about.
    pub recheck_window: Span,
    /// Maximum number of a peer's newest message ids that are read again, by the recheck job and after Telegram skipped updates.
    pub recheck_ids_max: u32,
    /// Threshold of a mass deletion: where at least this many messages are gone at once, they are marked deleted only after a second request
    /// has confirmed it.
    pub mass_deletion_min: usize,
    /// Delay of that second request. Deletions that Telegram has reported by id are confirmed without delay.
    pub mass_deletion_confirm_after: Span,
}

/// A kind of peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A broadcast channel.
    Channel,
    /// A supergroup.
    Supergroup,
    /// A basic group.
    Group,
    /// A private chat.
    User,
}

impl Kind {
    fn kind(self) -> PeerKind {
        match self {
            Self::Channel => PeerKind::Channel,
            Self::Supergroup => PeerKind::Supergroup,
            Self::Group => PeerKind::Group,
            Self::User => PeerKind::User,
        }
    }
}

impl CrawlConfig {
    /// Which peers are crawled.
    ///
    /// # Errors
    /// With the key and what is wrong with it, when a selector is invalid.
    pub fn rules(&self) -> Result<Rules, (&'static str, InvalidSelector)> {
        let read = |key, selectors: &[String]| {
            selectors.iter().map(|s| s.parse()).collect::<Result<Vec<Selector>, _>>().map_err(|e| (key, e))
        };
        let scope = Scope { only: read("allow", &self.allow)?, except: read("deny", &self.deny)? };
        Ok(Rules { kinds: self.kinds.iter().map(|k| k.kind()).collect(), scope })
    }
}

/// The archive on disk.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveConfig {
    /// Durability of each write: "os" survives a killed process, "always" also a power cut, at the cost of one disk flush (fsync) per page.
    pub sync: Sync,
}

/// How durable a write is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sync {
    /// It counts as archived when the operating system has it.
    #[default]
    Os,
    /// It counts as archived when the disk has it.
    Always,
}

/// The full-text index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SearchConfig {
    /// Memory for documents that are not committed to the index yet, in MiB; at least 15.
    pub memory_mib: usize,
}

/// Publishing to RabbitMQ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PublishConfig {
    /// URL of the broker, such as "amqp://user:password@127.0.0.1:5672/%2f" or amqps://; empty to publish nothing. Percent-encode special
    /// characters in user and password: / is %2F, # is %23, ? is %3F, @ is %40, : is %3A, % is %25.
    pub url: BrokerUrl,
    /// The durable topic exchange to publish to.
    pub exchange: String,
    /// Whether the exchange and its alternate exchange are declared if missing; otherwise the exchange must exist and is used as it is.
    pub declare: bool,
}

/// A further output of events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputConfig {
    /// Its name: 1 to 64 lower-case letters, digits and hyphens. Its position is kept under it.
    pub name: String,
    /// What kind of output it is: "rabbitmq".
    pub kind: OutputKind,
    /// The URL of the broker.
    pub url: BrokerUrl,
    /// The exchange.
    #[serde(default = "default_exchange")]
    pub exchange: String,
    /// Whether the exchanges are declared if missing.
    #[serde(default = "default_declare")]
    pub declare: bool,
}

/// A kind of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OutputKind {
    /// A RabbitMQ broker.
    Rabbitmq,
}

/// An output that is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedOutput {
    /// Its name, under which its position is kept.
    pub name: String,
    /// Where it is in the configuration.
    pub key: String,
    /// What it is.
    pub target: OutputTarget,
}

/// What an output is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputTarget {
    /// A RabbitMQ broker.
    RabbitMq(rabbitmq::Settings),
}

/// The name of the output that `publish` plans.
pub const PUBLISH: &str = "publish";
/// Names of readers that are no outputs.
const RESERVED_NAMES: [&str; 1] = ["search"];
/// Long enough for a word or two, short enough for a table.
const OUTPUT_NAME_LENGTH_MAX: usize = 64;

fn default_exchange() -> String {
    PublishConfig::default().exchange
}

fn default_declare() -> bool {
    PublishConfig::default().declare
}

impl Config {
    /// The outputs that are to run.
    ///
    /// # Errors
    /// The first key that is wrong, and why.
    pub fn planned_outputs(&self) -> Result<Vec<PlannedOutput>, (String, String)> {
        let mut planned: Vec<PlannedOutput> = Vec::new();
        let publish = [(PUBLISH.to_owned(), PUBLISH.to_owned(), &self.publish.url, &self.publish.exchange, self.publish.declare)];
        let further = self.outputs.iter().enumerate().map(|(at, output)| {
            let OutputKind::Rabbitmq = output.kind;
            (format!("outputs.{at}"), output.name.clone(), &output.url, &output.exchange, output.declare)
        });
        for (key, name, url, exchange, declare) in publish.into_iter().chain(further) {
            let wrong = |member: &str, why: String| Err((format!("{key}.{member}"), why));
            let url = match url.get() {
                Ok(url) => url,
                Err(error) => return wrong("url", error.to_string()),
            };
            if !rabbitmq::is_exchange_name(exchange) {
                let why = "must have 1 to 246 bytes without control characters, and must not begin with `amq.`";
                return wrong("exchange", why.to_owned());
            }
            let is_further = key != PUBLISH;
            if is_further && !is_output_name(&name) {
                return wrong("name", format!("must have 1 to {OUTPUT_NAME_LENGTH_MAX} lower-case letters, digits and hyphens"));
            }
            if is_further && (name == PUBLISH || RESERVED_NAMES.contains(&name.as_str())) {
                return wrong("name", format!("`{name}` is taken by the program itself; choose another"));
            }
            if planned.iter().any(|other| other.name == name) {
                return wrong("name", format!("`{name}` is used twice; each output needs a name of its own"));
            }
            match url {
                Some(url) => {
                    let exchange = exchange.clone();
                    let settings = rabbitmq::Settings { exchange, declare, ..rabbitmq::Settings::new(url.clone()) };
                    planned.push(PlannedOutput { name, key, target: OutputTarget::RabbitMq(settings) });
                }
                None if is_further => return wrong("url", "must name a broker".to_owned()),
                None => {}
            }
        }
        Ok(planned)
    }
}

fn is_output_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=OUTPUT_NAME_LENGTH_MAX).contains(&name.len()) && name.chars().all(fits)
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// What to log: a level ("info"), or a filter such as "info,telescribe::crawl=debug".
    pub filter: String,
    /// "text" for people, "json" for programs.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

impl Default for TelegramConfig {
    fn default() -> Self {
        Self {
            server: Server::Telegram,
            api_id: 0,
            api_hash: String::new(),
            data_centres: Vec::new(),
            // Connecting through a slow proxy included; Telegram itself answers within a second or not at all.
            request_timeout: Span::seconds(30),
            proxy: ProxyUrl::default(),
        }
    }
}

impl Default for AccountsConfig {
    fn default() -> Self {
        Self {
            sessions: PathBuf::from("sessions"),
            master_key_file: PathBuf::new(),
            // Peers report 95 messages a second of plain history without flood waits: one page of a hundred a second.
            request_interval: Span::seconds(1),
            // Most waits are shorter; a crash is rare, and one that comes again and again should be slow.
            rest_after_crash: Span::seconds(10),
            requests_in_flight_max: 1,
            takeout: false,
            intervals: BTreeMap::new(),
            proxies: BTreeMap::new(),
        }
    }
}

impl Default for CrawlConfig {
    fn default() -> Self {
        let crawl::Settings { recheck_ids_max, recheck_window, mass_deletion, linked_groups, .. } = crawl::Settings::default();
        Self {
            kinds: vec![Kind::Channel, Kind::Supergroup, Kind::Group],
            allow: Vec::new(),
            deny: Vec::new(),
            linked_groups,
            recheck_window: Span::seconds(recheck_window.as_secs()),
            recheck_ids_max,
            mass_deletion_min: mass_deletion.ids_min,
            mass_deletion_confirm_after: Span::seconds(mass_deletion.confirm_after.as_secs()),
        }
    }
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self { memory_mib: 64 }
    }
}

impl Default for PublishConfig {
    fn default() -> Self {
        Self { url: BrokerUrl::default(), exchange: "telescribe".to_owned(), declare: true }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

impl Config {
    /// Reads a configuration file with the environment's overrides. A file that is missing counts as empty when `required` is
    /// not set.
    ///
    /// # Errors
    /// When it cannot be read, or something in it is invalid.
    pub fn load(path: &Path, required: bool, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !required => String::new(),
            Err(source) => return Err(ConfigError::Io { path: path.to_owned(), source }),
        };
        read::read(&path.display().to_string(), &text, environment)
    }

    /// Validates what types cannot, as [`Config::load`] has done with what it read: for a configuration that was made otherwise.
    ///
    /// # Errors
    /// When a value is invalid.
    pub fn check(&self) -> Result<(), ConfigError> {
        read::check(self)
    }
}

impl TelegramConfig {
    /// Which addresses this kind of server may have.
    #[must_use]
    pub fn reach(&self) -> NetworkScope {
        match self.server {
            Server::Telegram => NetworkScope::Network,
            Server::Simulated => NetworkScope::Loopback,
            Server::SelfHosted => NetworkScope::Anywhere,
        }
    }
}

impl Config {
    /// How to connect to the server, as which application, and through which proxies.
    #[must_use]
    pub fn telegram_settings(&self) -> telegram::Settings {
        // An invalid one was refused when the configuration was checked.
        let proxy = |url: &ProxyUrl| url.get().ok().flatten().cloned();
        telegram::Settings {
            api_id: self.telegram.api_id,
            request_timeout: self.telegram.request_timeout.duration(),
            reach: self.telegram.reach(),
            proxy: proxy(&self.telegram.proxy),
            proxies: self.accounts.proxies.iter().filter_map(|(name, url)| Some((name.clone(), proxy(url)?))).collect(),
            takeout: self.accounts.takeout,
        }
    }
}
