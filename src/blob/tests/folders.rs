//! What the folder promises: nothing is made, followed or removed where it is not ours, and one process writes.

use super::*;

fn refused(path: &Path) -> String {
    let error = Blobs::open(path, BlobLimits::default()).unwrap_err();
    assert!(Blobs::open_read_only(path).is_err());
    error.to_string()
}

#[test]
fn one_process_writes_and_several_may_read_while_none_does() {
    let (_folder, path, blobs) = new();
    let hash = blobs.put(b"content").unwrap().hash;
    assert!(matches!(Blobs::open(&path, BlobLimits::default()), Err(BlobError::BlobsInUse { .. })));
    assert!(matches!(Blobs::open_read_only(&path), Err(BlobError::BlobsInUse { .. })));
    drop(blobs);
    let readers = [Blobs::open_read_only(&path).unwrap(), Blobs::open_read_only(&path).unwrap()];
    assert!(matches!(Blobs::open(&path, BlobLimits::default()), Err(BlobError::BlobsInUse { .. })));
    for reader in &readers {
        assert_eq!(read(reader, &hash).as_deref(), Some(&b"content"[..]));
        assert!(matches!(reader.put(b"x"), Err(BlobError::ReadOnly { .. })));
        assert!(matches!(reader.partial("p", None), Err(BlobError::ReadOnly { .. })));
        assert!(matches!(reader.delete(&hash), Err(BlobError::ReadOnly { .. })));
        assert!(matches!(reader.collect(|_| false, crate::model::Timestamp(0)), Err(BlobError::ReadOnly { .. })));
        reader.flush().unwrap();
    }
    drop(readers);
    assert!(open(&path).contains(&hash).unwrap());
}

