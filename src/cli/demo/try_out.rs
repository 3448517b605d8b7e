//! What to try next, with the demo's own paths filled in.

use std::path::Path;

use crate::app::App;
use crate::cli::output::tell;

/// Prints what to try next.
pub(super) fn print(app: &App, data: &Path, key: &Path) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let (program, data, key) = (program.display(), data.display(), key.display());
    tell("3. Everything is archived. Live messages arrive now. Try, in another terminal:");
    let tries = [
        ("find a Chinese word inside a sentence", format!("{program} --data {data} search 今天天气")),
        ("find every form of a Russian word", format!("{program} --data {data} search Москва")),
        ("follow the changes", format!("{program} --data {data} changes --follow")),
        ("see which files are stored", format!("{program} --data {data} media list --state stored")),
        ("see that nothing is missing", format!("{program} --data {data} coverage")),
        ("see how it is doing", format!("{program} --data {data} status")),
    ];
    for (what, command) in tries {
        tell(format_args!("   # {what}\n   {command}"));
    }
    if let Some(address) = app.addresses.first() {
        tell(format_args!(
            "   # the same search, sealed, over HTTP\n   {program} --server http://{address} --key {key} search 今天天气"
        ));
        tell(format_args!("   # the web page\n   http://{address}/"));
    }
    tell("Ctrl-C stops.");
    Ok(())
}
