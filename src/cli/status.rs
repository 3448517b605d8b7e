//! `telescribe status`: the state of the program.
//!
//! What needs attention (a lost account, a wait, a failing worker, deletions that are not confirmed yet) is said in words; `--json` has
//! every figure.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended, one_line};
use super::received::Received;
use super::schedule;
use crate::views::{
    AccountStatusView, BackupFailureView, BackupStatusView, CrawlView, FileTotalsView, IndexRebuild, MirrorView, NoResponseView,
    OutputView, StatusView, WorkerView,
};

/// Show the state of the archive, the index and a running daemon
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe status
  telescribe status --json | jq .index.behind")]
pub struct Args {}

/// Members with an output of their own.
const TOLD: [&str; 15] = [
    "version",
    "now",
    "archive",
    "index",
    "files",
    "running",
    "crawl",
    "publish",
    "outputs",
    "accounts",
    "jobs",
    "backup",
    "mirror",
    "workers",
    "open_files",
];

/// Runs the command on standard output.
///
/// # Errors
/// When no server could be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(_: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let status = Api::open(globals).await?.get::<StatusView>(&Target::new("/v1/status")).await?;
    if globals.json {
        out.json(&status.json)?;
    } else {
        for_people(&status, out)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn for_people(received: &Received<StatusView>, out: &mut Out) -> std::io::Result<()> {
    let StatusView { version, archive, index, files, program, .. } = &received.view;
    let version = one_line(version);
    head(out, "program", &format!("telescribe {version} {}", if program.running { "is running" } else { "is not running" }))?;
    head(out, "archive", &format!("{} changes, {}", archive.last, size(archive.disk_size)))?;
    head(out, "index", &format!("{} messages, {} changes behind", index.documents, index.behind))?;
    if let Some(IndexRebuild { why, position, last }) = &index.rebuild {
        let why = one_line(why);
        out.line(format_args!(
            "  it is being rebuilt, and answers until then if it can: {position} of {last} changes are done; {why}"
        ))?;
    }
    if let Some(why) = &index.error {
        out.line(format_args!("  {}", one_line(why)))?;
    }
    if *files != FileTotalsView::default() {
        head(out, "files", &super::media::summary(files))?;
    }
    if let Some(crawl) = &program.crawl {
        crawled(crawl, out)?;
    }
    if let Some(outputs) = program.outputs.as_ref().filter(|outputs| !outputs.is_empty()) {
        head(out, "outputs", "")?;
        for output in outputs {
            out.line(format_args!("  {}", output_state(output)))?;
        }
    }
    if let Some(accounts) = &program.accounts {
        head(out, "accounts", "")?;
        for account in accounts {
            out.line(format_args!("  {}: {}", one_line(&account.name), how_it_is(account)))?;
        }
    }
    if let Some(jobs) = &program.jobs {
        head(out, "jobs", "")?;
        for job in jobs {
            let next = job.next.first().map(|at| format!(", next {}", one_line(at)));
            out.line(format_args!("  {}: {}{}", schedule::name(job), one_line(&job.state), next.unwrap_or_default()))?;
            if let Some(waiting) = schedule::waiting(job) {
                out.line(format_args!("  {waiting}"))?;
            }
        }
    }
    if let Some(state) = &program.backup {
        head(out, "backup", &backup(state))?;
    }
    if let Some(state) = &program.mirror {
        head(out, "mirror", &mirror(state))?;
    }
    if let Some(workers) = &program.workers {
        let ill: Vec<String> = workers.iter().filter_map(complaint).collect();
        head(out, "workers", &if ill.is_empty() { format!("{}, all well", workers.len()) } else { String::new() })?;
        for complaint in ill {
            out.line(format_args!("  {complaint}"))?;
        }
    }
    if let Some(files) = &program.open_files {
        head(
            out,
            "open files",
            &format!("{} of {}, the archive's tables at most {}", files.open, files.limit, files.archive_max),
        )?;
    }
    let rest: serde_json::Map<String, Value> = received
        .json
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| !TOLD.contains(&name.as_str()) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    outline(&Value::Object(rest), 0, out)
}

fn head(out: &mut Out, name: &str, what: &str) -> std::io::Result<()> {
    let line = format!("{}{}{what}", out.strong(name), if what.is_empty() { "" } else { ": " });
    out.line(line)
}

fn backup(BackupStatusView { state, newest, failures }: &BackupStatusView) -> String {
    let newest = newest.as_ref().map(|newest| {
        let (id, target, age) = (one_line(&newest.id), one_line(&newest.target), age(newest.age_seconds));
        let unread: String = newest.unread.iter().map(|part| format!("; {}", one_line(part))).collect();
        format!("the newest is {id} in `{target}`, {age} old{unread}")
    });
    let newest = newest.unwrap_or_else(|| "there is none; `telescribe backup FOLDER` makes one".to_owned());
    let failed = |failure: &BackupFailureView| {
        let (target, at, why) = (one_line(&failure.target), one_line(&failure.at), one_line(&failure.why));
        format!("; the last one in `{target}` failed at {at}: {why}")
    };
    let failures: String = failures.iter().map(failed).collect();
    let running = (state == "running").then_some("; one is being made");
    format!("{newest}{failures}{}", running.unwrap_or_default())
}

fn mirror(view: &MirrorView) -> String {
    let MirrorView { target, state, objects, only_there, waiting, failed, last_error, .. } = view;
    let only = (only_there.count > 0).then(|| format!(", {} of them only there ({})", only_there.count, size(only_there.bytes)));
    let waiting = (*waiting > 0).then(|| format!("; {waiting} are not there yet"));
    let failed = (*failed > 0).then(|| format!("; {failed} could not be mirrored"));
    let error = last_error.as_deref().map(|error| format!("; {}", one_line(error)));
    let rest: String = only.into_iter().chain(waiting).chain(failed).chain(error).collect();
    format!("{}, {}: {} files ({}){rest}", one_line(target), one_line(state), objects.count, size(objects.bytes))
}

/// A time span in the unit that leaves it few digits.
fn age(seconds: u64) -> String {
    let units = [("days", 86_400), ("hours", 3_600), ("minutes", 60)];
    let fits = units.into_iter().find(|(_, length)| seconds / length >= 2);
    fits.map_or_else(|| format!("{seconds} seconds"), |(unit, length)| format!("{} {unit}", seconds / length))
}

/// A size in the unit that leaves it few digits.
pub(super) fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let fits = units.into_iter().find(|(_, shift)| bytes >> shift >= 10);
    fits.map_or_else(|| format!("{bytes} bytes"), |(unit, shift)| format!("{} {unit}", bytes >> shift))
}

