//! The commands are HTTP's clients: they show the same wherever the answer comes from.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::path::Path;
use std::process::ExitCode;

use telescribe::archive::DataFolder;
use telescribe::cli::client::Globals;
use telescribe::cli::{self, Out};
use telescribe::http::Sealing;
use telescribe::model::Timestamp;
use tempfile::TempDir;

use crate::support::commands::{Written, globals};
use crate::support::messages::NOW;
use crate::support::served::{GROUP, Served, furnish, listening, plan};

/// Runs every reading command and shows what it wrote.
async fn run_all(globals: &Globals) -> String {
    let written = Written::default();
    let mut out = Out::to(written.clone());
    let mut shown = String::new();
    let mut note = |name: &str, code: ExitCode| shown.push_str(&format!("$ {name} -> {code:?}\n{}\n", written.text()));
    let search = cli::search::Args::new(vec!["今天".to_owned()]);
    note("search", cli::search::write(&search, globals, &mut out).await.unwrap());
    let none = cli::search::Args { query: vec!["nothingatall".to_owned()], ..search };
    note("search", cli::search::write(&none, globals, &mut out).await.unwrap());
    let show = cli::show::Args {
        peer: "@novosti".to_owned(),
        id: Some(3),
        raw: false,
        versions_before: None,
        account: None,
        context: None,
    };
    note("show", cli::show::write(&show, globals, &mut out).await.unwrap());
    let absent = cli::show::Args { id: Some(99), ..show };
    note("show", cli::show::write(&absent, globals, &mut out).await.unwrap());
    let history = cli::history::Args {
        peer: "@novosti".to_owned(),
        account: None,
        before: None,
        after: Some(1),
        oldest: true,
        limit: 2.try_into().unwrap(),
        all: false,
    };
    note("history", cli::history::write(&history, globals, &mut out).await.unwrap());
    note("peers", cli::peers::write(&cli::peers::Args { all: true }, globals, &mut out).await.unwrap());
    let changes = cli::changes::Args { after: "24".parse().unwrap(), limit: None, follow: false };
    note("changes", cli::changes::write(&changes, globals, &mut out).await.unwrap());
    let coverage = cli::coverage::Args { peer: None, account: None, incomplete: false };
    note("coverage", cli::coverage::write(&coverage, globals, &mut out).await.unwrap());
    let coverage = cli::coverage::Args { peer: Some(GROUP.to_string()), account: None, incomplete: false };
    note("coverage", cli::coverage::write(&coverage, globals, &mut out).await.unwrap());
    let counters = cli::counters::Args { peer: "@novosti".to_owned(), message: None, account: None };
    note("counters", cli::counters::write(&counters, globals, &mut out).await.unwrap());
    let counters = cli::counters::Args { message: Some(3), ..counters };
    note("counters", cli::counters::write(&counters, globals, &mut out).await.unwrap());
    let none = cli::counters::Args { peer: GROUP.to_string(), message: None, account: None };
    note("counters", cli::counters::write(&none, globals, &mut out).await.unwrap());
    let dump = cli::dump::Args { all: true, peer: Some("@novosti".to_owned()) };
    note("dump", cli::dump::write(&dump, globals, &mut out).await.unwrap());
    shown
}

#[tokio::test]
async fn commands_show_the_same_whether_a_daemon_has_the_archive_or_nobody() {
    let mut served = Served::start_with(listening(Sealing::Off), furnish).await;
    let folder = std::mem::replace(&mut served.folder, TempDir::new().unwrap());
    let over_the_socket = run_all(&globals(folder.path())).await;
    insta::assert_snapshot!(over_the_socket);
    let server = Globals { server: Some(format!("http://{}", served.address)), ..globals(Path::new("nowhere")) };
    assert_eq!(run_all(&server).await, over_the_socket, "over TCP");
    served.stop().await;
    assert!(!DataFolder::socket(folder.path()).exists(), "the socket went with the daemon");
    assert_eq!(run_all(&globals(folder.path())).await, over_the_socket, "in this process");
}

