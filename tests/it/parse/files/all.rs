//! No place is forgotten: what Telegram's schema allows is compared with what is found, and with what `docs/media.md` says.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use telescribe::model::{FileId, RenditionRole, SeenFile};
use telescribe::parse;

use crate::parse::arbitrary::{config, mutate};
use crate::parse::decoded;
use crate::parse::schema::read::{Read, holders, layer, leading_to};
use crate::parse::schema::{Random, constructors_of, reachable};
use crate::support::files::project;

/// How many messages are made for each constructor that can have a file inside: its other fields come and go at random.
const TRIES: u64 = 20;

/// What only clients send, as `inputPollAnswer`: no message of Telegram's has it, though the schema has its place.
fn is_sent_by_clients(constructor: &str) -> bool {
    constructor.starts_with("input")
}

/// Every photo and document of a value that has bytes to be asked for, and the constructors that hold one.
fn there(value: &Read, found: &mut BTreeSet<FileId>, holding: &mut BTreeSet<&'static str>) {
    let (holder, inside) = value.inside();
    for inside in inside.into_iter().filter(|inside| !is_sent_by_clients(inside.inside().0)) {
        let id = || inside.field("id").unwrap().long();
        let fetched = |size: &Read| {
            ["photoSize", "photoSizeProgressive", "photoCachedSize"].contains(&size.inside().0)
                && !size.field("type").unwrap().is_empty()
        };
        let file = match inside.inside().0 {
            "photo" => inside.field("sizes").unwrap().items().iter().any(fetched).then(|| FileId::photo(id())),
            "document" => Some(FileId::document(id())),
            _ => None,
        };
        if file.is_some() {
            holding.insert(holder);
        }
        found.extend(file);
        there(inside, found, holding);
    }
}

/// What holds of whatever is found.
pub(in crate::parse) fn are_sound(files: &[SeenFile]) -> Result<(), TestCaseError> {
    let mut listed = BTreeSet::new();
    for file in files {
        prop_assert!(listed.insert((file.id, file.place.name())), "{} is listed twice", file.id);
        let originals = file.renditions.iter().filter(|rendition| rendition.role == RenditionRole::Original).count();
        prop_assert_eq!(originals, 1, "{}", file.id);
        let letters: BTreeSet<&str> = file.renditions.iter().map(|rendition| rendition.letter.as_str()).collect();
        prop_assert_eq!(letters.len(), file.renditions.len(), "a letter of {} stands for two", file.id);
        prop_assert!(file.renditions.iter().all(|rendition| rendition.size.is_none_or(|size| size >= 0)));
        prop_assert!(file.duration.is_none_or(f64::is_finite));
        prop_assert!(file.preview.as_ref().is_none_or(|preview| !preview.is_empty()));
    }
    Ok(())
}

/// Compares what is found in a message with what is there.
fn check(tl: &[u8], holding: &mut BTreeSet<&'static str>) -> Result<(), TestCaseError> {
    let mut expected = BTreeSet::new();
    there(&Read::boxed("Message", tl), &mut expected, holding);
    let files = parse::files(&decoded(tl));
    prop_assert_eq!(files.iter().map(|file| file.id).collect::<BTreeSet<_>>(), expected);
    are_sound(&files)
}

#[test]
fn every_file_that_the_schema_allows_is_found() {
    let holders = holders("Message", &["Photo", "Document"]);
    assert!(holders.len() >= 20, "{holders:?}");
    let mut seen = BTreeSet::new();
    for file in ["photoSize", "document"] {
        for carrier in leading_to("Message", file).into_iter().filter(|carrier| !is_sent_by_clients(carrier)) {
            for seed in 0..TRIES {
                let tl = Random::new(seed).towards(carrier).and_on_to(file).value("Message", 0);
                check(&tl, &mut seen).unwrap_or_else(|e| panic!("a {file} by way of {carrier}, seed {seed}: {e}"));
            }
        }
    }
    assert_eq!(seen, holders);
    TestRunner::new(config(500))
        .run(&any::<u64>(), |seed| check(&Random::new(seed).value("Message", 0), &mut BTreeSet::new()))
        .unwrap();
}

#[test]
fn whatever_bytes_are_archived_tell_of_sound_files_or_of_none() {
    let read = std::cell::Cell::new(0);
    TestRunner::new(config(3_000))
        .run(&(any::<u64>(), any::<i32>(), proptest::collection::vec(any::<u8>(), 0..200)), |(seed, layer, noise)| {
            let mut random = Random::new(seed);
            let mut tl = random.value("Message", 0);
            mutate(&mut tl, &mut random);
            for bytes in [tl, noise] {
                match parse::files_of_raw(layer, &bytes) {
                    Ok(files) => {
                        read.set(read.get() + 1);
                        are_sound(&files)?;
                    }
                    Err(unreadable) => prop_assert_eq!(unreadable.layer, layer),
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(read.get() > 300, "only {} could be read", read.get());
}

#[test]
fn the_page_says_of_every_place_what_becomes_of_it() {
    assert_eq!(
        layer(),
        grammers_tl_types::LAYER,
        "tests/tl/message.tl is of another layer than grammers: take it anew, and look at each place where files may be"
    );
    let page = std::fs::read_to_string(project().join("docs/media.md")).unwrap();
    let named = |constructor: &str| page.contains(&format!("`{constructor}`"));
    let mut expected: BTreeSet<&str> = constructors_of("MessageMedia").into_iter().collect();
    let kinds = ["MessageAction", "WebPageAttribute", "ChatTheme", "MessageReplyHeader"];
    let of_these: BTreeSet<&str> = kinds.into_iter().flat_map(constructors_of).collect();
    for file in ["photo", "document", "webDocument"] {
        expected.extend(leading_to("Message", file).intersection(&of_these));
    }
    for root in ["Message", "Chat", "User"] {
        let kinds = ["Photo", "Document", "WebDocument", "PhotoSize", "VideoSize", "ChatPhoto", "UserProfilePhoto"];
        expected.extend(holders(root, &kinds));
    }
    let left_out: Vec<_> = expected.iter().filter(|constructor| !named(constructor)).collect();
    assert!(left_out.is_empty(), "docs/media.md says nothing of {left_out:?}");
    assert!(expected.len() > 50, "{}", expected.len());

    let all: BTreeSet<&str> = ["Message", "Chat", "User"].into_iter().flat_map(reachable).collect();
    let words = page.split('`').skip(1).step_by(2);
    let unknown: Vec<&str> =
        words.filter(|word| word.starts_with("message") && word.chars().all(char::is_alphanumeric)).collect();
    let unknown: Vec<_> = unknown.into_iter().filter(|word| !all.contains(word)).collect();
    assert!(unknown.is_empty(), "docs/media.md names {unknown:?}, which layer {} does not have", layer());
}
