//! The metrics: code, catalogue, `docs/metrics.md` and the answer of a running program say the same.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use telescribe::app::{App, Environment};
use telescribe::config::{ListenerConfig, SealingConfig};
use telescribe::model::SystemClock;
use telescribe::telemetry::{self, CATALOGUE, MetricKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::files::{project, project_files};
use crate::support::fleet::{Fleet, small};

/// Those that a healthy program may never show: they count what has not occurred yet.
const OCCASIONAL: [&str; 8] = [
    "telescribe_unreadable_total",
    "telescribe_not_understood_total",
    "telescribe_archive_damaged_total",
    // Pictures are decoded by a process of the real program, which a test is not.
    "telescribe_thumbnails_total",
    // One for each folder of backups, of which it has none.
    "telescribe_backup_newest_timestamp_seconds",
    "telescribe_backup_failing",
    "telescribe_backup_unread",
    "telescribe_http_connections_dropped_total",
];

fn kind_name(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram(_) => "histogram",
        MetricKind::Summary => "summary",
    }
}

/// Every metric that the code sets, with the macro that does so.
fn set_by_the_code() -> BTreeSet<(String, &'static str)> {
    let mut found = BTreeSet::new();
    for path in project_files("src", "rs") {
        let code = std::fs::read_to_string(&path).unwrap();
        for (macro_name, start) in
            [("counter", "metrics::counter!("), ("gauge", "metrics::gauge!("), ("histogram", "metrics::histogram!(")]
        {
            for after in code.split(start).skip(1) {
                let name = after.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
                let name = name.unwrap_or_else(|| panic!("{}: the name of a {macro_name} is a literal", path.display()));
                found.insert((name.to_owned(), macro_name));
            }
        }
    }
    found
}

/// A row of the table in `docs/metrics.md`.
struct Row {
    name: String,
    kind: String,
    /// Each label, with its values where they are listed.
    labels: BTreeMap<String, Option<BTreeSet<String>>>,
    help: String,
}

fn documented() -> Vec<Row> {
    let page = std::fs::read_to_string(project().join("docs/metrics.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `telescribe_"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, unit, help, worry] = cells[..] else { panic!("not six cells: {line}") };
        assert!(!unit.is_empty() && !worry.is_empty(), "no unit, or nothing to worry about: {line}");
        let label = |text: &str| {
            let (label, values) = text.split_once(':').unwrap_or_else(|| panic!("a label without values: {text}"));
            let listed = values.split(',').map(|value| value.trim().strip_prefix('`')?.strip_suffix('`').map(str::to_owned));
            (label.trim().trim_matches('`').to_owned(), listed.collect())
        };
        let labels = labels.split(';').filter(|text| !text.is_empty()).map(label).collect();
        Row { name: name.trim_matches('`').to_owned(), kind: kind.to_owned(), labels, help: help.to_owned() }
    };
    rows.map(row).collect()
}

#[test]
fn the_code_sets_the_metrics_of_the_catalogue_and_no_others() {
    let catalogue: BTreeSet<(String, &str)> = CATALOGUE
        .iter()
        .map(|metric| {
            let macro_name = if metric.kind == MetricKind::Summary { "histogram" } else { kind_name(metric.kind) };
            (metric.name.to_owned(), macro_name)
        })
        .collect();
    assert_eq!(set_by_the_code(), catalogue, "on the right: `src/telemetry/catalogue.rs`");
}

#[test]
fn the_page_lists_the_metrics_of_the_catalogue_in_its_words() {
    let page: Vec<(String, String, String)> = documented().into_iter().map(|row| (row.name, row.kind, row.help)).collect();
    let catalogue: Vec<(String, String, String)> = CATALOGUE
        .iter()
        .map(|metric| (metric.name.to_owned(), kind_name(metric.kind).to_owned(), metric.help.to_owned()))
        .collect();
    assert_eq!(page, catalogue, "on the left: `docs/metrics.md`; on the right: `src/telemetry/catalogue.rs`");
}

/// What was scraped: the help and the type of each metric, and its series with their labels.
#[derive(Default)]
struct Scraped {
    help: BTreeMap<String, String>,
    kinds: BTreeMap<String, String>,
    series: Vec<(String, BTreeMap<String, String>, f64)>,
}

