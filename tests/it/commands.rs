//! The program as people and scripts use it: the real binary, its words, and its exit status.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use telescribe::archive::DataFolder;
use tempfile::TempDir;

use crate::support::demo::{Own, demo};
use crate::support::program::run_in;

const COMMANDS: [&str; 32] = [
    "demo",
    "run",
    "simulate",
    "login",
    "account",
    "peers",
    "search",
    "show",
    "changes",
    "dump",
    "coverage",
    "counters",
    "join",
    "fetch",
    "media",
    "follow",
    "unfollow",
    "status",
    "schedule",
    "log",
    "verify",
    "backup",
    "restore",
    "repair",
    "reindex",
    "upgrade",
    "key",
    "config",
    "erase",
    "watch",
    "history",
    "dead-letters",
];

#[test]
fn the_demo_ends_well_and_archives_everything() {
    let demo = demo();
    assert_eq!(demo.ended.status, 0, "{}{}", demo.ended.out, demo.ended.err);
    assert!(demo.ended.err.contains("600 messages archived, 600 indexed"), "{}", demo.ended.err);
    let own = Own::new();
    let dump = own.run(&["dump"]).well();
    let truth = fs::read_to_string(own.path("truth.ndjson")).unwrap();
    assert_eq!(truth.lines().count(), 606);
    for (at, (dumped, true_)) in dump.out.lines().zip(truth.lines()).enumerate() {
        assert_eq!(dumped, true_, "line {}", at + 1);
    }
    assert!(dump.out == truth, "the dump is the truth, byte for byte");
    let verified = own.run(&["verify"]).well();
    assert!(verified.out.starts_with("600 messages archived, 600 indexed, "), "{}", verified.out);
    assert!(verified.out.ends_with("\nno differences\n"), "{}", verified.out);
    let covered = own.run(&["coverage"]).well();
    let summary =
        "6 of 6 peers complete, 600 messages, 0 ids missing, 0 to be read again, 0 deletions to be confirmed\nfiles complete\n";
    assert!(covered.out.ends_with(summary), "{}", covered.out);
    assert_eq!(own.run(&["coverage", "--incomplete"]).well().out.lines().count(), 2);
}

#[test]
fn the_demo_never_wipes_a_folder_that_is_not_its_own() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("mine/letter.txt"), "dear").unwrap();
    let ended = run_in(folder.path(), &["demo", "--once", "--folder", "mine"]);
    assert_eq!(ended.status, 2);
    assert!(ended.err.contains("`mine` is not empty and was not made by the demo"), "{}", ended.err);
    assert_eq!(fs::read_dir(folder.path().join("mine")).unwrap().count(), 1);
}

#[test]
fn search_finds_and_says_no_by_its_status() {
    let own = Own::new();
    let message = own.some_message();
    let words: String = message["text"].as_str().unwrap().chars().take(12).collect();
    let query = format!("\"{}\"", words.replace('"', " ").trim());
    let hits = own.run(&["search", &query, "--all", "--json"]).well().lines();
    assert!(hits.iter().any(|hit| hit["message"]["id"] == message["id"]), "{query}: {hits:?}");
    assert!(!own.run(&["search", &query]).well().out.is_empty());
    let nothing = own.run(&["search", "zzzzqqqqxxxx", "--json"]);
    assert_eq!((nothing.status, nothing.out.as_str()), (1, ""));
    assert_eq!(own.run(&["search", "zzzzqqqqxxxx"]).status, 1);
    let wrong = own.run(&["search", "after:yesterdayish"]);
    assert_eq!((wrong.status, wrong.out.as_str()), (2, ""));
    assert!(wrong.err.starts_with("telescribe: ") && wrong.err.contains("yesterdayish"), "{}", wrong.err);
}

