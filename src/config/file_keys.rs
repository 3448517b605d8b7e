//! What a configuration file sets: the names of its tables and keys, without their values, so that a later form can be compared.

use std::path::{Path, PathBuf};

use toml_edit::{Document, TableLike};

use super::error::without_secrets;

/// The file that a configuration was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is there; one that is not counts as empty.
    pub exists: bool,
    /// What it sets, in its order: `[table]`, `[[list.element]]`, `table.key`.
    pub keys: Vec<String>,
    /// What environment variables set instead: `table.key`.
    pub overridden: Vec<String>,
}

impl ConfigFile {
    pub(super) fn of(path: &Path, text: Option<&str>, overridden: Vec<String>) -> Self {
        Self { path: path.to_owned(), exists: text.is_some(), keys: keys(text.unwrap_or_default()), overridden }
    }

    /// What earlier keys this file no longer sets, and no environment variable either; tables that are gone stand for what was in them.
    #[must_use]
    pub fn lost<'a>(&self, earlier: &'a [String]) -> Vec<&'a str> {
        let is_set = |key: &String| self.keys.contains(key) || self.overridden.contains(key);
        let lost: Vec<&str> = earlier.iter().filter(|key| !is_set(key)).map(String::as_str).collect();
        let within = |key: &str, table: &str| {
            table.starts_with('[') && name(key).strip_prefix(name(table)).is_some_and(|rest| rest.starts_with('.'))
        };
        lost.iter().copied().filter(|key| !lost.iter().any(|table| within(key, table))).collect()
    }

    /// Whether it looks cut off: it sets what it did earlier up to some key, in the same order, and nothing after it. Whoever takes
    /// something out on purpose does so at the end only by chance.
    #[must_use]
    pub fn is_cut(&self, earlier: &[String]) -> bool {
        earlier.starts_with(&self.keys) && !self.lost(earlier).is_empty()
    }
}

fn name(key: &str) -> &str {
    key.trim_matches(['[', ']'])
}

/// Every table and key of a text, in the order of the text.
fn keys(text: &str) -> Vec<String> {
    let Ok(document) = Document::parse(text) else { return Vec::new() };
    let mut found = Vec::new();
    collect(document.as_table(), "", &mut found);
    found.sort();
    found.into_iter().map(|(_, key)| without_secrets(&key)).collect()
}

/// Collects what a table sets, each with where it stands.
fn collect(table: &dyn TableLike, path: &str, found: &mut Vec<(usize, String)>) {
    for (key, item) in table.iter() {
        let full = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let at = table.key(key).and_then(toml_edit::Key::span).map_or(0, |span| span.start);
        if let Some(inner) = item.as_table() {
            // Only tables that are written as such: `[a.b]` says nothing of `[a]`.
            if !inner.is_implicit() && !inner.is_dotted() {
                found.push((inner.span().map_or(at, |span| span.start), format!("[{full}]")));
            }
            collect(inner, &full, found);
        } else if let Some(elements) = item.as_array_of_tables() {
            for (number, element) in elements.iter().enumerate() {
                // By its name, where it has one: then taking another one out changes nothing.
                let name = element.get("name").and_then(|name| name.as_str()).map_or_else(|| number.to_string(), str::to_owned);
                let full = format!("{full}.{name}");
                found.push((element.span().map_or(at, |span| span.start), format!("[[{full}]]")));
                collect(element, &full, found);
            }
        } else {
            found.push((at, full));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::template;
    use super::*;

    const TEXT: &str = r#"
        outputs.x = 1
        [jobs]
        [[jobs.overrides]]
        name = "breaking news"
        catch_up = { cron = "*/5 * * * * *" }
        [accounts.proxies]
        alpha = "socks5://user:password@proxy:1"
        [[http.listeners]]
        address = "127.0.0.1:1"
        [jobs.recheck]
        enabled = false
    "#;

    fn file(text: &str, overridden: &[&str]) -> ConfigFile {
        ConfigFile::of(Path::new("config.toml"), Some(text), overridden.iter().map(|key| (*key).to_owned()).collect())
    }

    #[test]
    fn a_file_sets_its_tables_and_keys_in_its_order_and_no_value_is_kept() {
        let expected = [
            "outputs.x",
            "[jobs]",
            "[[jobs.overrides.breaking news]]",
            "jobs.overrides.breaking news.name",
            "jobs.overrides.breaking news.catch_up",
            "[accounts.proxies]",
            "accounts.proxies.alpha",
            "[[http.listeners.0]]",
            "http.listeners.0.address",
            "[jobs.recheck]",
            "jobs.recheck.enabled",
        ];
        assert_eq!(file(TEXT, &[]).keys, expected);
    }

    #[test]
    fn what_is_lost_is_named_by_its_outermost_table() {
        let (whole, without) = (file(TEXT, &[]).keys, TEXT.find("[[http").unwrap());
        let cut = file(&TEXT[..without], &[]);
        assert_eq!(cut.lost(&whole), ["[[http.listeners.0]]", "[jobs.recheck]"]);
        assert!(cut.is_cut(&whole));
        let overridden = file(&TEXT[..without], &["jobs.recheck.enabled"]);
        assert_eq!(overridden.lost(&whole), ["[[http.listeners.0]]", "[jobs.recheck]"]);
        // What an environment variable sets is not lost.
        assert_eq!(file("", &["a.b"]).lost(&["a.b".to_owned(), "a.c".to_owned()]), ["a.c"]);
        let edited = file(&TEXT.replace("[accounts.proxies]\n", "").replace("alpha = ", "# "), &[]);
        assert_eq!(edited.lost(&whole), ["[accounts.proxies]"]);
        assert!(!edited.is_cut(&whole));
        let more = file(&format!("{TEXT}\n[log]\n"), &[]);
        assert!(more.lost(&whole).is_empty() && !more.is_cut(&whole));
    }

    #[test]
    fn wherever_the_documented_file_is_cut_it_is_no_configuration_or_seen_to_be_cut() {
        let whole = template();
        let keys = file(&whole, &[]).keys;
        let mut seen = 0;
        for (end, _) in whole.char_indices() {
            let text = &whole[..end];
            // A comment says nothing, however much of it is left.
            let in_comment = text.rsplit('\n').next().is_some_and(|line| line.len() > 1 && line.starts_with('#'));
            if in_comment || super::super::read::read("config.toml", text, std::iter::empty()).is_err() {
                continue;
            }
            let cut = file(text, &[]);
            assert!(cut.is_cut(&keys) || cut.keys == keys, "cut at byte {end}: {:?}", cut.keys.last());
            seen += usize::from(cut.is_cut(&keys));
        }
        assert!(seen > 100, "{seen}");
    }
}
