//! No type name stands for two things in sibling modules: in files of one folder, or among what the modules of `src/` give out.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, is_word, report, source, sources, words};

/// Names that several files beside each other have, each with the folder and what keeps it.
const SHARED: [(&str, &str, &str); 3] = [
    ("src/cli", "Args", "what a command is called with; always named with its command"),
    ("src/cli", "Command", "the commands below a command; always named with it"),
    ("src", "Settings", "the plain settings that each component owns; always named with the component"),
];

/// The types that a file defines, private ones too, but for its tests.
fn defined(source: &Source) -> BTreeSet<&str> {
    let tests = source.code.find("mod tests {").unwrap_or(source.code.len());
    let name = |line: &'_ str| -> Option<usize> {
        let visible = match line.strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => line.find(") ")? + 2,
            Some(rest) if rest.starts_with(' ') => "pub ".len(),
            _ => 0,
        };
        let keyword = ["struct ", "enum ", "trait ", "type "].into_iter().find(|word| line[visible..].starts_with(word))?;
        Some(visible + keyword.len())
    };
    let named = |line| {
        let rest: &str = &line[name(line)?..];
        Some(&rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())])
    };
    source.code[..tests].lines().filter_map(named).collect()
}

/// The names that a file gives out of the files below it.
fn given_out(source: &Source) -> BTreeSet<&str> {
    let code = &source.code;
    let uses = words(code, "use").filter(|at| code[..*at].ends_with("\npub ")).map(|at| &code[at + "use".len()..]);
    let statements = uses.filter_map(|rest| rest.split(';').next()).filter(|path| !path.trim_start().starts_with("crate"));
    statements.flat_map(|path| path.split(|c| !is_word(c))).collect()
}

/// The type names that several files of a folder have: folder, name and files.
fn shared(all: &[Source]) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for source in all {
        below.entry(&source.module).or_default().extend(defined(source));
    }
    let mut files: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for source in all {
        let stem = source.path.file_stem().unwrap().to_str().unwrap();
        if ["lib", "main", "tests"].contains(&stem) {
            continue;
        }
        let folder = source.path.parent().unwrap().display().to_string();
        let mut names = defined(source);
        if folder == "src" {
            names.extend(given_out(source).intersection(&below[source.module.as_str()]));
        }
        for name in names {
            files.entry((folder.clone(), name.to_owned())).or_default().insert(stem.to_owned());
        }
    }
    files.retain(|_, files| files.len() > 1);
    files
}

#[test]
fn no_type_name_stands_for_two_things_in_sibling_modules() {
    let (mut broken, mut there) = (Vec::new(), BTreeSet::new());
    for root in ["src", "simulator/src"] {
        for ((folder, name), files) in shared(&sources(root)) {
            if SHARED.iter().any(|(known, shared, _)| folder == *known && name == *shared) {
                there.insert((folder, name));
            } else {
                let files: Vec<String> = files.into_iter().collect();
                broken.push(format!("{folder}: `{name}` is a type in each of {}", files.join(", ")));
            }
        }
    }
    for (folder, name, _) in SHARED {
        if !there.contains(&(folder.to_owned(), name.to_owned())) {
            broken.push(format!("{folder}: `{name}` is shared no more: take it out of the table"));
        }
    }
    report(&broken);
}

/// The rule must bite: each of these shares a name, or looks as if it did.
#[test]
fn what_shares_a_name_is_seen() {
    for (files, expected) in [
        (&[("src/a/b.rs", "struct X;"), ("src/a/c.rs", "pub(in crate::a) enum X {}")][..], &["src/a X"][..]),
        (&[("src/a/b.rs", "pub type X<T> = T;"), ("src/a/c.rs", "trait X {}"), ("src/d/c.rs", "trait X {}")], &["src/a X"]),
        (&[("src/a/b.rs", "// struct X;\nfn f() {\n    struct X;\n}"), ("src/a/c.rs", "struct X;")], &[]),
        (&[("src/a/b.rs", "struct X;"), ("src/a/c.rs", "use super::b::X;\nmod tests {\nstruct X;\n}")], &[]),
        (
            &[("src/a.rs", "\npub use b::{X, Y};"), ("src/a/b.rs", "pub struct X;\npub struct Y;"), ("src/c.rs", "struct X;")],
            &["src X"],
        ),
        (&[("src/a.rs", "\npub use crate::c::X;"), ("src/a/b.rs", "struct X;"), ("src/c.rs", "pub struct X;")], &[]),
        (&[("src/a.rs", "\npub use b::X;"), ("src/a/b.rs", "pub use crate::c::X;"), ("src/c.rs", "pub struct X;")], &[]),
    ] {
        let all: Vec<Source> = files.iter().map(|(path, text)| source(path, text)).collect();
        let found: Vec<String> = shared(&all).into_keys().map(|(folder, name)| format!("{folder} {name}")).collect();
        assert_eq!(found, expected, "{files:?}");
    }
}
