//! Rules: which files are downloaded. A pure function of what is known of a file, where it was seen, and the time.

use std::fmt;
use std::time::Duration;

use crate::archive::ArchivedFile;
use crate::model::{FilePlace, MediaKind, Timestamp};
use crate::schedule::{PeerFacts, Scope};

/// What is to become of the files that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// They are downloaded.
    Download,
    /// They are downloaded only when somebody asks for one.
    OnDemand,
    /// They are not downloaded.
    Skip,
}

/// A rule. It is about the files that it names by peer, kind and place; of these, the ones that are too large or too old are skipped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DownloadRule {
    /// What the operator calls it.
    pub name: String,
    /// In which peers.
    pub peers: Scope,
    /// Which kinds; empty for all.
    pub kinds: Vec<MediaKind>,
    /// In which places of a message; empty for all.
    pub places: Vec<FilePlace>,
    /// Bytes that a file may have; `None` for any.
    pub size_max: Option<u64>,
    /// How long ago it may have been posted; `None` for ever.
    pub age_max: Option<Duration>,
    /// What is done.
    pub action: Action,
}

/// All rules. The first that is about a file, where it was seen, decides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DownloadRules(pub Vec<DownloadRule>);

/// What the rules say of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is wanted, by this rule.
    Wanted {
        /// Its name.
        rule: String,
    },
    /// It is not, for this reason.
    Skipped {
        /// Why.
        why: String,
    },
}

/// What one rule says of a file at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleStep {
    /// The rule.
    pub rule: String,
    /// Why it is not about the file there; `None` where it is, and so decides.
    pub passed_over: Option<String>,
}

/// What was asked of the rules about a file at a place, in their order, and what the last of them decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The rules that were asked.
    pub steps: Vec<RuleStep>,
    /// What is to become of the file.
    pub verdict: Verdict,
}

/// Shows bytes as people write them.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        match UNITS.into_iter().find(|(_, unit)| self.0 >= *unit) {
            Some((name, unit)) if self.0.is_multiple_of(unit) => write!(f, "{} {name}", self.0 / unit),
            Some((name, unit)) => write!(f, "{:.1} {name}", self.0 as f64 / unit as f64),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

impl DownloadRule {
    /// Whether it is about a file that was seen in this place of this peer.
    fn is_about(&self, file: &ArchivedFile, place: FilePlace, peer: &PeerFacts<'_>) -> bool {
        self.is_about_kind(file) && self.is_about_place(place) && self.peers.covers(peer)
    }

    fn is_about_kind(&self, file: &ArchivedFile) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&file.media)
    }

    fn is_about_place(&self, place: FilePlace) -> bool {
        self.places.is_empty() || self.places.contains(&place)
    }

    /// Why it is not about a file there; `None` where it is.
    fn passes_over(&self, file: &ArchivedFile, place: FilePlace, peer: &PeerFacts<'_>) -> Option<String> {
        if !self.is_about_kind(file) {
            return Some(format!("it is not about files of kind `{}`", file.media.name()));
        }
        if !self.is_about_place(place) {
            return Some(format!("it is not about the place `{}`", place.name()));
        }
        (!self.peers.covers(peer)).then(|| format!("it is not about peer {}", peer.id))
    }

    fn verdict(&self, file: &ArchivedFile, now: Timestamp) -> Verdict {
        let skipped = |why: String| Verdict::Skipped { why: format!("rule `{}`: {why}", self.name) };
        match self.action {
            Action::Skip => return skipped("not wanted".to_owned()),
            Action::OnDemand => return skipped("only on demand".to_owned()),
            Action::Download => {}
        }
        if let (Some(max), Some(size)) = (self.size_max, file.size())
            && size > max
        {
            return skipped(format!("{} are more than {}", Bytes(size), Bytes(max)));
        }
        let oldest = |age: Duration| Timestamp(now.0.saturating_sub(i64::try_from(age.as_secs()).unwrap_or(i64::MAX)));
        if let Some(age) = self.age_max
            && file.posted_at < oldest(age)
        {
            return skipped(format!("posted more than {} days ago", age.as_secs() / 86_400));
        }
        Verdict::Wanted { rule: self.name.clone() }
    }
}

impl DownloadRules {
    /// What is to become of a file that was seen in this place of this peer.
    #[must_use]
    pub fn judge(&self, file: &ArchivedFile, place: FilePlace, peer: &PeerFacts<'_>, now: Timestamp) -> Verdict {
        match self.0.iter().find(|rule| rule.is_about(file, place, peer)) {
            Some(rule) => rule.verdict(file, now),
            None => Verdict::Skipped { why: "no rule is about it".to_owned() },
        }
    }

    /// The same as [`DownloadRules::judge`], with each rule that was asked on the way.
    #[must_use]
    pub fn explain(&self, file: &ArchivedFile, place: FilePlace, peer: &PeerFacts<'_>, now: Timestamp) -> Explanation {
        let mut steps = Vec::new();
        for rule in &self.0 {
            let passed_over = rule.passes_over(file, place, peer);
            let decides = passed_over.is_none();
            steps.push(RuleStep { rule: rule.name.clone(), passed_over });
            if decides {
                break;
            }
        }
        Explanation { steps, verdict: self.judge(file, place, peer, now) }
    }

