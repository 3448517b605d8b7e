//! A proxy in the configuration: checked when it is read, and never shown with its password.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::telegram::{InvalidProxy, Proxy};

/// A SOCKS5 proxy, or none where the text is empty.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(Result<Option<Proxy>, InvalidProxy>);

impl ProxyUrl {
    /// The proxy.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        self.0.as_ref().ok()?.as_ref()
    }

    /// What is wrong with it. A configuration with such a proxy is refused, though not while its text is taken apart: that error would
    /// show the line, and with it the password.
    pub(super) fn check(&self) -> Result<(), InvalidProxy> {
        self.0.as_ref().map(|_| ()).map_err(|e| *e)
    }
}

impl Default for ProxyUrl {
    fn default() -> Self {
        Self(Ok(None))
    }
}

impl From<Proxy> for ProxyUrl {
    fn from(proxy: Proxy) -> Self {
        Self(Ok(Some(proxy)))
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for ProxyUrl {
    /// Where it is, without user and password: what is written out is for people.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.proxy().map(ToString::to_string).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for ProxyUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(if text.is_empty() { Self::default() } else { Self(text.parse().map(Some)) })
    }
}

impl JsonSchema for ProxyUrl {
    fn schema_name() -> Cow<'static, str> {
        "ProxyUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}
