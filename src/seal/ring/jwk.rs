//! Serialisation of a JWK Set.
//!
//! Stock libraries import it as it is. Beside `kty`, `use`, `kid` and `k` each key carries `client`, who holds it, and `created`
//! (RFC 3339), and in the file of a client `aud`, the id of the server that it is for. Where it is limited, `scopes` are those that it has,
//! `peers` the marked ids of the peers that it sees, and `exp` is when it ends, in seconds since 1970 (as in RFC 7519). A reader ignores members that it does not know (RFC 7517 section 4); so does this one, and writes them back, except those
//! that would limit a key. `alg` is not written: the length of a
//! key says it, and of keys of 64 bytes joserfc would only take `dir` and npm's jose only `A256CBC-HS512`.
//!
//! Text that holds keys stands only in buffers that are wiped, and never in an error.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::super::cipher::KEY_LENGTH_MAX;
use super::super::key::{ClientName, Key, KeyId, Secret};
use super::super::rights::{KeyScope, Rights};
use super::super::server_id::ServerId;
use crate::model::PeerId;

/// More than one key takes without its peers, so that the buffer never moves and leaves a copy: 86 characters of `k`, three names, a date, all scopes,
/// the members.
pub(super) const KEY_TEXT_LENGTH_MAX: usize = 640;
/// More than a peer takes: a marked id and a comma.
const PEER_TEXT_LENGTH_MAX: usize = 24;
/// Members that would limit a key's use. They are refused, because ignoring them would let in what they are meant to keep out.
const LIMITING_MEMBERS: [&str; 3] = ["nbf", "revoked", "key_ops"];

#[derive(Deserialize)]
struct JwkSet<'a> {
    #[serde(borrow)]
    keys: Vec<Jwk<'a>>,
}

/// Everything is borrowed, so that reading leaves no copy of `k`.
#[derive(Serialize, Deserialize)]
struct Jwk<'a> {
    kty: &'a str,
    #[serde(rename = "use")]
    usage: Option<&'a str>,
    kid: &'a str,
    client: &'a str,
    created: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(default, deserialize_with = "limit", skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<&'a str>>,
    #[serde(default, deserialize_with = "limit", skip_serializing_if = "Option::is_none")]
    peers: Option<Vec<i64>>,
    #[serde(default, deserialize_with = "limit", skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    k: &'a str,
    #[serde(flatten)]
    foreign: Map<String, Value>,
}

/// A member that limits a key. That it is there and `null` is not taken for no limit.
fn limit<'de, D: Deserializer<'de>, T: Deserialize<'de>>(member: D) -> Result<Option<T>, D::Error> {
    T::deserialize(member).map(Some)
}

/// Keys, oldest first, and the members of each that mean nothing here, in the same order.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    pub(super) keys: Vec<Arc<Key>>,
    pub(super) foreign: Vec<Map<String, Value>>,
}

/// Reads a set. The error says what is wrong where, and quotes no secret.
pub(super) fn read(text: &[u8]) -> Result<KeySet, String> {
    // serde's own words may quote the text: only the place is told.
    let jwk_set: JwkSet<'_> = serde_json::from_slice(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!(
            "line {line}, column {column}: not a JWK Set with `kty`, `kid`, `client`, `created` and `k` in every key; `scopes` and `peers`, where they are there, must be lists, and `exp` a number"
        )
    })?;
    let mut set = KeySet::default();
    let mut ids = HashSet::new();
    for (index, jwk) in jwk_set.keys.into_iter().enumerate() {
        let place = |what| format!("key {}: {what}", index + 1);
        let key = jwk.read().map_err(place)?;
        if !ids.insert(key.id().clone()) {
            return Err(place(format!("there is another key `{}`; remove one of the two", key.id())));
        }
        set.keys.push(Arc::new(key));
        set.foreign.push(jwk.foreign);
    }
    Ok(set)
}

/// Writes a set of one key for a server, as its client gets it.
pub(super) fn write_for(key: &Key, server: &ServerId) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(64 + text_length_max(key)));
    text.extend_from_slice(b"{\"keys\":[\n");
    write_key(&mut text, key, Some(server), &Map::new());
    text.extend_from_slice(b"\n]}\n");
    text
}

/// Writes a set, one key a line.
pub(super) fn write(set: &KeySet) -> Zeroizing<Vec<u8>> {
    let foreign_length: usize = set.foreign.iter().map(|members| Value::from(members.clone()).to_string().len()).sum();
    let length: usize = set.keys.iter().map(|key| text_length_max(key)).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(64 + length + foreign_length));
    text.extend_from_slice(b"{\"keys\":[");
    for (index, (key, foreign)) in set.keys.iter().zip(&set.foreign).enumerate() {
        text.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
        write_key(&mut text, key, key.server(), foreign);
    }
    text.extend_from_slice(b"\n]}\n");
    text
}

