//! Exports over the same client: a plain stream, or sealed pages, whichever server answers.

use anyhow::Context as _;
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::files::in_time;
use super::{Api, Payload, Refusal, Target};
use crate::views::{ExportBody, ExportPage};

impl Api {
    /// Gives the bytes of an export to `take` as they come: never more than a chunk or a page in memory.
    ///
    /// # Errors
    /// See [`Api::get`]; also when the response is truncated, so that a part never passes for all.
    pub async fn each_exported(
        &self,
        body: &ExportBody,
        mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        const TARGET: &str = "/v1/search/export";
        if self.sealer().is_some() {
            let mut body = body.clone();
            loop {
                let page = self.post::<ExportPage>(&Target::new(TARGET), &body).await?.view;
                for line in page.lines {
                    match line {
                        Value::String(record) => take(record.as_bytes())?,
                        message => take(format!("{message}\n").as_bytes())?,
                    }
                }
                body.cursor = page.next;
                if body.cursor.is_none() {
                    return Ok(());
                }
            }
        }
        let response = self.ask(TARGET, Payload::Json(serde_json::to_string(body)?)).await?;
        let status = response.status();
        let mut stream = response.into_body();
        if !status.is_success() {
            let body = in_time(stream.collect()).await?.context("the response was truncated")?.to_bytes();
            return Err(Refusal::read(status, &serde_json::from_slice(&body).unwrap_or_default()).into());
        }
        while let Some(frame) = in_time(stream.frame()).await? {
            let frame = frame.context("the response was truncated; the export is incomplete")?;
            if let Ok(data) = frame.into_data() {
                take(&data)?;
            }
        }
        Ok(())
    }
}
