//! JWE compact serialisation (authenticated encryption), in the one form that is spoken here.
//!
//! `base64url(header).base64url(wrapped key).base64url(iv).base64url(ciphertext).base64url(tag)`, with exactly the members `alg`, `enc`, `kid`,
//! `typ` and `cty` in the header: no `zip`, no `crit`, nothing unprotected. What is not exactly this is refused, so a token has one
//! spelling: no other base64, no repeated member, no other algorithm that an attacker could ask for than that of the key.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::cipher::{Cipher, Encrypted, KEY_LENGTH_MAX};
use super::key::Key;

/// The longest header, in characters of base64url; ours are 160 to 240, and joserfc stops at 1,024 too.
const HEADER_LENGTH_MAX: usize = 1_024;

/// The longest plaintext, in bytes, that every library opens as it comes: joserfc refuses more than 65,536 characters of
/// ciphertext unless it is told otherwise, which is 49,152 bytes of it with at least one of padding.
pub const PORTABLE_PLAINTEXT_MAX: usize = 49_151;

/// What a token is for; it is told by `typ`, so that a request cannot be sent back as an answer, nor a session file be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// From a client to the program.
    Request,
    /// From the program to a client.
    Answer,
    /// From the program to itself: an account's session, at rest.
    Session,
    /// From the program to a client: some bytes of a file.
    Chunk,
}

impl Purpose {
    /// Returns the `typ` of such tokens: a media type without its `application/`, as RFC 7515 section 4.1.9 has it.
    pub fn typ(self) -> &'static str {
        match self {
            Self::Request => "telescribe-req+jwe",
            Self::Answer => "telescribe-res+jwe",
            Self::Session => "telescribe-session+jwe",
            Self::Chunk => "telescribe-chunk+jwe",
        }
    }

    /// Returns the `cty` of such tokens: what their plaintext is.
    pub fn cty(self) -> &'static str {
        match self {
            Self::Request | Self::Answer | Self::Session => "application/json",
            Self::Chunk => "application/octet-stream",
        }
    }

    /// Returns the longest token that is looked at, in characters.
    ///
    /// Requests hold a query or a saved search, so 256 KiB is generous and keeps the work that strangers can cause small. Answers come
    /// from a program that the client trusts, sessions from a folder that only the owner can write; 64 MiB only stops a runaway. A chunk
    /// of a file has a plaintext of at most [`PORTABLE_PLAINTEXT_MAX`].
    pub fn length_max(self) -> usize {
        match self {
            Self::Request => 256 * 1024,
            Self::Answer | Self::Session => 64 * 1024 * 1024,
            Self::Chunk => 128 * 1024,
        }
    }
}

/// A sealed message was refused. Its text is always the same: a client that is refused must not learn why.
pub struct Refused {
    reason: RefusalReason,
}

/// Why a message was refused: for the operator's metric and log, never for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// Not a token of this form: parts, lengths, base64, header members, algorithm, purpose.
    Malformed,
    /// No key with this id, or the tag does not fit; the two are not told apart even here.
    Authentication,
    /// An authentic message whose plaintext is not what its purpose asks for.
    Content,
    /// Issued too long ago or too far ahead; most often a client's clock.
    Time,
    /// Made for another server, which may have the same keys.
    Server,
    /// Made for another start of this server: recorded before a restart, or by a client that has not noticed it.
    Start,
    /// An answer or a part of a file that belongs to another request, or to another place in it.
    Target,
    /// A replay: its nonce was used before.
    Replay,
    /// The quota of this key: too many nonces are remembered for it; see [`super::NONCES_PER_KEY_MAX`].
    Full,
}

impl RefusalReason {
    /// Returns one short word, fit for a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "form",
            Self::Authentication => "authentication",
            Self::Content => "content",
            Self::Time => "time",
            Self::Server => "server",
            Self::Start => "start",
            Self::Target => "target",
            Self::Replay => "replay",
            Self::Full => "full",
        }
    }
}

impl Refused {
    /// Tells the operator why; this must not reach the client that was refused.
    pub fn reason(&self) -> RefusalReason {
        self.reason
    }
}

impl From<RefusalReason> for Refused {
    fn from(reason: RefusalReason) -> Self {
        Self { reason }
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refused")
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sealed message was refused")
    }
}

