//! Questions to a running program over its socket: HTTP/1.0, in which an answer ends with the connection.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

/// An answer whose body is still to come.
async fn ask(socket: &Path, target: &str) -> Result<(u16, BufReader<UnixStream>)> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(format!("GET {target} HTTP/1.0\r\nHost: telescribe\r\n\r\n").as_bytes()).await?;
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    answer.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).with_context(|| format!("no status: {line:?}"))?;
    while line != "\r\n" {
        line.clear();
        ensure!(answer.read_line(&mut line).await? > 0, "the answer breaks off");
    }
    Ok((status, answer))
}

/// The whole answer.
pub(super) async fn text(socket: &Path, target: &str) -> Result<String> {
    let (status, mut body) = ask(socket, target).await?;
    let mut text = String::new();
    body.read_to_string(&mut text).await?;
    if status != 200 {
        bail!("{target}: {status} {text}");
    }
    Ok(text)
}

/// The answer as JSON.
pub(super) async fn json(socket: &Path, target: &str) -> Result<Value> {
    Ok(serde_json::from_str(&text(socket, target).await?)?)
}

/// Gives each whole line of an answer to `take`, as it comes, until it ends or breaks off. An answer that is a refusal is an error.
pub(super) async fn lines(socket: &Path, target: &str, mut take: impl FnMut(&str)) -> Result<()> {
    let (status, mut body) = ask(socket, target).await?;
    let mut line = String::new();
    loop {
        line.clear();
        if body.read_line(&mut line).await.unwrap_or(0) == 0 {
            return Ok(());
        }
        if status != 200 {
            bail!("{target}: {status} {line}");
        }
        if line.ends_with('\n') {
            take(line.trim_end());
        }
    }
}
