//! Backups: what is restored is what was true at their position, and what is damaged is never taken for whole.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod crawl;
mod damage;
mod surroundings;
mod unread;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use telescribe::accounts::{Session, Sessions};
use telescribe::archive::{Archive, DataFolder, Durability, FrozenArchive};
use telescribe::backup::{
    BackedUp, BackupError, BackupOptions, BackupRecord, BackupSource, BackupStore, Restored, Secrets, Watch, back_up, restore,
    verify,
};
use telescribe::model::{AccountName, MessageId, Seq};
use telescribe::seal::{MasterKey, system_random};
use tempfile::TempDir;

use crate::support::archives::{Kept, furnished};
use crate::support::disk::hex;
use crate::support::messages::{CHAT, NOW, at, raw, text};

/// An archive in a data folder with keys and sessions, and a folder for its backups.
struct Own {
    kept: Kept,
    sessions: Sessions,
    folder: TempDir,
}

impl Own {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let sessions = Sessions::new(&folder.path().join("sessions"), "simulated");
        Self { kept: furnished(), sessions, folder }
    }

    /// With the archive closed: an open one may put another table in the place of any of its tables between two backups.
    fn closed() -> Self {
        let mut own = Self::new();
        own.kept.flush().unwrap();
        own.kept.archive = None;
        own
    }

    fn data(&self) -> PathBuf {
        self.kept.path().parent().unwrap().to_owned()
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("backups of it")
    }

    /// Adds a message, with text that does not compress to nothing.
    fn add(&self, id: i32) {
        self.kept.commit(|w| {
            w.message(text(id, &format!("message {id}")), raw("more"), 0);
        });
    }

    fn source(&self) -> BackupSource {
        let data = self.data();
        let secrets = Secrets::read(&DataFolder::keys(&data), &self.sessions);
        let archive = match &self.kept.archive {
            Some(archive) => archive.freeze().unwrap(),
            None => FrozenArchive::of_closed(&self.kept.path(), None).unwrap(),
        };
        BackupSource { data, secrets, archive }
    }

    fn back_up(&self, keep: Option<u32>) -> BackedUp {
        back_up(&self.source(), &self.target(), BackupOptions { keep, now: NOW }, &Watch::nobody()).unwrap()
    }

    fn refused(&self, target: &Path) -> BackupError {
        back_up(&self.source(), target, BackupOptions { keep: None, now: NOW }, &Watch::nobody()).unwrap_err()
    }

    /// Restores into a new folder with sessions of its own.
    fn restore(&self, name: &str, id: Option<&str>) -> Result<(Restored, Sessions), BackupError> {
        let sessions = Sessions::new(&self.folder.path().join(format!("{name}-sessions")), "simulated");
        let restored = restore(&self.target(), id, &self.folder.path().join(name), &sessions, &Watch::nobody())?;
        Ok((restored, sessions))
    }

    fn restored(&self, name: &str) -> Archive {
        Archive::open(&self.folder.path().join(name).join("archive"), Durability::Os).unwrap()
    }

    fn contents(&self) -> BTreeSet<String> {
        names(&self.target().join("files"))
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The tables of a backup: name, length and digest.
fn tables(target: &Path, id: &str) -> Vec<(String, u64, String)> {
    let text = fs::read_to_string(target.join("backups").join(format!("{id}.json"))).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let of = |file: &serde_json::Value| {
        let text = |member: &str| file[member].as_str().unwrap().to_owned();
        (text("name"), file["size"].as_u64().unwrap(), text("sha256"))
    };
    manifest["files"].as_array().unwrap().iter().map(of).filter(|(name, ..)| name.ends_with(".sst")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&<sha2::Sha256 as sha2::Digest>::digest(bytes))
}

/// Changes a manifest, with the digest that belongs to it.
fn rewrite(target: &Path, id: &str, change: impl FnOnce(&mut serde_json::Value)) {
    let path = target.join("backups").join(format!("{id}.json"));
    let text = fs::read_to_string(&path).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    change(&mut manifest);
    let line = manifest.to_string();
    fs::write(path, format!("{line}\n{{\"sha256\":\"{}\"}}\n", sha256(line.as_bytes()))).unwrap();
}

fn whole(target: &Path) -> Vec<bool> {
    verify(target, None, &Watch::nobody()).unwrap().iter().map(|verified| verified.damage.is_empty()).collect()
}

#[test]
fn a_restore_is_the_archive_at_the_position_of_the_backup_in_an_epoch_of_its_own() {
    let mut own = Own::new();
    fs::write(DataFolder::keys(&own.data()), "{\"keys\":[]}").unwrap();
    let key = MasterKey::generate(&mut system_random());
    let name = |name: &str| name.parse::<AccountName>().unwrap();
    let sealed = own.sessions.clone().sealed([key.clone()]);
    sealed.save(&Session::new(name("alpha"), "simulated", 2, [].into())).unwrap();
    own.sessions.save(&Session::new(name("bravo"), "simulated", 2, [].into())).unwrap();

    let source = own.source();
    // What comes after the position is not in it, though it is there before anything is copied.
    own.add(100);
    let made = back_up(&source, &own.target(), BackupOptions { keep: None, now: NOW }, &Watch::nobody()).unwrap();
    drop(source);
    assert_eq!((made.id.to_string().as_str(), made.copied_files), ("20240131T120000Z-1", made.files));
    assert_eq!((made.sessions.as_slice(), made.left_out.as_slice()), (&[name("alpha")][..], &[name("bravo")][..]));
    assert_eq!(whole(&own.target()), [true]);

    let (restored, sessions) = own.restore("restored", None).unwrap();
    let archive = own.restored("restored");
    let before = own.kept.epoch();
    assert_eq!((restored.position.epoch, restored.epoch, restored.position.last), (before, archive.epoch(), Seq(made.change)));
    assert_ne!(archive.epoch(), before);
    assert_eq!((archive.id(), archive.last_seq()), (own.kept.id(), Seq(made.change)));
    assert_eq!(archive.common_with(before), Some(Seq(made.change)), "a position up to the backup goes on being true");
    assert_eq!(archive.view().verify().unwrap().differences, [""; 0]);
    assert!(archive.view().message(at(100)).unwrap().is_none());
    let messages = |archive: &Archive| archive.view().changes(Seq(0), made.change as usize).unwrap();
    assert_eq!(messages(&archive), messages(&own.kept));
    assert_eq!(archive.view().message(at(42)).unwrap(), own.kept.view().message(at(42)).unwrap());
    let data = own.folder.path().join("restored");
    assert_eq!(fs::read_to_string(DataFolder::keys(&data)).unwrap(), "{\"keys\":[]}");
    assert_eq!(sessions.clone().sealed([key]).names().unwrap(), [name("alpha")]);
    assert_eq!(
        (restored.sessions.as_slice(), restored.sessions_left_out.as_slice()),
        (&[name("alpha")][..], &["bravo".to_owned()][..])
    );
    drop(archive);
    assert_eq!(names(&data), ["archive", "archive.json", "keys.json", "lock"].map(str::to_owned).into());
    // An open archive replaces its marker now and then, by way of another file beside it.
    own.kept.archive = None;
    assert_eq!(names(&own.data()), ["archive", "archive.json", "keys.json"].map(str::to_owned).into(), "no links are left");
}

#[test]
fn an_archive_that_nobody_has_open_is_backed_up_without_a_byte_of_it_being_written() {
    let mut own = Own::new();
    own.kept.archive = None;
    let everything = || -> Vec<(String, Vec<u8>)> {
        let files = names(&own.kept.path()).into_iter().filter(|name| !name.starts_with("LO"));
        files.map(|name| (name.clone(), fs::read(own.kept.path().join(name)).unwrap())).collect()
    };
    let before = everything();
    let secrets = Secrets::read(&DataFolder::keys(&own.data()), &own.sessions);
    let archive = FrozenArchive::of_closed(&own.kept.path(), None).unwrap();
    let source = BackupSource { data: own.data(), secrets, archive };
    let made = back_up(&source, &own.target(), BackupOptions { keep: None, now: NOW }, &Watch::nobody()).unwrap();
    assert!(everything() == before);
    assert_eq!(whole(&own.target()), [true]);
    let (restored, _) = own.restore("restored", Some(&made.id.to_string())).unwrap();
    own.kept.reopen();
    assert_eq!(restored.position.last, own.kept.last_seq());
}

#[test]
fn a_table_that_the_backup_before_has_is_not_copied_again() {
    let mut own = Own::closed();
    let first = own.back_up(None);
    let ids = ["20240131T120000Z-1", "20240131T120000Z-2", "20240131T120000Z-3"];
    // Of a closed archive the second one has the same tables.
    let second = own.back_up(None);
    assert_eq!(second.id.to_string(), ids[1]);
    assert_eq!(tables(&own.target(), ids[1]), tables(&own.target(), ids[0]));
    assert_eq!(second.copied_files, second.files - tables(&own.target(), ids[1]).len() as u64);
    assert!(second.copied_size < first.copied_size, "{first:?} {second:?}");
    // An open one may put another table in the place of any of them; those that it has left are not copied.
    own.kept.reopen();
    own.add(100);
    let third = own.back_up(None);
    let before = tables(&own.target(), ids[1]);
    let left = tables(&own.target(), ids[2]).iter().filter(|table| before.contains(table)).count();
    assert_eq!(third.copied_files, third.files - left as u64, "{third:?}");
    assert_eq!(whole(&own.target()), [true; 3]);
    let (restored, _) = own.restore("first", Some(ids[0])).unwrap();
    assert_eq!(restored.position.last, Seq(first.change));
    own.restore("third", None).unwrap();
    assert_eq!(own.restored("third").last_seq(), Seq(third.change));
    assert_eq!(own.restored("third").view().message(at(100)).unwrap().unwrap().message.key.id, MessageId(100));
}

#[test]
fn what_vanished_from_the_target_is_copied_again() {
    let own = Own::closed();
    own.back_up(None);
    let first = tables(&own.target(), "20240131T120000Z-1");
    for (.., content) in &first {
        fs::remove_file(own.target().join("files").join(content)).unwrap();
    }
    assert_eq!(whole(&own.target()), [false]);
    own.back_up(None);
    assert!(
        tables(&own.target(), "20240131T120000Z-2").iter().any(|table| first.contains(table)),
        "or it is no trial of anything"
    );
    assert_eq!(whole(&own.target()).pop(), Some(true));
}

#[test]
fn a_table_of_the_same_name_and_length_that_another_process_wrote_is_not_taken_for_it() {
    let own = Own::closed();
    own.back_up(None);
    // As if a copy of the archive had gone on elsewhere and been backed up here.
    let (name, size, digest) = tables(&own.target(), "20240131T120000Z-1").remove(0);
    let foreign = vec![7; usize::try_from(size).unwrap()];
    let foreign_digest = sha256(&foreign);
    fs::write(own.target().join("files").join(&foreign_digest), &foreign).unwrap();
    rewrite(&own.target(), "20240131T120000Z-1", |manifest| {
        let file = manifest["files"].as_array_mut().unwrap().iter_mut().find(|file| file["name"] == name.as_str()).unwrap();
        (file["sha256"], file["end"]) = (foreign_digest.clone().into(), foreign_digest.clone().into());
    });
    own.back_up(None);
    assert!(tables(&own.target(), "20240131T120000Z-2").contains(&(name, size, digest)));
}

#[test]
fn the_position_of_a_backup_is_that_of_its_files_while_writes_go_on() {
    let own = Own::new();
    let done = AtomicBool::new(false);
    let positions: Vec<_> = std::thread::scope(|scope| {
        scope.spawn(|| (100..).take_while(|_| !done.load(Ordering::SeqCst)).for_each(|id| own.add(id)));
        let freeze = |_| {
            own.kept.freeze().and_then(|frozen| {
                let opened = Archive::open_to_read(frozen.folder(), None)?;
                Ok((frozen.position().clone(), opened.log_end()))
            })
        };
        let positions = (0..30).map(freeze).collect();
        // Before anything is asserted: the other thread must end.
        done.store(true, Ordering::SeqCst);
        positions
    });
    for position in positions {
        let (noted, found) = position.unwrap();
        assert_eq!(noted, found);
    }
    assert!(own.kept.last_seq() > Seq(30), "writes went on");
}

#[test]
fn only_the_newest_are_kept_and_what_no_backup_needs_is_removed() {
    let own = Own::new();
    for id in 100..106 {
        own.add(id);
        own.kept.compact().unwrap();
        let made = own.back_up(Some(2));
        assert_eq!(made.removed.len(), usize::from(id >= 102), "{made:?}");
    }
    let store = BackupStore::open_to_read(&own.target()).unwrap();
    let backups = store.backups().unwrap();
    assert_eq!(backups.iter().map(|b| b.id.to_string()).collect::<Vec<_>>(), ["20240131T120000Z-5", "20240131T120000Z-6"]);
    drop(store);
    assert_eq!(whole(&own.target()), [true, true]);
    let both: u64 = backups.iter().map(|backup| backup.manifest.as_ref().unwrap().size()).sum();
    let kept: u64 = own.contents().iter().map(|name| fs::metadata(own.target().join("files").join(name)).unwrap().len()).sum();
    assert!(kept <= both, "{kept} bytes are kept of {both}");
}

#[test]
fn backups_of_another_archive_are_not_counted_and_stay() {
    let own = Own::new();
    own.back_up(Some(1));
    let other = Own { folder: own.folder, ..Own::new() };
    other.back_up(Some(1));
    other.back_up(Some(1));
    assert_eq!(whole(&other.target()), [true, true]);
    let names = names(&other.target().join("backups"));
    assert_eq!(names, ["20240131T120000Z-1.json", "20240131T120000Z-3.json"].map(str::to_owned).into());
}

#[test]
fn what_a_killed_backup_has_left_is_removed_by_the_next_one() {
    let own = Own::new();
    own.back_up(None);
    let before = own.contents();
    let files = own.target().join("files");
    fs::write(files.join("0a".repeat(32)), "copied, and named by no backup").unwrap();
    fs::write(files.join(".incoming-x"), "half").unwrap();
    fs::write(own.target().join("backups/.incoming-y"), "half").unwrap();
    fs::create_dir_all(own.data().join(".backup-x/archive")).unwrap();
    DataFolder::clear_backup_links(&own.data()).unwrap();
    own.back_up(None);
    let kept = own.contents();
    assert!(!kept.contains(&"0a".repeat(32)) && !kept.contains(".incoming-x"), "{kept:?}");
    assert!(before.is_subset(&kept), "what a backup needs is there still");
    assert!(names(&own.target().join("backups")).iter().all(|name| name.ends_with(".json")));
    assert!(!own.data().join(".backup-x").exists());
}

#[test]
fn a_backup_that_is_stopped_anywhere_is_none_and_leaves_the_others_whole() {
    let own = Own::new();
    own.back_up(None);
    own.add(100);
    own.kept.compact().unwrap();
    let source = own.source();
    let mut stopped_at = 0;
    let made = loop {
        let reads = AtomicUsize::new(0);
        let stop = || reads.fetch_add(1, Ordering::SeqCst) >= stopped_at;
        let watch = Watch { stop: &stop, read: &|_| {} };
        match back_up(&source, &own.target(), BackupOptions { keep: Some(1), now: NOW }, &watch) {
            Err(BackupError::Stopped) => assert_eq!(whole(&own.target()), [true], "stopped at {stopped_at}"),
            made => break made.unwrap(),
        }
        stopped_at += 1;
    };
    assert!(stopped_at > 10, "it was stopped at each chunk");
    assert_eq!((made.removed.len(), whole(&own.target())), (1, vec![true]));
}

#[test]
fn a_target_that_cannot_be_meant_is_refused() {
    let own = Own::new();
    for inside in [own.data(), own.data().join("archive"), own.data().join("new/folder")] {
        let refused = own.refused(&inside);
        assert!(matches!(refused, BackupError::InsideData { .. }), "{refused}");
    }
    assert!(!own.data().join("new").exists());
    let made = own.back_up(None);
    let mut record = BackupRecord::default();
    record.note(&own.data(), Ok(made.to_record(&own.target(), NOW)));
    // As a mount point looks whose disk is not there.
    fs::remove_dir_all(own.target()).unwrap();
    fs::create_dir(own.target()).unwrap();
    let refused = own.refused(&own.target());
    assert!(matches!(refused, BackupError::Emptied { .. }), "{refused}");
    assert!(refused.to_string().contains("is its disk mounted?"), "{refused}");
    let elsewhere = own.folder.path().join("elsewhere");
    back_up(&own.source(), &elsewhere, BackupOptions { keep: None, now: NOW }, &Watch::nobody()).unwrap();
    // Somebody who reads it keeps others from changing it.
    let reading = BackupStore::open_to_read(&elsewhere).unwrap();
    assert!(matches!(own.refused(&elsewhere), BackupError::InUse { .. }));
    drop(reading);
    assert_eq!(whole(&elsewhere), [true]);
}

#[test]
fn what_became_of_backups_is_remembered_until_it_is_another() {
    let own = Own::new();
    let made = own.back_up(None);
    assert_eq!(BackupRecord::load(&own.data()), BackupRecord::default());
    let mut record = BackupRecord::default();
    record.note(&own.data(), Ok(made.to_record(&own.target(), NOW)));
    assert_eq!(BackupRecord::load(&own.data()), record);
    fs::write(DataFolder::backup_record(&own.data()), "{\"newest\":").unwrap();
    assert_eq!(BackupRecord::load(&own.data()), BackupRecord::default(), "a damaged one remembers nothing");
    // As one was before there were several failures.
    let earlier = r#"{"newest":null,"failure":null,"targets":[{"target":"/a","id":"20240131T120000Z-1"}]}"#;
    fs::write(DataFolder::backup_record(&own.data()), earlier).unwrap();
    assert_eq!(BackupRecord::load(&own.data()).targets[0].id, "20240131T120000Z-1");
    own.back_up(None);
    assert_eq!(own.kept.view().message(at(42)).unwrap().unwrap().message.key.peer(), CHAT);
}
