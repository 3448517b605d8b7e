//! Session strings, and keys written as text: as a library wrote them, or as they lie in people's files.
//!
//! A file may have a byte-order mark or be UTF-16, and the string may have a name, quotes, a program or other settings around it, be
//! wrapped over several lines, or be in the other of base64's two alphabets. So what is looked for is a long run of base64, first on each
//! line and then over all of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::{AuthKey, ImportError, Imported, Origin, key};

/// What a `StringSession` of Telethon begins with, in clear; one of GramJS too.
const TELETHON_VERSION: char = '1';
/// The shortest run of base64 that is looked at: hashes and tokens beside a session are shorter.
const RUN_MIN: usize = 64;
/// The numbers of Telegram's data centres.
const DATA_CENTRES: std::ops::RangeInclusive<u8> = 1..=5;
/// What a string of Telethon has behind its first character, for both kinds of address.
const TELETHON_LENGTHS: [usize; 2] = [1 + 4 + 2 + 256, 1 + 16 + 2 + 256];

/// Base64url without padding. Bits that are left over at the end are not looked at: other libraries do not either.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

/// Reads a session string or a key.
pub(super) fn read(text: &str) -> Result<Imported, ImportError> {
    let mut found: Vec<Imported> = Vec::new();
    let mut refusal: Option<(usize, ImportError)> = None;
    for text in [Zeroizing::new(text.to_owned()), unwrapped(text)] {
        for run in text.split(|c| !is_base64(c)).filter(|run| run.len() >= RUN_MIN) {
            match one(run) {
                Ok(imported) if found.iter().any(|other| other.auth_key.bytes() == imported.auth_key.bytes()) => {}
                Ok(imported) => found.push(imported),
                Err(error) if refusal.as_ref().is_none_or(|(length, _)| run.len() > *length) => {
                    refusal = Some((run.len(), error));
                }
                Err(_) => {}
            }
        }
        if !found.is_empty() {
            break;
        }
    }
    let first = found.pop().ok_or_else(|| refusal.map_or(ImportError::Unknown, |(_, error)| error))?;
    if found.is_empty() { Ok(first) } else { Err(ImportError::SeveralStrings) }
}

/// A key and nothing else.
pub(super) fn bare(auth_key: AuthKey) -> Imported {
    Imported { auth_key, ..Imported::of(Origin::Key) }
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_')
}

/// The text in one line, but for settings that follow each other: a line that begins one stays a line of its own.
fn unwrapped(text: &str) -> Zeroizing<String> {
    let mut joined = Zeroizing::new(String::with_capacity(text.len()));
    for line in text.lines() {
        let names_something =
            line.split_once(['=', ':']).is_some_and(|(_, value)| !value.trim_matches(['=', ' ', '\t']).is_empty());
        if names_something {
            joined.push('\n');
        }
        joined.extend(line.chars().filter(|c| is_base64(*c) || matches!(c, '=' | ':' | '#' | ',' | ';')));
    }
    joined
}

/// Reads one run of base64.
fn one(run: &str) -> Result<Imported, ImportError> {
    if let Some(key) = bare_key(run) {
        return Ok(bare(key));
    }
    // Pyrogram's begins with its data centre, whose first six bits are never those of a `1`.
    if let Some(string) = run.strip_prefix(TELETHON_VERSION) {
        return decoded(string).map_or_else(|| Err(telethon_length(string.len() * 3 / 4)), |bytes| telethon(&bytes));
    }
    decoded(run).map_or(Err(ImportError::Unknown), |bytes| pyrogram(&bytes))
}

fn decoded(run: &str) -> Option<Zeroizing<Vec<u8>>> {
    let other = |c: char| match c {
        '+' => '-',
        '/' => '_',
        other => other,
    };
    let run: Zeroizing<String> = Zeroizing::new(run.chars().map(other).collect());
    BASE64.decode(run.as_bytes()).map(Zeroizing::new).ok()
}

/// A key in hexadecimal digits or in base64.
fn bare_key(text: &str) -> Option<AuthKey> {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let hexadecimal = text.strip_prefix("0x").unwrap_or(text);
    let bytes = if hexadecimal.len() == 512 && hexadecimal.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Zeroizing::new(hexadecimal.as_bytes().chunks(2).map(digits).collect::<Option<Vec<u8>>>()?)
    } else {
        decoded(text)?
    };
    bytes.as_slice().try_into().ok().map(AuthKey::new)
}

