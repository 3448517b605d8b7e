//! Files and folders: what is in them, copies of them, and damage to them.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to);
        } else if kind.is_file() {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The files of a folder, by name, those of some names only.
pub(crate) fn files(folder: &Path, of: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_file() && of(path.file_name().unwrap().to_str().unwrap()));
    found.sort();
    found
}

/// The folder of the project.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder of the project with such an extension, by name.
pub(crate) fn project_files(folder: &str, extension: &str) -> Vec<PathBuf> {
    fn below(folder: &Path, extension: &str, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, extension, into);
            } else if path.extension().is_some_and(|of| of == extension) {
                into.push(path);
            }
        }
    }
    let mut found = Vec::new();
    below(&project().join(folder), extension, &mut found);
    found.sort();
    found
}

/// Every file that holds something of the archive, with what is in it. RocksDB's own diary and its options are no such files.
pub(crate) fn archive_files(archive: &Path) -> BTreeMap<String, Vec<u8>> {
    let is_data = |name: &str| {
        name.starts_with("MANIFEST") || name == "CURRENT" || [".sst", ".log", ".blob"].iter().any(|end| name.ends_with(end))
    };
    everything(archive, is_data)
}

pub(crate) fn everything(folder: &Path, of: impl Fn(&str) -> bool) -> BTreeMap<String, Vec<u8>> {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files(folder, of).into_iter().map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

pub(crate) fn names(contents: &BTreeMap<String, Vec<u8>>) -> Vec<(&str, usize)> {
    contents.iter().map(|(name, bytes)| (name.as_str(), bytes.len())).collect()
}

pub(crate) fn flip(path: &Path, at: usize, bit: u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1 << bit;
    fs::write(path, bytes).unwrap();
}

pub(crate) fn cut(path: &Path, parts: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() * parts / 10).unwrap();
}

/// The first block of Python behind a heading of a page.
pub(crate) fn python_of(page: &str, heading: &str) -> String {
    let text = fs::read_to_string(project().join(page)).unwrap();
    let (_, behind) = text.split_once(heading).unwrap();
    let (_, code) = behind.split_once("```python\n").unwrap();
    code.split_once("```").unwrap().0.to_owned()
}
