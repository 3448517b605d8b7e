//! Peer selectors: by id, username, title, folder or kind, as an operator writes them; titles and folders by glob patterns.

use std::fmt;
use std::str::FromStr;

use crate::model::{Glob, PeerId, PeerKind, PeerLink};

/// Characters that a selector may have: longer than any title.
const LENGTH_MAX: usize = 300;
/// Characters of a username, as Telegram bounds them.
const USERNAME_LENGTH_MAX: usize = 32;

/// Names some peers; parsed from text, and shown as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selector {
    text: String,
    by: By,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum By {
    Id(PeerId),
    /// Without `@`, in lower case.
    Username(String),
    Title(Glob),
    Folder(Glob),
    Kind(PeerKind),
}

/// A text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a peer selector: {why}")]
pub struct InvalidSelector {
    /// The text, shortened.
    pub text: String,
    /// What is wrong with it and what would be right.
    pub why: String,
}

/// What a selector is compared with.
#[derive(Clone, Copy, Debug)]
pub struct PeerFacts<'a> {
    /// The marked id.
    pub id: PeerId,
    /// Usernames without `@`.
    pub usernames: &'a [&'a str],
    /// Title, or first and last name.
    pub title: &'a str,
    /// What kind of peer it is.
    pub kind: PeerKind,
    /// Titles of the folders in which an account of ours keeps it.
    pub folders: &'a [String],
}

/// Some peers: those of `only` (all, where it is empty) without those of `except`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Scope {
    /// Which peers; empty for all.
    pub only: Vec<Selector>,
    /// Which peers not, even if `only` names them.
    pub except: Vec<Selector>,
}

impl Scope {
    /// Every peer.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Whether it is every peer, whatever the peer is.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.only.is_empty() && self.except.is_empty()
    }

    /// Whether it depends on the folders of accounts, so that nothing can be said before those are known.
    #[must_use]
    pub fn is_by_folder(&self) -> bool {
        self.only.iter().chain(&self.except).any(|selector| matches!(selector.by, By::Folder(_)))
    }

    /// Whether a peer is among them.
    #[must_use]
    pub fn covers(&self, peer: &PeerFacts<'_>) -> bool {
        let named = |selectors: &[Selector]| selectors.iter().any(|selector| selector.matches(peer));
        (self.only.is_empty() || named(&self.only)) && !named(&self.except)
    }
}

impl Selector {
    /// Whether it names a peer. Case makes no difference in usernames, titles and folders.
    #[must_use]
    pub fn matches(&self, peer: &PeerFacts<'_>) -> bool {
        match &self.by {
            By::Id(id) => *id == peer.id,
            By::Username(name) => peer.usernames.iter().any(|username| username.eq_ignore_ascii_case(name)),
            By::Title(pattern) => pattern.matches(peer.title),
            By::Folder(pattern) => peer.folders.iter().any(|folder| pattern.matches(folder)),
            By::Kind(kind) => *kind == peer.kind,
        }
    }
}

