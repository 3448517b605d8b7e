//! How far the demo has got: a bar a phase on a terminal, plain lines otherwise, and JSON for programs.

use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::app::App;
use crate::cli::output::{Out, tell};
use crate::crawl::Progress;

/// How often the state is looked at: often enough for a bar to move smoothly.
const LOOK: Duration = Duration::from_millis(200);
/// How many looks pass between two plain lines.
const LINE_EVERY: u32 = 10;

/// Shows progress until everything that the accounts can see is archived, indexed and published, files that are wanted too, or a stop is
/// requested.
pub(super) async fn until_caught_up(app: &App, json: bool) -> anyhow::Result<()> {
    let mut out = Out::stdout();
    let style = ProgressStyle::with_template("   {prefix:9} {wide_bar} {pos}/{len}")?;
    let bars = indicatif::MultiProgress::new();
    if json {
        bars.set_draw_target(ProgressDrawTarget::hidden());
    }
    let bar = |name: &'static str| bars.add(ProgressBar::new(1).with_style(style.clone()).with_prefix(name));
    let (archived, indexed, published) = (bar("archived"), bar("indexed"), bar("published"));
    let plain = archived.is_hidden();
    let mut looks = 0;
    while !app.lifecycle.stopping() {
        let progress = Progress::of(&app.archive);
        let last = app.archive.last_seq().0;
        let position = app.index.position().0;
        let confirmed = app.outputs.first().map(|output| output.status.report(app.archive.last_seq()).position);
        archived.set_length(progress.ids_read + progress.ids_missing);
        archived.set_position(progress.ids_read);
        for (bar, position) in [(&indexed, position), (&published, confirmed.unwrap_or_default())] {
            bar.set_length(last.max(1));
            bar.set_position(position);
        }
        let (waiting, working) = app.crawler.backlog();
        let crawled = progress.peers > 0 && progress.ids_missing == 0 && waiting + working == 0;
        let is_complete =
            crawled && app.media.is_caught_up()? && position == last && confirmed.is_none_or(|confirmed| confirmed == last);
        let stored = app.blobs.totals().all();
        if json && (is_complete || looks % LINE_EVERY == 0) {
            out.json(&json!({
                "complete": is_complete, "peers": progress.peers, "messages": progress.messages, "ids_missing": progress.ids_missing,
                "changes": last, "changes_indexed": position, "changes_published": confirmed, "messages_indexed": app.index.document_count(),
                "files": stored.count, "file_bytes": stored.bytes,
            }))?;
            out.flush()?;
        } else if plain && looks % LINE_EVERY == 0 {
            let published = confirmed.map(|confirmed| format!(", {confirmed} published")).unwrap_or_default();
            tell(format_args!(
                "   {} messages archived in {} peers, {} ids to read; {position} of {last} changes indexed{published}",
                progress.messages, progress.peers, progress.ids_missing,
            ));
        }
        looks += 1;
        if is_complete {
            archived.finish();
            indexed.finish();
            if confirmed.is_some() {
                published.finish();
            } else {
                published.finish_and_clear();
            }
            tell(format_args!("   {} messages archived, {} indexed", progress.messages, app.index.document_count()));
            tell(format_args!("   {} files stored, {}", stored.count, HumanBytes(stored.bytes)));
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