/// `dc: u8, address: 4 or 16 bytes, port: u16, key: 256 bytes`, big endian.
fn telethon(bytes: &[u8]) -> Result<Imported, ImportError> {
    if let Some((dc, address, auth_key)) = gramjs(bytes) {
        return signed_in(Origin::GramJsString, dc, address.parse().ok(), auth_key);
    }
    let (dc, address, auth_key): (_, IpAddr, _) = match bytes {
        [dc, a, b, c, d, _, _, rest @ ..] if rest.len() == 256 => (dc, Ipv4Addr::new(*a, *b, *c, *d).into(), rest),
        [dc, rest @ ..] if rest.len() == 16 + 2 + 256 => {
            let address: [u8; 16] = rest.first_chunk().copied().unwrap_or_default();
            (dc, Ipv6Addr::from(address).into(), rest.get(18..).unwrap_or_default())
        }
        _ => return Err(telethon_length(bytes.len())),
    };
    signed_in(Origin::TelethonString, *dc, Some(address), auth_key)
}

fn telethon_length(length: usize) -> ImportError {
    let why = format!("it holds {length} bytes, not {} or {}", TELETHON_LENGTHS[0], TELETHON_LENGTHS[1]);
    ImportError::Damaged { origin: Origin::TelethonString, why }
}

/// `dc: u8, length of the address: u16, address as text, port: u16, key: 256 bytes`, big endian. The address is the name of a host where
/// it was a browser that signed in.
fn gramjs(bytes: &[u8]) -> Option<(u8, &str, &[u8])> {
    let [dc, high, low, rest @ ..] = bytes else { return None };
    let (address, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
    let is_host = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
    let auth_key = rest.get(2..).filter(|auth_key| auth_key.len() == 256)?;
    let address =
        std::str::from_utf8(address).ok().filter(|address| !address.is_empty() && address.as_bytes().iter().all(is_host))?;
    Some((*dc, address, auth_key))
}

fn signed_in(origin: Origin, dc: u8, address: Option<IpAddr>, auth_key: &[u8]) -> Result<Imported, ImportError> {
    let imported = Imported { auth_key: key(origin, auth_key)?, dc: Some(i32::from(dc)), address, ..Imported::of(origin) };
    imported.of_real_servers()
}

/// Three packings, big endian: `dc: u8, api_id: u32, test: u8, key: 256 bytes, user: u64, bot: u8`; older ones without `api_id`,
/// the oldest with `user: u32`. Nothing else tells them from other bytes, so each must be what it can be.
fn pyrogram(bytes: &[u8]) -> Result<Imported, ImportError> {
    let origin = Origin::PyrogramString;
    let (api_id_length, user_id_length) = match bytes.len() {
        271 => (4, 8),
        267 => (0, 8),
        263 => (0, 4),
        _ => return Err(cut(bytes)),
    };
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    let (head, rest) = bytes.split_at(1 + api_id_length);
    let (test, rest) = rest.split_at(1);
    let (auth_key, rest) = rest.split_at(256);
    let (user_id, bot) = rest.split_at(user_id_length);
    let dc = head.first().copied().unwrap_or_default();
    let user_id = i64::try_from(number(user_id)).ok().filter(|id| *id > 0);
    if !DATA_CENTRES.contains(&dc) || number(test) > 1 || number(bot) > 1 || user_id.is_none() {
        return Err(cut(bytes));
    }
    if number(test) != 0 {
        return Err(ImportError::TestServers(origin));
    }
    if number(bot) != 0 {
        return Err(ImportError::Bot(origin));
    }
    Ok(Imported {
        auth_key: key(origin, auth_key)?,
        dc: Some(i32::from(dc)),
        api_id: head.get(1..).map(number).and_then(|id| i32::try_from(id).ok()).filter(|id| *id != 0),
        user_id,
        ..Imported::of(origin)
    })
}

/// What is none of Pyrogram's: perhaps one of Telethon's without the first character, which people lose when they copy.
fn cut(bytes: &[u8]) -> ImportError {
    let is_telethons = bytes.first().is_some_and(|dc| DATA_CENTRES.contains(dc)) && TELETHON_LENGTHS.contains(&bytes.len());
    if is_telethons || gramjs(bytes).is_some() { ImportError::FirstCharacterMissing } else { ImportError::Unknown }
}
