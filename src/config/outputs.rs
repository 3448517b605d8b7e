//! `[publish]` and `[[outputs]]`: where events go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BrokerUrl, Config};
use crate::output::rabbitmq;

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

impl Default for PublishConfig {
    fn default() -> Self {
        Self { url: BrokerUrl::default(), exchange: "telescribe".to_owned(), declare: true }
    }
}