fn crawled(crawl: &CrawlView, out: &mut Out) -> std::io::Result<()> {
    let count = |count: Option<u64>| count.unwrap_or_default();
    let (peers, complete, messages) = (count(crawl.peers), count(crawl.peers_complete), count(crawl.messages));
    head(out, "crawl", &format!("{complete} of {peers} peers complete, {messages} messages"))?;
    for (count, what) in [
        (count(crawl.ids_missing), "ids are not read yet"),
        (count(crawl.ids_recheck), "ids are to be read again"),
        (
            count(crawl.deletions_held),
            "messages are gone at once (mass deletion); they are marked deleted only after a second request confirms it",
        ),
        (count(crawl.peers_unavailable), "peers cannot be read at present; `telescribe coverage --incomplete` says why"),
        (crawl.units_waiting + crawl.units_running, "requests are queued or in progress"),
    ] {
        if count > 0 {
            out.line(format_args!("  {count} {what}"))?;
        }
    }
    for (name, count) in &crawl.unknown_constructors {
        out.line(format_args!(
            "  {count} messages contain a `{}`, which this version does not know; its raw bytes are archived",
            one_line(name)
        ))?;
    }
    Ok(())
}

fn how_it_is(account: &AccountStatusView) -> String {
    let text = |text: &Option<String>| text.as_deref().map(one_line).unwrap_or_default();
    let (state, requests) = (one_line(&account.state).replace('_', " "), account.requests);
    let state = match (text(&account.reason), text(&account.way_out)) {
        _ if let Some(NoResponseView { since, method, why, next_try, .. }) = &account.no_response => {
            let (since, method, why, next_try) = (one_line(since), one_line(method), one_line(why), one_line(next_try));
            format!("no response since {since} ({method}: {why}); next try at {next_try}")
        }
        (reason, _) if reason.is_empty() => format!("{state}, {requests} requests"),
        (reason, way_out) => format!("{state} ({reason}); {way_out}"),
    };
    let wait = |(method, until): (&String, &String)| format!("; flood wait for {} until {}", one_line(method), one_line(until));
    let rest = account.rests_until.as_deref().map(|until| format!("; it sends no requests until {}", one_line(until)));
    state + &account.parked_until.iter().map(wait).chain(rest).collect::<String>()
}

