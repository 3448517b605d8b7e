//! The orders in which hits come.

/// In which order hits come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SortOrder {
    /// The best match first; equal ones newest first.
    Relevance,
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
    /// What was viewed most often first; equal ones, and what is not counted, newest first.
    Views,
}

impl SortOrder {
    /// Every order.
    pub const ALL: [Self; 4] = [Self::Newest, Self::Oldest, Self::Relevance, Self::Views];

    /// Its name in requests and queries.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Relevance => "relevance",
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Views => "views",
        }
    }
}
