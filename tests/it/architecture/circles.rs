//! Files of a folder build on each other in one direction.
//!
//! A file imports another when it names it, or a name that another file gives out again of it, through `crate::` or `super::`. Between
//! two places of the tree only the files at the fork count, so a folder counts as the file `x.rs` beside it. A parent and its children may
//! name each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{Source, is_word, report, source, sources, words};

/// Circles that there are, each with what keeps it. There should be none.
const CIRCLES: [(&[&str], &str); 0] = [];

/// A file as its path in the tree of modules; the crate's root has none.
type Module = Vec<String>;

/// Each file, the files beside it that it imports, and where.
type Imports = BTreeMap<Module, BTreeMap<Module, String>>;

fn module_of(source: &Source) -> Module {
    let path = source.path.with_extension("");
    let parts = path.iter().map(|part| part.to_str().unwrap().to_owned());
    let mut module: Module = parts.skip_while(|part| part != "src").skip(1).collect();
    if module == ["lib"] || module == ["main"] {
        module.clear();
    }
    module
}

/// The paths that a `use`, or an expression, goes on with: one, or each branch of a group.
fn paths(text: &str) -> Vec<Module> {
    renamed(text).into_iter().map(|(path, _)| path).collect()
}

/// The same, each with the other name that it is given by `as`.
fn renamed(text: &str) -> Vec<(Module, Option<&str>)> {
    if let Some(group) = text.strip_prefix('{') {
        return branches(group).into_iter().flat_map(renamed).collect();
    }
    let first = |text: &'_ str| text.find(|c| !is_word(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(first(text));
    match rest.strip_prefix("::") {
        _ if name.is_empty() => Vec::new(),
        None => vec![(vec![name.to_owned()], rest.strip_prefix(" as ").map(|other| &other[..first(other)]))],
        Some(rest) => {
            let rest = match renamed(rest) {
                none if none.is_empty() => vec![(Module::new(), None)],
                some => some,
            };
            rest.into_iter().map(|(path, other)| ([vec![name.to_owned()], path].concat(), other)).collect()
        }
    }
}

