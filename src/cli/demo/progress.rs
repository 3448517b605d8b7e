//! How far the demo has got: a bar a phase on a terminal, plain lines otherwise.

use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::app::App;
use crate::cli::output::tell;
use crate::crawl::Progress;

/// How often the state is looked at: often enough for a bar to move smoothly.
const LOOK: Duration = Duration::from_millis(200);
/// How many looks pass between two plain lines.
const LINE_EVERY: u32 = 10;

/// Shows progress until everything that the accounts can see is archived, indexed and published, files that are wanted too, or a stop is
/// requested.
pub(super) async fn until_caught_up(app: &App) -> anyhow::Result<()> {
    let style = ProgressStyle::with_template("   {prefix:9} {wide_bar} {pos}/{len}")?;
    let bars = indicatif::MultiProgress::new();
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
        if plain && looks % LINE_EVERY == 0 {
            let published = confirmed.map(|confirmed| format!(", {confirmed} published")).unwrap_or_default();
            tell(format_args!(
                "   {} messages archived in {} peers, {} ids to read; {position} of {last} changes indexed{published}",
                progress.messages, progress.peers, progress.ids_missing,
            ));
        }
        looks += 1;
        let (waiting, working) = app.crawler.backlog();
        let crawled = progress.peers > 0 && progress.ids_missing == 0 && waiting + working == 0;
        let has_files = app.media.is_caught_up()?;
        if crawled && has_files && position == last && confirmed.is_none_or(|confirmed| confirmed == last) {
            archived.finish();
            indexed.finish();
            if confirmed.is_some() {
                published.finish();
            } else {
                published.finish_and_clear();
            }
            tell(format_args!("   {} messages archived, {} indexed", progress.messages, app.index.document_count()));
            let stored = app.blobs.totals().all();
            tell(format_args!("   {} files stored, {}", stored.count, HumanBytes(stored.bytes)));
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
