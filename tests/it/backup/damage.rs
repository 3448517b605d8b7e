//! A backup with any of its files missing, emptied, halved or changed is found to be damaged, and restored by nobody.

use std::fs;
use std::path::Path;

use telescribe::backup::{BackupError, BackupStore, Watch, restore, verify};

use super::{Own, names, rewrite, tables, whole};
use crate::support::archives::Kept;

/// What can happen to a file.
type Damage = (&'static str, fn(&Path));

fn flip(path: &Path, at: impl Fn(usize) -> usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

const DAMAGE: [Damage; 6] = [
    ("missing", |path| fs::remove_file(path).unwrap()),
    ("emptied", |path| fs::write(path, "").unwrap()),
    ("halved", |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }),
    ("flipped at the start", |path| flip(path, |_| 0)),
    ("flipped in the middle", |path| flip(path, |length| length / 2)),
    ("flipped at the end", |path| flip(path, |length| length - 1)),
];

#[test]
fn each_kind_of_damage_to_each_file_is_named_by_verify_and_refused_by_restore() {
    let own = Own::new();
    fs::write(own.data().join("keys.json"), "{\"keys\":[]}").unwrap();
    own.back_up(None);
    let of_first = own.contents();
    own.add(100);
    own.back_up(None);
    let data = own.folder.path().join("restored");
    let sessions = own.sessions.clone();
    for name in own.contents().difference(&of_first) {
        let path = own.target().join("files").join(name);
        let bytes = fs::read(&path).unwrap();
        if bytes.is_empty() {
            continue;
        }
        for (what, damage) in DAMAGE {
            damage(&path);
            let verified = verify(&own.target(), None, &Watch::nobody()).unwrap();
            assert!(verified[0].damage.is_empty(), "{what} {name}: {verified:?}");
            let told = verified[1].damage.join("; ");
            assert!(told.contains(name) || what == "missing", "{what} {name}: {told}");
            let refused = restore(&own.target(), None, &data, &sessions, &Watch::nobody()).unwrap_err();
            let text = refused.to_string();
            assert!(matches!(refused, BackupError::Damaged { .. }) && text.contains(name.as_str()), "{what} {name}: {text}");
            assert!(text.contains("nothing was restored. Try another one: `telescribe restore FOLDER --backup 2024"), "{text}");
            assert_eq!(names(&data), ["lock".to_owned()].into(), "{what} {name}");
            fs::write(&path, &bytes).unwrap();
        }
    }
    assert_eq!(whole(&own.target()), [true, true]);
    // What both have is damaged in both.
    let (.., shared) =
        tables(&own.target(), "20240131T120000Z-2").into_iter().find(|(.., digest)| of_first.contains(digest)).unwrap();
    let path = own.target().join("files").join(shared);
    let bytes = fs::read(&path).unwrap();
    flip(&path, |length| length / 2);
    let refused = restore(&own.target(), None, &data, &sessions, &Watch::nobody()).unwrap_err().to_string();
    assert!(refused.contains("There is no other one that could be tried"), "{refused}");
    fs::write(&path, bytes).unwrap();
    own.restore("first", Some("20240131T120000Z-1")).unwrap();
}

#[test]
fn a_damaged_manifest_is_no_backup_and_lets_no_file_be_removed() {
    let own = Own::new();
    own.back_up(None);
    own.add(100);
    own.kept.compact().unwrap();
    own.back_up(None);
    let path = own.target().join("backups/20240131T120000Z-1.json");
    let bytes = fs::read(&path).unwrap();
    let before = own.contents();
    for (what, damage) in DAMAGE.into_iter().skip(1).take(4) {
        damage(&path);
        let verified = verify(&own.target(), None, &Watch::nobody()).unwrap();
        assert!(!verified[0].damage.is_empty() && verified[1].damage.is_empty(), "{what}: {verified:?}");
        let refused = own.restore("restored", Some("20240131T120000Z-1")).unwrap_err().to_string();
        assert!(refused.contains("manifest") || refused.contains("digest"), "{what}: {refused}");
        own.add(200);
        let made = own.back_up(Some(1));
        assert_eq!(made.removed.len(), 1, "the one before is removed, the damaged one is not counted");
        assert!(before.is_subset(&own.contents()), "{what}: nobody knows what it needs");
        fs::write(&path, &bytes).unwrap();
    }
    // Only the first and the last are left; both are whole.
    assert_eq!(whole(&own.target()), [true, true]);
    own.restore("restored", Some("20240131T120000Z-1")).unwrap();
}

#[test]
fn an_archive_that_is_not_at_the_position_of_its_manifest_is_found_out() {
    let own = Own::new();
    own.back_up(None);
    rewrite(&own.target(), "20240131T120000Z-1", |manifest| {
        manifest["change"] = (manifest["change"].as_u64().unwrap() + 1).into();
    });
    let verified = verify(&own.target(), None, &Watch::nobody()).unwrap();
    assert!(verified[0].damage[0].contains("its archive ends at change"), "{verified:?}");
    let refused = own.restore("restored", None).unwrap_err().to_string();
    assert!(refused.contains("There is no other one that could be tried"), "{refused}");
}

#[test]
fn a_folder_with_anything_in_it_is_not_restored_into_and_what_a_killed_restore_left_is_no_such_thing() {
    let own = Own::new();
    own.back_up(None);
    let data = own.folder.path().join("restored");
    let restore = || restore(&own.target(), None, &data, &own.sessions, &Watch::nobody());
    for found in ["archive", "keys.json", "archive.json", "index", "letter.txt"] {
        fs::create_dir_all(data.join(found)).unwrap();
        let refused = restore().unwrap_err();
        assert!(matches!(&refused, BackupError::NotEmpty { found: told, .. } if told == found), "{refused}");
        assert_eq!(names(&data), [found.to_owned()].into());
        fs::remove_dir_all(&data).unwrap();
    }
    // As it is when it was killed right before the archive was moved.
    fs::create_dir_all(data.join(".restore-x/archive")).unwrap();
    fs::write(data.join("archive.json"), "{}").unwrap();
    fs::write(data.join("keys.json"), "{}").unwrap();
    restore().unwrap();
    assert_eq!(own.restored("restored").last_seq(), own.kept.last_seq());
    assert!(!data.join(".restore-x").exists());
}

#[test]
fn without_a_backup_there_is_a_clear_error() {
    let own = Own::new();
    let nothing = own.restore("restored", None).unwrap_err();
    assert!(matches!(nothing, BackupError::Nothing { .. }), "{nothing}");
    own.back_up(None);
    let unknown = own.restore("restored", Some("20240131T120000Z-9")).unwrap_err();
    assert!(matches!(unknown, BackupError::Unknown { .. }), "{unknown}");
    assert!(!own.folder.path().join("restored").exists(), "nothing is made for it");
    let store = BackupStore::open_to_read(&own.target()).unwrap();
    assert_eq!(store.backups().unwrap().len(), 1);
    drop(Kept::new());
}
