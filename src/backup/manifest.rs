//! What a backup is made of: the manifest, as it stands in the target folder.
//!
//! A line of JSON, and a line with its digest, so that a flipped bit in it is as sure to be found as one in a file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::archive::{ArchivePosition, Epoch};
use crate::model::{AccountName, Timestamp};

/// The form of manifests that this version writes, and the newest that it reads.
const FORM: u32 = 1;

/// The name of a backup: when it was made, and the how-manieth of its target it is, by which backups are in order however the clock is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupId {
    /// As `20260131T120000Z`.
    time: String,
    pub(super) number: u64,
}

impl BackupId {
    pub(super) fn new(made: Timestamp, number: u64) -> Self {
        Self { time: made.to_utc().format("%Y%m%dT%H%M%SZ").to_string(), number }
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.time, self.number)
    }
}

impl FromStr for BackupId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (time, number) = text.split_once('-')?;
            let id = Self { time: time.to_owned(), number: number.parse().ok()? };
            let plain = !time.is_empty() && time.bytes().all(|b| b.is_ascii_digit() || b == b'T' || b == b'Z');
            (plain && id.to_string() == text).then_some(id)
        };
        read().ok_or_else(|| format!("`{text}` is no name of a backup, such as 20260131T120000Z-7"))
    }
}

/// What a file of a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    /// One of the archive's own.
    Archive,
    /// The keys of HTTP clients.
    Keys,
    /// A sealed session.
    Session,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    pub(super) role: Role,
    /// What it is called where it belongs; of a session the account's name.
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) sha256: String,
    /// The digest of its last bytes, by which a table is recognised without being read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<String>,
}

impl fmt::Display for StoredFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Archive => write!(f, "the archive's file `{}`", self.name),
            Role::Keys => write!(f, "the clients' keys `{}`", self.name),
            Role::Session => write!(f, "the session of account `{}`", self.name),
        }
    }
}

/// A backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the manifest.
    form: u32,
    /// The archive's id.
    pub archive: String,
    /// The epoch that it was in.
    pub epoch: String,
    /// The format of its files.
    pub format: u32,
    /// The number of its newest change.
    pub change: u64,
    /// The newest link of its hash chain.
    pub link: String,
    /// When its newest change was archived (RFC 3339).
    pub archived_at: String,
    /// When the backup was made (RFC 3339).
    pub made_at: String,
    /// The version of the program that made it.
    pub program: String,
    /// The accounts whose sessions are not in it, because they are not sealed.
    pub sessions_left_out: Vec<String>,
    /// What could not be read when it was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<UnreadPart>,
    /// What it is made of.
    pub files: Vec<StoredFile>,
}

/// A part of the data folder that could not be read when a backup was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadPart {
    /// Which, in words.
    pub what: String,
    /// Why not.
    pub why: String,
    /// The earlier backup whose copy of it was taken instead; none where it is not in the backup at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<String>,
}

