//! `[archive]`: the archive on disk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::{Durability, Writing};

/// The archive on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveConfig {
    /// When the disk gets a write: "os" gathers those of a fifth of a second, "always" waits for the disk (fsync) with each page. Either way a killed process loses nothing, and nothing is shown or published before the disk has it.
    pub sync: Sync,
    /// MiB that are to stay free on the archive's disk: with less, nothing more is asked of Telegram until there is room again.
    pub free_min_mib: u64,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self { sync: Sync::default(), free_min_mib: 1024 }
    }
}

/// How durable a write is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sync {
    /// With others of the same moment.
    #[default]
    Os,
    /// By itself, before the next is asked for.
    Always,
}

impl ArchiveConfig {
    /// How the archive is written.
    #[must_use]
    pub fn writing(&self) -> Writing {
        let durability = match self.sync {
            Sync::Os => Durability::Os,
            Sync::Always => Durability::Always,
        };
        Writing { durability, free_min: self.free_min_mib << 20 }
    }
}
