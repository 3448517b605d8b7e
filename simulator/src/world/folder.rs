//! Folders: an account's own selections of its dialogs.

use super::PeerId;

/// A folder, in the words of <https://core.telegram.org/api/folders>.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Telegram's own")]
#[expect(clippy::struct_excessive_bools, reason = "so are the switches")]
pub struct Folder {
    /// From 2 on; 0 is all dialogs and 1 the archive.
    pub id: i32,
    pub title: String,
    pub pinned_peers: Vec<PeerId>,
    pub include_peers: Vec<PeerId>,
    pub exclude_peers: Vec<PeerId>,
    pub contacts: bool,
    pub non_contacts: bool,
    pub groups: bool,
    pub broadcasts: bool,
    pub bots: bool,
    pub exclude_muted: bool,
    pub exclude_read: bool,
    pub exclude_archived: bool,
}