impl std::error::Error for Refused {}

/// What [`open`] returns.
pub struct OpenedToken {
    /// The key that sealed it, and with it the client.
    pub key: Arc<Key>,
    /// What was sealed.
    pub plaintext: Vec<u8>,
}

impl fmt::Debug for OpenedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenedToken({:?}, {} bytes)", self.key, self.plaintext.len())
    }
}

/// Encrypts and authenticates `plaintext` under `key`, with what must be fresh from `random`.
///
/// The plaintext should be what `cty` says, and not empty, which jwcrypto would not open.
pub fn seal(plaintext: impl Into<Vec<u8>>, key: &Key, purpose: Purpose, random: &mut impl CryptoRng) -> String {
    let (kid, cipher) = (key.id(), key.cipher());
    let (alg, enc, typ, cty) = (cipher.alg(), cipher.enc(), purpose.typ(), purpose.cty());
    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","enc":"{enc}","kid":"{kid}","typ":"{typ}","cty":"{cty}"}}"#));
    let Encrypted { wrapped_key, iv, ciphertext, tag } =
        cipher.encrypt(key.secret(), header.as_bytes(), plaintext.into(), random);
    let mut token = header;
    token.reserve(ciphertext.len() / 3 * 4 + 160);
    for part in [wrapped_key, iv, ciphertext, tag] {
        token.push('.');
        base64_simd::URL_SAFE_NO_PAD.encode_append(&part, &mut token);
    }
    token
}

/// Verifies `token` under the one of `keys` that it names, then decrypts it.
///
/// # Errors
/// [`Refused`] for everything; where no key has the id, only after the same work under a key that opens nothing.
pub fn open(token: &str, keys: &[Arc<Key>], purpose: Purpose) -> Result<OpenedToken, Refused> {
    let parts = Parts::read(token, purpose).ok_or(RefusalReason::Malformed)?;
    // Every id is compared, so that the time does not tell where in the ring a key stands.
    let mut known = None;
    for key in keys {
        if key.id().as_str() == parts.kid {
            known = Some(key);
        }
    }
    // A key seals in one way only. The stand-in is no secret: what it opens is dropped below, also if somebody seals under zeros.
    let known = known.filter(|key| key.cipher() == parts.cipher);
    let stand_in = &[0; KEY_LENGTH_MAX][..parts.cipher.key_length()];
    let secret = known.map_or(stand_in, |key| key.secret());
    match (known, parts.cipher.decrypt(secret, parts.header.as_bytes(), parts.encrypted)) {
        (Some(key), Ok(plaintext)) => Ok(OpenedToken { key: Arc::clone(key), plaintext }),
        _ => Err(RefusalReason::Authentication.into()),
    }
}

/// Returns the key's id that a token of this purpose names, unverified.
pub(super) fn named_key(token: &str, purpose: Purpose) -> Option<String> {
    Parts::read(token, purpose).map(|parts| parts.kid)
}

/// A token's parts, decoded and of the right form; nothing in them is authentic yet.
struct Parts<'a> {
    header: &'a str,
    kid: String,
    cipher: Cipher,
    encrypted: Encrypted,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    enc: String,
    kid: String,
    typ: String,
    cty: String,
}

impl<'a> Parts<'a> {
    fn read(token: &'a str, purpose: Purpose) -> Option<Self> {
        if token.len() > purpose.length_max() {
            return None;
        }
        let mut parts = token.split('.');
        let (header, wrapped_key, iv, ciphertext, tag) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || header.len() > HEADER_LENGTH_MAX {
            return None;
        }
        let Header { alg, enc, kid, typ, cty } = object(&decode(header)?)?;
        let cipher = Cipher::named(&alg, &enc)?;
        if typ != purpose.typ() || cty != purpose.cty() {
            return None;
        }
        let encrypted =
            Encrypted { wrapped_key: decode(wrapped_key)?, iv: decode(iv)?, ciphertext: decode(ciphertext)?, tag: decode(tag)? };
        cipher.fits(&encrypted).then_some(Self { header, kid, cipher, encrypted })
    }
}

/// Decodes base64url without padding; this engine also refuses stray bits in the last character, so each value has one spelling.
fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Reads a JSON object. serde would fill a struct from an array as well, which would be a second spelling.
pub(super) fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    if json.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests;