#[test]
fn where_nothing_is_reading_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blobs");
    assert!(matches!(Blobs::open_read_only(&path), Err(BlobError::NoBlobs { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_is_not_ours_is_told_and_left_as_it_is() {
    let (folder, path, blobs) = new();
    drop(blobs.put(b"content").unwrap());
    drop(blobs);
    // A link to a folder that is one.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(refused(&link).contains("symbolic link"));
    // A folder with somebody's files; a file.
    let photos = folder.path().join("photos");
    fs::create_dir(&photos).unwrap();
    fs::write(photos.join("holiday.jpg"), "foreign").unwrap();
    assert!(refused(&photos).contains("holiday.jpg"));
    assert_eq!(files(&photos), [photos.join("holiday.jpg")]);
    assert!(refused(&photos.join("holiday.jpg")).contains("is not a folder"));
    // A part that leads elsewhere.
    let large = path.join("large");
    fs::rename(&large, folder.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &large).unwrap();
    assert!(refused(&path).contains("symbolic link"));
    fs::remove_file(&large).unwrap();
    assert!(refused(&path).contains("has lost its part `large`"));
    fs::rename(folder.path().join("elsewhere"), &large).unwrap();
    // A file beside ours does not matter.
    fs::write(path.join("note.txt"), "foreign").unwrap();
    let blobs = open(&path);
    assert!(blobs.contains(&BlobHash::of(b"content")).unwrap());
    assert_eq!(fs::read(path.join("note.txt")).unwrap(), b"foreign");
    drop(blobs);
    fs::rename(path.join("database"), folder.path().join("away")).unwrap();
    assert!(refused(&path).contains("has lost its part `database`"));
}

#[test]
fn a_newer_format_is_refused_and_a_damaged_mark_is_told() {
    let (_folder, path, blobs) = new();
    drop(blobs);
    let mark = fs::read_to_string(path.join("format")).unwrap();
    assert_eq!(mark, r#"{"format":1,"hash":"sha-256"}"#);
    fs::write(path.join("format"), r#"{"format":3,"hash":"sha-256"}"#).unwrap();
    let told = refused(&path);
    assert!(told.contains("format 3") && told.contains("install a newer telescribe"), "{told}");
    fs::write(path.join("format"), r#"{"format":1,"hash":"blake3"}"#).unwrap();
    assert!(refused(&path).contains("blake3"));
    for damaged in ["", "{", "[]"] {
        fs::write(path.join("format"), damaged).unwrap();
        assert!(refused(&path).contains("damaged file `format`"));
    }
    fs::write(path.join("format"), mark).unwrap();
    drop(open(&path));
}

#[test]
fn a_folder_whose_making_was_killed_is_made() {
    let (_folder, path, blobs) = new();
    let (_kept, copy) = as_killed(&path);
    drop(blobs);
    fs::remove_file(copy.join("format")).unwrap();
    fs::write(copy.join(".format-aB3x9Z"), "half").unwrap();
    let blobs = open(&copy);
    drop(blobs.put(b"content").unwrap());
    assert!(copy.join("format").exists() && !copy.join(".format-aB3x9Z").exists());
    // But not where something was stored.
    drop(blobs.put(&bytes(1, 2 << 20)).unwrap());
    drop(blobs);
    fs::remove_file(copy.join("format")).unwrap();
    assert!(refused(&copy).contains("and no file `format`"));
    let empty = tempfile::tempdir().unwrap();
    drop(open(empty.path()));
}

#[test]
fn a_damaged_database_says_the_way_out() {
    let (_folder, path, blobs) = new();
    drop(blobs.put(b"content").unwrap());
    blobs.flush().unwrap();
    drop(blobs);
    let is_manifest = |file: &PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("MANIFEST"));
    let manifest = files(&path).into_iter().find(is_manifest).unwrap();
    let whole = fs::read(&manifest).unwrap();
    fs::write(&manifest, vec![0x55; whole.len()]).unwrap();
    let said = refused(&path);
    assert!(said.contains(&format!("`{}` is damaged", path.display())) && said.contains("restore it from a backup"), "{said}");
    fs::write(&manifest, whole).unwrap();
    assert_eq!(read(&open(&path), &BlobHash::of(b"content")).as_deref(), Some(&b"content"[..]));
}

#[test]
fn a_database_that_lacks_a_table_or_a_part_of_one_is_told_of_when_it_is_opened() {
    let (_folder, path, blobs) = new();
    drop(blobs);
    for seed in 0..20 {
        drop(open(&path).put(&bytes(seed, 10_000)).unwrap());
    }
    let tables: Vec<PathBuf> = files(&path).into_iter().filter(|file| file.extension().is_some_and(|ext| ext == "sst")).collect();
    assert!(tables.len() > 2, "{tables:?}");
    for table in tables {
        let whole = fs::read(&table).unwrap();
        fs::write(&table, &whole[..whole.len() - 1]).unwrap();
        assert!(refused(&path).contains("is damaged"), "{} that lacks its last byte", table.display());
        fs::remove_file(&table).unwrap();
        assert!(refused(&path).contains("is damaged"), "without {}", table.display());
        fs::write(&table, whole).unwrap();
    }
    assert_eq!(read(&open(&path), &BlobHash::of(&bytes(7, 10_000))), Some(bytes(7, 10_000)));
}

#[test]
fn only_its_owner_may_read_the_folder_and_its_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, path, blobs) = new();
    drop(blobs.put(&bytes(1, 2 << 20)).unwrap());
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!([&path, &path.join("large"), &path.join("partial")].map(|folder| mode(folder)), [0o700; 3]);
    assert!(files(&path.join("large")).iter().all(|file| mode(file) == 0o600));
}

#[test]
fn a_log_that_is_damaged_where_it_was_flushed_is_told_or_ends_there_but_nothing_wrong_is_served() {
    let (_folder, path, blobs) = new();
    let hashes: Vec<BlobHash> = (0..20).map(|seed| blobs.put(&bytes(seed, 10_000)).unwrap().hash).collect();
    blobs.flush().unwrap();
    let (_kept, copy) = as_killed(&path);
    let log = files(&copy.join("database")).into_iter().find(|file| file.extension().is_some_and(|ext| ext == "log")).unwrap();
    damage(&log);
    let Ok(blobs) = Blobs::open(&copy, BlobLimits::default()) else { return };
    let there = hashes.iter().filter(|hash| read(&blobs, hash).is_some()).count();
    assert!(there < 20 && there as u64 == blobs.totals().all().count, "{there}");
    assert_eq!(blobs.verify(|_| {}).unwrap().damaged_count, 0);
    for seed in 0..20 {
        drop(blobs.put(&bytes(seed, 10_000)).unwrap());
    }
    assert_eq!(blobs.totals().all().count, 20);
}
