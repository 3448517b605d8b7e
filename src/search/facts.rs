//! What messages are filtered, counted and grouped by besides their words: hosts of links, hashtags, the post that a forward copies.

use std::collections::BTreeSet;

use crate::model::{EntityKind, Message, PeerId};

/// Hosts and hashtags of one message that are indexed: more are a list, of which the first ones say enough.
const VALUES_MAX: usize = 64;
/// Longest host or hashtag that is kept, in bytes: longer ones are nonsense.
const VALUE_LENGTH_MAX: usize = 255;

/// The hosts that a message links to: in its text, behind its words, on its buttons, and as its preview. In lower case, without `www.`.
pub(super) fn hosts(message: &Message) -> BTreeSet<String> {
    let in_text = message.entities.iter().filter(|entity| entity.kind == EntityKind::Url);
    let in_text = in_text.filter_map(|entity| part(&message.text, entity.offset, entity.length));
    let behind = message.entities.iter().filter_map(|entity| entity.url.as_deref());
    let buttons = message.buttons.iter().flatten().filter_map(|button| button.url.as_deref());
    let preview = message.media.iter().filter_map(|media| media.url.as_deref());
    in_text.chain(behind).chain(buttons).chain(preview).filter_map(host).take(VALUES_MAX).collect()
}

/// The host of an address as people write it, with or without `https://`.
pub(super) fn host(address: &str) -> Option<String> {
    let address = address.trim();
    let parsed = match url::Url::parse(address) {
        // `example.com:80` has the form of a scheme and what follows it.
        Ok(url) if url.host_str().is_some() => url,
        _ => url::Url::parse(&format!("http://{address}")).ok()?,
    };
    let host = parsed.host_str()?;
    let host = host.strip_prefix("www.").unwrap_or(host).trim_end_matches('.');
    (!host.is_empty() && host.len() <= VALUE_LENGTH_MAX).then(|| host.to_lowercase())
}

/// The hashtags of a message in lower case, without `#`.
pub(super) fn hashtags(message: &Message) -> BTreeSet<String> {
    let tags = message.entities.iter().filter(|entity| entity.kind == EntityKind::Hashtag);
    tags.filter_map(|entity| part(&message.text, entity.offset, entity.length)).filter_map(hashtag).take(VALUES_MAX).collect()
}

/// A hashtag as it is indexed: `#News@channel` is `news`.
pub(super) fn hashtag(written: &str) -> Option<String> {
    let tag = written.trim().trim_start_matches(['#', '＃']);
    let tag = tag.split_once('@').map_or(tag, |(tag, _)| tag).to_lowercase();
    (!tag.is_empty() && tag.len() <= VALUE_LENGTH_MAX).then_some(tag)
}

/// A number for the post that a forwarded message copies, which all its copies have; nothing where the source is hidden, or no post.
pub(super) fn origin(message: &Message) -> Option<u64> {
    let forward = message.forward.as_ref()?;
    let (peer, id) = match (forward.from, forward.post, forward.saved_from) {
        (Some(peer), Some(id), _) | (_, _, Some((peer, id))) => (peer, id),
        _ => return None,
    };
    Some(post(peer, id.0.into()))
}

/// The number of a post itself (FNV-1a).
pub(super) fn post(peer: PeerId, id: i64) -> u64 {
    let bytes = [peer.0, id].map(i64::to_be_bytes);
    bytes.as_flattened().iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// A part of a text, as Telegram counts: in UTF-16 code units.
fn part(text: &str, offset: i32, length: i32) -> Option<&str> {
    let (start, length) = (usize::try_from(offset).ok()?, usize::try_from(length).ok()?);
    let start = bytes_of(text, start)?;
    let rest = text.get(start..)?;
    rest.get(..bytes_of(rest, length)?)
}

/// How many bytes so many UTF-16 code units at the start of a text take.
fn bytes_of(text: &str, units: usize) -> Option<usize> {
    let mut left = units;
    for (at, c) in text.char_indices() {
        if left == 0 {
            return Some(at);
        }
        left = left.checked_sub(c.len_utf16())?;
    }
    (left == 0).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Entity, Forward, MessageId, MessageKey, Timestamp};

    #[test]
    fn hosts_are_found_wherever_links_are() {
        let mut message = Message::new(MessageKey::new(PeerId(1), MessageId(1)), Timestamp(0));
        message.text = "😀 www.Example.com/a и http://пример.рф/б #Новости@chan #b".to_owned();
        message.entities = vec![
            Entity::new(EntityKind::Url, 3, 17),
            Entity::new(EntityKind::Url, 23, 18),
            Entity { url: Some("tg://resolve?domain=x".to_owned()), ..Entity::new(EntityKind::TextUrl, 0, 2) },
            Entity { url: Some("t.me:443/x".to_owned()), ..Entity::new(EntityKind::TextUrl, 0, 2) },
            Entity::new(EntityKind::Hashtag, 42, 13),
            Entity::new(EntityKind::Hashtag, 56, 2),
            Entity::new(EntityKind::Hashtag, 56, 200),
            Entity::new(EntityKind::Hashtag, -1, 2),
        ];
        assert_eq!(hosts(&message).into_iter().collect::<Vec<_>>(), ["example.com", "resolve", "t.me", "xn--e1afmkfd.xn--p1ai"]);
        assert_eq!(hashtags(&message).into_iter().collect::<Vec<_>>(), ["b", "новости"]);
    }

    #[test]
    fn copies_of_a_post_have_its_number() {
        let mut message = Message::new(MessageKey::new(PeerId(1), MessageId(1)), Timestamp(0));
        assert_eq!(origin(&message), None);
        let forward = |from, post| Forward { from, post, ..Forward::default() };
        message.forward = Some(forward(Some(PeerId(-1_000_000_000_005)), Some(MessageId(7))));
        assert_eq!(origin(&message), Some(post(PeerId(-1_000_000_000_005), 7)));
        message.forward = Some(forward(Some(PeerId(5)), None));
        assert_eq!(origin(&message), None);
    }

    proptest! {
        #[test]
        fn a_part_is_what_utf_16_says(text in "[a😀я今]{0,12}", offset in -2_i32..14, length in 1_i32..14) {
            let units: Vec<u16> = text.encode_utf16().collect();
            let range = usize::try_from(offset).ok().zip(usize::try_from(offset.saturating_add(length)).ok());
            let expected = range.and_then(|(start, end)| units.get(start..end)).and_then(|units| String::from_utf16(units).ok());
            prop_assert_eq!(part(&text, offset, length).map(str::to_owned), expected);
        }
    }
}
