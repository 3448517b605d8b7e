//! Session strings, and keys written as text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::{AuthKey, ImportError, Imported, Origin, key};

/// What a `StringSession` of Telethon begins with, in clear.
const TELETHON_VERSION: char = '1';

/// Reads a session string or a key. Quotes and white space around it are not part of it.
pub(super) fn read(text: &str) -> Result<Imported, ImportError> {
    let text = text.trim().trim_matches(['"', '\'']);
    if let Some(key) = bare_key(text) {
        return Ok(bare(key));
    }
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map(Zeroizing::new).ok();
    // Pyrogram's begins with its data centre, whose first six bits are never those of a `1`.
    if let Some(bytes) = text.strip_prefix(TELETHON_VERSION).and_then(decode) {
        return telethon(&bytes);
    }
    decode(text).map_or(Err(ImportError::Unknown), |bytes| pyrogram(&bytes))
}

/// A key and nothing else.
pub(super) fn bare(auth_key: AuthKey) -> Imported {
    Imported { origin: Origin::Key, auth_key, dc: None, address: None, api_id: None, user_id: None, peers: Vec::new() }
}

/// A key in hexadecimal digits or in base64.
fn bare_key(text: &str) -> Option<AuthKey> {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = if text.len() == 512 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        text.as_bytes().chunks(2).map(digits).collect::<Option<Vec<u8>>>()?
    } else {
        STANDARD.decode(text).ok()?
    };
    Zeroizing::new(bytes).as_slice().try_into().ok().map(AuthKey::new)
}

/// `dc: u8, address: 4 or 16 bytes, port: u16, key: 256 bytes`, big endian.
fn telethon(bytes: &[u8]) -> Result<Imported, ImportError> {
    let origin = Origin::TelethonString;
    let (dc, address, auth_key): (_, IpAddr, _) = match bytes {
        [dc, a, b, c, d, _, _, rest @ ..] if rest.len() == 256 => (dc, Ipv4Addr::new(*a, *b, *c, *d).into(), rest),
        [dc, rest @ ..] if rest.len() == 16 + 2 + 256 => {
            let address: [u8; 16] = rest.first_chunk().copied().unwrap_or_default();
            (dc, Ipv6Addr::from(address).into(), rest.get(18..).unwrap_or_default())
        }
        _ => return Err(ImportError::Damaged { origin, why: format!("it holds {} bytes, not 263 or 275", bytes.len()) }),
    };
    Imported {
        origin,
        auth_key: key(origin, auth_key)?,
        dc: Some(i32::from(*dc)),
        address: Some(address),
        api_id: None,
        user_id: None,
        peers: Vec::new(),
    }
    .of_real_servers()
}

/// Three packings, big endian: `dc: u8, api_id: u32, test: u8, key: 256 bytes, user: u64, bot: u8`; older ones without `api_id`,
/// the oldest with `user: u32`.
fn pyrogram(bytes: &[u8]) -> Result<Imported, ImportError> {
    let origin = Origin::PyrogramString;
    let (api_id_length, user_id_length) = match bytes.len() {
        271 => (4, 8),
        267 => (0, 8),
        263 => (0, 4),
        _ => return Err(ImportError::Unknown),
    };
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    let (head, rest) = bytes.split_at(1 + api_id_length);
    let (test, rest) = rest.split_at(1);
    let (auth_key, rest) = rest.split_at(256);
    let (user_id, bot) = rest.split_at(user_id_length);
    if number(test) != 0 {
        return Err(ImportError::TestServers(origin));
    }
    if number(bot) != 0 {
        return Err(ImportError::Bot(origin));
    }
    Ok(Imported {
        origin,
        auth_key: key(origin, auth_key)?,
        dc: head.first().map(|dc| i32::from(*dc)),
        address: None,
        api_id: head.get(1..).map(number).and_then(|id| i32::try_from(id).ok()).filter(|id| *id != 0),
        user_id: i64::try_from(number(user_id)).ok().filter(|id| *id != 0),
        peers: Vec::new(),
    })
}
