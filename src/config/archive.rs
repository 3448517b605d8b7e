//! `[archive]`: the archive on disk.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;
use crate::archive::Durability;

/// The archive on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveConfig {
    /// Durability of each write: "os" survives a killed process, "always" also a power cut, at the cost of one disk flush (fsync) per page.
    pub sync: Sync,
    /// How long time series are kept: what views, forwards, replies and reactions of messages, and member counts of peers, were earlier.
    /// At least "1d"; "0s" keeps them for good. The newest figures are always kept.
    pub series_retention: Span,
}

/// The shortest retention: a shorter one is a mistyped unit, and what it removes is gone.
const RETENTION_MIN: Span = Span::seconds(24 * 60 * 60);

/// How durable a write is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sync {
    /// It counts as archived when the operating system has it.
    #[default]
    Os,
    /// It counts as archived when the disk has it.
    Always,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        // What is archived stays, unless the operator says otherwise.
        Self { sync: Sync::Os, series_retention: Span::seconds(0) }
    }
}

impl ArchiveConfig {
    /// How long time series are kept; `None` for good.
    #[must_use]
    pub fn series_retention(&self) -> Option<Duration> {
        Some(self.series_retention.duration()).filter(|keep| !keep.is_zero())
    }

    /// What is wrong, and with which key.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        match self.series_retention {
            keep if keep.duration().is_zero() || keep >= RETENTION_MIN => Ok(()),
            keep => Err((
                "series_retention",
                format!("must be at least {RETENTION_MIN}, or \"0s\" to keep them for good, not `{keep}`"),
            )),
        }
    }

    /// When a write counts as durable.
    #[must_use]
    pub fn durability(&self) -> Durability {
        match self.sync {
            Sync::Os => Durability::Os,
            Sync::Always => Durability::Always,
        }
    }
}
