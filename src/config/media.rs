//! `[media]`: which files are downloaded, and how.

use std::collections::BTreeSet;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;
use crate::blob::BlobLimits;
use crate::media::{Action, DownloadRule, DownloadRules, Settings};
use crate::model::{FilePlace, MediaKind};
use crate::schedule::{Scope, Selector};
use crate::telegram::FileSettings;

/// Which files are downloaded, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MediaConfig {
    /// Whether files are downloaded. What is known of them is archived in any case.
    pub enabled: bool,
    /// Maximum size of a file, in MiB, where no rule says otherwise; 0 for no limit.
    pub size_max_mib: u64,
    /// Maximum number of files that an account downloads at once, of up to 10 MiB.
    pub small_files_max: usize,
    /// The same for larger files.
    pub large_files_max: usize,
    /// Connections of an account to each data centre, for files only.
    pub connections: usize,
    /// The same for an account with Telegram Premium.
    pub premium_connections: usize,
    /// Requests for parts of one file that are in flight at once.
    pub parts: usize,
    /// The same for an account with Telegram Premium.
    pub premium_parts: usize,
    /// Maximum size of all stored files together, in MiB; 0 for no limit. At it, downloads wait.
    pub quota_mib: u64,
    /// Rules: the first one that is about a file decides; where none is, the file is downloaded if `size_max_mib` allows. Another one looks so:
    ///
    ///     [[media.rules]]
    ///     name = "large videos"
    ///     peers = ["title:*news*"]
    ///     kinds = ["video", "animation"]
    ///     size_max_mib = 500
    ///     age_max = "90d"
    ///     action = "download"
    ///
    /// `peers` and `except` are peer selectors as in `crawl.allow`; empty for all. `kinds`: "photo", "video", "animation", "audio", "voice",
    /// "round", "sticker", "file". `places`: "media", "item", "cover", "alternative", "live_part", "preview", "page", "service", "avatar"; empty for
    /// all. `action`: "download", "on-demand" or "skip". A changed rule is applied to all files that are not stored, at the next start.
    pub rules: Vec<MediaRuleConfig>,
    /// The program that decodes pictures, itself: whoever starts the program says so.
    #[serde(skip)]
    pub decoder: Option<PathBuf>,
}

/// A rule about files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MediaRuleConfig {
    /// What it is called where it decides.
    pub name: String,
    /// Peer selectors; empty for all.
    pub peers: Vec<String>,
    /// Peer selectors that it is not about.
    pub except: Vec<String>,
    /// Kinds of media; empty for all.
    pub kinds: Vec<String>,
    /// Places in a message; empty for all.
    pub places: Vec<String>,
    /// Maximum size in MiB; 0 for no limit.
    pub size_max_mib: u64,
    /// How long ago it may have been posted; "0s" for ever.
    pub age_max: Span,
    /// What is done.
    pub action: MediaAction,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MediaAction {
    /// Download.
    #[default]
    Download,
    /// Download when somebody asks.
    OnDemand,
    /// Do not download.
    Skip,
}

impl Default for MediaRuleConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            peers: Vec::new(),
            except: Vec::new(),
            kinds: Vec::new(),
            places: Vec::new(),
            size_max_mib: 0,
            age_max: Span::seconds(0),
            action: MediaAction::Download,
        }
    }
}

/// The kinds of media that are files.
const KINDS: [MediaKind; 8] = [
    MediaKind::Photo,
    MediaKind::Video,
    MediaKind::Animation,
    MediaKind::Audio,
    MediaKind::Voice,
    MediaKind::Round,
    MediaKind::Sticker,
    MediaKind::File,
];

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            // Above it are mostly films; whoever wants them says so.
            size_max_mib: 200,
            small_files_max: 5,
            large_files_max: 2,
            connections: 2,
            premium_connections: 8,
            parts: 4,
            premium_parts: 32,
            quota_mib: 0,
            // Every sender has one, and few are ever looked at.
            rules: vec![MediaRuleConfig {
                name: "profile photos of people".to_owned(),
                peers: vec!["kind:user".to_owned()],
                places: vec!["avatar".to_owned()],
                action: MediaAction::OnDemand,
                ..MediaRuleConfig::default()
            }],
            decoder: None,
        }
    }
}

/// The word of a list that a name is.
fn named<T: Copy>(all: &[T], name_of: fn(T) -> &'static str, name: &str) -> Result<T, String> {
    all.iter().copied().find(|one| name_of(*one) == name).ok_or_else(|| {
        let known: Vec<String> = all.iter().map(|one| format!("`{}`", name_of(*one))).collect();
        format!("`{name}` is unknown; known are {}", known.join(", "))
    })
}

