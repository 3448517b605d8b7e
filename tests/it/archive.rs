//! What the archive promises, kept with a real one: nothing is lost, nothing is overwritten, nothing half becomes true.

mod chain;
mod damage;
mod format;
mod manifest;
mod model;
mod own_ids;
mod snapshot;
mod upgrade;

use telescribe::archive::{Coverage, DataFolder, FolderError, Order, Raw};
use telescribe::model::{ChangeKind, IdRange, Message, PeerId, RangeSet, Seq, Timestamp};
use tempfile::TempDir;

use crate::support::archives::{Kept, all_versions, contents};
use crate::support::messages::{CHAT, NOW, at, key, message, peer, range, raw, text};

#[test]
fn a_write_that_is_dropped_changes_nothing() {
    let mut kept = Kept::new();
    kept.commit(|w| {
        w.message(text(1, "a"), raw("a"), 0).peer(peer(5, Some("five")));
    });
    let before = contents(&mut kept);
    let mut write = kept.write(NOW);
    write.message(text(1, "b"), raw("b"), 1).message(text(2, "c"), raw("c"), 0).delete(at(1));
    write.covered(CHAT, range(1, 9)).peer(peer(5, Some("other"))).position("reader", Seq(1)).crawl_state(CHAT, |c| c.top = 9);
    drop(write);
    assert_eq!(contents(&mut kept), before);
    assert_eq!(kept.last_seq(), Seq(2));
}

