//! The encodings of text files: UTF-8 and UTF-16, with a byte-order mark or without.

use zeroize::Zeroizing;

const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// A file as text, without its byte-order mark; `None` where it is none.
pub(super) fn decode(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units =
            bytes.chunks_exact(2).map(|pair| unit([pair.first().copied().unwrap_or(0), pair.last().copied().unwrap_or(0)]));
        char::decode_utf16(units).collect::<Result<String, _>>().map(Zeroizing::new).ok()
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        // ASCII in UTF-16: every other byte is zero, which no text in UTF-8 has any of.
        [first, 0, ..] if *first != 0 => utf16(bytes, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => utf16(bytes, u16::from_be_bytes),
        _ => {
            let text = std::str::from_utf8(bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes)).ok()?;
            Some(Zeroizing::new(text.to_owned()))
        }
    }
}