fn text_length_max(key: &Key) -> usize {
    KEY_TEXT_LENGTH_MAX + key.rights().peers.as_ref().map_or(0, |peers| peers.len() * PEER_TEXT_LENGTH_MAX)
}

fn write_key(text: &mut Vec<u8>, key: &Key, server: Option<&ServerId>, foreign: &Map<String, Value>) {
    let mut k = Zeroizing::new(String::with_capacity(KEY_LENGTH_MAX * 2));
    URL_SAFE_NO_PAD.encode_string(key.secret(), &mut k);
    let Rights { scopes, peers, ends } = key.rights();
    let jwk = Jwk {
        kty: "oct",
        usage: Some("enc"),
        kid: key.id().as_str(),
        client: key.client().as_str(),
        created: &key.created().to_rfc3339_opts(SecondsFormat::Secs, true),
        aud: server.map(ServerId::as_str),
        scopes: (scopes.len() < KeyScope::ALL.len()).then(|| scopes.iter().map(|scope| scope.as_str()).collect()),
        peers: peers.as_ref().map(|peers| peers.iter().map(|peer| peer.0).collect()),
        exp: ends.map(|ends| ends.timestamp()),
        k: &k,
        foreign: foreign.clone(),
    };
    serde_json::to_writer(text, &jwk).expect("strings and JSON values always serialise into memory");
}

impl Jwk<'_> {
    fn read(&self) -> Result<Key, String> {
        let id: KeyId = self.kid.parse().map_err(|error| format!("{error}"))?;
        if self.kty != "oct" {
            return Err(format!("`{id}` has a `kty` other than `oct`; keep such keys elsewhere"));
        }
        if self.usage.is_some_and(|usage| usage != "enc") {
            return Err(format!("`{id}` has a `use` other than `enc`; keep such keys elsewhere"));
        }
        if let Some(member) = LIMITING_MEMBERS.iter().find(|member| self.foreign.contains_key(**member)) {
            return Err(format!("`{id}` has `{member}`, which is not heeded here; remove the member, or the key"));
        }
        let client: ClientName = self.client.parse().map_err(|error| format!("`{id}`: {error}"))?;
        let created: DateTime<Utc> = DateTime::parse_from_rfc3339(self.created)
            .map_err(|error| format!("`{id}` has a `created` that is no RFC 3339 date and time: {error}"))?
            .to_utc();
        let server =
            self.aud.map(str::parse).transpose().map_err(|error| format!("`{id}` has an `aud` that is wrong: {error}"))?;
        let rights = self.rights().map_err(|error| format!("`{id}`: {error}"))?;
        let secret = self.secret().ok_or_else(|| {
            format!(
                "`{id}` has a `k` other than 32 bytes (or 64, of an earlier version) in base64url without padding; make a new key"
            )
        })?;
        if let Some(alg) = self.foreign.get("alg")
            && alg != secret.cipher().alg()
            && alg != secret.cipher().enc()
        {
            let (alg, enc) = (secret.cipher().alg(), secret.cipher().enc());
            return Err(format!("`{id}` has an `alg` other than `{alg}` and `{enc}`; keep such keys elsewhere"));
        }
        Ok(Key::new(id, client, created, secret).with_server(server).with_rights(rights))
    }

    fn secret(&self) -> Option<Secret> {
        let mut buffer = Zeroizing::new([0; KEY_LENGTH_MAX]);
        let length = URL_SAFE_NO_PAD.decode_slice(self.k, buffer.as_mut_slice()).ok()?;
        Secret::of(&buffer[..length])
    }

    /// What its holder may do. What is not understood gives none: the file is refused.
    fn rights(&self) -> Result<Rights, String> {
        let mut rights = Rights::default();
        if let Some(scopes) = &self.scopes {
            rights.scopes =
                scopes.iter().map(|name| name.parse()).collect::<Result<_, _>>().map_err(|error| format!("{error}"))?;
        }
        if let Some(peers) = &self.peers {
            let peers: BTreeSet<PeerId> = peers.iter().copied().map(PeerId).collect();
            if peers.is_empty() {
                return Err("`peers` has none; remove the member where all may be seen, or the key where none may".to_owned());
            }
            rights.peers = Some(Arc::new(peers));
        }
        let is_wrong = || "`exp` is no time in seconds since 1970".to_owned();
        rights.ends = self.exp.map(|exp| DateTime::from_timestamp(exp, 0).ok_or_else(is_wrong)).transpose()?;
        Ok(rights)
    }
}
