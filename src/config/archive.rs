//! `[archive]`: the archive on disk.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;
use crate::archive::{Durability, Writing};
use crate::erasure::RetentionRule;
use crate::schedule::{Scope, Selector};
use crate::verification::ScrubSettings;

/// The archive on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveConfig {
    /// When the disk gets a write: "os" gathers those of a fifth of a second, "always" waits for the disk (fsync) with each page. Either way a killed process loses nothing, and nothing is shown or published before the disk has it.
    pub sync: Sync,
    /// MiB that are to stay free on the archive's disk: with less, nothing more is asked of Telegram until there is room again.
    pub free_min_mib: u64,
    /// How long time series are kept: what views, forwards, replies and reactions of messages, and member counts of peers, were earlier.
    /// At least "1d"; "0s" keeps them for good. The newest figures are always kept.
    pub series_retention: Span,
    /// How long after the end of one scrub the next begins, which reads all of archive and index to find damage; "0s" for never.
    pub scrub_interval: Span,
    /// How many MiB a scrub reads in a second, at most.
    pub scrub_mib_per_second: u64,
    /// Rules by which messages are erased for good, once a day; none by default. `telescribe erase --retention` counts what they would erase now.
    /// One looks so, instead of the line below:
    ///
    ///     [[archive.retention]]
    ///     name = "chatter"
    ///     peers = ["title:*chat*"]
    ///     keep = "365d"
    ///
    /// `peers` and `except` are peer selectors as in `crawl.allow`. A rule without `peers` is about every peer, and must say so: `everything = true`.
    /// `keep`: how long after it was sent a message stays, at least "1d". What was erased is not archived again.
    pub retention: Vec<RetentionRuleConfig>,
}

/// A rule by which messages are erased.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionRuleConfig {
    /// What it is called; a rule that is renamed is another one.
    pub name: String,
    /// Peer selectors.
    pub peers: Vec<String>,
    /// Peer selectors that it is not about.
    pub except: Vec<String>,
    /// Whether it is about every peer, where `peers` names none.
    pub everything: bool,
    /// How long messages are kept.
    pub keep: Span,
}

impl Default for RetentionRuleConfig {
    fn default() -> Self {
        Self { name: String::new(), peers: Vec::new(), except: Vec::new(), everything: false, keep: Span::seconds(0) }
    }
}

impl RetentionRuleConfig {
    fn rule(&self) -> Result<RetentionRule, (&'static str, String)> {
        if self.name.trim().is_empty() {
            return Err(("name", "must not be empty: it is shown with what the rule erases".to_owned()));
        }
        if self.keep < RETENTION_MIN {
            return Err(("keep", format!("must be at least {RETENTION_MIN}, not `{}`: what is erased is gone", self.keep)));
        }
        match (self.peers.is_empty(), self.everything) {
            (true, false) => {
                let why = "must name peers; a rule that erases the old messages of every peer has `everything = true`";
                return Err(("peers", why.to_owned()));
            }
            (false, true) => return Err(("everything", "is for a rule without `peers`; remove one of the two".to_owned())),
            _ => {}
        }
        let parsed = |texts: &[String], key| {
            let parsed = texts.iter().map(|text| text.parse::<Selector>().map_err(|error| (key, error.to_string())));
            parsed.collect::<Result<Vec<Selector>, _>>()
        };
        let peers = Scope { only: parsed(&self.peers, "peers")?, except: parsed(&self.except, "except")? };
        Ok(RetentionRule { name: self.name.clone(), peers, keep: self.keep.duration() })
    }
}

/// The shortest retention: a shorter one is a mistyped unit, and what it removes is gone.
const RETENTION_MIN: Span = Span::seconds(24 * 60 * 60);

/// How durable a write is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sync {
    /// With others of the same moment.
    #[default]
    Os,
    /// By itself, before the next is asked for.
    Always,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        // What is archived stays, unless the operator says otherwise.
        Self {
            sync: Sync::Os,
            free_min_mib: 1024,
            series_retention: Span::seconds(0),
            scrub_interval: Span::seconds(7 * 24 * 60 * 60),
            scrub_mib_per_second: 4,
            retention: Vec::new(),
        }
    }
}

impl ArchiveConfig {
    /// How long time series are kept; `None` for good.
    #[must_use]
    pub fn series_retention(&self) -> Option<Duration> {
        Some(self.series_retention.duration()).filter(|keep| !keep.is_zero())
    }

    /// The rules by which messages are erased.
    ///
    /// # Errors
    /// With the key and what is wrong with it.
    pub fn retention_rules(&self) -> Result<Vec<RetentionRule>, (String, String)> {
        let mut names = BTreeSet::new();
        let mut rules = Vec::new();
        for (at, rule) in self.retention.iter().enumerate() {
            let of = |(key, why): (&str, String)| (format!("retention[{at}].{key}"), why);
            if !names.insert(rule.name.as_str()) {
                return Err(of(("name", format!("`{}` is the name of two rules", rule.name))));
            }
            rules.push(rule.rule().map_err(of)?);
        }
        Ok(rules)
    }

    /// What is wrong, and with which key.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        self.check_figures().map_err(|(key, why)| (key.to_owned(), why))?;
        self.retention_rules().map(drop)
    }

    fn check_figures(&self) -> Result<(), (&'static str, String)> {
        if self.scrub_mib_per_second == 0 {
            let why = "must be at least 1; `archive.scrub_interval = \"0s\"` switches the scrub off".to_owned();
            return Err(("scrub_mib_per_second", why));
        }
        match self.series_retention {
            keep if keep.duration().is_zero() || keep >= RETENTION_MIN => Ok(()),
            keep => Err((
                "series_retention",
                format!("must be at least {RETENTION_MIN}, or \"0s\" to keep them for good, not `{keep}`"),
            )),
        }
    }

    /// How archive and index are scrubbed; `None` where they are not.
    #[must_use]
    pub fn scrub(&self) -> Option<ScrubSettings> {
        let interval = self.scrub_interval.duration();
        let bytes_per_second = self.scrub_mib_per_second << 20;
        (!interval.is_zero()).then_some(ScrubSettings { interval, bytes_per_second })
    }

    /// How the archive is written.
    #[must_use]
    pub fn writing(&self) -> Writing {
        let durability = match self.sync {
            Sync::Os => Durability::Os,
            Sync::Always => Durability::Always,
        };
        Writing { durability, free_min: self.free_min_mib << 20 }
    }
}