#[test]
fn files_are_listed_by_peer_and_what_the_rules_say_of_them_is_explained() {
    let own = Own::new();
    let stored = own.run(&["media", "list", "--state", "stored", "--json"]).well().lines();
    let progress = own.run(&["media", "progress", "--json"]).well().lines();
    assert_eq!(progress[0]["files"]["stored"], stored.len());
    let bytes: u64 = stored.iter().map(|file| file["size"].as_u64().unwrap()).sum();
    assert_eq!(progress[0]["files"]["stored_bytes"], bytes);
    assert_eq!(progress[0]["downloads"], serde_json::json!([]));
    let shown = own.run(&["media", "progress"]).well();
    assert!(shown.out.starts_with(&format!("{} stored (", stored.len())), "{}", shown.out);
    assert!(own.run(&["status"]).well().out.contains(&format!("\nfiles: {} stored (", stored.len())));
    assert_eq!(own.run(&["media"]).well().out, "no file is missing: all that the rules want are stored\n");

    let is_in_a_message = |place: &&Value| place["message"].is_i64();
    let places =
        |file: &Value| own.run(&["media", "show", file["id"].as_str().unwrap(), "--json"]).well().lines()[0]["places"].clone();
    let place = stored.iter().find_map(|file| places(file).as_array().unwrap().iter().find(is_in_a_message).cloned()).unwrap();
    let (peer, message) = (place["peer"].to_string(), place["message"].to_string());
    assert_eq!(place["rules"], "rule `media.size_max_mib`: wanted");
    let of_peer = own.run(&["media", &peer, "--state", "stored", "--json"]).well().lines();
    let ids: Vec<i64> = of_peer.iter().map(|file| file["message"].as_i64().unwrap()).collect();
    assert!(ids.contains(&place["message"].as_i64().unwrap()) && ids.is_sorted_by(|a, b| a >= b), "newest first: {ids:?}");

    let rules = own.run(&["media", "rules"]).well();
    assert!(
        rules.out.contains("  1. profile photos of people: places avatar; peers kind:user: only on demand\n"),
        "{}",
        rules.out
    );
    assert!(rules.out.ends_with("  2. media.size_max_mib: all files: downloaded of up to 200.00 MiB\n"), "{}", rules.out);
    let explained = own.run(&["media", "rules", "--explain", &peer, &message]).well();
    let said = "  its place in the message is `media`\n  rule `profile photos of people`: it is not about the place `media`\n  \
                rule `media.size_max_mib`: decides\n  so: rule `media.size_max_mib`: wanted\n";
    assert!(explained.out.ends_with(said), "{}", explained.out);

    for (wrong, why) in [
        (&["media", "rules", "--explain", "@nobody_has_this_name", "5"][..], "holds nothing of this peer"),
        (&["media", "rules", "--explain", &peer, "999999"], "no such message"),
        (&["media", "rules", "--explain", &peer, "five"], "`five` is not the id of a message"),
        (&["media", &peer, "--state", "lost"], "`state`"),
        (&["media", "--account", "alpha"], "PEER"),
    ] {
        let ended = own.run(wrong);
        assert_eq!((ended.status, ended.out.as_str()), (2, ""), "{wrong:?}");
        assert!(ended.err.contains(why), "{wrong:?}: {}", ended.err);
    }
}

