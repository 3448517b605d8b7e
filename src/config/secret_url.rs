//! A URL with a password, or another secret, in the configuration: checked when it is read, and never shown with it.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::{self, Display};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::mirror::{Endpoint, InvalidEndpoint};
use crate::output::rabbitmq::{AmqpUrl, InvalidAmqpUrl};
use crate::output::webhook::{InvalidWebhookSecret, InvalidWebhookUrl, WebhookSecret, WebhookUrl};
use crate::telegram::{InvalidProxy, Proxy};

/// A SOCKS5 proxy, or none where the text is empty.
pub type ProxyUrl = SecretUrl<Proxy, InvalidProxy>;
/// A broker, or none where the text is empty.
pub type BrokerUrl = SecretUrl<AmqpUrl, InvalidAmqpUrl>;

/// A storage server, or none where the text is empty.
pub type EndpointUrl = SecretUrl<Endpoint, InvalidEndpoint>;

/// A broker or a receiver of web hooks, or none where the text is empty.
pub type OutputUrl = SecretUrl<OutputAddress, Infallible>;

/// The secret of a receiver of web hooks, or none where the text is empty.
pub type SigningSecret = SecretUrl<WebhookSecret, InvalidWebhookSecret>;

/// The address of an output: what it is for each kind of output, only one of which it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputAddress {
    broker: Result<AmqpUrl, InvalidAmqpUrl>,
    receiver: Result<WebhookUrl, InvalidWebhookUrl>,
}

/// Where something is and as whom it is used, or nothing where the text is empty. What it holds shows no password, neither where it
/// was understood (`T`) nor where it was not (`E`); the text itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUrl<T, E>(Result<Option<T>, E>);

impl<T: FromStr<Err = E>, E: Clone> SecretUrl<T, E> {
    /// Reads a text, which may be empty for nothing.
    #[must_use]
    pub fn read(text: &str) -> Self {
        Self(if text.is_empty() { Ok(None) } else { text.parse().map(Some) })
    }

    /// The parsed URL.
    ///
    /// # Errors
    /// When the URL is invalid. A configuration with such a URL is refused, though not while its text is parsed: that error would show
    /// the line, and with it the password.
    pub fn get(&self) -> Result<Option<&T>, E> {
        self.0.as_ref().map(Option::as_ref).map_err(E::clone)
    }
}

impl OutputUrl {
    /// The broker that it is the address of.
    #[must_use]
    pub fn broker(&self) -> BrokerUrl {
        SecretUrl(self.address().map(|address| address.broker.clone()).transpose())
    }

    /// The receiver of web hooks that it is the address of.
    ///
    /// # Errors
    /// When it is none.
    pub fn receiver(&self) -> Result<Option<WebhookUrl>, InvalidWebhookUrl> {
        self.address().map(|address| address.receiver.clone()).transpose()
    }

    fn address(&self) -> Option<&OutputAddress> {
        match &self.0 {
            Ok(address) => address.as_ref(),
            Err(never) => match *never {},
        }
    }
}

impl FromStr for OutputAddress {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self { broker: text.parse(), receiver: text.parse() })
    }
}

impl Display for OutputAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.broker, &self.receiver) {
            (Ok(broker), _) => broker.fmt(f),
            (_, Ok(receiver)) => receiver.fmt(f),
            _ => Ok(()),
        }
    }
}

impl<T, E> Default for SecretUrl<T, E> {
    fn default() -> Self {
        Self(Ok(None))
    }
}

impl<T, E> From<T> for SecretUrl<T, E> {
    fn from(url: T) -> Self {
        Self(Ok(Some(url)))
    }
}

impl<T: Display, E> Serialize for SecretUrl<T, E> {
    /// Where it is, without the password: what is written out is for people.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = self.0.as_ref().ok().and_then(Option::as_ref).map(ToString::to_string);
        serializer.serialize_str(&shown.unwrap_or_default())
    }
}

impl<'de, T: FromStr<Err = E>, E: Clone> Deserialize<'de> for SecretUrl<T, E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::read(&String::deserialize(deserializer)?))
    }
}

impl<T, E> JsonSchema for SecretUrl<T, E> {
    fn schema_name() -> Cow<'static, str> {
        "SecretUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}