#[test]
fn an_edit_keeps_the_earlier_version() {
    let kept = Kept::new();
    kept.commit(|w| {
        w.message(text(1, "first"), raw("first"), 0);
    });
    let second = Message { edited: Some(Timestamp(NOW.0 + 60)), ..text(1, "second") };
    let archived = kept.commit_at(Timestamp(NOW.0 + 61), |w| {
        w.message(second.clone(), raw("second"), NOW.0 + 60);
    });
    assert_eq!((archived.new, archived.edited, archived.last), (0, 1, Seq(2)));
    let stored = kept.view().message(at(1)).unwrap().unwrap();
    assert_eq!((stored.message, stored.version, stored.archived_at), (second, 1, Timestamp(NOW.0 + 61)));
    let versions = all_versions(kept.view(), at(1));
    assert_eq!(versions.len(), 1);
    assert_eq!((versions[0].message.clone(), versions[0].version, versions[0].archived_at), (text(1, "first"), 0, NOW));
    assert_eq!(kept.view().raw(at(1)).unwrap(), Some(raw("second")));
    assert_eq!(kept.kinds(), [ChangeKind::MessageNew { key: at(1) }, ChangeKind::MessageEdited { key: at(1), version: 1 }]);
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn counters_move_without_a_version_and_without_a_change() {
    let kept = Kept::new();
    let seen = |views| Message { views: Some(views), ..text(1, "a") };
    kept.commit(|w| {
        w.message(seen(1), raw("a"), 0);
    });
    let archived = kept.commit(|w| {
        w.message(seen(2), raw("b"), 0);
    });
    assert_eq!((archived.unchanged, archived.edited, archived.last), (1, 0, Seq(1)));
    let stored = kept.view().message(at(1)).unwrap().unwrap();
    assert_eq!(
        (stored.message.views, stored.version, kept.view().raw(at(1)).unwrap()),
        (Some(2), 0, Some(raw("a"))),
        "and Telegram's bytes stay those that it was archived with"
    );
}

#[test]
fn every_form_keeps_its_raw_bytes_and_the_account_that_got_them() {
    let kept = Kept::new();
    let got = |account: Option<&str>, says: &str, revision| {
        kept.commit(|w| {
            if let Some(account) = account {
                w.got_by(&account.parse().unwrap());
            }
            w.message(text(1, says), raw(says), revision);
        });
    };
    got(Some("alpha"), "a", 0);
    got(Some("bravo"), "b", 1);
    got(None, "c", 2);
    kept.commit(|w| {
        w.delete(at(1));
    });
    let of = |account: Option<&str>, says: &str| Some(Raw { account: account.map(|name| name.parse().unwrap()), ..raw(says) });
    assert_eq!(kept.view().raw_of_version(at(1), 0).unwrap(), of(Some("alpha"), "a"));
    assert_eq!(kept.view().raw_of_version(at(1), 1).unwrap(), of(Some("bravo"), "b"));
    assert_eq!(kept.view().raw(at(1)).unwrap(), of(None, "c"), "a deletion changes nothing of them");
    assert_eq!(kept.view().raw_of_version(at(1), 2).unwrap(), None);
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn an_earlier_answer_never_replaces_a_later_one() {
    let kept = Kept::new();
    let answer = |as_of: Option<i32>, revision: i64, said: &str| {
        kept.commit(|w| {
            w.as_of(as_of).message(text(1, said), raw(said), revision);
        });
        kept.view().message(at(1)).unwrap().unwrap().message.text
    };
    assert_eq!(answer(Some(10), 0, "at 10"), "at 10");
    assert_eq!(answer(Some(12), 5, "at 12"), "at 12");
    assert_eq!(answer(Some(11), 5, "of an earlier pts"), "at 12");
    assert_eq!(answer(Some(13), 4, "of an earlier edit"), "at 12");
    assert_eq!(answer(None, 4, "of an earlier edit, without pts"), "at 12");
    // An answer without pts does not make those welcome that were too early before it.
    assert_eq!(answer(None, 5, "at 12"), "at 12");
    assert_eq!(answer(Some(11), 5, "of an earlier pts again"), "at 12");
    assert_eq!(answer(None, 6, "edited, without pts"), "edited, without pts");
    assert_eq!(answer(Some(11), 6, "early once more"), "edited, without pts");
    assert_eq!(all_versions(kept.view(), at(1)).len(), 2);
    assert_eq!(kept.view().raw(at(1)).unwrap(), Some(raw("edited, without pts")));
}

#[test]
fn an_earlier_answer_neither_deletes_nor_revives() {
    let kept = Kept::new();
    let gone = || kept.view().message(at(1)).unwrap().unwrap().deleted_at.is_some();
    kept.commit(|w| {
        w.as_of(Some(10)).message(text(1, "a"), raw("a"), 0);
    });
    kept.commit(|w| {
        w.as_of(Some(9)).delete(at(1));
    });
    kept.commit(|w| {
        w.as_of(Some(9)).covered(CHAT, range(1, 5));
    });
    assert!(!gone(), "an empty page from before the message says nothing about it");
    kept.commit(|w| {
        w.as_of(Some(12)).delete(at(1));
    });
    kept.commit(|w| {
        w.as_of(Some(11)).message(text(1, "a"), raw("a"), 0).covered(CHAT, range(1, 5));
    });
    assert!(gone(), "a page from before the deletion does not undo it");
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn a_window_marks_what_is_gone_and_covers_it() {
    let kept = Kept::new();
    kept.commit(|w| {
        for id in [2, 3, 5, 8] {
            w.message(text(id, "a"), raw("a"), 0);
        }
        w.crawl_state(CHAT, |c| c.recheck.insert(IdRange { first: 1, last: 9 }));
    });
    let elsewhere = key(PeerId(CHAT.0 - 1), 3);
    kept.commit(|w| {
        w.message(message(elsewhere.peer(), 3, ""), raw("a"), 0);
    });
    let archived = kept.commit_at(Timestamp(NOW.0 + 9), |w| {
        w.message(text(3, "a"), raw("a"), 0).message(text(4, "new"), raw("a"), 0).covered(CHAT, range(1, 6));
    });
    assert_eq!((archived.new, archived.deleted, archived.unchanged), (1, 2, 1));
    let deleted: Vec<(i32, Option<Timestamp>)> = kept
        .view()
        .messages(CHAT.into(), range(1, 99), Order::OldestFirst)
        .map(|m| m.map(|m| (m.message.key.id.0, m.deleted_at)).unwrap())
        .collect();
    let when = Some(Timestamp(NOW.0 + 9));
    assert_eq!(deleted, [(2, when), (3, None), (4, None), (5, when), (8, None)]);
    assert_eq!(kept.view().message(elsewhere).unwrap().unwrap().deleted_at, None, "a window is of one peer");
    let read: RangeSet = [range(1, 6), range(8, 8)].into_iter().collect();
    assert_eq!(kept.view().coverage(CHAT).unwrap(), Coverage { read, messages: 5, deleted: 2, erased: 0 });
    let state = kept.view().crawl_state(CHAT).unwrap().unwrap();
    assert_eq!((state.top, state.recheck.ranges()), (8, &[range(7, 9)][..]));
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn a_message_that_comes_back_after_a_deletion_is_alive_again() {
    let kept = Kept::new();
    kept.commit(|w| {
        w.message(text(1, "a"), raw("a"), 0);
    });
    kept.commit(|w| {
        w.delete(at(1)).delete(at(7));
    });
    assert_eq!(kept.view().coverage(CHAT).unwrap().deleted, 1);
    kept.commit(|w| {
        w.message(text(1, "a"), raw("a"), 0);
    });
    let stored = kept.view().message(at(1)).unwrap().unwrap();
    assert_eq!((stored.deleted_at, stored.version), (None, 1));
    assert_eq!(all_versions(kept.view(), at(1))[0].deleted_at, Some(NOW), "that it was gone is kept too");
    assert_eq!(kept.view().coverage(CHAT).unwrap().deleted, 0);
    assert_eq!(kept.view().message(at(7)).unwrap(), None, "what was never archived is not made by its deletion");
    let key = at(1);
    assert_eq!(
        kept.kinds(),
        [ChangeKind::MessageNew { key }, ChangeKind::MessageDeleted { key }, ChangeKind::MessageEdited { key, version: 1 }]
    );
    assert_eq!(kept.differences(), [""; 0]);
}

#[test]
fn change_numbers_are_gapless_over_many_writes_and_restarts() {
    let mut kept = Kept::new();
    let mut expected = 0;
    for round in 0..20 {
        for step in 0..5 {
            let archived = kept.commit(|w| {
                for id in 0..=step {
                    w.message(text(round * 50 + step * 8 + id + 1, "a"), raw("a"), 0);
                }
            });
            expected += u64::try_from(step + 1).unwrap();
            assert_eq!((archived.last, kept.last_seq()), (Seq(expected), Seq(expected)));
        }
        drop(kept.write(NOW));
        assert_eq!(kept.commit(|_| ()).last, Seq(expected), "an empty write has no number");
        kept.reopen();
        assert_eq!(kept.last_seq(), Seq(expected));
    }
    let seqs: Vec<u64> = kept.view().changes(Seq(0), usize::MAX).unwrap().iter().map(|c| c.seq.0).collect();
    assert_eq!(seqs, (1..=expected).collect::<Vec<_>>());
    assert_eq!(kept.view().changes(Seq(10), 3).unwrap().iter().map(|c| c.seq.0).collect::<Vec<_>>(), [11, 12, 13]);
    for beyond in [expected, expected + 7, u64::MAX] {
        assert_eq!(kept.view().changes(Seq(beyond), 9).unwrap(), []);
    }
}

#[test]
fn positions_jobs_and_the_id_survive_a_restart() {
    let mut kept = Kept::new();
    let id = kept.id().to_owned();
    assert_eq!((kept.view().position("publish").unwrap(), kept.view().job_started("discover").unwrap()), (Seq(0), None));
    kept.commit(|w| {
        w.position("publish", Seq(7)).position("search", Seq(9)).job_started("discover");
    });
    kept.reopen();
    assert_eq!((kept.view().position("publish").unwrap(), kept.view().position("search").unwrap()), (Seq(7), Seq(9)));
    assert_eq!(kept.view().job_started("discover").unwrap(), Some(NOW));
    assert_eq!((kept.id(), id.len()), (id.as_str(), 32));
}

#[test]
fn whoever_waits_for_changes_is_woken_by_them_only() {
    let kept = Kept::new();
    let mut last = kept.subscribe();
    kept.commit(|w| {
        w.message(text(1, "a"), raw("a"), 0);
    });
    kept.sync().unwrap();
    assert!(last.has_changed().unwrap());
    assert_eq!(*last.borrow_and_update(), Seq(1));
    kept.commit(|w| {
        w.message(text(1, "a"), raw("a"), 0).position("reader", Seq(1));
    });
    kept.sync().unwrap();
    assert!(!last.has_changed().unwrap());
}

#[test]
fn who_looks_for_followed_peers_need_not_look_again_because_another_has_changed() {
    let kept = Kept::new();
    let follow = |id, followed| {
        kept.commit(|w| {
            w.crawl_state(PeerId::channel(id), move |state| state.followed = followed);
        })
    };
    kept.commit(|w| {
        w.peer(peer(1, Some("news"))).peer(peer(2, Some("other")));
    });
    let unmoved = kept.followed_generation();
    let crawled = kept.crawled_generation();
    kept.commit(|w| {
        w.crawl_state(PeerId::channel(1), |state| state.top = 7).crawl_state(PeerId::channel(2), |state| state.followed = false);
    });
    assert_ne!(kept.crawled_generation(), crawled);
    assert_eq!(kept.followed_generation(), unmoved);
    for (id, followed) in [(1, true), (2, true), (1, false), (3, true)] {
        let before = kept.followed_generation();
        follow(id, followed);
        assert_ne!(kept.followed_generation(), before);
        follow(id, followed);
        assert_eq!(kept.followed_generation(), before + 1);
    }
}

#[test]
fn a_username_that_moves_to_another_peer_is_followed() {
    let owner = |kept: &Kept, name: &str| kept.view().peer_by_username(name).unwrap().map(|p| p.id.0);
    let (loses, gains) = (peer(1, None), peer(2, Some("News")));
    for together in [vec![loses.clone(), gains.clone()], vec![gains.clone(), loses.clone()], vec![gains.clone()]] {
        let kept = Kept::new();
        kept.commit(|w| {
            w.peer(peer(1, Some("news"))).peer(peer(2, Some("other")));
        });
        assert_eq!((owner(&kept, "NEWS"), owner(&kept, "other")), (Some(1), Some(2)));
        kept.commit(|w| {
            for peer in &together {
                w.peer(peer.clone());
            }
        });
        assert_eq!((owner(&kept, "news"), owner(&kept, "other")), (Some(2), None), "{together:?}");
        // The one that had it is seen later without it, or with another.
        kept.commit(|w| {
            w.peer(peer(1, Some("third")));
        });
        assert_eq!((owner(&kept, "news"), owner(&kept, "third")), (Some(2), Some(1)), "{together:?}");
    }
}

#[test]
fn a_peer_that_is_seen_twice_in_one_write_is_as_it_was_seen_last() {
    let kept = Kept::new();
    let archived = kept.commit(|w| {
        w.peer(peer(1, Some("one"))).peer(peer(1, Some("two"))).peer(peer(1, Some("two")));
    });
    assert_eq!(archived.last, Seq(2));
    assert_eq!(kept.view().peer_by_username("one").unwrap(), None);
    assert_eq!(kept.view().peer_by_username("two").unwrap(), Some(peer(1, Some("two"))));
    let again = kept.commit(|w| {
        w.peer(peer(1, Some("two")));
    });
    assert_eq!(again.last, Seq(2), "nothing new");
}

#[test]
fn a_data_folder_that_is_in_use_is_refused_naming_the_process() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("data");
    let first = DataFolder::lock(&root).unwrap();
    let error = DataFolder::lock(&root).unwrap_err();
    let process = std::process::id().to_string();
    assert!(matches!(&error, FolderError::InUse { process: named, .. } if *named == process));
    let expected = format!(
        "data folder `{}` is in use by another telescribe (process {process}); stop that one first, or use its HTTP API",
        root.display()
    );
    assert_eq!(error.to_string(), expected);
    drop(first);
    DataFolder::lock(&root).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(root.metadata().unwrap().permissions().mode() & 0o777, 0o700, "others cannot look into it");
}

#[test]
fn the_data_folder_of_a_checkout_is_closed_to_others_at_its_first_use_and_then_left_as_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let mode = |root: &std::path::Path| root.metadata().unwrap().permissions().mode() & 0o777;
    let open = |root: &std::path::Path, mode| std::fs::set_permissions(root, std::fs::Permissions::from_mode(mode)).unwrap();
    let (checkout, made) = (folder.path().join("checkout"), folder.path().join("made"));
    for root in [&checkout, &made] {
        std::fs::create_dir(root).unwrap();
        open(root, 0o755);
    }
    std::fs::write(checkout.join(".gitkeep"), "").unwrap();
    for root in [&checkout, &made] {
        drop(DataFolder::lock(root).unwrap());
    }
    assert_eq!((mode(&checkout), mode(&made)), (0o700, 0o755), "what its owner made is as its owner made it");
    open(&checkout, 0o750);
    drop(DataFolder::lock(&checkout).unwrap());
    assert_eq!(mode(&checkout), 0o750);
}