fn output_state(OutputView { name, kind, report }: &OutputView) -> String {
    let (name, kind, state) = (one_line(name), one_line(kind), one_line(&report.state));
    let unroutable =
        (report.unroutable > 0).then(|| format!("; {} events were unroutable: no queue is bound for them", report.unroutable));
    let (dead, many) = (report.dead_letters, if report.dead_letters == 1 { "" } else { "s" });
    let dead = (dead > 0).then(|| format!("; {dead} event{many} could not be delivered: `telescribe dead-letters list`"));
    let error = report.last_error.as_deref().map(|error| format!("; {}", one_line(error)));
    let next_try = report.next_try.as_deref().map(|at| format!("; next try at {}", one_line(at)));
    let refused = report.refused_event.as_deref().map(|event| format!("; the event that is refused is {}", one_line(event)));
    let rest = unroutable.into_iter().chain(dead).chain(error).chain(refused).chain(next_try).collect::<String>();
    format!("{name} ({kind}): {state}, {} changes behind{rest}", report.lag)
}

fn complaint(worker: &WorkerView) -> Option<String> {
    let name = one_line(&worker.name);
    match &worker.failing {
        Some(why) => Some(format!("{name} fails: {} ({} times)", one_line(why), worker.failures)),
        None if worker.stopped => Some(format!("{name} has stopped")),
        None => None,
    }
}

/// Writes a document as an indented outline; a list of objects is an outline of outlines.
fn outline(value: &Value, depth: usize, out: &mut Out) -> std::io::Result<()> {
    let indent = "  ".repeat(depth);
    let entries: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.replace('_', " "), value)).collect(),
        Value::Array(values) => values.iter().enumerate().map(|(at, value)| ((at + 1).to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in entries {
        let name = one_line(&name);
        match value {
            Value::Object(_) | Value::Array(_) => {
                let head = out.strong(&name);
                out.line(format_args!("{indent}{head}"))?;
                outline(value, depth + 1, out)?;
            }
            Value::String(text) => out.line(format_args!("{indent}{name}: {}", one_line(text)))?,
            other => out.line(format_args!("{indent}{name}: {other}"))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::{AmountView, PublishView};

    #[test]
    fn a_mirror_is_one_line_with_what_is_wrong() {
        let view = MirrorView {
            target: "s3://files/a at https://s3.example.org".to_owned(),
            state: "unreachable".into(),
            position: 7,
            lag: 2,
            objects: AmountView { count: 5, bytes: 50 << 20 },
            only_there: AmountView { count: 2, bytes: 20 << 10 },
            waiting: 3,
            uploading: 0,
            failed: 1,
            last_error: Some("the storage server\ndoes not answer".to_owned()),
        };
        let line = mirror(&view);
        let head = "s3://files/a at https://s3.example.org, unreachable: 5 files (50 MiB), 2 of them only there (20 KiB); 3 are not there yet; \
                    1 could not be mirrored; the storage server";
        assert!(line.starts_with(head) && line.lines().count() == 1, "{line}");
        let none = AmountView::default();
        let well = MirrorView { state: "connected".into(), only_there: none, waiting: 0, failed: 0, last_error: None, ..view };
        assert_eq!(mirror(&well), "s3://files/a at https://s3.example.org, connected: 5 files (50 MiB)");
    }

    #[test]
    fn an_output_is_one_line_with_what_is_wrong() {
        let report = PublishView {
            state: "disconnected".into(),
            position: 40,
            lag: 2,
            confirmed: 40,
            unroutable: 3,
            connections: 1,
            last_error: Some("the broker\nwent away".to_owned()),
            next_try: Some("2026-11-30T12:00:00Z".to_owned()),
            refused_event: Some("6f1d.1-0f3c9a72.41.message.new".to_owned()),
            dead_letters: 1,
        };
        let output = OutputView { name: "mirror-2".to_owned(), kind: "rabbitmq".into(), report };
        let line = output_state(&output);
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.starts_with("mirror-2 (rabbitmq): disconnected, 2 changes behind; 3 events were unroutable"), "{line}");
        assert!(line.contains("; 1 event could not be delivered: `telescribe dead-letters list`; "), "{line}");
        let end = "; the event that is refused is 6f1d.1-0f3c9a72.41.message.new; next try at 2026-11-30T12:00:00Z";
        assert!(line.contains("went away") && line.ends_with(end), "{line}");
        let well = PublishView {
            state: "connected".into(),
            lag: 0,
            unroutable: 0,
            last_error: None,
            next_try: None,
            refused_event: None,
            dead_letters: 0,
            ..output.report
        };
        assert_eq!(
            output_state(&OutputView { name: output.name, kind: output.kind, report: well }),
            "mirror-2 (rabbitmq): connected, 0 changes behind"
        );
    }
}