impl fmt::Display for UnreadPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, why, copy_of } = self;
        match copy_of {
            Some(earlier) => write!(f, "{what} could not be read, so it is as in backup `{earlier}`: {why}"),
            None => write!(f, "{what} could not be read and is not in it: {why}"),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Seal {
    sha256: String,
}

impl Manifest {
    pub(super) fn new(position: &ArchivePosition, made: Timestamp, program: &str, left_out: &[AccountName]) -> Self {
        Self {
            form: FORM,
            archive: position.archive.clone(),
            epoch: position.epoch.to_string(),
            format: position.format,
            change: position.last.0,
            link: position.link.to_string(),
            archived_at: position.at.to_string(),
            made_at: made.to_string(),
            program: program.to_owned(),
            sessions_left_out: left_out.iter().map(ToString::to_string).collect(),
            unread: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Bytes of all its files.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// How an archive differs from what the backup is to hold; nothing where it is at its position.
    pub(super) fn differs_from(&self, position: &ArchivePosition) -> Option<String> {
        let of_same_format = self.format == position.format;
        let same = self.archive == position.archive
            && self.change == position.last.0
            // An upgrade adds what an older format lacks.
            && (!of_same_format || (self.epoch == position.epoch.to_string() && self.link == position.link.to_string()));
        (!same).then(|| {
            format!(
                "its archive ends at change {} in epoch {}, and should at {} in {}",
                position.last, position.epoch, self.change, self.epoch
            )
        })
    }

    pub(super) fn to_text(&self) -> serde_json::Result<String> {
        let line = serde_json::to_string(self)?;
        let seal = serde_json::to_string(&Seal { sha256: hex(&Sha256::digest(&line)) })?;
        Ok(format!("{line}\n{seal}\n"))
    }

    /// Reads a manifest; why it cannot be, in words.
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| "its manifest is not UTF-8".to_owned())?;
        let mut lines = text.lines();
        let (Some(line), Some(seal)) = (lines.next(), lines.next()) else {
            return Err("its manifest is cut off".to_owned());
        };
        let seal: Seal = serde_json::from_str(seal).map_err(|_| "the digest of its manifest cannot be read".to_owned())?;
        if seal.sha256 != hex(&Sha256::digest(line)) {
            return Err("its manifest was changed: its digest is another".to_owned());
        }
        let manifest: Self = serde_json::from_str(line).map_err(|error| format!("its manifest cannot be read ({error})"))?;
        if manifest.form > FORM {
            return Err(format!(
                "its manifest has form {}, this version reads up to {FORM}; install a newer telescribe",
                manifest.form
            ));
        }
        manifest.epoch.parse::<Epoch>()?;
        match manifest.files.iter().find(|file| !file.is_sound()) {
            Some(file) => Err(format!("its manifest names a file that none is called (`{}`)", file.name.escape_default())),
            None => Ok(manifest),
        }
    }
}

impl StoredFile {
    /// Whether its names lead nowhere else.
    fn is_sound(&self) -> bool {
        let is_hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
        let named = match self.role {
            Role::Session => self.name.parse::<AccountName>().is_ok(),
            Role::Archive | Role::Keys => !self.name.is_empty() && !self.name.starts_with('.') && self.name.bytes().all(plain),
        };
        named && self.sha256.len() == 64 && self.sha256.bytes().all(is_hex)
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a `String` does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let file = |role, name: &str| StoredFile { role, name: name.to_owned(), size: 3, sha256: "0a".repeat(32), end: None };
        Manifest {
            form: FORM,
            archive: "0f".to_owned(),
            epoch: "1-0f3c9a72".to_owned(),
            format: 3,
            change: 42,
            link: "ab".to_owned(),
            archived_at: "2026-01-31T12:00:00Z".to_owned(),
            made_at: "2026-01-31T12:00:05Z".to_owned(),
            program: "0.1.0".to_owned(),
            sessions_left_out: vec!["beta".to_owned()],
            unread: Vec::new(),
            files: vec![file(Role::Archive, "000012.sst"), file(Role::Session, "alpha")],
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_in_a_manifest_is_found_and_so_is_one_that_is_cut_off() {
        let whole = manifest().to_text().unwrap().into_bytes();
        assert_eq!(Manifest::read(&whole).unwrap(), manifest());
        for at in 0..whole.len() - 1 {
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            assert!(Manifest::read(&flipped).is_err(), "byte {at}");
            // Without its last line break it is whole still.
            assert!(Manifest::read(&whole[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_manifest_from_before_parts_could_be_unread_is_read() {
        let text = manifest().to_text().unwrap();
        assert!(!text.contains("unread"));
        let unread = UnreadPart { what: "it".to_owned(), why: "no".to_owned(), copy_of: None };
        let manifest = Manifest { unread: vec![unread], ..manifest() };
        assert_eq!(Manifest::read(manifest.to_text().unwrap().as_bytes()).unwrap(), manifest);
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        for (role, name) in [
            (Role::Archive, "../keys.json"),
            (Role::Archive, ".."),
            (Role::Archive, ""),
            (Role::Archive, "a/b"),
            (Role::Session, "../alpha"),
            (Role::Keys, "/etc/passwd"),
        ] {
            let mut manifest = manifest();
            manifest.files[0].role = role;
            manifest.files[0].name = name.to_owned();
            let refused = Manifest::read(manifest.to_text().unwrap().as_bytes()).unwrap_err();
            assert!(refused.contains("names a file"), "{refused}");
        }
        let mut manifest = manifest();
        manifest.files[0].sha256 = format!("../{}", "0a".repeat(30));
        assert!(Manifest::read(manifest.to_text().unwrap().as_bytes()).is_err());
    }

    #[test]
    fn backups_are_named_by_time_and_number() {
        let id = BackupId::new(Timestamp(1_706_702_400), 7);
        assert_eq!(id.to_string(), "20240131T120000Z-7");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "7", "-7", "20240131T120000Z-07", "20240131T120000Z-", "../x-7", "a-7"] {
            assert!(text.parse::<BackupId>().is_err(), "{text}");
        }
    }
}
