//! Worlds from a seed (deterministic generation): the same numbers give the same world, message by message, on any machine and day.
//!
//! [`layout`] decides which chats there are and how large they are, [`people`] who writes, [`history`] what happens in a
//! chat, [`text`] what is said in which [`language`], [`attachment`] what is attached. Every chat has a generator of its
//! own, so a change in one does not move the others.

mod attachment;
mod extras;
mod history;
mod language;
mod layout;
mod people;
mod phrases;
mod text;
mod topics;

use crate::world::{World, mix};

/// How large the documents of a generated world are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileSizes {
    /// As people send them: from a few hundred bytes to a few megabytes.
    #[default]
    Typical,
    /// Between these two numbers of bytes, both among them; small ones are as frequent as large ones, and one in sixteen is as small as
    /// can be: empty, where that is 0.
    Between {
        /// The smallest.
        min: i64,
        /// The largest; Telegram's own bound is 4 GB.
        max: i64,
    },
    /// From empty to 4 MB, small ones as frequent as large ones, and one in forty from there up to a size.
    MostlySmall {
        /// The largest.
        max: i64,
    },
}

impl FileSizes {
    /// The size of a file that would otherwise have a typical one; nothing is taken from any generator, so that nothing else moves.
    fn size_of(self, seed: u64, id: i64, typical: i64) -> i64 {
        let chance = mix(seed ^ mix(id as u64 ^ 0x51_2e));
        let (min, max) = match self {
            Self::Typical => return typical,
            Self::Between { min, max } => (min, max),
            Self::MostlySmall { max } if mix(chance).is_multiple_of(40) => (4_000_000, max),
            Self::MostlySmall { .. } => (0, 4_000_000),
        };
        let (min, max) = (min.max(0), max.max(min.max(0)));
        if chance.is_multiple_of(16) {
            return min;
        }
        let share = (chance >> 11) as f64 / (1u64 << 53) as f64;
        let size = (min.max(1) as f64) * (max.max(1) as f64 / min.max(1) as f64).powf(share);
        (size as i64).clamp(min, max)
    }
}

/// What a generated world is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldSpec {
    /// Everything follows from it.
    pub seed: u64,
    /// Accounts that can be signed in as; at least one.
    pub accounts: usize,
    /// Groups, supergroups and channels together.
    pub peers: usize,
    /// Messages in all of them together, exactly.
    pub messages: usize,
    /// Data centres; at least two.
    pub data_centres: usize,
    /// Users that write, the accounts not counted; where 0, as many as fit the messages.
    pub users: usize,
    /// Whether every second account has a two-step password.
    pub passwords: bool,
    /// Whether the accounts are signed in from the start.
    pub signed_in: bool,
    /// Whether files are spread over all data centres, and not kept in the home of the first account.
    pub media_everywhere: bool,
    /// Whether about a tenth of the dialogs is in the archive folder.
    pub archive_folder: bool,
    /// So many of the last accounts are not needed to read everything: they own no basic groups, and wherever they are,
    /// another account that is not expendable is too.
    pub expendable: usize,
    /// Whether each account has two folders.
    pub folders: bool,
    /// Whether channels have discussion groups.
    pub linked: bool,
    /// Whether some supergroups are forums.
    pub forums: bool,
    /// Whether several accounts are in some basic groups, each with ids and a copy of its own.
    pub shared_groups: bool,
    /// How large documents are.
    pub file_sizes: FileSizes,
    /// Whether most groups, channels and users have a photo.
    pub peer_photos: bool,
    /// Whether photos and thumbnails are pictures that can be looked at, and sounds can be played. Videos, stickers and files are noise
    /// all the same.
    pub real_media: bool,
}

impl Default for WorldSpec {
    fn default() -> Self {
        Self {
            seed: 1,
            accounts: 3,
            peers: 30,
            messages: 10_000,
            data_centres: 3,
            users: 0,
            passwords: true,
            signed_in: true,
            media_everywhere: true,
            archive_folder: true,
            expendable: 0,
            folders: false,
            linked: false,
            forums: false,
            shared_groups: false,
            file_sizes: FileSizes::Typical,
            peer_photos: false,
            real_media: false,
        }
    }
}

impl WorldSpec {
    /// Makes the world.
    #[must_use]
    pub fn generate(&self) -> World {
        layout::generate(self)
    }
}

/// A generator for one purpose and one subject, independent of all others.
fn generator(seed: u64, purpose: u64, subject: u64) -> rand_chacha::ChaCha8Rng {
    use rand::SeedableRng;
    rand_chacha::ChaCha8Rng::seed_from_u64(mix(seed ^ mix(purpose ^ mix(subject))))
}
