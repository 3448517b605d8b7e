//! Logs and metrics: where they go, and what each metric means.
//!
//! Message texts, phone numbers, keys, access hashes and file references never reach a log. What libraries say of what they do may hold them, so
//! they are held to what they say at `info` and above, some to errors, and one to nothing, whatever the operator's filter says; and so are [panics].

mod catalogue;

use std::sync::Arc;

use anstream::{AutoStream, ColorChoice};
use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{LogConfig, LogFormat};
use crate::panics;

pub use catalogue::{CATALOGUE, Metric, MetricKind};

/// What is ours: these may say what they like, and say no texts.
const OURS: &str = "telescribe";
/// Libraries that may put contents into what they say of trouble, too: grammers logs requests, answers and updates.
const HELD_TO_ERRORS: [&str; 3] = ["grammers_client", "grammers_mtsender", "grammers_mtproto"];
/// It logs returned messages with their bodies, and each error three times over; its errors come back to `output`, which tells of them once.
const SILENT: &str = "lapin";

/// Starts logging to standard error.
///
/// # Errors
/// When the filter is none.
pub fn log(config: &LogConfig) -> anyhow::Result<()> {
    let colours = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    subscriber(config, std::io::stderr, colours)?.try_init().map_err(|e| anyhow::anyhow!("cannot start logging: {e}"))?;
    panics::log();
    Ok(())
}

/// What writes the log.
fn subscriber(
    config: &LogConfig,
    to: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
    colours: bool,
) -> anyhow::Result<impl Subscriber + Send + Sync> {
    let filter = EnvFilter::try_new(&config.filter)
        .with_context(|| format!("`log.filter` is not a valid filter: `{}`; write a level such as \"info\"", config.filter))?;
    let filter = filter.and(filter_fn(is_without_content));
    let lines = tracing_subscriber::fmt::layer().with_writer(to);
    let lines = match config.format {
        LogFormat::Text => lines.with_ansi(colours).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    Ok(tracing_subscriber::registry().with(lines.with_filter(filter)))
}

/// Whether what is said there cannot hold anything archived.
fn is_without_content(of: &Metadata<'_>) -> bool {
    let root = of.target().split("::").next().unwrap_or_default();
    if root.starts_with(OURS) {
        return true;
    }
    let most = match root {
        SILENT => LevelFilter::OFF,
        root if HELD_TO_ERRORS.contains(&root) => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    };
    *of.level() <= most
}

/// Starts counting; the returned function renders what was counted for Prometheus.
///
/// It must be called now and then: what histograms observe is kept one by one until it is rendered.
///
/// # Errors
/// When it was started before.
pub fn metrics() -> anyhow::Result<Arc<dyn Fn() -> String + Send + Sync>> {
    let mut builder = PrometheusBuilder::new();
    for metric in CATALOGUE {
        if let MetricKind::Histogram(bounds) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)?;
        }
    }
    let handle = builder.install_recorder().context("cannot start metrics")?;
    catalogue::describe();
    Ok(Arc::new(move || handle.render()))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Mutex, MutexGuard};

    use super::*;

    /// A log in memory.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = KeptWriter<'a>;

        fn make_writer(&'a self) -> KeptWriter<'a> {
            KeptWriter(self.0.lock().unwrap())
        }
    }

    struct KeptWriter<'a>(MutexGuard<'a, Vec<u8>>);

    impl io::Write for KeptWriter<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_filter_lets_what_libraries_hold_into_the_log() {
        for format in [LogFormat::Text, LogFormat::Json] {
            for filter in ["trace", "lapin=trace", "lapin::channel=trace,wire::proto=trace", "info,[request]=trace"] {
                let kept = Kept::default();
                let config = LogConfig { filter: filter.to_owned(), format };
                let subscriber = subscriber(&config, kept.clone(), false).unwrap();
                tracing::subscriber::with_default(subscriber, || {
                    tracing::warn!(target: "lapin::channel", body = "a secret text", "returned");
                    tracing::error!(target: "lapin::io_loop", "a secret text");
                    tracing::trace!(target: "lapin::channel", "a secret text");
                    tracing::debug!(target: "wire::proto", "a secret text");
                    tracing::trace!(target: "grammers_mtsender", "a secret text");
                    tracing::error!(target: "telescribe::output", "what is ours");
                });
                let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
                assert!(!log.contains("secret"), "{filter}: {log}");
                assert!(filter.contains("lapin") || log.contains("what is ours"), "{filter}: {log}");
            }
        }
    }

    #[test]
    fn what_is_ours_is_logged_as_the_filter_says() {
        let kept = Kept::default();
        let config = LogConfig { filter: "telescribe::http=debug,warn".to_owned(), format: LogFormat::Text };
        tracing::subscriber::with_default(subscriber(&config, kept.clone(), false).unwrap(), || {
            tracing::debug!(target: "telescribe::http::log", "one");
            tracing::info!(target: "telescribe::crawl", "two");
            tracing::warn!(target: "wire", "three");
        });
        let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(log.contains("one") && !log.contains("two") && log.contains("three"), "{log}");
    }
}
