//! Outside channels message ids are an account's own: what two accounts saw stands beside each other, whole, and never mixed.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use telescribe::archive::{Completeness, CrawlState, Order};
use telescribe::model::{AccountName, ChatId, IdRange, Message, MessageId, MessageKey, PeerId, Timestamp};

use crate::support::archives::Kept;
use crate::support::messages::{NOW, range, raw};

const PERSON: PeerId = PeerId(7_000_001);
const GROUP: PeerId = PeerId(-42);
const ALL: IdRange = IdRange { first: 1, last: i32::MAX };

fn name(name: &str) -> AccountName {
    name.parse().unwrap()
}

fn chat(account: &str, peer: PeerId) -> ChatId {
    ChatId::seen_by(name(account), peer)
}

fn said(chat: ChatId, id: i32, text: &str) -> Message {
    Message { text: text.to_owned(), ..Message::new(MessageKey::new(chat, MessageId(id)), Timestamp(NOW.0 - 9)) }
}

fn texts(kept: &Kept, chat: ChatId) -> Vec<(i32, String, bool)> {
    let stored = kept.view().messages(chat, ALL, Order::OldestFirst).map(Result::unwrap);
    stored.map(|stored| (stored.message.key.id.0, stored.message.text.clone(), stored.deleted_at.is_some())).collect()
}

fn missing(kept: &Kept, chat: ChatId) -> Vec<IdRange> {
    let (coverage, state) = (kept.view().coverage(chat).unwrap(), kept.view().crawl_state(chat).unwrap().unwrap());
    Completeness::of(&coverage, &state).missing.ranges().to_vec()
}

#[test]
fn the_chats_of_two_accounts_with_one_person_have_nothing_in_common() {
    let kept = Kept::new();
    let (alpha, bravo) = (chat("alpha", PERSON), chat("bravo", PERSON));
    kept.commit(|w| {
        w.message(said(alpha, 5, "to alpha"), raw("a"), 0)
            .message(said(alpha, 9, "again"), raw("a"), 0)
            .covered(alpha, range(1, 9));
    });
    kept.commit(|w| {
        w.message(said(bravo, 5, "to bravo"), raw("b"), 0).covered(bravo, range(1, 5));
    });
    assert_eq!(texts(&kept, alpha), [(5, "to alpha".to_owned(), false), (9, "again".to_owned(), false)]);
    assert_eq!(texts(&kept, bravo), [(5, "to bravo".to_owned(), false)]);
    let chats: Vec<ChatId> = kept.view().chats(PERSON).unwrap().into_iter().map(|(chat, _)| chat).collect();
    assert_eq!(chats, [alpha, bravo]);
    // A page of one says nothing of the other.
    kept.commit(|w| {
        w.covered(bravo, range(1, 100));
    });
    assert_eq!(texts(&kept, alpha).iter().filter(|(.., deleted)| *deleted).count(), 0);
    assert_eq!(texts(&kept, bravo), [(5, "to bravo".to_owned(), true)]);
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn a_deletion_that_names_only_ids_finds_the_chat_of_its_account() {
    let kept = Kept::new();
    let (group, person, other) = (chat("alpha", GROUP), chat("alpha", PERSON), chat("alpha-2", GROUP));
    kept.commit(|w| {
        w.message(said(group, 5, "five"), raw("a"), 0).message(said(person, 6, "six"), raw("a"), 0);
        w.message(said(other, 5, "another's"), raw("a"), 0);
    });
    let archived = kept.commit(|w| {
        // One of them is told of and taken back in the same answer.
        w.message(said(person, 7, "seven"), raw("a"), 0);
        w.delete_outside_channels(&name("alpha"), &[5, 6, 7, 8].map(MessageId));
    });
    assert_eq!((archived.new, archived.deleted), (1, 3));
    assert_eq!(texts(&kept, group), [(5, "five".to_owned(), true)]);
    assert_eq!(texts(&kept, person), [(6, "six".to_owned(), true), (7, "seven".to_owned(), true)]);
    assert_eq!(texts(&kept, other), [(5, "another's".to_owned(), false)]);
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn ids_of_an_accounts_other_chats_are_no_holes_of_a_chat_that_is_in_step() {
    let kept = Kept::new();
    let group = chat("alpha", GROUP);
    let in_step = |state: &mut CrawlState| state.top = 10;
    kept.commit(|w| {
        w.covered(group, range(1, 10)).crawl_state(group, in_step);
    });
    let follow = |ids: &[i32]| {
        kept.commit(|w| {
            for id in ids {
                w.follows_on(group, MessageId(*id)).message(said(group, *id, "next"), raw("a"), 0);
            }
        });
    };
    follow(&[17, 23]);
    assert_eq!(missing(&kept, group), []);
    // Where history is being read, what lies between is still to be looked for.
    kept.commit(|w| {
        w.crawl_state(group, |state| state.top = 30);
    });
    follow(&[40]);
    assert_eq!(missing(&kept, group), [range(24, 39)]);
    // So it is where nobody says that it follows on.
    let other = chat("bravo", GROUP);
    kept.commit(|w| {
        w.covered(other, range(1, 10)).crawl_state(other, |state| state.top = 10);
    });
    kept.commit(|w| {
        w.message(said(other, 17, "next"), raw("a"), 0);
    });
    assert_eq!(missing(&kept, other), [range(11, 16)]);
}

#[test]
fn a_group_that_another_account_has_taken_over_is_not_incomplete() {
    let kept = Kept::new();
    let group = chat("alpha", GROUP);
    kept.commit(|w| {
        w.covered(group, range(5, 10)).crawl_state(group, |state| {
            state.top = 20;
            state.recheck.insert(range(5, 6));
            state.unavailable = Some(CrawlState::TAKEN_OVER.to_owned());
        });
    });
    let (coverage, state) = (kept.view().coverage(group).unwrap(), kept.view().crawl_state(group).unwrap().unwrap());
    let completeness = Completeness::of(&coverage, &state);
    assert!(completeness.is_complete());
    assert_eq!(completeness.hidden.ranges(), [range(1, 4), range(11, 20)]);
}
