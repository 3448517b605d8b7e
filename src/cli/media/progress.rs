//! `telescribe media progress`: how far the downloads are, with bytes, rate and time left.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::client::{Api, Globals, Target};
use super::super::output::{Out, one_line};
use super::super::received::Received;
use crate::views::{DownloadView, FileTotalsView, MediaProgressView};

/// How often it is looked: a second is what an eye follows.
const LOOK: Duration = Duration::from_secs(1);
/// The time over which the rate is taken: long enough for small files, short enough to show that nothing comes any more.
const RATE_OVER: Duration = Duration::from_secs(20);
/// Downloads that are shown at once, so that a screen has room for them.
const SHOWN_MAX: usize = 12;

/// How it is shown.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe media progress
  telescribe media progress --once
  telescribe media progress --json | jq .files

The exit status is 1 while files that are wanted are missing.")]
pub(super) struct ProgressArgs {
    /// Show it once and end, also on a terminal
    #[arg(long)]
    once: bool,
}

/// Runs the command; the status is 1 where files that are wanted are missing.
pub(super) async fn write(args: &ProgressArgs, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let api = Api::open(globals).await?;
    let mut received = look(&api).await?;
    if globals.json {
        out.json(&received.json)?;
    } else if args.once || !std::io::stdout().is_terminal() {
        once(&received.view, out)?;
    } else {
        received = follow(&api, received, out).await?;
    }
    out.flush()?;
    let FileTotalsView { seen, wanted, failed, .. } = received.view.files;
    Ok(ExitCode::from(u8::from(seen + wanted + failed > 0)))
}

async fn look(api: &Api) -> anyhow::Result<Received<MediaProgressView>> {
    api.get(&Target::new("/v1/media/progress")).await
}

fn once(progress: &MediaProgressView, out: &mut Out) -> std::io::Result<()> {
    out.line(summary(&progress.files))?;
    for download in &progress.downloads {
        let account = download.account.as_deref().map(|account| format!(" by {}", one_line(account))).unwrap_or_default();
        out.line(format_args!("  {}{account}: {}", one_line(&download.file), so_far(download)))?;
    }
    Ok(())
}

/// The totals in one line, also for `telescribe status`.
pub(in super::super) fn summary(files: &FileTotalsView) -> String {
    let FileTotalsView { seen, wanted, stored, skipped, failed, stored_bytes, missing_bytes, given_up: _ } = *files;
    let mut parts = vec![format!("{} stored ({})", HumanCount(stored), HumanBytes(stored_bytes))];
    let missing = if failed == 0 {
        format!("{} to be downloaded ({})", HumanCount(wanted), HumanBytes(missing_bytes))
    } else {
        format!("{} to be downloaded and {} failed ({})", HumanCount(wanted), HumanCount(failed), HumanBytes(missing_bytes))
    };
    parts.extend((wanted + failed > 0).then_some(missing));
    parts.extend((seen > 0).then(|| format!("{} not decided", HumanCount(seen))));
    parts.extend((skipped > 0).then(|| format!("{} not wanted", HumanCount(skipped))));
    parts.join(", ")
}

fn so_far(download: &DownloadView) -> String {
    let (done, rate) = (HumanBytes(download.done), HumanBytes(whole(download.bytes_per_second)));
    match download.size.filter(|size| *size > 0) {
        None => format!("{done}, {rate}/s"),
        Some(size) => {
            let left = time_left(size.saturating_sub(download.done), download.bytes_per_second);
            format!("{done} of {}, {rate}/s{left}", HumanBytes(size))
        }
    }
}

/// How long so many bytes take; nothing where none come.
fn time_left(bytes: u64, rate: f64) -> String {
    if bytes == 0 || rate < 1.0 {
        return String::new();
    }
    let left = Duration::try_from_secs_f64(bytes as f64 / rate).unwrap_or(Duration::MAX);
    format!(", {} left", HumanDuration(left))
}

fn whole(rate: f64) -> u64 {
    // What is negative or no number is 0.
    rate as u64
}

