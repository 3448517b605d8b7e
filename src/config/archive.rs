//! `[archive]`: the archive on disk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::Durability;

/// The archive on disk.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveConfig {
    /// Durability of each write: "os" survives a killed process, "always" also a power cut, at the cost of one disk flush (fsync) per page.
    pub sync: Sync,
}

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

impl ArchiveConfig {
    /// When a write counts as durable.
    #[must_use]
    pub fn durability(&self) -> Durability {
        match self.sync {
            Sync::Os => Durability::Os,
            Sync::Always => Durability::Always,
        }
    }
}
