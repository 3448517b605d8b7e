//! Links to peers, in the forms in which people copy them: from an app, a web page, a browser's address bar.
//!
//! <https://core.telegram.org/api/links> lists them.

use super::{IdSpace, MessageId, PeerId};

/// Hosts whose links Telegram's apps open.
const HOSTS: [&str; 3] = ["t.me", "telegram.me", "telegram.dog"];
/// The host of Telegram's web apps, whose addresses name the peer behind `#`.
const WEB_APP: &str = "web.telegram.org";
/// First segments of links that lead to something other than a peer.
const OTHERS: [&str; 20] = [
    "addemoji",
    "addlist",
    "addstickers",
    "addtheme",
    "auction",
    "bg",
    "confirmphone",
    "contact",
    "giftcode",
    "invoice",
    "iv",
    "login",
    "m",
    "msg",
    "nft",
    "proxy",
    "setlanguage",
    "share",
    "socks",
    "stickers",
];
/// What text has around a link.
const AROUND: &str = "<>()[]{}\"'`,;.!:\u{ab}\u{bb}\u{2018}\u{2019}\u{201c}\u{201d}";
/// Characters of a username, as Telegram bounds them; shorter ones are sold.
const USERNAME_LENGTHS: std::ops::RangeInclusive<usize> = 4..=32;
/// Characters of an invite's hash: today's have 16 to 22.
const HASH_LENGTHS: std::ops::RangeInclusive<usize> = 8..=64;

/// What a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerLink {
    /// Who has this username, without `@`.
    Username(String),
    /// Whatever this invite's hash leads to.
    Invite(String),
    /// A peer by its id, which only those who know the peer can address.
    Id(PeerId),
}

/// A link of Telegram's that leads to no peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLink {
    /// It is nobody's.
    #[error("a link that names neither a username nor an invite")]
    Nobody,
    /// What follows cannot be a username.
    #[error("a link whose username is not one: usernames have 4 to 32 of a-z, 0-9 and `_`, and begin with a letter")]
    Username,
    /// What follows cannot be an invite.
    #[error("an invite link that was not copied whole")]
    Invite,
    /// It leads to a phone number.
    #[error("a link to a phone number")]
    Phone,
    /// It leads to stickers, a proxy, a folder or the like.
    #[error("a link to something other than a peer")]
    Other,
}

impl PeerLink {
    /// Reads a link; `None` for what is none, such as `@username` or an id.
    ///
    /// # Errors
    /// When it is a link of Telegram's, but not to a peer.
    pub fn parse(text: &str) -> Option<Result<Self, InvalidLink>> {
        Some(match Address::read(text)? {
            Address::App(link) => app_link(link),
            Address::WebApp(rest) => web_app(rest),
            Address::Path { path, query } => web_link(&mut segments(path), query),
            Address::Subdomain { name, .. } => username(&name),
        })
    }

    /// The message that a link leads to, in the chat that [`PeerLink::parse`] tells; `None` where it leads to none. A comment is another chat's message,
    /// so the post that it belongs to is meant.
    #[must_use]
    pub fn message(text: &str) -> Option<MessageId> {
        let numbers: Vec<&str> = match Address::read(text)? {
            Address::App(link) => parameter(link.split_once('?')?.1, "post").into_iter().collect(),
            Address::WebApp(_) => return None,
            Address::Path { path, .. } => {
                let is_prefix = |first: &&str| first.eq_ignore_ascii_case("c") || first.eq_ignore_ascii_case("s");
                let passed = if segments(path).next().as_ref().is_some_and(is_prefix) { 2 } else { 1 };
                segments(path).skip(passed).collect()
            }
            Address::Subdomain { path, .. } => segments(path).collect(),
        };
        // Behind the id of a topic, where there is one.
        let ids: Option<Vec<i32>> = numbers.iter().map(|number| number.parse().ok().filter(|id| *id > 0)).collect();
        ids.filter(|ids| ids.len() <= 2)?.last().copied().map(MessageId)
    }
}

