//! The kinds of scheduled jobs.

use std::fmt;
use std::str::FromStr;

/// A kind of scheduled job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    /// Read every account's list of dialogs to its end.
    Discover,
    /// Read what is new.
    CatchUp,
    /// Read what coverage lacks: the history.
    Backfill,
    /// Read again what was read, to find edits and deletions that nobody told of.
    Recheck,
    /// Read how often messages were seen, forwarded and reacted to.
    Counters,
    /// Make a backup. It asks Telegram nothing.
    Backup,
}

/// No job has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no job `{0}`; jobs are `discover`, `catch-up`, `backfill`, `recheck`, `counters`, `backup`")]
pub struct UnknownJob(pub String);

impl Job {
    /// Every job.
    pub const ALL: [Self; 6] = [Self::Discover, Self::CatchUp, Self::Backfill, Self::Recheck, Self::Counters, Self::Backup];

    /// The name under which it is stored, shown and asked for; in the configuration with `_` for `-`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::CatchUp => "catch-up",
            Self::Backfill => "backfill",
            Self::Recheck => "recheck",
            Self::Counters => "counters",
            Self::Backup => "backup",
        }
    }

    /// Whether it can be done for some peers only. A discovery cannot: it is what finds the peers. A backup is of everything.
    #[must_use]
    pub fn is_per_peer(self) -> bool {
        !matches!(self, Self::Discover | Self::Backup)
    }
}

impl FromStr for Job {
    type Err = UnknownJob;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|job| job.name() == name).ok_or_else(|| UnknownJob(name.to_owned()))
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
