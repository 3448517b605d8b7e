//! What the README promises: what it tells people to type is understood, and what it points at is there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod examples;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::support::program::binary;

const HERE: &str = env!("CARGO_MANIFEST_DIR");
/// What is taken for the name of a file when it stands in backticks; `result.json` or `alpha.session` may be anybody's.
const EXTENSIONS: [&str; 6] = [".md", ".rs", ".toml", ".py", ".mjs", ".service"];
/// Folders that are made at run time.
const MADE: [&str; 3] = ["data/", "sessions/", "target/"];

fn readme() -> String {
    std::fs::read_to_string(Path::new(HERE).join("README.md")).unwrap()
}

/// The README, and the pages that it points at.
fn pages() -> Vec<String> {
    let mut pages = vec![readme()];
    let mut files: Vec<_> = std::fs::read_dir(Path::new(HERE).join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let is_page = |path: &&std::path::PathBuf| path.extension().is_some_and(|extension| extension == "md");
    pages.extend(files.iter().filter(is_page).map(|path| std::fs::read_to_string(path).unwrap()));
    pages
}

/// The lines of all blocks of shell, continued lines joined.
pub(crate) fn shell_lines(markdown: &str) -> Vec<String> {
    let (mut lines, mut inside, mut held) = (Vec::new(), false, String::new());
    for line in markdown.lines() {
        match line.trim() {
            "```sh" => inside = true,
            fence if fence.starts_with("```") => inside = false,
            text if inside => match text.strip_suffix('\\') {
                Some(part) => held.push_str(part),
                None => lines.push(std::mem::take(&mut held) + text),
            },
            _ => {}
        }
    }
    lines
}

/// The words of a line's first command, as a shell would split it: up to a pipe, a redirection, a list or a comment.
pub(crate) fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '|' | '>' | '<' | '&' | ';') => break,
            (None, '#') if word.is_none() => break,
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Whether the program understands the arguments: asked for help at their end, it parses them all and does nothing.
fn is_understood(arguments: &[String]) -> bool {
    // Behind `--` a plea for help would be a word like the others.
    let end = arguments.iter().position(|a| a == "--").unwrap_or(arguments.len());
    let folder = tempfile::tempdir().unwrap();
    let output = binary().args(&arguments[..end]).arg("--help").current_dir(folder.path()).output().unwrap();
    output.status.success() && String::from_utf8_lossy(&output.stdout).contains("Usage: telescribe")
}

#[test]
fn every_command_of_the_readme_and_the_pages_is_understood() {
    let mut wrong = Vec::new();
    for line in pages().iter().flat_map(|page| shell_lines(page)) {
        let words = words(&line);
        if words.first().is_some_and(|word| word == "telescribe") && !is_understood(&words[1..]) {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "people are told to type what `telescribe` does not understand: {wrong:#?}");
}

#[test]
fn every_task_of_the_readme_is_one_of_the_developers_script() {
    let help = Command::new(Path::new(HERE).join("dev")).arg("help").output().unwrap();
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    let known: BTreeSet<&str> =
        help.lines().filter_map(|line| line.strip_prefix("  ")).filter_map(|line| line.split(' ').next()).collect();
    assert!(known.contains("demo") && known.contains("check"), "`./dev help` lists {known:?}");
    let mut wrong = Vec::new();
    for line in shell_lines(&readme()) {
        let words = words(&line);
        if words.first().is_some_and(|word| word == "./dev") && !words.get(1).is_some_and(|task| known.contains(task.as_str())) {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "README.md tells people to type what `./dev` does not know: {wrong:#?}");
}

/// What stands between two marks, in the order of appearance.
fn between<'a>(text: &'a str, open: &str, close: char) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split_once(close).map(|(inner, _)| inner))
}

/// The text without its fenced blocks, whose brackets and backticks mean something else.
fn prose(markdown: &str) -> String {
    markdown.split("```").step_by(2).collect()
}

/// A heading's anchor.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn everything_that_the_readme_points_at_is_there() {
    let readme = prose(&readme());
    let headings: BTreeSet<String> =
        readme.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect();
    let exists = |name: &str| Path::new(HERE).join(name).exists();
    let links = between(&readme, "](", ')').filter(|link| !link.contains("://") && !link.starts_with("mailto:"));
    let mut missing: Vec<&str> = links
        .filter(|link| match link.split_once('#') {
            Some(("", heading)) => !headings.contains(heading),
            Some((file, _)) => !exists(file),
            None => !exists(link),
        })
        .collect();
    // Every other piece between backticks is code.
    let names = readme.split('`').skip(1).step_by(2).filter(|name| {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c)) && !name.starts_with(['/', '.', '-']);
        let named =
            name.ends_with('/') || EXTENSIONS.iter().any(|extension| name.len() > extension.len() && name.ends_with(extension));
        plain && named && !MADE.iter().any(|folder| name.starts_with(folder))
    });
    missing.extend(names.filter(|name| !exists(name)));
    assert!(missing.is_empty(), "README.md points at what is not there: {missing:#?}");
}
