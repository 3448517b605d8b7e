//! What else is in the folders that backups come from and go to: other people's files, other archives, disks that are not mounted.

use std::fs;
use std::path::{Path, PathBuf};

use telescribe::accounts::Session;
use telescribe::app::check_backup_target;
use telescribe::archive::{DataFolder, FrozenArchive};
use telescribe::backup::{
    BackupError, BackupFailure, BackupOptions, BackupRecord, BackupSource, Secrets, Watch, back_up, restore, verify,
};
use telescribe::cli::client::Globals;
use telescribe::cli::{Out, backup};
use telescribe::config::Config;
use telescribe::model::Timestamp;
use telescribe::seal::{MasterKey, system_random};

use super::{Own, names, tables, whole};
use crate::support::commands::Written;
use crate::support::messages::{CHAT, NOW};

const OPTIONS: BackupOptions = BackupOptions { keep: None, now: NOW };

#[test]
fn what_others_have_left_in_the_archives_folder_is_no_part_of_a_backup() {
    let mut own = Own::new();
    own.kept.archive = None;
    for name in [".DS_Store", ".nfs0000000000a1", "notes of mine.txt", "000012.sst.bak", "CURRENT~", "OPTIONS-000005.dbtmp"] {
        fs::write(own.kept.path().join(name), "not ours").unwrap();
    }
    let secrets = Secrets::read(&DataFolder::keys(&own.data()), &own.sessions);
    let archive = FrozenArchive::of_closed(&own.kept.path(), None).unwrap();
    let files: Vec<_> = archive.files().unwrap().into_iter().map(|(name, _)| name).collect();
    assert!(!files.iter().any(|name| name.contains("DS") || name.contains("nfs") || name.contains("notes")), "{files:?}");
    let source = BackupSource { data: own.data(), secrets, archive };
    back_up(&source, &own.target(), OPTIONS, &Watch::nobody()).unwrap();
    assert_eq!(whole(&own.target()), [true]);
    own.restore("restored", None).unwrap();
}

#[test]
fn a_restore_that_failed_when_sessions_were_put_back_can_be_run_again() {
    let own = Own::new();
    fs::write(DataFolder::keys(&own.data()), "{\"keys\":[]}").unwrap();
    let sealed = own.sessions.clone().sealed([MasterKey::generate(&mut system_random())]);
    sealed.save(&Session::new("alpha".parse().unwrap(), "simulated", 2, [].into())).unwrap();
    own.back_up(None);
    // A file where the folder should be: nothing can be put there.
    let place = own.folder.path().join("restored-sessions");
    fs::write(&place, "").unwrap();
    let failed = own.restore("restored", None).unwrap_err();
    assert!(matches!(failed, BackupError::Session(_)), "{failed}");
    let data = own.folder.path().join("restored");
    assert!(!data.join("archive").exists());
    fs::remove_file(&place).unwrap();
    let (restored, sessions) = own.restore("restored", None).unwrap();
    assert_eq!((restored.keys, sessions.names().unwrap().len()), (true, 1));
    assert_eq!(names(&data), ["archive", "archive.json", "keys.json", "lock"].map(str::to_owned).into());
}

#[test]
fn a_manifest_that_cannot_be_read_keeps_nobody_from_the_other_backups() {
    let own = Own::new();
    own.back_up(None);
    own.back_up(None);
    let manifest = own.target().join("backups/20240131T120000Z-2.json");
    fs::remove_file(&manifest).unwrap();
    // Reading it is an error of the disk.
    fs::create_dir(&manifest).unwrap();
    let verified = verify(&own.target(), None, &Watch::nobody()).unwrap();
    assert!(verified[0].damage.is_empty(), "{verified:?}");
    assert!(verified[1].damage[0].contains("its manifest cannot be read (Is a directory"), "{verified:?}");
    let refused = own.restore("restored", None).unwrap_err().to_string();
    assert!(refused.contains("Try another one: `telescribe restore FOLDER --backup 20240131T120000Z-1`"), "{refused}");
    own.restore("restored", Some("20240131T120000Z-1")).unwrap();
    assert_eq!(own.back_up(None).id.to_string(), "20240131T120000Z-3", "and a new one can be made");
}

