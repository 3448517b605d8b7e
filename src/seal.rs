//! Sealed requests and answers (authenticated encryption): JWE compact serialisation, `A256KW` with `A256GCM`, or `dir` with
//! `A256CBC-HS512` for sessions at rest and for keys of earlier versions (RFC 7516, RFC 7518).
//!
//! For clients that ask over wires and proxies they do not trust. What is guaranteed:
//! - Possession of a key is the whole authentication. A client without one learns nothing but lengths and the key's id.
//! - The tag is verified in constant time over everything, before anything of the plaintext is returned. Every failure is the same
//!   [`Refused`]; an unknown key id costs the same work as a wrong tag.
//! - A request carries all of what is asked: method, path and query, and body. Whoever is on the way sees sizes, times and the key's id.
//! - Replay protection: a request is good once, for one start of one server ([`Recipient`]), for [`CLOCK_TOLERANCE`] either way. An answer
//!   is good for the request that it answers and for no other, and neither can pass for the other: their [`Purpose`]s have different
//!   `typ`s.
//! - A file comes as a stream of chunks, each sealed, of which none can be left out, repeated, moved or taken from another: see [`ChunkOpener`].
//! - A key file that others could read is refused, and replaced atomically: as a whole or not at all.
//!
//! Deliberately not here: forward secrecy (a stolen key opens what was recorded under it: rotate), the hiding of lengths, key
//! agreement, signatures that others can check, compression (`zip`; it leaks), a choice of algorithms (a key has one), and HTTP itself. Nothing reaches for the clock or for
//! randomness: `now` and the generator are passed in, [`system_random`] is the generator of the running program.
//!
//! Beside it: [`MacKey`], by which receivers of web hooks know whose they are.
//!
//! The files, each building on the one before: `fingerprint`, `server_id`, `rights`, `cipher` (bytes), `key`, `ring` (the file), `token` (JWE), `master` (encryption
//! at rest), `nonces` and `recipient` (replay protection), `chunks` (a file as a stream), `exchange` (requests and answers). The format and worked clients:
//! `docs/sealing.md`.

mod chunks;
mod cipher;
mod exchange;
mod fingerprint;
mod key;
mod mac_key;
mod master;
mod nonces;
mod recipient;
mod rights;
mod ring;
mod server_id;
mod token;

pub use chunks::{CHUNK_DATA_MAX, ChunkOpener, ChunkSealer, FileRange};
pub use exchange::{OpenedAnswer, OpenedRequest, SealedRequest, open_answer, open_request, seal_answer, seal_request};
pub use fingerprint::fingerprint;
pub use key::{ClientName, InvalidName, Key, KeyId};
pub use mac_key::MacKey;
pub use master::{InvalidMasterKey, MasterKey, sealed_by};
pub use nonces::{CLOCK_TOLERANCE, NONCES_PER_KEY_MAX};
pub use rand::CryptoRng;
pub use recipient::{Destination, Recipient};
pub use rights::{InvalidKeyScope, KeyScope, Rights};
pub use ring::{KeyFileError, KeyRing};
pub use server_id::{InvalidServerId, ServerId};
pub use token::{OpenedToken, PORTABLE_PLAINTEXT_MAX, Purpose, RefusalReason, Refused, open, seal};

/// The media type of a sealed body, on the way in and on the way out (RFC 7515 section 9.2.1).
pub const MEDIA_TYPE: &str = "application/jose";

/// The media type of a file as a stream: sealed bodies, one a line.
pub const LINES_MEDIA_TYPE: &str = "application/x-jose-lines";

/// How long after the end of its body an HTTP listener answers a request that [`open_request`] refused.
///
/// Up to the tag, all refusals cost the same; after it, reading the plaintext makes a stale or repeated request dearer by some
/// microseconds. Answering every refusal at one moment hides that too. 20 ms covers opening the largest request on a slow core
/// and is too short for anybody with a working key to notice.
pub const REFUSAL_DELAY: std::time::Duration = std::time::Duration::from_millis(20);

/// Returns the operating system's generator of randomness; it panics where the system has none, as nothing can be sealed there.
pub fn system_random() -> impl CryptoRng {
    rand::rand_core::UnwrapErr(rand::rngs::SysRng)
}