    /// Whether a rule depends on the folders of accounts.
    #[must_use]
    pub fn is_by_folder(&self) -> bool {
        self.0.iter().any(|rule| rule.peers.is_by_folder())
    }

    /// Tells these rules from others: another number, other rules. It is the same in every process of this version.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FileId, FileState, PeerId, PeerKind, Rendition, RenditionRole};

    const NOW: Timestamp = Timestamp(1_800_000_000);

    fn file(media: MediaKind, size: Option<i64>, days_old: i64) -> ArchivedFile {
        let original = Rendition { letter: String::new(), role: RenditionRole::Original, width: None, height: None, size };
        ArchivedFile {
            id: FileId::document(1),
            media,
            name: None,
            mime: None,
            duration: None,
            sticker_set: None,
            ttl: None,
            dc: 2,
            renditions: vec![original],
            preview: None,
            seen_at: NOW,
            posted_at: Timestamp(NOW.0 - days_old * 86_400),
            state: FileState::Seen,
            state_since: NOW,
            thumbnail: None,
            no_thumbnail: None,
        }
    }

    fn rule(name: &str, action: Action) -> DownloadRule {
        DownloadRule {
            name: name.to_owned(),
            peers: Scope::all(),
            kinds: Vec::new(),
            places: Vec::new(),
            size_max: None,
            age_max: None,
            action,
        }
    }

    fn judged(rules: &[DownloadRule], file: &ArchivedFile, place: FilePlace, title: &str) -> String {
        let peer = PeerFacts { id: PeerId(-100), usernames: &[], title, kind: PeerKind::Channel, folders: &[] };
        match DownloadRules(rules.to_vec()).judge(file, place, &peer, NOW) {
            Verdict::Wanted { rule } => format!("wanted by {rule}"),
            Verdict::Skipped { why } => why,
        }
    }

    #[test]
    fn the_first_rule_that_is_about_a_file_decides() {
        let news = Scope { only: vec!["title:*news*".parse().unwrap()], except: Vec::new() };
        let rules = [
            DownloadRule { peers: news, ..rule("news", Action::Download) },
            DownloadRule { kinds: vec![MediaKind::Sticker], ..rule("stickers", Action::Skip) },
            DownloadRule { places: vec![FilePlace::Preview, FilePlace::Page], ..rule("previews", Action::OnDemand) },
            DownloadRule {
                kinds: vec![MediaKind::Video],
                size_max: Some(50 << 20),
                age_max: Some(Duration::from_secs(30 * 86_400)),
                ..rule("videos", Action::Download)
            },
        ];
        let judged = |file: &ArchivedFile, place, title: &str| judged(&rules, file, place, title);
        let sticker = file(MediaKind::Sticker, Some(1), 0);
        assert_eq!(judged(&sticker, FilePlace::Media, "World NEWS"), "wanted by news");
        assert_eq!(judged(&sticker, FilePlace::Media, "Chat"), "rule `stickers`: not wanted");
        assert_eq!(judged(&file(MediaKind::Photo, Some(1), 0), FilePlace::Page, "Chat"), "rule `previews`: only on demand");
        assert_eq!(judged(&file(MediaKind::Photo, Some(1), 0), FilePlace::Media, "Chat"), "no rule is about it");
        let peer = PeerFacts { id: PeerId(-100), usernames: &[], title: "Chat", kind: PeerKind::Channel, folders: &[] };
        let explained = DownloadRules(rules.to_vec()).explain(&sticker, FilePlace::Media, &peer, NOW);
        let passed_over: Vec<_> = explained.steps.iter().map(|step| (step.rule.as_str(), step.passed_over.as_deref())).collect();
        assert_eq!(passed_over, [("news", Some("it is not about peer -100")), ("stickers", None)]);
        assert_eq!(explained.verdict, Verdict::Skipped { why: "rule `stickers`: not wanted".to_owned() });
        let video = |size, days| judged(&file(MediaKind::Video, size, days), FilePlace::Media, "Chat");
        assert_eq!(video(Some(50 << 20), 30), "wanted by videos");
        assert_eq!(video(None, 0), "wanted by videos", "a size that is not told forbids nothing");
        assert_eq!(video(Some((50 << 20) + 1), 0), "rule `videos`: 50.0 MiB are more than 50 MiB");
        assert_eq!(video(Some(3 << 30), 0), "rule `videos`: 3 GiB are more than 50 MiB");
        assert_eq!(video(Some(1), 31), "rule `videos`: posted more than 30 days ago");
        assert_eq!(video(Some(-1), 0), "wanted by videos", "nor does one that cannot be");
    }

    #[test]
    fn other_rules_have_another_fingerprint() {
        let (one, other) = (rule("a", Action::Download), rule("a", Action::Skip));
        let fingerprint = |rules: &[DownloadRule]| DownloadRules(rules.to_vec()).fingerprint();
        assert_eq!(fingerprint(std::slice::from_ref(&one)), fingerprint(std::slice::from_ref(&one)));
        assert_ne!(fingerprint(std::slice::from_ref(&one)), fingerprint(std::slice::from_ref(&other)));
        assert_ne!(fingerprint(&[one.clone(), other.clone()]), fingerprint(&[other, one]));
    }
}
