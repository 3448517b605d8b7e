//! `[publish]` and `[[outputs]]`: where events go.

mod webhook;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use webhook::PlannedWebhook;

use super::{BrokerUrl, Config, OutputUrl, SigningSecret, Span};
use crate::media;
use crate::mirror::MIRROR_READER;
use crate::output::rabbitmq;
use crate::search::INDEX_READER;

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
    /// How many events may be unconfirmed at once, 1 to 1000. 1 keeps the order also in a queue that refuses events while it is full
    /// (x-overflow: reject-publish); the default is 14 to 37 times faster.
    pub window: usize,
    /// Maximum size of an event in KiB, 4 to 524288; of a larger one a claim check is sent, with a link to the whole of it. RabbitMQ takes
    /// 16 MiB by default (max_message_size).
    pub event_size_max_kib: usize,
}

/// A further output of events. What is a setting of some kinds only is refused for the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputConfig {
    /// Its name: 1 to 64 lower-case letters, digits and hyphens. Its position is kept under it.
    pub name: String,
    /// What kind of output it is: "rabbitmq" or "webhook".
    pub kind: OutputKind,
    /// The URL of the broker or of the receiver.
    #[serde(default)]
    pub url: OutputUrl,
    /// RabbitMQ: the exchange.
    #[serde(default)]
    pub exchange: Option<String>,
    /// RabbitMQ: whether the exchanges are declared if missing.
    #[serde(default)]
    pub declare: Option<bool>,
    /// RabbitMQ: how many events may be unconfirmed at once.
    #[serde(default)]
    pub window: Option<usize>,
    /// RabbitMQ: maximum size of an event in KiB; of a larger one a claim check is sent.
    #[serde(default)]
    pub event_size_max_kib: Option<usize>,
    /// Web hook: the secret that requests are signed with: whsec_ and the base64 of 24 to 64 bytes.
    #[serde(default)]
    pub secret: SigningSecret,
    /// Web hook: the file that holds the secret instead, which only its owner may read.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// Web hook: which events are sent.
    #[serde(default)]
    pub events: Option<Vec<String>>,
    /// Web hook: only the matches of these watches are sent.
    #[serde(default)]
    pub watches: Option<Vec<String>>,
    /// Web hook: how long a request may take.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// Web hook: whether a receiver elsewhere may be sent to without encryption.
    #[serde(default)]
    pub allow_http: Option<bool>,
}

/// A kind of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OutputKind {
    /// A RabbitMQ broker.
    Rabbitmq,
    /// A receiver of web hooks.
    Webhook,
}

/// An output that is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedOutput {
    /// Its name, under which its position is kept.
    pub name: String,
    /// What it is.
    pub target: OutputTarget,
}

/// What an output is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputTarget {
    /// A RabbitMQ broker.
    RabbitMq(rabbitmq::Settings),
    /// A receiver of web hooks.
    Webhook(PlannedWebhook),
}

/// A key of the configuration that is wrong, and why.
type Wrong = (String, String);

/// The name of the output that `publish` plans.
pub const PUBLISH: &str = "publish";
/// Long enough for a word or two, short enough for a table.
const OUTPUT_NAME_LENGTH_MAX: usize = 64;

impl Config {
    /// The outputs that are to run.
    ///
    /// # Errors
    /// The first key that is wrong, and why.
    pub fn planned_outputs(&self) -> Result<Vec<PlannedOutput>, Wrong> {
        let publish = rabbitmq_settings(PUBLISH, &self.publish)?;
        let to_publish = |settings| PlannedOutput { name: PUBLISH.to_owned(), target: OutputTarget::RabbitMq(settings) };
        let mut planned: Vec<PlannedOutput> = publish.map(to_publish).into_iter().collect();
        for (at, output) in self.outputs.iter().enumerate() {
            let key = format!("outputs.{at}");
            let target = output.target(&key)?;
            let name = output.name.as_str();
            let wrong = |why: String| Err((format!("{key}.name"), why));
            if !is_output_name(name) {
                return wrong(format!("must have 1 to {OUTPUT_NAME_LENGTH_MAX} lower-case letters, digits and hyphens"));
            }
            if [PUBLISH, INDEX_READER, MIRROR_READER].contains(&name) || media::READERS.contains(&name) {
                return wrong(format!("`{name}` is taken by the program itself; choose another"));
            }
            if planned.iter().any(|other| other.name == name) {
                return wrong(format!("`{name}` is used twice; each output needs a name of its own"));
            }
            planned.push(PlannedOutput { name: name.to_owned(), target });
        }
        Ok(planned)
    }
}

