//! `telescribe status`: how the program is doing.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended, one_line};

/// Show how the archive, the index and a running daemon are doing
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe status
  telescribe status --json | jq .index.behind")]
pub struct Args {}

/// Runs the command on standard output.
///
/// # Errors
/// When nobody could be asked.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(write(&args, globals, &mut Out::stdout()).await)
}

/// Runs the command.
///
/// # Errors
/// See [`run`].
pub async fn write(_: &Args, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let status = Api::open(globals).await?.get(&Target::new("/v1/status")).await?;
    if globals.json {
        out.json(&status)?;
    } else {
        outline(&status, 0, out)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
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
