//! The repository keeps nothing that nothing refers to any more, and what must say the same in two places does.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::files::{project, project_files};

/// What only the fuzz targets need.
const ONLY_FUZZING: [&str; 3] = ["arbitrary", "libfuzzer-sys", "telescribe-fuzz"];

/// The text of a function, from its name to the brace below its `fn`.
fn function<'t>(code: &'t str, name: &str) -> Option<&'t str> {
    let at = code.find(&format!("fn {name}("))?;
    let line = &code[code[..at].rfind('\n').map_or(0, |end| end + 1)..];
    let indent = &line[..line.len() - line.trim_start().len()];
    let text = &code[at..];
    Some(&text[..text.find(&format!("\n{indent}}}\n")).unwrap_or(text.len())])
}

/// What follows each assertion of a snapshot, from its first argument on.
fn assertions(code: &str) -> impl Iterator<Item = &str> {
    code.split("snapshot!(").skip(1).map(str::trim_start)
}

/// Whether a snapshot is in a file that is named after its function: others have a name, or their text stands in the code.
fn is_unnamed(assertion: &str) -> bool {
    !assertion.starts_with('"') && !["@\"", "@r\"", "@r#"].iter().any(|inline| assertion.contains(inline))
}

/// Whether a source file still asserts a snapshot. The second and further ones of a function have a number behind its name.
fn asserts(code: &str, name: &str) -> bool {
    let (function_name, number) = match name.rsplit_once('-').map(|(name, number)| (name, number.parse::<usize>())) {
        Some((function_name, Ok(number))) => (function_name, number),
        _ => (name, 1),
    };
    assertions(code).any(|assertion| assertion.starts_with(&format!("\"{name}\"")))
        || function(code, function_name)
            .is_some_and(|function| assertions(function).filter(|text| is_unnamed(text)).count() >= number)
}

#[test]
fn every_snapshot_belongs_to_a_test_that_asserts_it() {
    let snapshots: Vec<_> = ["src", "tests", "simulator"].into_iter().flat_map(|folder| project_files(folder, "snap")).collect();
    assert!(snapshots.len() > 10, "no snapshots?");
    let mut left = Vec::new();
    for snapshot in snapshots {
        // Called after crate, modules and name; it stands in a folder beside its source file.
        let stem = snapshot.file_stem().unwrap().to_str().unwrap();
        let parts: Vec<&str> = stem.split("__").collect();
        let (name, modules) = parts.split_last().unwrap();
        let beside = snapshot.parent().and_then(Path::parent).unwrap();
        let sources = modules.iter().map(|module| beside.join(format!("{module}.rs"))).filter(|path| path.is_file());
        if !sources.into_iter().any(|path| asserts(&fs::read_to_string(path).unwrap(), name)) {
            left.push(snapshot.strip_prefix(project()).unwrap().to_owned());
        }
    }
    assert!(left.is_empty(), "no test asserts these any more; delete them, or rename them with their tests: {left:#?}");
}

/// The rule must bite.
#[test]
fn a_snapshot_without_its_test_is_seen() {
    let code = "
#[test]
fn first() {
    insta::assert_snapshot!(text);
    insta::assert_json_snapshot!(other, @r#\"in the code\"#);
}

#[test]
fn second() {
    insta::assert_snapshot!(\"named\", text);
}
";
    let seen = ["first", "first-2", "second", "named", "third"].map(|name| asserts(code, name));
    assert_eq!(seen, [true, false, false, true, false]);
}

/// The packages of a lock file, with their versions.
fn locked(file: &str) -> BTreeSet<(String, String)> {
    let text = fs::read_to_string(project().join(file)).unwrap();
    let value = |line: Option<&str>| Some(line?.split('"').nth(1)?.to_owned());
    text.split("[[package]]")
        .skip(1)
        .map(|package| {
            let mut lines = package.lines().skip(1);
            (value(lines.next()).unwrap(), value(lines.next()).unwrap())
        })
        .collect()
}

#[test]
fn the_fuzz_targets_are_built_on_the_same_versions() {
    let (program, fuzzing) = (locked("Cargo.lock"), locked("fuzz/Cargo.lock"));
    let others: Vec<_> = fuzzing.difference(&program).filter(|(name, _)| !ONLY_FUZZING.contains(&name.as_str())).collect();
    assert!(others.is_empty(), "`fuzz/README.md` says how to bring the versions together: {others:?}");
}

#[test]
fn the_modules_that_the_page_about_logs_names_exist() {
    let page = fs::read_to_string(project().join("docs/logging.md")).unwrap();
    let targets: BTreeSet<&str> = page
        .match_indices("telescribe::")
        .map(|(at, _)| {
            let target = &page[at..];
            &target[..target.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(target.len())]
        })
        .collect();
    assert!(targets.len() > 10, "{targets:?}");
    let file =
        |target: &&&str| project().join("src").join(target["telescribe::".len()..].replace("::", "/")).with_extension("rs");
    let gone: Vec<_> = targets.iter().filter(|target| !file(target).is_file()).collect();
    assert!(gone.is_empty(), "docs/logging.md names modules that are not there: {gone:?}");
}