#[test]
fn an_empty_disk_is_an_empty_data_folder() {
    let own = Own::new();
    own.back_up(None);
    let data = own.folder.path().join("restored");
    // As a new ext4 file system has it.
    fs::create_dir_all(data.join("lost+found")).unwrap();
    own.restore("restored", None).unwrap();
    assert_eq!(own.restored("restored").last_seq(), own.kept.last_seq());
}

#[test]
fn of_a_data_folder_in_use_the_archive_is_named_and_no_trifle() {
    let own = Own::new();
    own.back_up(None);
    for name in ["a trifle", "known.lock"] {
        fs::write(own.data().join(name), "").unwrap();
    }
    let refused = restore(&own.target(), None, &own.data(), &own.sessions, &Watch::nobody()).unwrap_err();
    assert!(matches!(&refused, BackupError::NotEmpty { found, .. } if found == "archive"), "{refused}");
}

#[test]
fn a_target_whose_disk_is_not_mounted_is_refused_also_after_a_backup_elsewhere() {
    let own = Own::new();
    let elsewhere = own.folder.path().join("elsewhere");
    let mut record = BackupRecord::default();
    for target in [own.target(), elsewhere.clone()] {
        let made = back_up(&own.source(), &target, OPTIONS, &Watch::nobody()).unwrap();
        record.note(&own.data(), Ok(made.to_record(&target, NOW)));
    }
    for target in [own.target(), elsewhere] {
        fs::remove_dir_all(&target).unwrap();
        fs::create_dir(&target).unwrap();
        let refused = own.refused(&target);
        assert!(matches!(refused, BackupError::Emptied { .. }), "{refused}");
        assert!(names(&target).is_empty(), "nothing is made where a disk should be: {:?}", names(&target));
    }
}

#[test]
fn of_a_folder_with_backups_of_several_archives_only_a_named_one_is_restored() {
    let own = Own::new();
    own.back_up(None);
    let other = Own { folder: own.folder, ..Own::new() };
    other.back_up(None);
    let refused = other.restore("restored", None).unwrap_err().to_string();
    assert!(refused.contains("has backups of 2 archives") && refused.contains("--backup 20240131T120000Z-1`"), "{refused}");
    for id in [own.kept.id(), other.kept.id()] {
        assert!(refused.contains(id), "{refused}");
    }
    assert!(!other.folder.path().join("restored").exists());
    let (restored, _) = other.restore("restored", Some("20240131T120000Z-1")).unwrap();
    assert_eq!(restored.position.archive, own.kept.id());
}

#[test]
fn a_file_is_no_backup_folder() {
    let own = Own::new();
    let file = own.folder.path().join("file");
    fs::write(&file, "").unwrap();
    let nowhere = own.folder.path().join("link");
    std::os::unix::fs::symlink("nowhere", &nowhere).unwrap();
    for target in [file, nowhere] {
        let refused = own.refused(&target).to_string();
        assert!(refused.contains("is no folder"), "{refused}");
    }
}

#[test]
fn the_time_of_a_backup_is_that_of_its_newest_change() {
    let own = Own::new();
    // A write that changes no message, later.
    own.kept.commit_at(Timestamp(NOW.0 + 1_000), |w| {
        w.crawl_state(CHAT, |state| state.pts = Some(2_000));
    });
    own.back_up(None);
    let source = own.source();
    let (restored, _) = own.restore("restored", None).unwrap();
    assert_eq!(source.archive.position().at, restored.position.at);
}