impl Scraped {
    fn of(text: &str) -> Self {
        let mut scraped = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
                scraped.help.insert(name.to_owned(), help.to_owned());
            } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                scraped.kinds.insert(name.to_owned(), kind.to_owned());
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
                // No value of ours has a comma or a quote in it.
                let labels = labels.trim_end_matches('}').split(',').filter_map(|label| label.split_once('='));
                let labels = labels.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned())).collect();
                scraped.series.push((name.to_owned(), labels, value.parse().unwrap()));
            }
        }
        scraped
    }

    /// The metric that a series belongs to: those of a histogram have endings.
    fn metric_of(&self, series: &str) -> String {
        let endings = ["_bucket", "_sum", "_count"].iter().filter_map(|ending| series.strip_suffix(ending));
        endings.chain([series]).find(|name| self.kinds.contains_key(*name)).unwrap_or(series).to_owned()
    }

    fn value(&self, name: &str, label: Option<(&str, &str)>) -> Option<f64> {
        let fits =
            |labels: &BTreeMap<String, String>| label.is_none_or(|(key, value)| labels.get(key).is_some_and(|v| v == value));
        self.series.iter().find(|(series, labels, _)| series == name && fits(labels)).map(|(.., value)| *value)
    }
}

async fn request(address: SocketAddr, target: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// The recorder is one for the whole process, so other tests are counted here too: only what belongs to this program alone is compared
/// with a figure.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_program_shows_every_metric_with_its_help() {
    let mut fleet = Fleet::new(small()).await;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    fleet.config.http.listeners = vec![ListenerConfig::new(any, SealingConfig::Required)];
    fleet.config.http.metrics = vec![any];
    let environment = Environment { clock: Arc::new(SystemClock), metrics: telemetry::metrics().unwrap() };
    let app = App::start(&fleet.config, &fleet.data(), environment).await.unwrap();
    fleet.until_equal(&app).await;
    fleet.until("everything is indexed", || app.index.position() == app.archive.last_seq()).await;
    request(app.addresses[0], "/v1/status", "").await;

    let scraped = Scraped::of(&request(app.metrics_addresses[0], "/metrics", "").await);
    let rows = documented();
    for metric in CATALOGUE.iter().filter(|metric| !OCCASIONAL.contains(&metric.name)) {
        assert_eq!(scraped.help.get(metric.name).map(String::as_str), Some(metric.help), "the help of {}", metric.name);
        assert_eq!(scraped.kinds[metric.name], kind_name(metric.kind), "the type of {}", metric.name);
    }
    for (series, labels, _) in &scraped.series {
        let metric = scraped.metric_of(series);
        let row = rows.iter().find(|row| row.name == metric).unwrap_or_else(|| panic!("{metric} is not on the page"));
        for (label, value) in labels.iter().filter(|(label, _)| !matches!(label.as_str(), "le" | "quantile")) {
            let values =
                row.labels.get(label).unwrap_or_else(|| panic!("{metric} has a label `{label}` that is not on the page"));
            let listed = values.as_ref().is_none_or(|values| values.contains(value));
            assert!(listed, "{metric} has a `{label}` that is not on the page: `{value}`");
        }
    }
    let readers: Vec<_> = scraped.series.iter().filter(|(name, ..)| name == "telescribe_reader_lag_changes").collect();
    assert_eq!(readers.len(), 1, "nothing is published here: {readers:?}");
    assert_eq!(scraped.value("telescribe_reader_lag_changes", Some(("reader", "search"))), Some(0.0));
    assert_eq!(scraped.value("telescribe_accounts", Some(("state", "ready"))), Some(3.0));
    assert_eq!(scraped.value("telescribe_accounts", Some(("state", "banned"))), Some(0.0));
    assert_eq!(scraped.value("telescribe_workers_failing", None), Some(0.0));
    assert!(scraped.value("telescribe_archive_write_seconds_count", None).unwrap() > 1.0);
    assert!(scraped.value("telescribe_archive_disk_bytes", None).unwrap() > 0.0);
    fleet.stop(app).await;
}