impl OutputConfig {
    /// What it is, checked. `key` is where it stands in the configuration.
    fn target(&self, key: &str) -> Result<OutputTarget, Wrong> {
        self.refuse_foreign_settings(key)?;
        match self.kind {
            OutputKind::Rabbitmq => {
                let PublishConfig { exchange, declare, window, event_size_max_kib, .. } = PublishConfig::default();
                let config = PublishConfig {
                    url: self.url.broker(),
                    exchange: self.exchange.clone().unwrap_or(exchange),
                    declare: self.declare.unwrap_or(declare),
                    window: self.window.unwrap_or(window),
                    event_size_max_kib: self.event_size_max_kib.unwrap_or(event_size_max_kib),
                };
                let settings = rabbitmq_settings(key, &config)?;
                settings.map(OutputTarget::RabbitMq).ok_or_else(|| (format!("{key}.url"), "must name a broker".to_owned()))
            }
            OutputKind::Webhook => Ok(OutputTarget::Webhook(self.webhook(key)?)),
        }
    }

    /// Refuses what another kind of output has as a setting.
    fn refuse_foreign_settings(&self, key: &str) -> Result<(), Wrong> {
        let has_secret = !matches!(self.secret.get(), Ok(None));
        let settings = [
            ("exchange", OutputKind::Rabbitmq, self.exchange.is_some()),
            ("declare", OutputKind::Rabbitmq, self.declare.is_some()),
            ("window", OutputKind::Rabbitmq, self.window.is_some()),
            ("event_size_max_kib", OutputKind::Rabbitmq, self.event_size_max_kib.is_some()),
            ("secret", OutputKind::Webhook, has_secret),
            ("secret_file", OutputKind::Webhook, self.secret_file.is_some()),
            ("events", OutputKind::Webhook, self.events.is_some()),
            ("watches", OutputKind::Webhook, self.watches.is_some()),
            ("timeout", OutputKind::Webhook, self.timeout.is_some()),
            ("allow_http", OutputKind::Webhook, self.allow_http.is_some()),
        ];
        match settings.into_iter().find(|(_, kind, is_set)| *is_set && *kind != self.kind) {
            Some((name, kind, _)) => {
                let why = format!("is a setting of outputs of kind \"{}\"; remove it here", kind.name());
                Err((format!("{key}.{name}"), why))
            }
            None => Ok(()),
        }
    }
}

impl OutputKind {
    /// Its name, as it is written and shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rabbitmq => "rabbitmq",
            Self::Webhook => "webhook",
        }
    }
}

/// The settings of an output to RabbitMQ, checked; none without a broker. `key` is where it stands in the configuration.
fn rabbitmq_settings(key: &str, config: &PublishConfig) -> Result<Option<rabbitmq::Settings>, Wrong> {
    let PublishConfig { url, exchange, declare, window, event_size_max_kib } = config;
    let wrong = |of: &str, why: String| (format!("{key}.{of}"), why);
    let url = url.get().map_err(|error| wrong("url", error.to_string()))?;
    if !rabbitmq::is_exchange_name(exchange) {
        let why = "must have 1 to 246 bytes without control characters, and must not begin with `amq.`";
        return Err(wrong("exchange", why.to_owned()));
    }
    if !(1..=rabbitmq::WINDOW_MAX).contains(window) {
        return Err(wrong("window", format!("must be 1 to {}, not {window}", rabbitmq::WINDOW_MAX)));
    }
    let (least, most) = (rabbitmq::EVENT_SIZE_MIN >> 10, rabbitmq::EVENT_SIZE_LIMIT >> 10);
    if !(least..=most).contains(event_size_max_kib) {
        return Err(wrong("event_size_max_kib", format!("must be {least} to {most}, not {event_size_max_kib}")));
    }
    let event_size_max = event_size_max_kib << 10;
    let settings =
        |url| rabbitmq::Settings { window: *window, event_size_max, ..rabbitmq::Settings::new(key, url, exchange, *declare) };
    Ok(url.cloned().map(settings))
}

fn is_output_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=OUTPUT_NAME_LENGTH_MAX).contains(&name.len()) && name.chars().all(fits)
}

impl Default for PublishConfig {
    fn default() -> Self {
        Self {
            url: BrokerUrl::default(),
            exchange: "telescribe".to_owned(),
            declare: true,
            window: rabbitmq::WINDOW,
            event_size_max_kib: rabbitmq::EVENT_SIZE_MAX >> 10,
        }
    }
}
