//! Requests and answers: the plaintexts inside the seals, for one start of one server, and protected against replay.
//!
//! A request's plaintext is `{"iat", "jti", "aud", "start", "method", "target", "body"}`: when it was issued, its nonce, for which server and
//! which start of it, the method and target (path and query), and what is sent (none for a `GET`). An answer's is `{"iat", "req", "status",
//! "body"}`, `req` being the request's `jti`. Nothing that matters is left to HTTP's own request line and headers, which anybody on the way may
//! read and change.
//!
//! What method and target mean is not decided here.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rand::CryptoRng;
use serde::Deserialize;
use serde_json::{Number, Value};

use super::chunks::{ChunkSealer, FileRange};
use super::key::{ClientName, Key, KeyId};
use super::nonces::CLOCK_TOLERANCE;
use super::recipient::{Destination, Recipient};
use super::token::{OpenedToken, Purpose, RefusalReason, Refused, object, open, seal};

/// The longest nonce, in bytes; a UUID has 36 and 32 bytes in hexadecimal have 64. It bounds the memory of nonces.
const NONCE_LENGTH_MAX: usize = 64;

/// An authentic, timely request for this server that is no replay.
pub struct OpenedRequest {
    /// The nonce, which the answer repeats as `req`.
    pub jti: String,
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// What was sent; `Value::Null` where there was none.
    pub body: Value,
    key: Arc<Key>,
}

impl OpenedRequest {
    /// Returns the key that sealed the request.
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// Returns who asks.
    pub fn client(&self) -> &ClientName {
        self.key.client()
    }

    /// Returns the id of the key that sealed the request.
    pub fn kid(&self) -> &KeyId {
        self.key.id()
    }

    /// Seals the answer under the request's own key, which may have left the ring meanwhile; see [`seal_answer`].
    pub fn seal_answer(&self, status: u16, body: &[u8], now: DateTime<Utc>, random: &mut impl CryptoRng) -> String {
        seal_answer(&self.key, &self.jti, status, body, now, random)
    }

    /// Begins to answer with bytes of a file, which follow on a sealed answer that says which.
    pub fn seal_chunks(&self, of: &FileRange) -> ChunkSealer {
        ChunkSealer::new(Arc::clone(&self.key), &self.jti, of)
    }
}

/// Shows nothing of what is asked: what somebody searches for is nobody's business in a log.
impl fmt::Debug for OpenedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenedRequest({:?}, {})", self.key, self.jti.escape_debug())
    }
}

/// A request on its way out. It has no `Debug`: the token is good once for whoever reads it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedRequest {
    /// What is sent, as the body.
    pub token: String,
    /// What [`open_answer`] must be given.
    pub jti: String,
}

/// An authentic answer to the request that was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenedAnswer {
    /// When it was issued, in seconds since 1970 by the program's clock.
    pub iat: u64,
    /// The HTTP status that counts; the one outside is not authentic.
    pub status: u16,
    /// The answer; text of other media types (NDJSON) is a string.
    pub body: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestPlaintext {
    iat: Number,
    jti: String,
    aud: String,
    start: String,
    method: String,
    target: String,
    #[serde(default)]
    body: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerPlaintext {
    iat: Number,
    req: String,
    status: u16,
    #[serde(default)]
    body: Value,
}

/// Opens a request, and claims its nonce: a second call with the same token is a replay.
///
/// # Errors
/// [`Refused`] for everything, with nothing told apart for the client.
pub fn open_request(token: &str, keys: &[Arc<Key>], recipient: &Recipient, now: DateTime<Utc>) -> Result<OpenedRequest, Refused> {
    let OpenedToken { key, plaintext } = open(token, keys, Purpose::Request)?;
    let RequestPlaintext { iat, jti, aud, start, method, target, body } = object(&plaintext).ok_or(RefusalReason::Content)?;
    let issued = seconds(&iat).ok_or(RefusalReason::Content)?;
    if jti.is_empty() || jti.len() > NONCE_LENGTH_MAX {
        return Err(RefusalReason::Content.into());
    }
    let here = recipient.destination();
    if aud != here.server.as_str() {
        return Err(RefusalReason::Server.into());
    }
    if start != here.start {
        return Err(RefusalReason::Start.into());
    }
    let now = unix(now);
    if now.abs_diff(issued) > CLOCK_TOLERANCE.as_secs() {
        return Err(RefusalReason::Time.into());
    }
    recipient.nonces.claim(key.id(), &jti, issued, now)?;
    Ok(OpenedRequest { jti, method, target, body, key })
}

/// Seals an answer to the request with the nonce `jti`. Any media type but JSON goes into `body` as a string.
///
/// What is longer than [`super::PORTABLE_PLAINTEXT_MAX`] opens in most libraries, and in joserfc once its limit is raised.
///
/// The body is JSON already, as it was written for the answer: it is neither read nor written again, so it must be JSON.
pub fn seal_answer(key: &Key, jti: &str, status: u16, body: &[u8], now: DateTime<Utc>, random: &mut impl CryptoRng) -> String {
    let head = format!(r#"{{"iat":{},"req":{},"status":{status},"body":"#, unix(now), Value::from(jti));
    seal([head.as_bytes(), body, b"}"].concat(), key, Purpose::Answer, random)
}

/// Seals a request to `to`, for `method` and `target` (path and query).
pub fn seal_request(
    key: &Key,
    to: &Destination,
    method: &str,
    target: &str,
    body: Option<&Value>,
    now: DateTime<Utc>,
    random: &mut impl CryptoRng,
) -> SealedRequest {
    let mut bytes = [0; 16];
    random.fill_bytes(&mut bytes);
    let jti = uuid::Builder::from_random_bytes(bytes).into_uuid().to_string();
    let (aud, start) = (&to.server, Value::from(to.start.as_str()));
    let (method, target) = (Value::from(method), Value::from(target));
    let mut plaintext =
        format!(r#"{{"iat":{},"jti":"{jti}","aud":"{aud}","start":{start},"method":{method},"target":{target}"#, unix(now));
    if let Some(body) = body {
        plaintext.push_str(r#","body":"#);
        plaintext.push_str(&body.to_string());
    }
    plaintext.push('}');
    SealedRequest { token: seal(plaintext, key, Purpose::Request, random), jti }
}

/// Opens the answer to the request that was sealed under `key` with the nonce `jti`.
///
/// The clock is not asked: the nonce was fresh, so nothing older can repeat it.
///
/// # Errors
/// [`Refused`] for everything.
pub fn open_answer(token: &str, key: &Arc<Key>, jti: &str) -> Result<OpenedAnswer, Refused> {
    let opened = open(token, std::slice::from_ref(key), Purpose::Answer)?;
    let AnswerPlaintext { iat, req, status, body } = object(&opened.plaintext).ok_or(RefusalReason::Content)?;
    if req != jti {
        return Err(RefusalReason::Target.into());
    }
    Ok(OpenedAnswer { iat: seconds(&iat).ok_or(RefusalReason::Content)?, status, body })
}

/// Seconds since 1970, as JOSE counts; before that there was none of this.
fn unix(time: DateTime<Utc>) -> u64 {
    time.timestamp().try_into().unwrap_or(0)
}

/// Reads a time in seconds. Fractions are cut off: `time.time()` and `Date.now() / 1000` have them.
fn seconds(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| {
        let seconds = number.as_f64().filter(|seconds| (0.0..1e12).contains(seconds))?;
        Some(seconds as u64)
    })
}

#[cfg(test)]
mod tests;