#[tokio::test]
async fn the_schedule_is_shown_as_a_table() {
    let served = Served::start(listening(Sealing::Off)).await;
    for (job, at) in [("catch-up", 100), ("ended/catch-up", 90), ("recheck", 5_000)] {
        let mut write = served.archive.write(Timestamp(NOW.0 - at));
        write.job_started(job);
        write.commit().unwrap();
    }
    let written = Written::default();
    let folder = served.folder.path().to_owned();
    let args = cli::schedule::Args::default();
    cli::schedule::write(&args, &globals(&folder), || Ok(plan()), &mut Out::to(written.clone())).await.unwrap();
    insta::assert_snapshot!(written.text());
    served.stop().await;
}

#[test]
fn commands_are_written_as_their_examples_say() {
    use clap::{CommandFactory as _, Parser as _};

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        globals: Globals,
        #[command(subcommand)]
        command: Command,
    }

    #[derive(clap::Subcommand)]
    enum Command {
        Search(cli::search::Args),
        Show(cli::show::Args),
        History(cli::history::Args),
        Peers(cli::peers::Args),
        Changes(cli::changes::Args),
        Dump(cli::dump::Args),
        Coverage(cli::coverage::Args),
        Counters(cli::counters::Args),
        Schedule(cli::schedule::Args),
        Join(cli::join::Args),
        Status(cli::status::Args),
    }

    Line::command().debug_assert();
    let read = |line: &str| Line::try_parse_from(line.split(' ')).unwrap_or_else(|e| panic!("{line}: {e}"));
    let Line { globals, command: Command::Search(search) } = read("telescribe search 今天 天气 --json --limit 5") else {
        panic!()
    };
    assert_eq!((search.query.len(), search.limit.get(), globals.json), (2, 5, true));
    let Command::Search(search) = read("telescribe search -- -bad good").command else { panic!() };
    assert_eq!(search.query, ["-bad", "good"]);
    let Line { globals, command: Command::Show(show) } = read("telescribe show -1001500000001 42 --json") else { panic!() };
    assert_eq!((show.peer.as_str(), show.id, globals.json), ("-1001500000001", Some(42), true));
    let Command::Dump(dump) = read("telescribe dump --all --peer -1001500000001").command else { panic!() };
    assert_eq!(dump.peer.as_deref(), Some("-1001500000001"));
    for line in [
        "peers --all",
        "changes --after 7 --follow",
        "coverage -1001500000001",
        "coverage --incomplete",
        "counters @novosti",
        "counters -1001500000001 42 --json",
        "schedule",
        "schedule run recheck --peers -1001500000001 title:*news*",
        "join https://t.me/+AbCdEfGh12345678 --account alpha",
        "status --data elsewhere",
    ] {
        read(&format!("telescribe {line}"));
    }
    for name in ["search", "show", "history", "peers", "changes", "dump", "coverage", "counters", "schedule", "join", "status"] {
        let mut line = Line::command();
        let help = line.find_subcommand_mut(name).unwrap().render_help().to_string();
        assert!(help.contains("Examples:\n  telescribe "), "{name}: {help}");
    }
}

#[tokio::test]
async fn commands_say_what_is_wrong_with_the_folder() {
    let folder = TempDir::new().unwrap();
    let status = cli::status::Args {};
    let mut out = Out::to(Written::default());
    let error = cli::status::write(&status, &globals(folder.path()), &mut out).await.unwrap_err().to_string();
    assert!(error.contains("there is no archive in") && !folder.path().join("lock").exists(), "{error}");
    std::fs::create_dir(folder.path().join("archive")).unwrap();
    let _lock = DataFolder::lock(folder.path()).unwrap();
    let error = cli::status::write(&status, &globals(folder.path()), &mut out).await.unwrap_err().to_string();
    assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
}

#[tokio::test]
async fn a_command_whose_reader_went_away_ends_quietly() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }
    let served = Served::start(listening(Sealing::Off)).await;
    let args = cli::dump::Args { all: false, peer: None };
    let error = cli::dump::write(&args, &globals(served.folder.path()), &mut Out::to(Closed)).await.unwrap_err();
    assert_eq!(
        error.downcast_ref::<std::io::Error>().unwrap().kind(),
        std::io::ErrorKind::BrokenPipe,
        "`run` turns it into success"
    );
    served.stop().await;
}
