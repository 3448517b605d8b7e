//! Topics: the parts of a forum.

use super::PeerId;

/// A topic of a forum; its id is that of the service message that created it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its id; 1 is the one that every forum has.
    pub id: i32,
    /// Its title.
    pub title: String,
    /// When it was created.
    pub date: i32,
    /// Who created it.
    pub creator: Option<PeerId>,
    /// Its newest message; 0 where it has none.
    pub top_message: i32,
}