#[test]
fn a_failure_in_one_folder_stands_until_a_backup_is_made_there() {
    let own = Own::new();
    let mut record = BackupRecord::default();
    let failure = |target: &str, scheduled| BackupFailure { target: target.into(), at: NOW.0, why: "no".to_owned(), scheduled };
    let success = own.back_up(None);
    let made = |target: &str| Ok(success.to_record(Path::new(target), NOW));
    let failing = |record: &BackupRecord| -> Vec<PathBuf> { record.failures.iter().map(|one| one.target.clone()).collect() };
    record.note(&own.data(), made("/a"));
    for target in ["/a", "/mistyped"] {
        record.note(&own.data(), Err(failure(target, false)));
    }
    record.note(&own.data(), Err(failure("/planned", true)));
    record.note(&own.data(), Err(failure("/a", false)));
    assert_eq!(failing(&record), ["/mistyped", "/planned", "/a"].map(PathBuf::from), "one a folder");
    record.note(&own.data(), made("/b"));
    assert_eq!(failing(&record), ["/planned", "/a"].map(PathBuf::from), "a folder that never had one was named by mistake");
    assert_eq!(BackupRecord::load(&own.data()), record);
    record.forget_unplanned(Some(Path::new("/planned")));
    assert_eq!(record.failures.len(), 2);
    record.forget_unplanned(None);
    assert_eq!(failing(&record), ["/a"].map(PathBuf::from));
    record.note(&own.data(), made("/a"));
    assert_eq!(failing(&record), [""; 0].map(PathBuf::from));
}

#[test]
fn a_folder_of_the_configuration_inside_of_the_data_folder_is_refused_whether_it_is_there_or_not() {
    let own = Own::new();
    let link = own.folder.path().join("link");
    std::os::unix::fs::symlink(own.data(), &link).unwrap();
    let nowhere = own.folder.path().join("not there yet");
    let check = |target: &Path, data: &Path| {
        let mut config = Config::default();
        config.jobs.backup.target = target.to_owned();
        check_backup_target(&config, data).map_err(|error| error.to_string())
    };
    for (target, data) in [
        (own.data(), own.data()),
        (own.data().join("backups"), own.data()),
        (own.data().join("archive/../new"), own.data()),
        (link.join("backups"), own.data()),
        (own.data().join("backups"), link.clone()),
        (nowhere.join("backups"), nowhere.clone()),
    ] {
        let refused = check(&target, &data).unwrap_err();
        let told = "`jobs.backup.target` of the configuration: backup folder `";
        assert!(refused.starts_with(told) && refused.contains("name a folder elsewhere"), "{refused}");
    }
    let beside = own.folder.path().join("not there yet, but beside it");
    for (target, data) in [(own.target(), own.data()), (beside, nowhere), (PathBuf::new(), own.data())] {
        check(&target, &data).unwrap();
    }
}

/// What `telescribe backup FOLDER --verify` writes.
async fn verified(own: &Own) -> String {
    let written = Written::default();
    let args = backup::Args { target: own.target(), keep: None, list: false, verify: Some(None) };
    let globals = Globals { data: own.data(), json: false, server: None, ca: None, key: None };
    backup::write(&args, &globals, || Ok(Config::default()), &mut Out::to(written.clone())).await.unwrap();
    written.text()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_damaged_in_the_target_is_whole_again_in_all_backups_after_what_verify_says() {
    let own = Own::closed();
    own.back_up(None);
    let (.., content) = tables(&own.target(), "20240131T120000Z-1").remove(0);
    let path = own.target().join("files").join(&content);
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] ^= 4;
    fs::write(&path, bytes).unwrap();
    let told = verified(&own).await;
    assert!(told.contains(&format!("remove `{}`", path.display())), "{told}");
    fs::remove_file(path).unwrap();
    own.back_up(None);
    assert_eq!(whole(&own.target()), [true, true]);
    let told = verified(&own).await;
    assert!(!told.contains("remove"), "{told}");
}
