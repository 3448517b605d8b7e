//! Basic groups that several accounts are in: each has a copy under ids of its own, of which the program archives one at a time.

use std::collections::BTreeMap;
use std::io::BufRead;

/// The messages of a copy as they are dumped, by peer and account.
pub(crate) type Copies = BTreeMap<(i64, String), Vec<String>>;

/// A dump in two parts: everything that is the same for all accounts, and each account's copies.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Divided {
    pub(crate) shared: Vec<String>,
    pub(crate) copies: Copies,
}

impl Divided {
    pub(crate) fn of(dump: &str) -> Self {
        let mut divided = Self::default();
        for line in dump.lines() {
            match copy_of(line) {
                Some(copy) => divided.copies.entry(copy).or_default().push(line.to_owned()),
                None => divided.shared.push(line.to_owned()),
            }
        }
        divided
    }

    /// The accounts that have a copy of a peer.
    pub(crate) fn accounts_of(&self, peer: i64) -> Vec<&str> {
        self.copies.keys().filter(|(of, _)| *of == peer).map(|(_, account)| account.as_str()).collect()
    }
}

/// The copy that a line is of, if it is of one.
fn copy_of(line: &str) -> Option<(i64, String)> {
    let (peer, rest) = line.strip_prefix(r#"{"type":"message","peer":"#)?.split_once(',')?;
    let (account, _) = rest.strip_prefix(r#""account":""#)?.split_once('"')?;
    Some((peer.parse().ok()?, account.to_owned()))
}

/// How a dump differs from the truth, where of each basic group one account's copy must be there, and be whole.
pub(crate) fn difference(dump: impl BufRead, truth: impl BufRead) -> Option<String> {
    let (mut archived, mut true_) = (Copies::new(), Copies::new());
    let shared = |lines: &mut dyn Iterator<Item = std::io::Result<String>>, copies: &mut Copies| -> Option<String> {
        loop {
            let line = lines.next()?.expect("a line");
            match copy_of(&line) {
                Some(copy) => copies.entry(copy).or_default().push(line),
                None => return Some(line),
            }
        }
    };
    let (mut dump, mut truth) = (dump.lines(), truth.lines());
    loop {
        match (shared(&mut dump, &mut archived), shared(&mut truth, &mut true_)) {
            (None, None) => break,
            (left, right) if left == right => {}
            (left, right) => return Some(format!("archived: {left:?}\n  true: {right:?}")),
        }
    }
    let mut peers: Vec<i64> = true_.keys().chain(archived.keys()).map(|(peer, _)| *peer).collect();
    peers.sort_unstable();
    peers.dedup();
    let is_whole = |peer: &i64| true_.iter().any(|(copy, lines)| copy.0 == *peer && archived.get(copy) == Some(lines));
    let of = |copies: &Copies, peer: i64| {
        let of_peer = copies.iter().filter(|((of, _), _)| *of == peer);
        of_peer.map(|((_, account), lines)| format!("{account}: {}", lines.len())).collect::<Vec<_>>().join(", ")
    };
    let lacking = peers.into_iter().find(|peer| !is_whole(peer))?;
    Some(format!("no copy of group {lacking} is whole: archived {}; true {}", of(&archived, lacking), of(&true_, lacking)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = r#"{"type":"message","peer":-42,"account":"alpha","id":5}"#;
    const OTHER: &str = r#"{"type":"message","peer":-42,"account":"bravo","id":9}"#;
    const CHANNEL: &str = r#"{"type":"message","peer":-1001500000001,"id":5}"#;

    #[test]
    fn one_whole_copy_is_enough_and_less_is_not() {
        let truth = [CHANNEL, GROUP, OTHER].join("\n");
        let differs = |lines: &[&str]| difference(lines.join("\n").as_bytes(), truth.as_bytes());
        assert_eq!(differs(&[CHANNEL, OTHER]), None);
        assert_eq!(differs(&[CHANNEL, GROUP, OTHER]), None);
        assert!(differs(&[CHANNEL]).unwrap().contains("no copy of group -42 is whole"));
        assert!(differs(&[GROUP]).unwrap().starts_with("archived: None"));
        assert!(differs(&[CHANNEL, CHANNEL, OTHER]).is_some());
    }
}
