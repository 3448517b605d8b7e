//! A URL with a password in the configuration: checked when it is read, and never shown with it.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::mirror::{Endpoint, InvalidEndpoint};
use crate::output::rabbitmq::{AmqpUrl, InvalidAmqpUrl};
use crate::telegram::{InvalidProxy, Proxy};

/// A SOCKS5 proxy, or none where the text is empty.
pub type ProxyUrl = SecretUrl<Proxy, InvalidProxy>;
/// A broker, or none where the text is empty.
pub type BrokerUrl = SecretUrl<AmqpUrl, InvalidAmqpUrl>;

/// A storage server, or none where the text is empty.
pub type EndpointUrl = SecretUrl<Endpoint, InvalidEndpoint>;

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
