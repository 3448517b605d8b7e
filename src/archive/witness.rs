//! Who has seen an archive from outside, and how far: below that it has lost something.

use crate::model::Seq;

use super::epoch::Epoch;

/// Who has seen an archive from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// The marker beside it, which is of this archive and no other.
    Marker,
    /// The index; one of another archive is built anew.
    Index,
}

impl std::fmt::Display for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Marker => "the marker `archive.json`",
            Self::Index => "the index",
        })
    }
}

/// How far a reader outside the archive has seen it: below that it has lost something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalPosition {
    /// Who has seen it.
    pub by: Witness,
    /// The id of the archive it was.
    pub archive: String,
    /// Which history of that archive it was; unknown where it was seen before there were any.
    pub epoch: Option<Epoch>,
    /// The number of the newest change seen.
    pub position: Seq,
}
