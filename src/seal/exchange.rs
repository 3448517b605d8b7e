//! Requests and answers: the plaintexts inside the seals, bound to one method and target, and protected against replay.
//!
//! A request's plaintext is `{"iat", "jti", "htm", "htu", "body"}`: when it was issued, its nonce, the method and target that it was made
//! for, and what is sent (none for a `GET`). An answer's is `{"iat", "req", "status", "body"}`, `req` being the request's `jti`. Nothing
//! that matters is left to HTTP's own headers, which anybody on the way may change.
//!
//! `htu` is path and query exactly as the request line has them, byte for byte, nothing decoded or reordered. Scheme and host are no
//! part of it, because proxies change them; an absolute URI is taken as well, and its path and query are compared.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rand::CryptoRng;
use serde::Deserialize;
use serde_json::{Number, Value};

use super::chunks::{ChunkSealer, FileRange};
use super::key::{ClientName, Key, KeyId};
use super::nonces::{CLOCK_TOLERANCE, Nonces};
use super::token::{OpenedToken, Purpose, RefusalReason, Refused, object, open, seal};

/// The longest nonce, in bytes; a UUID has 36 and 32 bytes in hexadecimal have 64. It bounds the memory of nonces.
const NONCE_LENGTH_MAX: usize = 64;

/// An authentic, timely request that was made for here and is no replay.
pub struct OpenedRequest {
    /// The nonce, which the answer repeats as `req`.
    pub jti: String,
    /// What was sent; `Value::Null` where there was none.
    pub body: Value,
    key: Arc<Key>,
}

impl OpenedRequest {
    /// Returns who asks.
    pub fn client(&self) -> &ClientName {
        self.key.client()
    }

    /// Returns the id of the key that sealed the request.
    pub fn kid(&self) -> &KeyId {
        self.key.id()
    }

    /// Seals the answer under the request's own key, which may have left the ring meanwhile; see [`seal_answer`].
    pub fn seal_answer(&self, status: u16, body: &Value, now: DateTime<Utc>, random: &mut impl CryptoRng) -> String {
        seal_answer(&self.key, &self.jti, status, body, now, random)
    }

    /// Begins to answer with bytes of a file, which follow on a sealed answer that says which.
    pub fn seal_chunks(&self, of: &FileRange) -> ChunkSealer {
        ChunkSealer::new(Arc::clone(&self.key), &self.jti, of)
    }
}

/// Shows no body: what somebody searches for is nobody's business in a log.
impl fmt::Debug for OpenedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenedRequest({:?}, {})", self.key, self.jti.escape_debug())
    }
}

/// A request on its way out. It has no `Debug`: the token is good once for whoever reads it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedRequest {
    /// What is sent: the body, or what follows `Authorization: Bearer `.
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
    htm: String,
    htu: String,
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

/// Opens a request that arrived with `method` for `target` (path and query as the request line has them), and claims its nonce: a second
/// call with the same token is a replay.
///
/// # Errors
/// [`Refused`] for everything, with nothing told apart for the client.
pub fn open_request(
    token: &str,
    keys: &[Arc<Key>],
    nonces: &Nonces,
    method: &str,
    target: &str,
    now: DateTime<Utc>,
) -> Result<OpenedRequest, Refused> {
    let OpenedToken { key, plaintext } = open(token, keys, Purpose::Request)?;
    let RequestPlaintext { iat, jti, htm, htu, body } = object(&plaintext).ok_or(RefusalReason::Content)?;
    let issued = seconds(&iat).ok_or(RefusalReason::Content)?;
    if jti.is_empty() || jti.len() > NONCE_LENGTH_MAX {
        return Err(RefusalReason::Content.into());
    }
    let now = unix(now);
    if now.abs_diff(issued) > CLOCK_TOLERANCE.as_secs() {
        return Err(RefusalReason::Time.into());
    }
    if htm != method || !names_target(&htu, target) {
        return Err(RefusalReason::Target.into());
    }
    nonces.claim(key.id(), &jti, issued, now)?;
    Ok(OpenedRequest { jti, body, key })
}

/// Seals an answer to the request with the nonce `jti`. Any media type but JSON goes into `body` as a string.
///
/// What is longer than [`super::PORTABLE_PLAINTEXT_MAX`] opens in most libraries, and in joserfc once its limit is raised.
pub fn seal_answer(key: &Key, jti: &str, status: u16, body: &Value, now: DateTime<Utc>, random: &mut impl CryptoRng) -> String {
    let plaintext = format!(r#"{{"iat":{},"req":{},"status":{status},"body":{body}}}"#, unix(now), Value::from(jti));
    seal(plaintext.as_bytes(), key, Purpose::Answer, random)
}

/// Seals a request for `method` and `target` (path and query, exactly as they will stand in the request line).
pub fn seal_request(
    key: &Key,
    method: &str,
    target: &str,
    body: Option<&Value>,
    now: DateTime<Utc>,
    random: &mut impl CryptoRng,
) -> SealedRequest {
    let mut bytes = [0; 16];
    random.fill_bytes(&mut bytes);
    let jti = uuid::Builder::from_random_bytes(bytes).into_uuid().to_string();
    let mut plaintext =
        format!(r#"{{"iat":{},"jti":"{jti}","htm":{},"htu":{}"#, unix(now), Value::from(method), Value::from(target));
    if let Some(body) = body {
        plaintext.push_str(r#","body":"#);
        plaintext.push_str(&body.to_string());
    }
    plaintext.push('}');
    SealedRequest { token: seal(plaintext.as_bytes(), key, Purpose::Request, random), jti }
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

/// Tells whether `htu` means `target`, by path and query.
fn names_target(htu: &str, target: &str) -> bool {
    if htu.starts_with('/') {
        return htu == target;
    }
    let Some(rest) = htu.strip_prefix("https://").or_else(|| htu.strip_prefix("http://")) else { return false };
    let path_and_query = rest.find(['/', '?']).map_or("", |start| &rest[start..]);
    match path_and_query.strip_prefix('/') {
        Some(_) => path_and_query == target,
        // An absolute URI without a path asks for `/`.
        None => target.strip_prefix('/') == Some(path_and_query),
    }
}

#[cfg(test)]
mod tests;
