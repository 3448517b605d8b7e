//! Epochs: which history of an archive a change number is of.
//!
//! An archive whose newest changes are gone (a restored backup, a disk that lied) gives their numbers again, to other changes. So it begins a
//! new epoch, after the last change that is left; the epoch is part of every event's id and of every cursor. What an earlier epoch saw up
//! to that change is true in the new one as well; what it saw behind it is not.

use std::fmt;
use std::str::FromStr;

use prost::Message as _;
use rand::RngExt as _;

use crate::model::Seq;

use super::codec::{RecordError, StoredValue, WrittenValue};
use super::key::EpochsKey;
use super::record::decode;

/// The format with which epochs came.
pub(super) const EPOCHS_SINCE: u32 = 3;

/// An epoch's name: how many there were, and a random number, because two archives may be restored from the same backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch {
    number: u32,
    nonce: u32,
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:08x}", self.number, self.nonce)
    }
}

impl FromStr for Epoch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (number, nonce) = text.split_once('-')?;
            let digits = nonce.len() == 8 && nonce.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            let epoch = Self { number: number.parse().ok()?, nonce: u32::from_str_radix(nonce, 16).ok()? };
            (digits && epoch.to_string() == text).then_some(epoch)
        };
        read().ok_or_else(|| format!("`{text}` is no epoch, such as 1-0f3c9a72"))
    }
}

/// When an epoch began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Began {
    /// Which epoch.
    pub epoch: Epoch,
    /// The last change that it has of the one before it.
    pub after: Seq,
}

/// A position in the change log that somebody outside keeps: a change number, and the epoch that it is of where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LogPosition {
    /// Without one the number is taken for one of the newest epoch.
    pub epoch: Option<Epoch>,
    /// The number of the last change that was seen.
    pub seq: Seq,
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.epoch {
            Some(epoch) => write!(f, "{epoch}:{}", self.seq),
            None => self.seq.fmt(f),
        }
    }
}

impl FromStr for LogPosition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (epoch, seq) = match text.split_once(':') {
            Some((epoch, seq)) => (Some(epoch.parse()?), seq),
            None => (None, text),
        };
        let seq = seq.parse().map_err(|_| format!("`{text}` is no position, such as 1042 or 1-0f3c9a72:1042"))?;
        Ok(Self { epoch, seq: Seq(seq) })
    }
}

/// A position that is none of the archive as it is: what follows it cannot be told without leaving something out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    /// The archive has gone back behind it.
    #[error(
        "position {position} is of an earlier epoch, of which the archive has lost what came after change {}; continue with {common}, and expect other changes under those numbers",
        common.seq
    )]
    TakenBack {
        /// The position.
        position: LogPosition,
        /// The last one that is still true.
        common: LogPosition,
    },
    /// Its epoch is none of this archive's.
    #[error("position {position} is of another archive, or of a later state of this one; begin again with 0")]
    Foreign {
        /// The position.
        position: LogPosition,
    },
    /// It is behind the newest change.
    #[error("there is no change {} yet, the newest is {last}: the archive has lost changes, or the position is of another one", position.seq)]
    Beyond {
        /// The position.
        position: LogPosition,
        /// The newest change.
        last: Seq,
    },
}

/// All epochs of an archive, oldest first; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Epochs(Vec<Began>);

impl Epochs {
    /// Those of a new archive.
    pub(super) fn first() -> Self {
        Self(vec![Began { epoch: Epoch { number: 1, nonce: rand::rng().random() }, after: Seq(0) }])
    }

    /// Begins another one behind the last change that is left.
    pub(super) fn begin(&mut self, after: Seq) -> Epoch {
        let number = self.current().number.saturating_add(1);
        let epoch = Epoch { number, nonce: rand::rng().random() };
        self.0.push(Began { epoch, after });
        epoch
    }

    /// The newest one.
    pub(super) fn current(&self) -> Epoch {
        #[expect(clippy::expect_used, reason = "made with one, and only ever added to")]
        self.0.last().expect("an archive has an epoch").epoch
    }

    /// The one in which a change was made that the archive has: an epoch begins behind the last change that it has of others.
    pub(super) fn of(&self, change: Seq) -> Epoch {
        let made_in = self.0.iter().rev().find(|began| began.after < change);
        made_in.map_or_else(|| self.current(), |began| began.epoch)
    }

    /// All, oldest first.
    pub(super) fn all(&self) -> &[Began] {
        &self.0
    }

    /// The number under which the newest epoch, whose last change is `last`, has a position.
    pub(super) fn locate(&self, position: LogPosition, last: Seq) -> Result<Seq, PositionError> {
        let epoch = position.epoch.unwrap_or_else(|| self.current());
        let common = self.common_with(epoch).ok_or(PositionError::Foreign { position })?;
        if position.seq > common {
            let common = LogPosition { epoch: Some(self.current()), seq: common };
            return Err(PositionError::TakenBack { position, common });
        }
        if position.seq > last { Err(PositionError::Beyond { position, last }) } else { Ok(position.seq) }
    }

