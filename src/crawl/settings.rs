//! What of the crawl can be set, as plain data.

use std::time::Duration;

use super::admission::Rules;
use crate::archive::MassDeletion;
use crate::schedule::Scope;
use crate::telegram::FileSettings;

/// How to crawl.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many of a channel's newest ids are read again after Telegram skipped edits and deletions, and by a recheck.
    pub recheck_ids_max: u32,
    /// How far back a recheck reads.
    pub recheck_window: Duration,
    /// How many messages that vanish at once are not believed to be deleted before they were asked for again.
    pub mass_deletion: MassDeletion,
    /// Which peers are crawled.
    pub rules: Rules,
    /// Usernames of public groups and channels that are crawled though no account is a member.
    pub followed: Vec<String>,
    /// Whether the discussion groups of crawled channels are crawled too.
    pub linked_groups: bool,
    /// The peers of which what coverage lacks is planned at the start.
    pub resumed: Vec<Scope>,
    /// How many workers fetch and write; one more than requests may be under way keeps fetching while another writes.
    pub workers: usize,
    /// How the accounts' connections for files are made.
    pub files: FileSettings,
}
