//! `[search]`: the full-text index.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::search::{IndexerSettings, MEMORY_MIB_MIN};

/// The full-text index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SearchConfig {
    /// Memory for documents that are not committed to the index yet, in MiB; at least 16.
    pub memory_mib: usize,
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self { memory_mib: 64 }
    }
}

impl SearchConfig {
    /// How the indexer works.
    #[must_use]
    pub fn indexer_settings(&self) -> IndexerSettings {
        // A message is found within two seconds of being archived: one of waiting, and the commit.
        IndexerSettings { memory: self.memory_mib << 20, commit_interval: Duration::from_secs(1) }
    }

    /// What is wrong, and with which key.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.memory_mib < MEMORY_MIB_MIN {
            return Err(("memory_mib", format!("must be at least {MEMORY_MIB_MIN}: the index cannot work with less")));
        }
        Ok(())
    }
}

impl Default for IndexerSettings {
    fn default() -> Self {
        SearchConfig::default().indexer_settings()
    }
}
