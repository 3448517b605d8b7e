//! The files of an index, and what can happen to them.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::support::files::flip;

/// What can happen to a file of so many bytes.
type Damage = fn(&Path, usize);

/// What can happen to any file.
pub(crate) const DAMAGES: [(&str, Damage); 6] = [
    ("removed", |file, _| fs::remove_file(file).unwrap()),
    ("emptied", |file, _| fs::write(file, "").unwrap()),
    ("halved", |file, length| File::options().write(true).open(file).unwrap().set_len(length as u64 / 2).unwrap()),
    ("flipped at its start", |file, _| flip(file, 0, 3)),
    ("flipped in its middle", |file, length| flip(file, length / 2, 0)),
    ("flipped at its end", |file, length| flip(file, length - 1, 1)),
];

/// Whether a file says nothing but that somebody had the index.
pub(crate) fn is_lock(name: &str) -> bool {
    name.ends_with(".lock")
}

/// Overwrites all of a file but its footer, in place, so that whoever has it open sees it.
pub(crate) fn overwrite(file: &Path) {
    let length = fs::metadata(file).unwrap().len() as usize;
    let length = length.saturating_sub(150);
    let mut file = File::options().write(true).open(file).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(&vec![0xff; length]).unwrap();
}

/// Rewrites a list of files with its checksum, whoever wrote it.
pub(crate) fn relist(folder: &Path, name: &str, change: impl FnOnce(&str) -> String) {
    let text = fs::read_to_string(folder.join(name)).unwrap();
    // Each list ends with its checksum, unless somebody else wrote it.
    let members = ["\"crc32\": \"", "\"crc32: "].iter().find_map(|member| Some(text.rsplit_once(member)?.0));
    let closing = text.trim_end().chars().last().unwrap();
    let members = members.unwrap_or_else(|| text.trim_end().strip_suffix(closing).unwrap().trim_end());
    let mut list = change(members.trim_end().trim_end_matches(','));
    list.push(',');
    let sum = crc32fast::hash(list.as_bytes());
    list += &if closing == '}' { format!("\"crc32\": \"{sum:08x}\"}}\n") } else { format!("\"crc32: {sum:08x}\"]\n") };
    fs::write(folder.join(name), list).unwrap();
}