impl FromStr for Selector {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let wrong = |why: String| InvalidSelector { text: text.chars().take(40).collect(), why };
        if text.chars().count() > LENGTH_MAX {
            return Err(wrong(format!("it has more than {LENGTH_MAX} characters")));
        }
        let by = match (PeerLink::parse(text), text.split_once(':')) {
            (Some(link), _) => match link.map_err(|error| wrong(format!("it is {error}")))? {
                PeerLink::Username(name) => By::Username(name.to_ascii_lowercase()),
                PeerLink::Id(id) => By::Id(id),
                PeerLink::Invite(_) => return Err(wrong("an invite link does not tell whose it is; write an id".to_owned())),
            },
            (None, _) if text.starts_with('@') => By::Username(username(text.strip_prefix('@').unwrap_or(text)).map_err(wrong)?),
            (None, Some((key, pattern))) => {
                let pattern = pattern.trim();
                if pattern.is_empty() {
                    return Err(wrong(format!("`{key}:` needs a value")));
                }
                match key {
                    "title" => By::Title(Glob::new(pattern)),
                    "folder" => By::Folder(Glob::new(pattern)),
                    "kind" => {
                        let kind = PeerKind::ALL.into_iter().find(|kind| kind.name() == pattern);
                        By::Kind(kind.ok_or_else(|| wrong("a kind is `channel`, `supergroup`, `group` or `user`".to_owned()))?)
                    }
                    _ => return Err(wrong(format!("`{key}:` is unknown; known are `title:`, `folder:`, `kind:`"))),
                }
            }
            (None, None) => {
                let id = text.parse().map_err(|_| {
                    let forms = "`-1001234567890` (a marked id), `@username`, `title:*news*`, `folder:Work` or `kind:channel`";
                    wrong(format!("write {forms}"))
                })?;
                By::Id(id)
            }
        };
        Ok(Self { text: text.to_owned(), by })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn username(name: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if (1..=USERNAME_LENGTH_MAX).contains(&name.len()) && name.chars().all(allowed) {
        Ok(name.to_ascii_lowercase())
    } else {
        Err(format!("a username has 1 to {USERNAME_LENGTH_MAX} of a-z, 0-9 and `_` after its `@`"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn selector(text: &str) -> Selector {
        text.parse().unwrap()
    }

    fn matches(text: &str, peer: &PeerFacts<'_>) -> bool {
        selector(text).matches(peer)
    }

    #[test]
    fn a_peer_is_named_by_id_username_title_folder_or_kind_whatever_the_case() {
        let folders = ["Работа".to_owned(), "Straße 7".to_owned()];
        let usernames = ["Breaking_News", "old_name"];
        let peer = PeerFacts {
            id: PeerId::channel(1_500_000_001),
            usernames: &usernames,
            title: "Последние НОВОСТИ дня",
            kind: PeerKind::Channel,
            folders: &folders,
        };
        for yes in [
            "-1001500000001",
            "@breaking_news",
            "@OLD_NAME",
            "https://t.me/s/Breaking_News/5",
            "tg://resolve?domain=old_name",
            "https://t.me/c/1500000001/7",
            "title:*новости*",
            "title:последние новости дня",
            "title:?оследние*дня",
            "title:*",
            "folder:работа",
            "folder: Работа ",
            "folder:STRASSE*",
            "kind:channel",
        ] {
            assert!(matches(yes, &peer), "{yes}");
        }
        for no in ["-1001500000002", "1500000001", "@breaking", "title:новости", "title:*news*", "folder:раб", "kind:supergroup"]
        {
            assert!(!matches(no, &peer), "{no}");
        }
    }

    #[test]
    fn what_names_no_peers_is_refused_with_the_way_out() {
        for (text, part) in [
            ("", "write `-1001234567890`"),
            ("news", "@username"),
            ("@", "1 to 32"),
            ("@a-b", "1 to 32"),
            ("https://t.me/+AbCdEfGh12", "an invite link does not tell whose it is"),
            ("https://t.me/addstickers/a", "it is a link to something other than a peer"),
            ("title:", "`title:` needs a value"),
            ("kind:forum", "a kind is `channel`"),
            ("name:x", "`name:` is unknown"),
            ("99999999999999999999", "a marked id"),
        ] {
            let error = text.parse::<Selector>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(format!("title:{}", "x".repeat(300)).parse::<Selector>().is_err());
    }

    #[test]
    fn a_scope_is_what_it_names_without_what_it_excepts() {
        let peer = |id, title| PeerFacts { id: PeerId(id), usernames: &[], title, kind: PeerKind::Group, folders: &[] };
        let scope = Scope { only: vec![selector("title:a*"), selector("-5")], except: vec![selector("title:*z")] };
        assert!(scope.covers(&peer(-1, "Ab")) && scope.covers(&peer(-5, "b")));
        assert!(!scope.covers(&peer(-1, "b")) && !scope.covers(&peer(-1, "az")) && !scope.covers(&peer(-5, "z")));
        assert!(Scope::all().covers(&peer(-1, "b")) && Scope::all().is_all() && !scope.is_all());
    }

    proptest! {
        #[test]
        fn a_selector_is_shown_as_it_was_written_and_nothing_makes_it_panic(text in ".{0,40}") {
            if let Ok(selector) = text.parse::<Selector>() {
                prop_assert_eq!(&selector, &selector.to_string().parse::<Selector>().unwrap());
            }
        }
    }
}
