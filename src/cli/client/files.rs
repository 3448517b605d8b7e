//! Files over the same client: plain bytes with ranges, or a sealed stream, whichever server answers. Never more than a chunk in memory.

use std::pin::pin;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use http_body_util::BodyExt as _;
use hyper::{Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde::Deserialize as _;

use super::sealed::Sealer;
use super::{ANSWER_TIMEOUT, AnswerBody, Api, Payload, Refusal, Target};
use crate::model::ContentHash;
use crate::seal::{self, ChunkOpener, FileRange};
use crate::views::FileStreamView;

/// Characters of a line of a sealed stream: a chunk has some 64 KiB, a problem far less.
const LINE_MAX: usize = 1 << 20;
const TRUNCATED: &str = "the response was truncated";

/// A file that a server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHead {
    /// The SHA-256 of its bytes.
    pub sha256: ContentHash,
    /// How many there are.
    pub size: u64,
    /// The media type that its first bytes say.
    pub mime: String,
    /// The name that the server gives it; it is no more to be trusted than the server.
    pub name: Option<String>,
}

impl Api {
    /// What a server has there, without its bytes.
    ///
    /// # Errors
    /// See [`Api::get`].
    pub async fn file_head(&self, target: &Target) -> anyhow::Result<FileHead> {
        if let Some(sealer) = self.sealer() {
            let (_, head) = self.sealed_file(&target.clone().with("length", 0), sealer).await?;
            return sealed_head(head);
        }
        let text = target.text()?;
        let response = self.ask(&text, Payload::Head).await?;
        if response.status() != StatusCode::OK {
            // Why is in a body, which this response has not.
            self.call(&text, None).await?;
            bail!("the server contradicts itself about `{text}`");
        }
        plain_head(&response)
    }

    /// Gives the bytes of a file from one on to `take`, as they come.
    ///
    /// # Errors
    /// See [`Api::get`]; also when it is not all of them, or not of this file.
    pub async fn each_bytes(
        &self,
        file: &FileHead,
        offset: u64,
        take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let target = Target::new(format!("/v1/media/{}", file.sha256));
        match self.sealer() {
            Some(sealer) => self.each_sealed_bytes(&target.with("offset", offset), file, offset, sealer, take).await,
            None => self.each_plain_bytes(&target.text()?, file, offset, take).await,
        }
    }

    async fn each_plain_bytes(
        &self,
        target: &str,
        file: &FileHead,
        offset: u64,
        mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let response = self.ask(target, Payload::From(offset)).await?;
        let (status, wanted) = (response.status(), if offset > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK });
        if !status.is_success() {
            let body = response.into_body().collect().await.context(TRUNCATED)?.to_bytes();
            return Err(Refusal::read(status, &serde_json::from_slice(&body).unwrap_or_default()).into());
        }
        ensure!(status == wanted && tag_of(&response) == Some(file.sha256), "the server sent something else than was asked for");
        let mut body = response.into_body();
        let mut at = offset;
        while let Some(frame) = in_time(body.frame()).await? {
            let Ok(data) = frame.context(TRUNCATED)?.into_data() else { continue };
            at += data.len() as u64;
            ensure!(at <= file.size, "the server sent more than the file has");
            take(&data)?;
        }
        ensure!(at == file.size, TRUNCATED);
        Ok(())
    }

    async fn each_sealed_bytes(
        &self,
        target: &Target,
        file: &FileHead,
        offset: u64,
        sealer: &Sealer,
        mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (mut stream, head) = self.sealed_file(target, sealer).await?;
        let is_as_asked = head.offset == offset && head.length == file.size.saturating_sub(offset);
        ensure!(is_as_asked && sealed_head(head)?.sha256 == file.sha256, "the server sent something else than was asked for");
        let of = FileRange { sha256: file.sha256.to_string(), size: file.size, offset, end: file.size };
        let mut opener = ChunkOpener::new(Arc::clone(&sealer.key), &stream.jti, of);
        while let Some(line) = stream.line().await? {
            take(&opener.open(&line).context("a part of the file is missing, or was changed on the network")?)?;
        }
        ensure!(opener.is_complete(), TRUNCATED);
        Ok(())
    }

    /// Asks for a file sealed; returns what follows on the first line, and what that says.
    async fn sealed_file(&self, target: &Target, sealer: &Sealer) -> anyhow::Result<(SealedLines, FileStreamView)> {
        let (response, jti) = in_time(self.ask_sealed(&target.text()?, None, sealer)).await??;
        let status = response.status();
        let mut lines = SealedLines { body: response.into_body(), rest: Vec::new(), jti };
        let line = lines.line().await?.unwrap_or_default();
        let answer = seal::open_answer(&line, &sealer.key, &lines.jti).with_context(|| sealer.not_sealed(status))?;
        if answer.status != StatusCode::OK.as_u16() {
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
            return Err(Refusal::read(status, &answer.body).into());
        }
        let head = FileStreamView::deserialize(&answer.body).context("the response is not understood")?;
        Ok((lines, head))
    }
}

/// The lines of a response that are still to be read.
struct SealedLines {
    body: AnswerBody,
    rest: Vec<u8>,
    jti: String,
}

impl SealedLines {
    /// The next line; `None` at the end.
    async fn line(&mut self) -> anyhow::Result<Option<String>> {
        let mut looked_at = 0;
        loop {
            let end = self.rest.get(looked_at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n'));
            if let Some(end) = end.map(|end| looked_at + end) {
                let after = self.rest.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.rest, after);
                line.truncate(end);
                return Ok(Some(String::from_utf8(line)?));
            }
            looked_at = self.rest.len();
            ensure!(looked_at <= LINE_MAX, "the response is not understood: a line has no end");
            match in_time(self.body.frame()).await? {
                Some(frame) => {
                    if let Ok(data) = frame.context(TRUNCATED)?.into_data() {
                        self.rest.extend_from_slice(&data);
                    }
                }
                None if self.rest.is_empty() => return Ok(None),
                None => return Ok(Some(String::from_utf8(std::mem::take(&mut self.rest))?)),
            }
        }
    }
}

/// A server that says nothing for long is given up.
pub(super) async fn in_time<T>(next: impl Future<Output = T>) -> anyhow::Result<T> {
    let next = pin!(next);
    tokio::time::timeout(ANSWER_TIMEOUT, next).await.map_err(|_| anyhow::anyhow!("nothing came within {ANSWER_TIMEOUT:?}"))
}

fn sealed_head(head: FileStreamView) -> anyhow::Result<FileHead> {
    let FileStreamView { sha256, size, mime, name, .. } = head;
    Ok(FileHead { sha256: sha256.parse()?, size, mime, name })
}

fn tag_of<T>(response: &Response<T>) -> Option<ContentHash> {
    response.headers().get(header::ETAG)?.to_str().ok()?.trim_matches('"').parse().ok()
}

fn plain_head<T>(response: &Response<T>) -> anyhow::Result<FileHead> {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let name = text(header::CONTENT_DISPOSITION).and_then(|text| text.split_once("filename*=UTF-8''"));
    let size = text(header::CONTENT_LENGTH).and_then(|size| size.parse().ok());
    Ok(FileHead {
        sha256: tag_of(response).context("the server does not say which file it has")?,
        size: size.context("the server does not say how large the file is")?,
        mime: text(header::CONTENT_TYPE).unwrap_or_default().to_owned(),
        name: name.map(|(_, name)| percent_decode_str(name).decode_utf8_lossy().into_owned()),
    })
}