fn selectors(texts: &[String]) -> Result<Vec<Selector>, String> {
    texts.iter().map(|text| text.parse().map_err(|error: crate::schedule::InvalidSelector| error.to_string())).collect()
}

impl MediaRuleConfig {
    fn rule(&self) -> Result<DownloadRule, (&'static str, String)> {
        if self.name.trim().is_empty() {
            return Err(("name", "must not be empty: it is shown where the rule decides".to_owned()));
        }
        let of = |key: &'static str| move |why: String| (key, why);
        Ok(DownloadRule {
            name: self.name.clone(),
            peers: Scope {
                only: selectors(&self.peers).map_err(of("peers"))?,
                except: selectors(&self.except).map_err(of("except"))?,
            },
            kinds: self
                .kinds
                .iter()
                .map(|kind| named(&KINDS, MediaKind::name, kind))
                .collect::<Result<_, _>>()
                .map_err(of("kinds"))?,
            places: self
                .places
                .iter()
                .map(|place| named(&FilePlace::ALL, FilePlace::name, place))
                .collect::<Result<_, _>>()
                .map_err(of("places"))?,
            size_max: limit(self.size_max_mib),
            age_max: Some(self.age_max.duration()).filter(|age| !age.is_zero()),
            action: match self.action {
                MediaAction::Download => Action::Download,
                MediaAction::OnDemand => Action::OnDemand,
                MediaAction::Skip => Action::Skip,
            },
        })
    }
}

/// MiB as bytes; none for no limit.
fn limit(mib: u64) -> Option<u64> {
    (mib > 0).then(|| mib.saturating_mul(1 << 20))
}

impl MediaConfig {
    /// The rules, and what holds where none of them is about a file.
    ///
    /// # Errors
    /// With the key and what is wrong with it.
    pub fn rules(&self) -> Result<DownloadRules, (String, String)> {
        let mut names = BTreeSet::new();
        let mut rules = Vec::new();
        for (at, rule) in self.rules.iter().enumerate() {
            let of = |(key, why): (&str, String)| (format!("rules[{at}].{key}"), why);
            if !names.insert(rule.name.as_str()) {
                return Err(of(("name", format!("`{}` is the name of two rules", rule.name))));
            }
            rules.push(rule.rule().map_err(of)?);
        }
        rules.push(DownloadRule {
            name: "media.size_max_mib".to_owned(),
            peers: Scope::all(),
            kinds: Vec::new(),
            places: Vec::new(),
            size_max: limit(self.size_max_mib),
            age_max: None,
            action: Action::Download,
        });
        Ok(DownloadRules(rules))
    }

    /// What is wrong, and with which key.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let counts = [
            ("small_files_max", self.small_files_max, 100),
            ("large_files_max", self.large_files_max, 100),
            ("connections", self.connections, 16),
            ("premium_connections", self.premium_connections, 16),
            ("parts", self.parts, 64),
            ("premium_parts", self.premium_parts, 64),
        ];
        if let Some((key, _, max)) = counts.into_iter().find(|(_, count, max)| !(1..=*max).contains(count)) {
            return Err((key.to_owned(), format!("must be 1 to {max}")));
        }
        self.rules().map(drop)
    }

    /// How connections for files are made.
    #[must_use]
    pub fn connections(&self) -> FileSettings {
        FileSettings {
            connections_max: self.connections,
            connections_max_premium: self.premium_connections,
            ..FileSettings::default()
        }
    }

    /// How many requests for parts an account may have in flight.
    #[must_use]
    pub fn requests_in_flight_max(&self) -> usize {
        self.small_files_max + self.large_files_max * self.parts.max(self.premium_parts)
    }

    /// How much may be stored; `free_min` is what is to stay free on the disk.
    #[must_use]
    pub fn limits(&self, free_min: u64) -> BlobLimits {
        BlobLimits { free_min, bytes_max: limit(self.quota_mib) }
    }

    /// How files are downloaded.
    ///
    /// # Errors
    /// See [`MediaConfig::rules`].
    pub fn settings(&self) -> Result<Settings, (String, String)> {
        Ok(Settings {
            rules: self.rules()?,
            enabled: self.enabled,
            small_files_max: self.small_files_max,
            large_files_max: self.large_files_max,
            parts: self.parts,
            premium_parts: self.premium_parts,
            decoder: self.decoder.clone(),
        })
    }
}
