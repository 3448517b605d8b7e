//! The hash chain over the change log: what was sealed cannot be changed in silence.

use telescribe::archive::Link;
use telescribe::model::{Message, Seq, Timestamp};

use crate::support::archives::{Kept, furnished};
use crate::support::disk::{delete, get, put, stored_at};
use crate::support::messages::{NOW, at, raw, text};

/// The number and the link of the newest entry.
fn head(kept: &Kept) -> (Seq, Link) {
    let now = kept.snapshot();
    (now.last_seq(), now.link())
}

#[test]
fn every_write_that_changes_something_adds_a_link() {
    let mut kept = Kept::new();
    let mut heads = vec![head(&kept)];
    kept.commit(|w| {
        w.message(text(1, "a"), raw("a"), 0);
    });
    heads.push(head(&kept));
    kept.commit(|w| {
        w.position("reader", Seq(1));
    });
    heads.push(head(&kept));
    kept.reopen();
    heads.push(head(&kept));
    kept.commit(|w| {
        w.delete(at(1));
    });
    heads.push(head(&kept));
    let numbers: Vec<u64> = heads.iter().map(|(seq, _)| seq.0).collect();
    assert_eq!(numbers, [0, 1, 1, 1, 2]);
    assert_ne!(heads[0].1, heads[1].1);
    assert_eq!(
        (heads[1], heads[1]),
        (heads[2], heads[3]),
        "what makes no change makes no link, and an archive goes on with its last one"
    );
    assert_ne!(heads[3].1, heads[4].1);
    assert_eq!(kept.differences(), [""; 0]);
}

/// What the hash chain says about an archive after its files were changed behind its back.
fn noticed(kept: &mut Kept, change: impl FnOnce(&rocksdb::DB)) -> Vec<String> {
    kept.meddle(change);
    kept.differences()
}

#[test]
fn raw_bytes_that_were_changed_are_noticed_in_whichever_form_they_are() {
    for (family, key) in [("message", stored_at(at(42))), ("version", [stored_at(at(42)), vec![0; 4]].concat())] {
        let mut kept = furnished();
        let found = noticed(&mut kept, |db| {
            let mut value = get(db, family, &key);
            // The last byte of Telegram's bytes.
            *value.last_mut().unwrap() ^= 1;
            put(db, family, &key, &value);
        });
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("the hash chain does not fit changes "), "{found:?}");
    }
}

#[test]
fn an_entry_that_was_changed_replaced_or_left_out_is_noticed() {
    let texts = ["a", "b", "c", "d"];
    let made = || {
        let kept = Kept::new();
        for (id, says) in (1..).zip(texts) {
            kept.commit_at(Timestamp(NOW.0 + i64::from(id)), |w| {
                w.message(text(id, says), raw(says), 0);
            });
        }
        kept
    };
    let key = |seq: u64| seq.to_be_bytes();
    // Another time.
    let mut kept = made();
    let found = noticed(&mut kept, |db| {
        let mut value = get(db, "change", &key(2));
        value[1] ^= 1;
        put(db, "change", &key(2), &value);
    });
    assert_eq!(found, ["the hash chain does not fit changes 2 to 2: they, or raw bytes that they brought, were changed"]);
    // The last one, with its message, and a new one in its place: whoever has noted the link before knows.
    let mut kept = made();
    let noted = head(&kept);
    kept.meddle(|db| {
        delete(db, "change", &key(4));
        delete(db, "message", &stored_at(at(4)));
    });
    kept.commit_at(Timestamp(NOW.0 + 4), |w| {
        w.message(text(4, "d"), raw("e"), 0);
    });
    assert_eq!(head(&kept).0, noted.0);
    assert_ne!(head(&kept).1, noted.1);
    // Without its seal, behind which stands the number of the peer's previous change.
    const PREVIOUS: usize = 4;
    let mut kept = made();
    let found = noticed(&mut kept, |db| {
        let value = get(db, "change", &key(3));
        put(db, "change", &key(3), &value[..value.len() - (3 + 32) - (3 + 16) - PREVIOUS]);
    });
    assert_eq!(found[0], "change 3 is not sealed by the hash chain");
}

#[test]
fn equal_histories_have_different_links() {
    let made = || {
        let kept = Kept::new();
        kept.commit(|w| {
            w.message(Message { text: "yes".to_owned(), ..text(1, "") }, raw("yes"), 0);
        });
        kept
    };
    // Else a link would tell which of the likely words were written.
    assert_ne!(head(&made()).1, head(&made()).1);
}