    /// The last change that an epoch has in common with the newest one; `None` where it is none of this archive's.
    pub(super) fn common_with(&self, epoch: Epoch) -> Option<Seq> {
        let at = self.0.iter().position(|began| began.epoch == epoch)?;
        // Each later epoch took something back, though an even later one may have begun behind it.
        Some(self.0.iter().skip(at + 1).map(|later| later.after).min().unwrap_or(Seq(u64::MAX)))
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct BeganRecord {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(fixed32, tag = "2")]
    nonce: u32,
    #[prost(uint64, tag = "3")]
    after: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EpochsRecord {
    #[prost(message, repeated, tag = "1")]
    epochs: Vec<BeganRecord>,
}

impl WrittenValue<EpochsKey> for Epochs {
    fn to_bytes(&self) -> Vec<u8> {
        let record = |began: &Began| {
            let Began { epoch: Epoch { number, nonce }, after } = *began;
            BeganRecord { number, nonce, after: after.0 }
        };
        EpochsRecord { epochs: self.0.iter().map(record).collect() }.encode_to_vec()
    }
}

impl StoredValue<EpochsKey> for Epochs {
    fn from_bytes(_: &EpochsKey, bytes: &[u8]) -> Result<Self, RecordError> {
        let read = |r: &BeganRecord| Began { epoch: Epoch { number: r.number, nonce: r.nonce }, after: Seq(r.after) };
        let epochs: Vec<Began> = decode::<EpochsRecord>("list of epochs", bytes)?.epochs.iter().map(read).collect();
        if epochs.is_empty() { Err(RecordError::value("list of epochs", "it is empty")) } else { Ok(Self(epochs)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_shares_what_no_later_one_has_taken_back() {
        let mut epochs = Epochs::first();
        let first = epochs.current();
        assert_eq!(epochs.common_with(first), Some(Seq(u64::MAX)));
        let second = epochs.begin(Seq(10));
        let third = epochs.begin(Seq(30));
        let fourth = epochs.begin(Seq(20));
        let common = [first, second, third, fourth].map(|epoch| epochs.common_with(epoch).unwrap().0);
        assert_eq!(common, [10, 20, 20, u64::MAX]);
        assert_eq!(Epochs::from_bytes(&EpochsKey, &epochs.to_bytes()).unwrap(), epochs);
        assert_eq!(epochs.common_with("9-00000000".parse().unwrap()), None, "of another archive");
        assert!(Epochs::from_bytes(&EpochsKey, &[]).is_err());
    }

    #[test]
    fn a_change_stays_of_the_epoch_in_which_it_was_made() {
        let mut epochs = Epochs::first();
        let first = epochs.current();
        let second = epochs.begin(Seq(10));
        let third = epochs.begin(Seq(30));
        let fourth = epochs.begin(Seq(20));
        let made_in = [1, 10, 11, 20, 21, 31].map(|change| epochs.of(Seq(change)));
        assert_eq!(made_in, [first, first, second, second, fourth, fourth]);
        assert!(!made_in.contains(&third), "nothing is left of it");
    }

    #[test]
    fn a_position_is_found_in_the_newest_epoch_or_it_is_said_why_not() {
        let mut epochs = Epochs::first();
        let first = epochs.current();
        let second = epochs.begin(Seq(10));
        let located = |text: &str| epochs.locate(text.parse().unwrap(), Seq(30)).map(|seq| seq.0).map_err(|e| e.to_string());
        assert_eq!(
            (located("0"), located("30"), located(&format!("{first}:10")), located(&format!("{second}:30"))),
            (Ok(0), Ok(30), Ok(10), Ok(30))
        );
        let taken_back = located(&format!("{first}:11")).unwrap_err();
        assert!(taken_back.contains(&format!("continue with {second}:10, and")), "{taken_back}");
        let beyond = located("31").unwrap_err();
        assert!(beyond.starts_with("there is no change 31 yet, the newest is 30"), "{beyond}");
        let foreign = located("7-00000000:1").unwrap_err();
        assert!(foreign.contains("is of another archive") && foreign.contains("begin again with 0"), "{foreign}");
        for text in ["", ":", "1-0f3c9a72:", "1-0f3c9a72", ":5", "-1", "1-0f3c9a72:1:2", "5 "] {
            assert!(text.parse::<LogPosition>().is_err(), "{text}");
        }
        let position: LogPosition = "1-0f3c9a72:1042".parse().unwrap();
        assert_eq!(position.to_string(), "1-0f3c9a72:1042");
    }

    #[test]
    fn a_name_reads_back_and_no_other_text_is_one() {
        let epoch = Epochs::first().current();
        assert_eq!(epoch.to_string().parse(), Ok(epoch));
        for text in
            ["", "1", "1-", "1-abc", "1-0F3C9A72", "01-0f3c9a72", "-0f3c9a72", "1-0f3c9a72 ", "1-+f3c9a72", "4294967296-00000000"]
        {
            assert!(text.parse::<Epoch>().is_err(), "{text}");
        }
    }
}
