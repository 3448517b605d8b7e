//! Whatever Telegram may send is parsed, kept and shown.

use std::collections::BTreeSet;

use grammers_tl_types::{Deserializable as _, Serializable as _, enums};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use telescribe::archive::{Archive, Durability, Raw, StoredMessage};
use telescribe::model::{MessageId, MessageKey, Peer, Timestamp};
use telescribe::parse;
use telescribe::show::{self, StoredView};

use super::decoded;
use super::files::all::are_sound;
use super::schema::{Random, int, made, reachable};

/// What the program parses.
const ROOTS: [&str; 3] = ["Message", "User", "Chat"];

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

/// An archive that every value goes through.
struct Through {
    archive: Archive,
    next: i32,
    _folder: tempfile::TempDir,
}

impl Through {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { archive: Archive::open(&folder.path().join("archive"), Durability::Os).unwrap(), next: 0, _folder: folder }
    }

    /// What must hold for whatever Telegram may send.
    fn check(&mut self, tl: &enums::Message) -> Result<(), TestCaseError> {
        let Some(parsed) = parse::message(tl) else { return Ok(()) };
        prop_assert_eq!(&parsed.raw, &tl.to_bytes());
        let again = enums::Message::from_bytes(&parsed.raw).unwrap();
        prop_assert_eq!(again.to_bytes(), parsed.raw.clone());
        let reparsed = parse::message(&again).unwrap();
        prop_assert_eq!(&reparsed, &parsed);
        prop_assert_eq!(parse::files_of_raw(grammers_tl_types::LAYER, &parsed.raw), Ok(parsed.files.clone()));
        are_sound(&parsed.files)?;

        let json = serde_json::to_string(&show::message(&parsed.message)).unwrap();
        let value: Value = serde_json::from_str(&json).unwrap();
        prop_assert!(!has_null(&value), "{}", json);

        let mut message = parsed.message;
        self.next += 1;
        message.key = MessageKey::new(message.key.peer(), MessageId(self.next));
        let raw = Raw { layer: grammers_tl_types::LAYER, tl: parsed.raw, account: None };
        for round in 0..2 {
            let mut write = self.archive.write(Timestamp(0));
            write.message(message.clone(), raw.clone(), parsed.revision);
            let archived = write.commit().unwrap();
            prop_assert_eq!((archived.new, archived.unchanged), (1 - round, round), "the same again is no edit");
        }
        let stored = self.archive.view().message(message.key).unwrap().unwrap();
        prop_assert_eq!(&stored.message, &message);
        prop_assert_eq!(self.archive.view().raw(message.key).unwrap(), Some(raw));
        let all = StoredView::new(&stored, &[StoredMessage { deleted_at: Some(Timestamp(i64::MAX)), ..stored.clone() }]);
        prop_assert!(!has_null(&serde_json::to_value(&all).unwrap()));
        Ok(())
    }

    /// The same for what Telegram may say of a peer.
    fn check_peer(&mut self, peer: Option<Peer>) -> Result<(), TestCaseError> {
        let Some(peer) = peer else { return Ok(()) };
        let json = serde_json::to_value(show::peer(&peer)).unwrap();
        prop_assert!(!has_null(&json), "{}", json);
        let before = self.archive.last_seq();
        for _ in 0..2 {
            let mut write = self.archive.write(Timestamp(0));
            write.peer(peer.clone());
            write.commit().unwrap();
        }
        prop_assert!(self.archive.last_seq().0 <= before.0 + 1, "the same again is no change");
        prop_assert_eq!(self.archive.view().peer(peer.id).unwrap(), Some(peer));
        Ok(())
    }
}

pub(super) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn whatever_the_schema_allows_is_parsed_kept_and_shown() {
    let through = std::cell::RefCell::new(Through::new());
    let kinds = ["Message", "MessageMedia", "MessageEntity", "MessageAction", "ReplyMarkup", "RichMessage"];
    TestRunner::new(config(1_500))
        .run(&(any::<u64>(), 0..kinds.len()), |(seed, kind)| {
            let mut random = Random::new(seed);
            let tl = match kinds[kind] {
                "Message" => random.value("Message", 0),
                "MessageMedia" => made("message", &[("id", int(1)), ("media", random.value("MessageMedia", 1))]),
                "ReplyMarkup" => made("message", &[("reply_markup", random.value("ReplyMarkup", 1))]),
                "RichMessage" => made("message", &[("rich_message", random.value("RichMessage", 1))]),
                "MessageEntity" => made("message", &[("entities", random.value("Vector<MessageEntity>", 1))]),
                _ => random.named("messageService"),
            };
            let decoded = decoded(&tl);
            prop_assert_eq!(decoded.to_bytes(), tl, "the schema and grammers agree");
            through.borrow_mut().check(&decoded)
        })
        .unwrap();
}

/// Changes bytes of a serialised message: words of a number's end, flipped bits, parts cut or doubled.
pub(super) fn mutate(tl: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(tl.len() / 4) * 4;
        match random.below(6) {
            0 => tl[at..at + 4].copy_from_slice(&int(i32::MIN)),
            1 => tl[at..at + 4].copy_from_slice(&int(i32::MAX)),
            2 => tl[at..at + 4].copy_from_slice(&int(0)),
            3 => tl[at + random.below(4)] ^= 1 << random.below(8),
            4 => tl.truncate(at + 4),
            _ => tl.extend_from_within(at..),
        }
    }
}

#[test]
fn whatever_still_reads_as_a_message_is_parsed_kept_and_shown() {
    let read = std::cell::Cell::new(0);
    let through = std::cell::RefCell::new(Through::new());
    TestRunner::new(config(3_000))
        .run(&any::<u64>(), |seed| {
            let mut random = Random::new(seed);
            let mut tl = random.value("Message", 0);
            mutate(&mut tl, &mut random);
            let Ok(decoded) = enums::Message::from_bytes(&tl) else { return Ok(()) };
            read.set(read.get() + 1);
            through.borrow_mut().check(&decoded)
        })
        .unwrap();
    assert!(read.get() > 300, "only {} of the changed messages could be read", read.get());
}

#[test]
fn no_constructor_of_the_layer_is_left_out() {
    let mut through = Through::new();
    let mut used = BTreeSet::new();
    for (root, constructor) in ROOTS.into_iter().flat_map(|root| reachable(root).into_iter().map(move |c| (root, c))) {
        for seed in 0..2 {
            let mut random = Random::new(seed).towards(constructor);
            let tl = random.value(root, 0);
            assert!(random.used.contains(constructor), "a {root} with {constructor}");
            used.append(&mut random.used);
            let checked = match root {
                "Message" => {
                    let decoded = decoded(&tl);
                    assert_eq!(decoded.to_bytes(), tl, "the schema and grammers agree on {constructor}");
                    through.check(&decoded)
                }
                "User" => {
                    let user = enums::User::from_bytes(&tl).unwrap();
                    are_sound(parse::user_avatar(&user).as_slice()).unwrap();
                    through.check_peer(parse::user(&user))
                }
                _ => {
                    let chat = enums::Chat::from_bytes(&tl).unwrap();
                    are_sound(parse::chat_avatar(&chat).as_slice()).unwrap();
                    through.check_peer(parse::chat(&chat))
                }
            };
            checked.unwrap_or_else(|e| panic!("a {root} with {constructor}: {e}"));
        }
    }
    let all: BTreeSet<&str> = ROOTS.into_iter().flat_map(reachable).collect();
    assert_eq!(used, all);
    assert!(all.len() > 450, "{} constructors", all.len());
}
