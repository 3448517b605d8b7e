//! `telescribe search --export`: all hits of a search, to standard output or a file.
//!
//! # Guarantees
//! - What stands under the path is the whole export, or was not touched: it comes into a file beside it, which is flushed and renamed at the end, and goes away
//!   if the export fails or is stopped.
//! - Nothing is overwritten without `--force`, and with it only files: what a link leads to, and never a pipe or a device.
//!
//! A process that is killed leaves the file beside it, `.telescribe-export-…`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum;
use indicatif::HumanBytes;

use super::client::{Api, Globals};
use super::output::{Out, one_line, tell};
use super::place::place_of;
use super::signals::Signals;
use crate::views::ExportBody;

/// Where all hits go.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ExportArgs {
    /// Write all hits, each once and without snippets, instead of showing them
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with_all = ["limit", "all", "facets", "histogram", "collapse", "context"])]
    pub export: Option<Format>,
    /// Write the export into this file instead of standard output
    #[arg(long, value_name = "FILE", requires = "export")]
    pub out: Option<PathBuf>,
    /// Overwrite the file if there is one
    #[arg(long, requires = "out")]
    pub force: bool,
}

/// The format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A JSON object per line: messages as in docs/dump.md
    Ndjson,
    /// A table for spreadsheets; docs/http.md has its columns
    Csv,
}

impl Format {
    fn word(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }
}

/// Exports what a query finds; the status is 1 when that is nothing.
pub(super) async fn write(
    (q, sort): (String, &str),
    (format, args): (Format, &ExportArgs),
    globals: &Globals,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let body = ExportBody { q, sort: Some(sort.to_owned()), format: Some(format.word().to_owned()), cursor: None };
    let mut seen = Seen { format, hits: false, is_after_head: false };
    match &args.out {
        None => {
            let api = Api::open(globals).await?;
            api.each_exported(&body, |bytes| {
                seen.look(bytes);
                Ok(out.bytes(bytes)?)
            })
            .await?;
        }
        Some(path) => {
            let size = save(&body, path, args.force, globals, &mut seen).await?;
            tell(format_args!("saved `{}`, {}", one_line(&path.to_string_lossy()), HumanBytes(size)));
        }
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(!seen.hits)))
}

/// Whether an export has any hit.
struct Seen {
    format: Format,
    hits: bool,
    /// Whether the header of a table has ended.
    is_after_head: bool,
}

impl Seen {
    fn look(&mut self, bytes: &[u8]) {
        let head = match self.format {
            _ if self.hits => return,
            Format::Csv if !self.is_after_head => bytes.iter().position(|byte| *byte == b'\n').map(|end| end + 1),
            Format::Csv | Format::Ndjson => Some(0),
        };
        if let Some(head) = head {
            self.is_after_head = true;
            self.hits = bytes.len() > head;
        }
    }
}

async fn save(body: &ExportBody, path: &Path, force: bool, globals: &Globals, seen: &mut Seen) -> anyhow::Result<u64> {
    let shown = one_line(&path.to_string_lossy());
    let in_the_way = || format!("`{shown}` is there already; name another file with --out, or overwrite it with --force");
    let place = place_of(path, force)?;
    let path = place.as_path();
    // Before anything is asked for; that it is still so at the end is seen to by the system.
    ensure!(force || std::fs::symlink_metadata(path).is_err(), in_the_way());
    let api = Api::open(globals).await?;
    let mut signals = Signals::catch()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".telescribe-export-")
        .tempfile_in(folder)
        .with_context(|| format!("cannot write in the folder of `{shown}`"))?;
    let mut size = 0;
    {
        let mut writer = io::BufWriter::with_capacity(1 << 16, file.as_file_mut());
        let exporting = api.each_exported(body, |bytes| {
            seen.look(bytes);
            size += bytes.len() as u64;
            writer.write_all(bytes).with_context(|| format!("cannot write `{shown}`"))
        });
        tokio::select! {
            exported = exporting => exported.context("nothing was saved")?,
            () = signals.next() => bail!("stopped; nothing was saved"),
        }
        writer.flush().with_context(|| format!("cannot write `{shown}`"))?;
    }
    file.as_file().sync_all().with_context(|| format!("cannot write `{shown}`"))?;
    let placed = if force { file.persist(path) } else { file.persist_noclobber(path) };
    match placed {
        Ok(_) => {}
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => bail!(in_the_way()),
        Err(error) => return Err(error.error).with_context(|| format!("cannot save `{shown}`")),
    }
    std::fs::File::open(folder)?.sync_all()?;
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_its_header_alone_has_no_hits() {
        let hits = |format, chunks: &[&str]| {
            let mut seen = Seen { format, hits: false, is_after_head: false };
            chunks.iter().for_each(|chunk| seen.look(chunk.as_bytes()));
            seen.hits
        };
        assert!(!hits(Format::Csv, &["a,b\r\n"]) && !hits(Format::Csv, &["a,", "b\r\n"]) && !hits(Format::Csv, &[]));
        assert!(hits(Format::Csv, &["a,b\r\n1,2\r\n"]) && hits(Format::Csv, &["a,b\r\n", "1,2\r\n"]));
        assert!(!hits(Format::Ndjson, &[]) && hits(Format::Ndjson, &["{}\n"]));
    }
}