/// A link, by where it leads.
enum Address<'a> {
    /// `tg:…`, without that and slashes.
    App(&'a str),
    /// What follows on the host of Telegram's web apps.
    WebApp(&'a str),
    /// What follows on `t.me`.
    Path { path: &'a str, query: &'a str },
    /// What stands before `.t.me`, and what follows.
    Subdomain { name: String, path: &'a str },
}

impl<'a> Address<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let text = text.trim_matches(|c: char| c.is_whitespace() || AROUND.contains(c) || is_unseen(c));
        if let Some(link) = after(text, "tg:") {
            return Some(Self::App(link.trim_start_matches('/')));
        }
        let address = after(text, "https:").or_else(|| after(text, "http:")).unwrap_or(text);
        let address = address.strip_prefix("//").unwrap_or(address);
        let (host, rest) = address.split_once(['/', '?', '#']).map_or((address, ""), |(host, _)| (host, &address[host.len()..]));
        let host = host.strip_suffix(":443").or_else(|| host.strip_suffix(":80")).unwrap_or(host).to_ascii_lowercase();
        let host = host.strip_prefix("www.").unwrap_or(&host);
        if host == WEB_APP {
            return Some(Self::WebApp(rest));
        }
        let (path, query) = rest.split_once(['?', '#']).unwrap_or((rest, ""));
        if HOSTS.contains(&host) {
            return Some(Self::Path { path, query });
        }
        // `name.t.me`
        let name = HOSTS.iter().find_map(|known| host.strip_suffix(*known)?.strip_suffix('.'))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        name.chars().all(plain).then(|| Self::Subdomain { name: name.to_owned(), path })
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// What follows a beginning, however that is written.
fn after<'a>(text: &'a str, beginning: &str) -> Option<&'a str> {
    let (begins, rest) = text.split_at_checked(beginning.len())?;
    begins.eq_ignore_ascii_case(beginning).then_some(rest)
}

/// Characters that are copied along without being seen.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}')
}

/// `/name`, `/name/123`, `/s/name`, `/c/123/4`, `/+hash`, `/joinchat/hash`.
fn web_link<'a>(segments: &mut impl Iterator<Item = &'a str>, query: &str) -> Result<PeerLink, InvalidLink> {
    let first = segments.next().ok_or(InvalidLink::Nobody)?;
    let mut second = || segments.next().ok_or(InvalidLink::Nobody);
    if let Some(rest) = first.strip_prefix('+').or_else(|| first.strip_prefix("%2B")).or_else(|| first.strip_prefix("%2b")) {
        return invite(rest);
    }
    match first.to_ascii_lowercase().as_str() {
        "joinchat" => invite(second()?),
        // The preview in a browser, a story's page, and the page that asks for boosts.
        "s" => username(second()?),
        "boost" => match (second(), parameter(query, "c")) {
            (Ok(name), _) => username(name),
            (Err(_), Some(id)) => channel(id),
            (Err(error), None) => Err(error),
        },
        "c" => channel(second()?),
        other if OTHERS.contains(&other) || other.starts_with('$') => Err(InvalidLink::Other),
        _ => username(first),
    }
}

/// `resolve?domain=name`, `join?invite=hash`, `privatepost?channel=123`, `user?id=123`.
fn app_link(link: &str) -> Result<PeerLink, InvalidLink> {
    let (action, query) = link.split_once('?').unwrap_or((link, ""));
    let value = |name| parameter(query, name).ok_or(InvalidLink::Nobody);
    match action.trim_end_matches('/').to_ascii_lowercase().as_str() {
        "resolve" if parameter(query, "phone").is_some() => Err(InvalidLink::Phone),
        "resolve" => username(value("domain")?),
        "boost" if parameter(query, "channel").is_some() => channel(value("channel")?),
        "boost" => username(value("domain")?),
        "join" => invite(value("invite")?),
        "privatepost" => channel(value("channel")?),
        "user" => id(value("id")?).map(|id| PeerLink::Id(PeerId::user(id))),
        _ => Err(InvalidLink::Other),
    }
}

/// `/k/#@name` and `/a/#-1001234567890`.
fn web_app(rest: &str) -> Result<PeerLink, InvalidLink> {
    let (_, peer) = rest.split_once('#').ok_or(InvalidLink::Nobody)?;
    let peer = peer.split(['?', '/', '&']).next().unwrap_or(peer);
    if peer.starts_with('@') {
        return username(peer);
    }
    let marked = peer.split('_').next().and_then(|id| id.parse().ok()).map(PeerId);
    // One of the two apps marks no ids, so a smaller one may be anybody's.
    marked.filter(|peer| peer.kind() == IdSpace::Channel).map(PeerLink::Id).ok_or(InvalidLink::Nobody)
}