/// The bytes that there were at some moments, for a rate.
struct Rate(Vec<(Instant, u64)>);

impl Rate {
    /// Notes how many bytes there are; returns bytes a second.
    fn note(&mut self, bytes: u64) -> f64 {
        let now = Instant::now();
        self.0.retain(|(at, _)| now.duration_since(*at) <= RATE_OVER);
        self.0.push((now, bytes));
        match self.0.first() {
            Some((at, before)) if now > *at => bytes.saturating_sub(*before) as f64 / (now - *at).as_secs_f64(),
            _ => 0.0,
        }
    }
}

/// Shows it on a terminal until everything is there, or has come to its end.
async fn follow(api: &Api, first: Received<MediaProgressView>, out: &mut Out) -> anyhow::Result<Received<MediaProgressView>> {
    let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
    let total = screen.add(ProgressBar::new(0));
    total.set_style(ProgressStyle::with_template("{bar:30} {percent}%  {msg}")?);
    let style = ProgressStyle::with_template("  {bar:20} {msg}")?;
    let mut bars: BTreeMap<String, ProgressBar> = BTreeMap::new();
    let (mut rate, mut received) = (Rate(Vec::new()), first);
    loop {
        let MediaProgressView { files, downloads } = &received.view;
        let running: u64 = downloads.iter().map(|download| download.done).sum();
        let rate = rate.note(files.stored_bytes + running);
        let missing = files.missing_bytes.saturating_sub(running);
        total.set_length(files.stored_bytes + files.missing_bytes);
        total.set_position(files.stored_bytes + running);
        total.set_message(format!("{}, {}/s{}", summary(files), HumanBytes(whole(rate)), time_left(missing, rate)));
        bars.retain(|file, bar| {
            let runs = downloads.iter().any(|download| download.file == *file);
            if !runs {
                bar.finish_and_clear();
                screen.remove(bar);
            }
            runs
        });
        for download in downloads {
            if !bars.contains_key(&download.file) && bars.len() < SHOWN_MAX {
                bars.insert(download.file.clone(), screen.add(ProgressBar::new(0).with_style(style.clone())));
            }
            if let Some(bar) = bars.get(&download.file) {
                bar.set_length(download.size.unwrap_or(download.done));
                bar.set_position(download.done);
                bar.set_message(format!("{}  {}", one_line(&download.file), so_far(download)));
            }
        }
        if files.seen + files.wanted == 0 && downloads.is_empty() {
            break;
        }
        tokio::time::sleep(LOOK).await;
        received = look(api).await?;
    }
    bars.values().for_each(ProgressBar::finish_and_clear);
    total.finish_and_clear();
    out.line(summary(&received.view.files))?;
    Ok(received)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_in_one_line() {
        let files = FileTotalsView { stored: 7_085, stored_bytes: 512 << 20, ..FileTotalsView::default() };
        assert_eq!(summary(&files), "7,085 stored (512.00 MiB)");
        let files = FileTotalsView { wanted: 12, failed: 3, missing_bytes: 1 << 30, skipped: 5, seen: 1, ..files };
        assert_eq!(
            summary(&files),
            "7,085 stored (512.00 MiB), 12 to be downloaded and 3 failed (1.00 GiB), 1 not decided, 5 not wanted"
        );
    }

    #[test]
    fn the_time_left_is_said_where_bytes_come() {
        let download = |done, size, bytes_per_second| DownloadView {
            file: "document:1".to_owned(),
            account: None,
            done,
            size,
            bytes_per_second,
        };
        assert_eq!(so_far(&download(1 << 20, Some(3 << 20), 1_048_576.0)), "1.00 MiB of 3.00 MiB, 1.00 MiB/s, 2 seconds left");
        assert_eq!(so_far(&download(0, Some(3), 0.0)), "0 B of 3 B, 0 B/s");
        assert_eq!(so_far(&download(5, None, f64::NAN)), "5 B, 0 B/s");
        assert_eq!(so_far(&download(9, Some(3), f64::INFINITY)), "9 B of 3 B, 16.00 EiB/s");
    }
}
