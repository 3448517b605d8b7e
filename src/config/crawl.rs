//! `[crawl]`: which peers are crawled, and how.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;
use crate::archive::MassDeletion;
use crate::crawl::{JoinTarget, Rules, Settings};
use crate::model::PeerKind;
use crate::schedule::{InvalidSelector, Scope, Selector};
use crate::telegram::FileSettings;

/// Which peers are crawled, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CrawlConfig {
    /// Kinds of peers to crawl: "channel", "supergroup", "group" (basic) and "user" (private chats).
    pub kinds: Vec<Kind>,
    /// Peer selectors: of these kinds, only matching peers are crawled; empty for all. A selector is a marked id ("-1001234567890"),
    /// "@username", "title:*news*", "folder:Work" or "kind:channel".
    pub allow: Vec<String>,
    /// Peer selectors: matching peers are never crawled, not even those that `allow` matches.
    pub deny: Vec<String>,
    /// Public groups and channels that are crawled without joining them: "@username" or a link such as "https://t.me/username". They are
    /// crawled whatever `allow` says, but not against `deny` and `kinds`.
    pub follow: Vec<String>,
    /// Whether the discussion groups of crawled channels are crawled too, where they can be read without joining.
    pub linked_groups: bool,
    /// How far back the recheck job reads messages again, for edits, deletions, reactions and views that Telegram sent no update about.
    pub recheck_window: Span,
    /// Maximum number of a peer's newest message ids that are read again, by the recheck job and after Telegram skipped updates.
    pub recheck_ids_max: u32,
    /// Threshold of a mass deletion: where at least this many messages are gone at once, they are marked deleted only after a second request
    /// has confirmed it.
    pub mass_deletion_min: usize,
    /// Delay of that second request. Deletions that Telegram has reported by id are confirmed without delay.
    pub mass_deletion_confirm_after: Span,
}

/// A kind of peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A broadcast channel.
    Channel,
    /// A supergroup.
    Supergroup,
    /// A basic group.
    Group,
    /// A private chat.
    User,
}

impl Kind {
    fn kind(self) -> PeerKind {
        match self {
            Self::Channel => PeerKind::Channel,
            Self::Supergroup => PeerKind::Supergroup,
            Self::Group => PeerKind::Group,
            Self::User => PeerKind::User,
        }
    }
}

impl CrawlConfig {
    /// Which peers are crawled.
    ///
    /// # Errors
    /// With the key and what is wrong with it, when a selector is invalid.
    pub fn rules(&self) -> Result<Rules, (&'static str, InvalidSelector)> {
        let read = |key, selectors: &[String]| {
            selectors.iter().map(|s| s.parse()).collect::<Result<Vec<Selector>, _>>().map_err(|e| (key, e))
        };
        let scope = Scope { only: read("allow", &self.allow)?, except: read("deny", &self.deny)? };
        Ok(Rules { kinds: self.kinds.iter().map(|k| k.kind()).collect(), scope })
    }
}

impl Default for CrawlConfig {
    fn default() -> Self {
        Self {
            kinds: vec![Kind::Channel, Kind::Supergroup, Kind::Group],
            allow: Vec::new(),
            deny: Vec::new(),
            follow: Vec::new(),
            linked_groups: true,
            // Telegram lets most messages be edited for 48 hours.
            recheck_window: Span::seconds(48 * 60 * 60),
            // A hundred requests: what an account can spare after an outage.
            recheck_ids_max: 10_000,
            // A page: nobody deletes by hand what a page cannot show, and an hour is longer than Telegram's bad moments.
            mass_deletion_min: 100,
            mass_deletion_confirm_after: Span::seconds(60 * 60),
        }
    }
}

impl CrawlConfig {
    /// How to crawl, with so many workers, and what is resumed at the start.
    ///
    /// # Errors
    /// See [`CrawlConfig::rules`].
    pub fn settings(&self, resumed: Vec<Scope>, workers: usize) -> Result<Settings, (&'static str, InvalidSelector)> {
        Ok(Settings {
            recheck_ids_max: self.recheck_ids_max,
            recheck_window: self.recheck_window.duration(),
            mass_deletion: MassDeletion {
                ids_min: self.mass_deletion_min,
                confirm_after: self.mass_deletion_confirm_after.duration(),
            },
            rules: self.rules()?,
            followed: self.followed().unwrap_or_default(),
            linked_groups: self.linked_groups,
            resumed,
            workers,
            files: FileSettings::default(),
        })
    }

    /// The usernames that are to be followed.
    fn followed(&self) -> Result<Vec<String>, (&'static str, String)> {
        let username = |text: &String| match text.parse() {
            Ok(JoinTarget::Username(name)) => Ok(name),
            Ok(JoinTarget::Invite(_)) => Err((
                "follow",
                format!("names `{text}`, an invite: only members can read what it leads to; use `telescribe join`"),
            )),
            Err(error) => Err(("follow", format!("names `{text}`: {error}"))),
        };
        self.follow.iter().map(username).collect()
    }

    /// What is wrong, and with which key.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        self.rules().map_err(|(key, error)| (key, format!("is wrong: {error}")))?;
        self.followed()?;
        if self.kinds.is_empty() {
            return Err(("kinds", "must list at least one kind, or nothing would be crawled".to_owned()));
        }
        if self.mass_deletion_min == 0 {
            let why = "must be at least 1; a very large number turns the confirmation of mass deletions off";
            return Err(("mass_deletion_min", why.to_owned()));
        }
        Ok(())
    }
}