/// A parameter's value, of which the first counts.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = query.split(['&', '#']).filter_map(|pair| pair.split_once('='));
    pairs.find(|(known, value)| known.eq_ignore_ascii_case(name) && !value.is_empty()).map(|(_, value)| value)
}

fn username(name: &str) -> Result<PeerLink, InvalidLink> {
    let name = name.strip_prefix('@').or_else(|| name.strip_prefix("%40")).unwrap_or(name);
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if begins && USERNAME_LENGTHS.contains(&name.len()) && name.chars().all(allowed) {
        Ok(PeerLink::Username(name.to_owned()))
    } else {
        Err(InvalidLink::Username)
    }
}

fn invite(hash: &str) -> Result<PeerLink, InvalidLink> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !hash.is_empty() && hash.chars().all(|c| c.is_ascii_digit()) {
        return Err(InvalidLink::Phone);
    }
    if HASH_LENGTHS.contains(&hash.len()) && hash.chars().all(allowed) {
        Ok(PeerLink::Invite(hash.to_owned()))
    } else {
        Err(InvalidLink::Invite)
    }
}

fn channel(bare: &str) -> Result<PeerLink, InvalidLink> {
    id(bare).map(|id| PeerLink::Id(PeerId::channel(id)))
}

/// A bare id: the highest that a channel may have leaves room for its mark.
fn id(text: &str) -> Result<i64, InvalidLink> {
    let id = text.parse().ok().filter(|id| (1..=PEER_ID_MAX).contains(id));
    id.ok_or(InvalidLink::Nobody)
}

