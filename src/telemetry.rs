//! Logs and metrics: where they go, and what each metric means.
//!
//! Message texts, phone numbers, keys, access hashes and file references never reach a log. Libraries that would log them are
//! held to errors here, whatever the operator's filter says.

mod catalogue;

use std::sync::Arc;

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

pub use catalogue::{CATALOGUE, Metric, MetricKind};

/// Libraries that may put contents into their log lines: lapin logs returned messages with their bodies, grammers
/// logs requests, answers and updates.
const HELD_TO_ERRORS: [&str; 4] = ["lapin=error", "grammers_client=error", "grammers_mtsender=error", "grammers_mtproto=error"];

/// Starts logging to standard error.
///
/// # Errors
/// When the filter is none.
pub fn log(config: &LogConfig) -> anyhow::Result<()> {
    let mut filter = EnvFilter::try_new(&config.filter)
        .with_context(|| format!("`log.filter` is not a valid filter: `{}`; write a level such as \"info\"", config.filter))?;
    for directive in HELD_TO_ERRORS {
        filter = filter.add_directive(directive.parse()?);
    }
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let started = match config.format {
        LogFormat::Text => builder.with_ansi(colours).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    started.map_err(|e| anyhow::anyhow!("cannot start logging: {e}"))
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