#[test]
fn show_peers_changes_and_status_answer() {
    let own = Own::new();
    let message = own.some_message();
    let (peer, id) = (message["peer"].to_string(), message["id"].to_string());
    let shown = own.run(&["show", &peer, &id]).well();
    assert!(shown.out.contains(message["text"].as_str().unwrap()), "{}", shown.out);
    let shown = own.run(&["show", &peer, &id, "--json", "--raw"]).well().lines();
    assert_eq!((&shown[0]["message"]["text"], &shown[0]["raw"]["layer"]), (&message["text"], &230.into()));
    let absent = own.run(&["show", &peer, "999999"]);
    assert_eq!((absent.status, absent.out.as_str()), (1, ""));
    assert!(!absent.err.is_empty());

    let peers = own.run(&["peers", "--json"]).well().lines();
    assert_eq!(peers.len(), 6);
    assert_eq!(peers.iter().map(|peer| peer["messages"].as_u64().unwrap()).sum::<u64>(), 600);
    assert_eq!(own.run(&["peers"]).well().out.lines().count(), 6);

    let changes = own.run(&["changes", "--json"]).well().lines();
    let seqs: Vec<u64> = changes.iter().map(|change| change["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=u64::try_from(changes.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(own.run(&["changes", "--after", "10", "--limit", "5"]).well().out.lines().count(), 5);
    let (last, epoch) = (seqs.len(), changes[0]["epoch"].as_str().unwrap());
    assert_eq!(own.run(&["changes", "--after", &format!("{epoch}:{last}")]).well().out, "", "nothing after the last");
    let beyond = own.run(&["changes", "--after", &u64::MAX.to_string()]);
    assert_eq!((beyond.status, beyond.out.as_str()), (2, ""));
    assert!(beyond.err.contains(&format!("there is no change {} yet, the newest is {last}", u64::MAX)), "{}", beyond.err);
    let head = own.run(&["log", "head", "--json"]).well().lines();
    assert_eq!((&head[0]["seq"], &head[0]["epoch"]), (&last.into(), &epoch.into()));
    let shown = own.run(&["log", "head"]).well().out;
    assert!(
        shown.starts_with(head[0]["link"].as_str().unwrap()) && shown.contains(&format!("change {last} of archive ")),
        "{shown}"
    );
    let status = own.run(&["status", "--json"]).well().lines();
    assert_eq!(status[0]["index"]["behind"], 0, "{status:?}");
    let status = own.run(&["status"]).well().out;
    assert!(status.starts_with("program: telescribe ") && status.contains("is not running\n"), "{status}");
    assert!(status.contains("\nindex: 600 messages, 0 changes behind\n"), "{status}");
}

#[test]
fn counters_and_the_schedule_are_shown_and_what_needs_a_running_program_says_so() {
    let own = Own::new();
    let truth = fs::read_to_string(own.path("truth.ndjson")).unwrap();
    let mut lines = truth.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let seen = lines.find(|line| line["views"].is_number()).unwrap();
    let (peer, id) = (seen["peer"].to_string(), seen["id"].to_string());
    let counted = own.run(&["counters", &peer, &id, "--json"]).well().lines();
    assert_eq!(counted.last().unwrap()["views"], seen["views"], "{counted:?}");
    let text = own.run(&["counters", &peer, &id]).well().out;
    assert!(text.contains(&format!("  {} views", seen["views"])), "{text}");
    let absent = own.run(&["counters", &peer, "999999"]);
    assert_eq!((absent.status, absent.out.as_str()), (2, ""), "{}", absent.err);

    let jobs = own.run(&["schedule", "--json"]).well().lines();
    let names: Vec<&str> = jobs.iter().map(|job| job["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["discover", "catch-up", "backfill", "recheck", "counters", "backup"]);
    // A backup needs a folder to go to.
    let next = |job: &Value| {
        if job["state"] == "disabled" { job["name"] == "backup" } else { job["next"].as_array().unwrap().len() == 3 }
    };
    assert!(jobs.iter().all(next), "{jobs:?}");
    assert_eq!(own.run(&["schedule"]).well().out.lines().count(), 7);
    for wish in [
        &["schedule", "run", "catch-up"][..],
        &["join", "@example_channel"],
        &["follow", "@example_channel"],
        &["unfollow", "@example_channel"],
    ] {
        let ended = own.run(wish);
        assert_eq!((ended.status, ended.out.as_str()), (2, ""), "{wish:?}");
        assert_eq!(ended.err, "telescribe: the program is not running: start it with `telescribe run`, then retry\n");
    }
    let by_id = own.run(&["join", "-1001234567890"]);
    assert_eq!(by_id.err, "telescribe: the program is not running: start it with `telescribe run`, then retry\n");
    let excluded = own.run(&["search", "-1001234567890"]);
    assert!(!excluded.err.contains("unexpected argument"), "{}", excluded.err);
    // An id is looked for as it is written, and nothing is left out because of it.
    assert_eq!(own.run(&["search", "the", "-1001234567890"]).status, 1);
    own.run(&["search", "the -absent"]).well();
    let mistyped = own.run(&["schedule", "run", "catchup"]);
    assert_eq!(mistyped.status, 2);
    assert!(mistyped.err.contains("jobs are `discover`, `catch-up`, "), "{}", mistyped.err);
}

#[test]
fn a_deleted_index_is_noticed_and_made_again() {
    let own = Own::new();
    fs::remove_dir_all(own.path("data/index")).unwrap();
    let verified = own.run(&["verify"]);
    assert_eq!(verified.status, 1, "{}{}", verified.out, verified.err);
    assert!(verified.out.contains("`telescribe reindex`"), "{}", verified.out);
    let reindexed = own.run(&["reindex"]).well();
    assert!(reindexed.err.contains("600 messages are indexed"), "{}", reindexed.err);
    own.run(&["verify"]).well();
}

#[test]
fn a_data_folder_in_use_is_a_clear_error() {
    let own = Own::new();
    let lock = DataFolder::lock(&own.path("data")).unwrap();
    let process = std::process::id().to_string();
    for command in ["verify", "reindex", "dump", "run"] {
        let ended = own.run(&[command]);
        assert_eq!((ended.status, ended.out.as_str()), (2, ""), "{command}");
        assert!(ended.err.contains("is in use by") && ended.err.contains(&process), "{command}: {}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{command}: {}", ended.err);
    }
    drop(lock);
    own.run(&["verify"]).well();
}

#[test]
fn without_an_archive_the_way_out_is_named() {
    let folder = TempDir::new().unwrap();
    for command in [&["dump"][..], &["peers"], &["status"], &["search", "a"], &["coverage"], &["changes"]] {
        let ended = run_in(folder.path(), command);
        assert_eq!((ended.status, ended.out.as_str()), (2, ""), "{command:?}");
        assert!(ended.err.contains("there is no archive in `data`; `telescribe run` creates one"), "{command:?}: {}", ended.err);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "asking makes nothing");
}

#[test]
fn verify_and_reindex_do_not_make_an_archive_where_there_is_none() {
    let folder = TempDir::new().unwrap();
    for command in ["verify", "reindex"] {
        let ended = run_in(folder.path(), &[command]);
        assert_eq!(ended.status, 2, "{command}: {}{}", ended.out, ended.err);
        assert!(ended.err.contains("there is no archive in `data`"), "{command}: {}", ended.err);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "asking makes nothing");
}

#[test]
fn keys_are_made_listed_and_removed() {
    let folder = TempDir::new().unwrap();
    let made = run_in(folder.path(), &["key", "new", "analyst"]).well();
    let set: Value = serde_json::from_str(&made.out).unwrap();
    let kid = set["keys"][0]["kid"].as_str().unwrap().to_owned();
    assert!(set["keys"][0]["k"].is_string() && kid.starts_with("analyst-"));
    let listed = run_in(folder.path(), &["key", "list", "--json"]).well();
    assert_eq!(listed.lines()[0]["kid"], *kid);
    assert!(!listed.out.contains(set["keys"][0]["k"].as_str().unwrap()), "the secret is shown once");
    assert!(run_in(folder.path(), &["key", "list"]).well().out.contains(&kid));
    run_in(folder.path(), &["key", "remove", &kid]).well();
    assert_eq!(run_in(folder.path(), &["key", "list"]).well().out, "");
    let none = run_in(folder.path(), &["key", "export", &kid]);
    assert!(none.status == 2 && none.err.contains("`telescribe key list` shows those that exist"), "{}", none.err);
    let again = run_in(folder.path(), &["key", "remove", &kid]);
    assert_eq!(again.status, 2);
    assert!(again.err.contains("`telescribe key list` shows those that exist"), "{}", again.err);
}

#[test]
fn a_key_has_the_rights_that_it_was_made_with_and_its_successor_has_them_too() {
    let folder = TempDir::new().unwrap();
    run_in(folder.path(), &["key", "new", "analyst", "--out", "1.json"]).well();
    let limits = ["--scopes", "search,media", "--peers=-1001500000001,-1001500000002", "--expires", "10d"];
    run_in(folder.path(), &[&["key", "new", "desk", "--out", "2.json"], limits.as_slice()].concat()).well();
    let rotated = run_in(folder.path(), &["key", "rotate", "desk", "--overlap", "2d", "--out", "3.json"]).well();
    let listed = run_in(folder.path(), &["key", "list", "--json"]).well().lines();
    assert!(rotated.err.contains(&format!("key `{}` ends at ", listed[1]["kid"].as_str().unwrap())), "{}", rotated.err);
    assert_eq!(listed[0]["scopes"], json!(["search", "fetch", "media", "changes"]));
    assert!(listed[0].get("peers").is_none() && listed[0].get("expires").is_none(), "{}", listed[0]);
    for key in &listed[1..] {
        assert_eq!((&key["client"], &key["scopes"]), (&json!("desk"), &json!(["search", "media"])));
        assert_eq!(key["peers"], json!([-1_001_500_000_002_i64, -1_001_500_000_001_i64]));
    }
    let days = |key: &Value| {
        let [created, ends] =
            ["created", "expires"].map(|name| chrono::DateTime::parse_from_rfc3339(key[name].as_str().unwrap()).unwrap());
        (ends - created).num_hours() / 24
    };
    assert_eq!((days(&listed[1]), days(&listed[2])), (2, 10), "{listed:?}");
    let shown = run_in(folder.path(), &["key", "list"]).well().out;
    let shown: Vec<&str> = shown.lines().collect();
    assert!(shown[0].ends_with(", may search, fetch, media, changes"), "{}", shown[0]);
    assert!(shown[2].contains(", may search, media, in -1001500000002, -1001500000001, EXPIRES SOON, "), "{}", shown[2]);
    for (refused, why) in [
        (&["key", "new", "desk", "--scopes", "sudo"][..], "`sudo` is no scope; use one of"),
        (&["key", "new", "desk", "--expires", "0s"], "a key that ends at once is of no use"),
        (&["key", "rotate", "nobody"], "`telescribe key new nobody --out FILE`"),
    ] {
        let refused = run_in(folder.path(), refused);
        assert!(refused.status == 2 && refused.err.contains(why), "{}", refused.err);
    }
    assert_eq!(run_in(folder.path(), &["key", "list"]).well().out.lines().count(), 3);
}

#[test]
fn a_key_is_handed_over_in_a_file_that_nobody_else_can_read_and_that_overwrites_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("analyst.jwks.json");
    let made = run_in(folder.path(), &["key", "new", "analyst", "--out", "analyst.jwks.json"]).well();
    assert!(made.out.is_empty() && made.err.contains("`analyst.jwks.json` is for the client"), "{}{}", made.out, made.err);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    let server = run_in(folder.path(), &["key", "server"]).well().out;
    let set: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(set["keys"][0]["aud"], server.trim());
    let kid = set["keys"][0]["kid"].as_str().unwrap();
    assert_eq!(run_in(folder.path(), &["key", "export", kid]).well().out, text, "the same once more");

    // Neither a file nor a key is made where there is a file.
    for arguments in
        [&["key", "new", "desk", "--out", "analyst.jwks.json"][..], &["key", "export", kid, "--out", "analyst.jwks.json"]]
    {
        let refused = run_in(folder.path(), arguments);
        assert_eq!(refused.status, 2, "{arguments:?}");
        assert!(refused.err.contains("`analyst.jwks.json` is there already") && refused.out.is_empty(), "{}", refused.err);
    }
    let refused = run_in(folder.path(), &["key", "new", "desk", "--out", "absent/desk.json"]);
    assert!(refused.status == 2 && refused.err.contains("cannot write key file `absent/desk.json`"), "{}", refused.err);
    assert_eq!(
        (fs::read_to_string(&file).unwrap(), run_in(folder.path(), &["key", "list"]).well().out.lines().count()),
        (text, 1)
    );
}

#[test]
fn the_configuration_is_printed_and_checked() {
    let folder = TempDir::new().unwrap();
    let printed = run_in(folder.path(), &["config"]).well();
    fs::write(folder.path().join("config.toml"), &printed.out).unwrap();
    run_in(folder.path(), &["config", "--check"]).well();
    fs::write(folder.path().join("config.toml"), "[telegram]\napi_idd = 5\n").unwrap();
    for command in [&["config", "--check"][..], &["run"], &["account", "list"]] {
        let broken = run_in(folder.path(), command);
        assert_eq!((broken.status, broken.out.as_str()), (2, ""), "{command:?}");
        let expected = "telescribe: config.toml, line 2: unknown key `telegram.api_idd`; did you mean `api_id`?\n";
        assert_eq!(broken.err, expected, "{command:?}");
    }
    let absent = run_in(folder.path(), &["--config", "nowhere.toml", "config", "--check"]);
    assert_eq!(absent.status, 2);
    assert!(absent.err.contains("`nowhere.toml`") && absent.err.contains("`telescribe config > nowhere.toml`"), "{}", absent.err);
}

#[test]
fn a_configuration_in_another_encoding_is_named_and_never_to_be_overwritten() {
    let folder = TempDir::new().unwrap();
    let text = "[telegram]\napi_id = 5\n# Zürich\n";
    let utf16 = |unit: fn(u16) -> [u8; 2], mark: &str| [mark, text].concat().encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for (bytes, says) in [
        (utf16(u16::to_le_bytes, "\u{feff}"), "is UTF-16; save it as UTF-8"),
        (utf16(u16::to_be_bytes, "\u{feff}"), "is UTF-16; save it as UTF-8"),
        (utf16(u16::to_le_bytes, ""), "is UTF-16; save it as UTF-8"),
        (latin, "is not UTF-8 (line 3); save it as UTF-8"),
    ] {
        fs::write(folder.path().join("config.toml"), bytes).unwrap();
        let refused = run_in(folder.path(), &["config", "--check"]);
        assert_eq!(refused.status, 2);
        assert!(refused.err.contains(&format!("configuration file `config.toml` {says}")), "{}", refused.err);
        assert!(!refused.err.contains("telescribe config >"), "{}", refused.err);
    }
    fs::create_dir(folder.path().join("folder.toml")).unwrap();
    let refused = run_in(folder.path(), &["--config", "folder.toml", "config", "--check"]);
    assert!(refused.status == 2 && !refused.err.contains("telescribe config >"), "{}", refused.err);
    fs::write(folder.path().join("config.toml"), format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
    run_in(folder.path(), &["config", "--check"]).well();
}

#[test]
fn a_configuration_without_a_pace_is_refused_against_real_telegram_only() {
    let folder = TempDir::new().unwrap();
    for (text, key) in [
        ("[accounts]\nrequest_interval = \"0s\"\n", "accounts.request_interval"),
        ("[accounts]\nrequest_interval = \"1ms\"\n", "accounts.request_interval"),
        ("[accounts.intervals]\n\"messages.getHistory\" = \"0ms\"\n", "accounts.intervals.messages.getHistory"),
        ("[telegram]\nrequest_timeout = \"0s\"\n", "telegram.request_timeout"),
    ] {
        let check = |server: &str| {
            let server = format!("telegram.server = \"{server}\"\n");
            let text = if text.starts_with("[telegram]") {
                text.replace("[telegram]\n", &format!("[telegram]\n{}", &server[9..]))
            } else {
                server + text
            };
            fs::write(folder.path().join("config.toml"), text).unwrap();
            run_in(folder.path(), &["config", "--check"])
        };
        let refused = check("telegram");
        assert_eq!(refused.status, 2, "{key}");
        assert!(
            refused.err.contains("config.toml, line 3: ") && refused.err.contains(&format!("`{key}` must be ")),
            "{}",
            refused.err
        );
        if key != "telegram.request_timeout" {
            check("simulated").well();
        }
    }
}

#[test]
fn a_wrong_url_of_the_broker_is_refused_before_anything_starts_and_nothing_of_it_is_shown() {
    let own = Own::new();
    let sessions = |own: &Own| {
        let mut files: Vec<PathBuf> = fs::read_dir(own.path("sessions")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "session"));
        files.sort();
        files.into_iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>()
    };
    let before = sessions(&own);
    assert!(!before.is_empty());
    for (url, says) in [
        (
            "amqp://crawler:7/secretword@127.0.0.1:5672/%2f",
            "percent-encode special characters in user and password: write / as %2F",
        ),
        (
            "amqp://crawler:2024#secretword@127.0.0.1:5672/%2f",
            "percent-encode special characters in user and password: write / as",
        ),
        ("http://127.0.0.1", "must start with amqp:// or amqps://"),
        ("amqp:guest", "must start with amqp:// or amqps://"),
        ("127.0.0.1:5672", "must start with amqp:// or amqps://"),
        ("amqp://", "must name a host"),
        ("amqp://127.0.0.1:99999", "a port number from 1 to 65535"),
        ("amqp://127.0.0.1/?foo=1", "unknown parameter `foo`"),
    ] {
        let simulated = "[telegram]\nserver = \"simulated\"\n\n[accounts]\nsessions = \"demo/sessions\"\n\n[http]\nlisteners = []\nmetrics = []\n";
        fs::write(own.folder.path().join("config.toml"), format!("{simulated}\n[publish]\nurl = \"{url}\"\n")).unwrap();
        for command in [&["config", "--check"][..], &["run"]] {
            let refused = own.run(command);
            assert_eq!((refused.status, refused.out.as_str()), (2, ""), "{url}: {}", refused.err);
            let place = "telescribe: config.toml, line 12: `publish.url` ";
            assert!(refused.err.starts_with(place) && refused.err.contains(says), "{url}: {}", refused.err);
            assert!(!refused.err.contains("secretword"), "{url}: {}", refused.err);
        }
    }
    assert_eq!(sessions(&own), before, "no account was taken, so none has to rest at the next start");
    let demo = run_in(own.folder.path(), &["demo", "--once", "--amqp", "amqp://crawler:7/secretword@127.0.0.1:5672/%2f"]);
    assert_eq!(demo.status, 2);
    assert!(demo.err.starts_with("telescribe: `--amqp` ") && !demo.err.contains("secretword"), "{}", demo.err);
}

#[test]
fn a_password_in_the_address_of_a_server_is_refused_and_not_shown() {
    let folder = TempDir::new().unwrap();
    for server in
        ["http://me:secretword@127.0.0.1:1", "http://me:7/secretword@127.0.0.1:1", "https://me:secretword@h", "me:secretword@ h"]
    {
        let ended = run_in(folder.path(), &["--server", server, "peers"]);
        assert_eq!(ended.status, 2);
        assert!(
            ended.err.contains("`--server` takes no user and password") && !ended.err.contains("secretword"),
            "{}",
            ended.err
        );
    }
}

#[test]
fn an_account_is_imported_from_a_raw_key_and_listed() {
    let folder = TempDir::new().unwrap();
    assert_eq!(run_in(folder.path(), &["account", "list"]).well().out, "");
    fs::write(folder.path().join("bravo.key"), [7; 256]).unwrap();
    fs::write(folder.path().join("short.key"), [7; 255]).unwrap();
    let import = |key: &str, dc: &str| run_in(folder.path(), &["account", "import", "bravo", key, "--dc", dc]);
    for (key, dc, says) in [
        ("short.key", "4", "`short.key` is not a known kind of session: expected "),
        ("none.key", "4", "cannot read `none.key`"),
        ("bravo.key", "77", "`bravo.key` is of data centre 77, which is unknown; known are "),
    ] {
        let ended = import(key, dc);
        assert_eq!(ended.status, 2);
        assert!(ended.err.contains(says), "{}", ended.err);
    }
    import("bravo.key", "4").well();
    let twice = import("bravo.key", "4");
    assert_eq!(twice.status, 2, "{}", twice.err);
    let listed = run_in(folder.path(), &["account", "list"]).well();
    assert_eq!(listed.out, "bravo: user unknown, data centre 4, plain\n");
    assert_eq!(run_in(folder.path(), &["account", "list", "--json"]).well().lines()[0]["home_dc"], 4);
    use std::os::unix::fs::PermissionsExt as _;
    let session = folder.path().join("sessions/bravo.session");
    assert_eq!(session.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_simulated_truth_follows_from_its_seed() {
    let folder = TempDir::new().unwrap();
    let truth =
        |seed: &str| run_in(folder.path(), &["simulate", "--truth", "-", "--seed", seed, "--peers", "5", "--messages", "200"]);
    let first = truth("7").well();
    assert_eq!(first.out.lines().count(), 205);
    assert_eq!(first.out, truth("7").well().out);
    assert_ne!(first.out, truth("8").well().out);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn every_command_helps_with_an_example() {
    let folder = TempDir::new().unwrap();
    let top = run_in(folder.path(), &["--help"]).well();
    for command in COMMANDS {
        assert!(top.out.contains(&format!("\n  {command} ")), "`{command}` is not in the list");
        let help = run_in(folder.path(), &[command, "--help"]).well();
        let examples = help.out.split_once("Examples:\n").unwrap_or_else(|| panic!("`{command}` has no examples")).1;
        assert!(examples.contains("telescribe "), "{examples}");
        let wide = help.out.lines().find(|line| line.chars().count() > 120);
        assert_eq!(wide, None, "{command}");
    }
    // A long description goes on in a further line, which is indented deeper.
    let section = top.out.split_once("\nCommands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let listed = section.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).count();
    assert_eq!(listed, COMMANDS.len() + 1, "a command is not tested here: {}", top.out);
    let mistyped = run_in(folder.path(), &["serach", "a"]);
    assert_eq!(mistyped.status, 2);
    assert!(mistyped.err.contains("search"), "{}", mistyped.err);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let own = Own::new();
    let line = format!("{} --data demo/data dump | head -1", env!("CARGO_BIN_EXE_telescribe"));
    let script = format!("set -o pipefail; {line} | cat");
    let output = Command::new("bash").args(["-c", &script]).current_dir(own.folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