/// Above every id that Telegram gives.
const PEER_ID_MAX: i64 = 0xff_ffff_ffff;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_username_is_found_in_every_form_that_people_copy() {
        for text in [
            "https://t.me/Harbour_News",
            "http://t.me/Harbour_News/",
            "t.me/Harbour_News",
            "//t.me/Harbour_News",
            "HTTPS://T.ME/Harbour_News",
            "https://www.t.me/Harbour_News",
            "https://t.me:443/Harbour_News",
            "https://telegram.me/Harbour_News",
            "https://Telegram.Dog/Harbour_News",
            "https://t.me/s/Harbour_News",
            "https://t.me/s/Harbour_News/123",
            "https://t.me/S/Harbour_News?before=100",
            "https://t.me/Harbour_News/123",
            "https://t.me/Harbour_News/123?single",
            "https://t.me/Harbour_News/7/123?comment=5",
            "https://t.me/Harbour_News?boost",
            "https://t.me/Harbour_News#top",
            "https://t.me/boost/Harbour_News",
            "https://t.me/@Harbour_News",
            "<https://t.me/Harbour_News>",
            "(t.me/Harbour_News).",
            "\u{201c}t.me/Harbour_News\u{201d}",
            "\u{200b} https://t.me/Harbour_News \u{feff}",
            "Harbour_News.t.me/5",
            "tg://resolve?domain=Harbour_News",
            "TG://Resolve?post=5&domain=Harbour_News&single",
            "tg:resolve?domain=Harbour_News",
            "tg://resolve/?domain=@Harbour_News",
            "https://web.telegram.org/k/#@Harbour_News",
        ] {
            let found = PeerLink::parse(text);
            let Some(Ok(PeerLink::Username(name))) = found else { panic!("{text}: {found:?}") };
            assert!(name.eq_ignore_ascii_case("harbour_news"), "{text}: {name}");
        }
    }

    #[test]
    fn invites_and_ids_are_found_and_what_leads_elsewhere_is_named() {
        let invite = |hash: &str| Ok(PeerLink::Invite(hash.to_owned()));
        let id = |id| Ok(PeerLink::Id(PeerId(id)));
        for (text, found) in [
            ("https://t.me/+AbCdEfGh_1-2", invite("AbCdEfGh_1-2")),
            ("t.me/%2BAbCdEfGh12", invite("AbCdEfGh12")),
            ("https://t.me/joinchat/AbCdEfGh12/", invite("AbCdEfGh12")),
            ("https://t.me/JoinChat/AbCdEfGh12?x=1", invite("AbCdEfGh12")),
            ("tg://join?invite=AbCdEfGh12", invite("AbCdEfGh12")),
            ("https://t.me/c/1234567890/5", id(-1_001_234_567_890)),
            ("https://t.me/c/1234567890/7/5?thread=7", id(-1_001_234_567_890)),
            ("https://t.me/boost?c=1234567890", id(-1_001_234_567_890)),
            ("tg://privatepost?channel=1234567890&post=5", id(-1_001_234_567_890)),
            ("tg://user?id=77", id(77)),
            ("https://web.telegram.org/a/#-1001234567890", id(-1_001_234_567_890)),
            ("https://web.telegram.org/a/#-1001234567890_5", id(-1_001_234_567_890)),
            ("https://web.telegram.org/k/#-1234567890", Err(InvalidLink::Nobody)),
            ("https://web.telegram.org/k/", Err(InvalidLink::Nobody)),
            ("https://t.me/", Err(InvalidLink::Nobody)),
            ("t.me", Err(InvalidLink::Nobody)),
            ("https://t.me/c/", Err(InvalidLink::Nobody)),
            ("https://t.me/c/99999999999999999999/5", Err(InvalidLink::Nobody)),
            ("https://t.me/c/-5/5", Err(InvalidLink::Nobody)),
            ("https://t.me/s/", Err(InvalidLink::Nobody)),
            ("https://t.me/a-b", Err(InvalidLink::Username)),
            ("https://t.me/1abc", Err(InvalidLink::Username)),
            ("a-bcd.t.me", Err(InvalidLink::Username)),
            ("https://t.me/+short", Err(InvalidLink::Invite)),
            ("https://t.me/+a%20bcdefgh", Err(InvalidLink::Invite)),
            ("https://t.me/+491701234567", Err(InvalidLink::Phone)),
            ("tg://resolve?phone=491701234567", Err(InvalidLink::Phone)),
            ("https://t.me/addstickers/Harbour", Err(InvalidLink::Other)),
            ("https://t.me/addlist/AbCdEfGh12", Err(InvalidLink::Other)),
            ("tg://proxy?server=h", Err(InvalidLink::Other)),
        ] {
            assert_eq!(PeerLink::parse(text), Some(found), "{text}");
        }
    }

    #[test]
    fn the_message_is_found_behind_the_peer_and_the_topic() {
        for (link, id) in [
            ("https://t.me/harbour_news/42", Some(42)),
            ("t.me/s/harbour_news/42", Some(42)),
            ("https://t.me/c/1500000001/42", Some(42)),
            ("https://t.me/c/1500000001/7/42?single", Some(42)),
            ("https://t.me/harbour_news/7/42", Some(42)),
            ("https://t.me/harbour_news/42?comment=9", Some(42)),
            ("https://harbour_news.t.me/42", Some(42)),
            ("tg://resolve?domain=harbour_news&post=42", Some(42)),
            ("tg://privatepost?channel=1500000001&post=42&thread=7", Some(42)),
            ("https://t.me/harbour_news", None),
            ("https://t.me/harbour_news/s/42", None),
            ("https://t.me/harbour_news/0", None),
            ("https://t.me/harbour_news/1/2/3", None),
            ("https://t.me/harbour_news/4200000000", None),
            ("tg://resolve?domain=harbour_news", None),
            ("https://web.telegram.org/k/#@harbour_news", None),
            ("@harbour_news", None),
        ] {
            assert_eq!(PeerLink::message(link), id.map(MessageId), "{link}");
        }
    }

    #[test]
    fn what_is_no_link_of_telegrams_is_none() {
        for text in [
            "",
            "@durov",
            "durov",
            "-1001234567890",
            "title:t.me/durov",
            "title:*x.t.me",
            "@a.t.me",
            "https://example.org/durov",
            "https://not-t.me/durov",
            "https://t.me.example.org/durov",
            "https://a:b@t.me/durov",
            "folder:https://t.me/durov",
        ] {
            assert_eq!(PeerLink::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(scheme in "(https?://|tg:(//)?|HTTPS:|)", host in "(t\\.me|web\\.telegram\\.org|x\\.t\\.me|)", rest in "[/?#]?\\PC{0,20}") {
            if let Some(Ok(PeerLink::Username(name))) = PeerLink::parse(&format!("{scheme}{host}{rest}")) {
                prop_assert!(USERNAME_LENGTHS.contains(&name.len()));
            }
        }
    }
}