/// The branches of a group whose opening brace has been read.
fn branches(group: &str) -> Vec<&str> {
    let (mut depth, mut from, mut branches) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth > 0 => {}
            '}' | ',' => {
                branches.push(group[from..at].trim());
                from = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    branches
}

/// Every path from the crate's root that a source names, and where.
fn named(source: &Source) -> Vec<(usize, Module)> {
    let (module, code) = (module_of(source), &source.code);
    let tests = code.find("mod tests {").unwrap_or(code.len());
    let mut found = Vec::new();
    let mut note = |at: usize, base: &[String], rest: &str| {
        found.extend(paths(rest).into_iter().map(|path| (at, [base, &path[..]].concat())));
    };
    for at in words(code, "crate").filter(|at| !code[..*at].ends_with("::")) {
        if let Some(rest) = code[at..].strip_prefix("crate::") {
            note(at, &[], rest);
        }
    }
    for at in words(code, "super").filter(|at| !code[..*at].ends_with("::")) {
        let (mut rest, mut climbed) = (&code[at..], 0);
        while let Some(above) = rest.strip_prefix("super::") {
            (rest, climbed) = (above, climbed + 1);
        }
        // In a module for tests within the file it is once more.
        let climbed = climbed - usize::from(at > tests && climbed > 0);
        if climbed > 0 && climbed <= module.len() {
            note(at, &module[..module.len() - climbed], rest);
        }
    }
    found
}

/// What each file gives out again of the files below it: `pub use child::Name`, and private `use`s, which children can name too.
fn given_out(all: &[Source]) -> BTreeMap<Module, Module> {
    let modules: BTreeSet<Module> = all.iter().map(module_of).collect();
    let mut given = BTreeMap::new();
    for source in all {
        let module = module_of(source);
        for at in words(&source.code, "use").filter(|at| source.code[at + 3..].starts_with(' ')) {
            for (path, other) in renamed(&source.code[at + 4..]) {
                let from = match path.split_first() {
                    Some((first, rest)) if first == "crate" => rest.to_vec(),
                    _ => [&module[..], &path[..]].concat(),
                };
                let Some(name) = other.or(path.last().map(String::as_str)).filter(|name| *name != "self") else { continue };
                let given_as = [&module[..], &[name.to_owned()]].concat();
                // A file's own name stands for the file, whatever else is called so.
                let below = from.len() > module.len() + 1 && from.starts_with(&module);
                if below && modules.contains(&from[..=module.len()]) && !modules.contains(&given_as) {
                    given.insert(given_as, from);
                }
            }
        }
    }
    given
}

fn imports(all: &[Source]) -> Imports {
    let modules: BTreeSet<Module> = all.iter().map(module_of).collect();
    let given = given_out(all);
    let mut imports = Imports::new();
    for source in all {
        let from = module_of(source);
        for (at, mut path) in named(source) {
            // What is given out again is where it comes from, however often it was.
            while let Some((length, whole)) = (1..=path.len()).find_map(|n| Some((n, given.get(&path[..n])?))) {
                path = [&whole[..], &path[length..]].concat();
            }
            let to = (0..=path.len()).rev().map(|n| &path[..n]).find(|path| path.is_empty() || modules.contains(*path)).unwrap();
            let fork = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            if fork < from.len() && fork < to.len() {
                let beside = imports.entry(from[..=fork].to_vec()).or_default();
                beside.entry(to[..=fork].to_vec()).or_insert_with(|| format!("{}: {}", source.place(at), path.join("::")));
            }
        }
    }
    imports
}

/// Everything that can be reached from a file.
fn reached<'i>(imports: &'i Imports, from: &'i Module) -> BTreeSet<&'i Module> {
    let (mut reached, mut left) = (BTreeSet::new(), vec![from]);
    while let Some(module) = left.pop() {
        left.extend(imports.get(module).into_iter().flat_map(BTreeMap::keys).filter(|to| reached.insert(*to)));
    }
    reached
}

/// The circles: sets of files of which each leads to each, with the imports within.
fn circles(all: &[Source]) -> BTreeMap<Vec<String>, Vec<String>> {
    let imports = imports(all);
    let mut circles = BTreeMap::new();
    for module in imports.keys() {
        let mut circle = reached(&imports, module);
        circle.retain(|other| reached(&imports, other).contains(module));
        if circle.is_empty() {
            continue;
        }
        let within = circle.iter().flat_map(|from| imports[*from].iter()).filter(|(to, _)| circle.contains(to));
        let within = within.map(|(_, place)| place.clone()).collect();
        circles.insert(circle.iter().map(|module| module.join("/")).collect(), within);
    }
    circles
}

#[test]
fn no_file_of_a_folder_imports_in_a_circle() {
    let (mut broken, mut there) = (Vec::new(), BTreeSet::new());
    for folder in ["src", "simulator/src"] {
        for (circle, within) in circles(&sources(folder)) {
            if CIRCLES.iter().any(|(known, _)| circle == *known) {
                there.insert(circle);
            } else {
                broken.push(format!("{folder}: {} import each other:\n    {}", circle.join(", "), within.join("\n    ")));
            }
        }
    }
    for (known, _) in CIRCLES.iter().filter(|(known, _)| !there.iter().any(|circle| circle == known)) {
        broken.push(format!("{} import each other no more: take them out of the table", known.join(", ")));
    }
    report(&broken);
}

/// The rule must bite: each of these has a circle, or looks as if it had one.
#[test]
fn what_goes_in_a_circle_is_seen() {
    let mut table = String::new();
    for files in [
        &[("src/a/b.rs", "use super::c::X;"), ("src/a/c.rs", "fn f() { super::b::g() }")][..],
        &[("src/a/b.rs", "use crate::a::{c::{X, Y}, Z};"), ("src/a/c.rs", "use super::d;"), ("src/a/d.rs", "use super::{b, c};")],
        &[("src/a/b.rs", "use crate::d::X;"), ("src/d/e.rs", "use super::super::a::b::{Y as Z};")],
        &[("src/a.rs", "pub use b::X; use c::Y;"), ("src/a/b.rs", "use super::Y;"), ("src/a/c.rs", "use super::X;")],
        &[
            ("src/a.rs", "pub use b::X;"),
            ("src/a/b.rs", "use super::Y;\nmod tests {\n use super::super::c;\n}"),
            ("src/a/c.rs", "use super::b;"),
        ],
        &[
            ("src/a.rs", "use b::X;"),
            ("src/a/b.rs", "use super::Y;\nmod tests {\n use super::c;\n}"),
            ("src/a/c.rs", "use super::X;"),
        ],
        &[("src/a/b.rs", "use super::c::X;"), ("src/a/c.rs", "use crate::b; // super::b\n/// [`super::b::X`]\nfn f() {}")],
        &[("src/a/b.rs", "use super::c::X;"), ("src/a/c/d.rs", "use super::super::b::Y;"), ("src/a/c.rs", "")],
        &[("src/a/b.rs", "use super::c as other;"), ("src/a/c.rs", "use super::b::{X as Y};")],
        &[("src/a.rs", "use b::X as Y;"), ("src/a/b.rs", "use super::c::Z;"), ("src/a/c.rs", "use super::Y as V;")],
    ] {
        let all: Vec<Source> = files.iter().map(|(path, text)| source(path, text)).collect();
        let found: Vec<String> = circles(&all).into_keys().map(|circle| circle.join(", ")).collect();
        writeln!(table, "{files:?} -> {found:?}").unwrap();
    }
    insta::assert_snapshot!(table);
}
