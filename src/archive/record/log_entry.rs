//! An entry of the change log: everything that one write made true, in order.
//!
//! Its key is the number of its last change, so that the end of the log is known, and which numbers an entry holds, also where its
//! value is damaged: the entry before it tells the number before its first.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use prost::Message as _;

use crate::model::{Change, ChangeKind, ChatId, FileId, FileKind, FileOrigin, MessageId, MessageKey, PeerId, Seq, Timestamp};

use super::super::chain::{Link, Proof, Proofs, Secret};
use super::super::codec::{RecordError, StoredValue, WrittenValue};
use super::decode;

/// An entry of the change log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::archive) struct LogEntry {
    /// The number of its last change.
    pub(in crate::archive) last: Seq,
    /// When all of it was archived.
    pub(in crate::archive) at: Timestamp,
    /// What happened, in order.
    pub(in crate::archive) kinds: Vec<ChangeKind>,
    /// Of each of its peers, in the order in which they come, the newest change before the entry; 0 where there was none. Empty in entries that were
    /// written before it was noted.
    pub(in crate::archive) previous: Vec<Seq>,
    /// Its link of the hash chain; none in entries that were written before format 3.
    pub(in crate::archive) seal: Option<Seal>,
}

/// What an entry has of the hash chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::archive) struct Seal {
    pub(in crate::archive) link: Link,
    /// What the forms that it brought are proved by.
    pub(in crate::archive) proofs: Proofs,
}

/// Until format 2 an entry was one change, in the first five fields. Then what it tells is in `at` and `runs`; what is sealed is what comes
/// before `link`.
#[derive(Clone, PartialEq, prost::Message)]
struct LogEntryRecord {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(sint64, tag = "2")]
    peer: i64,
    #[prost(int32, tag = "3")]
    id: i32,
    #[prost(uint32, tag = "4")]
    version: u32,
    #[prost(int64, tag = "5")]
    at: i64,
    #[prost(message, repeated, tag = "6")]
    runs: Vec<RunRecord>,
    #[prost(bytes = "vec", tag = "16")]
    link: Vec<u8>,
    #[prost(bytes = "vec", tag = "17")]
    secret: Vec<u8>,
    /// In the place of the secret once a message of the entry was erased: one for each change of kind 1 or 2, in order. 16 bytes are a salt, 32 the
    /// leaf of what was erased, none the leaf of what was damaged before.
    #[prost(bytes = "vec", repeated, tag = "18")]
    proofs: Vec<Vec<u8>>,
    /// Of each peer, in the order of its first change here, how far its change before lies before the entry's first number; 0 where there was none. It
    /// follows from the entries before, and is not sealed.
    #[prost(uint64, repeated, tag = "19")]
    previous: Vec<u64>,
}

/// Changes of one kind in one chat, one after the other.
#[derive(Clone, PartialEq, prost::Message)]
struct RunRecord {
    /// 1 new, 2 edited, 3 deleted, 4 peer changed, 5 peer joined, 6 peer left, 7 media stored, 8 media failed, 9 erased.
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(sint64, tag = "2")]
    peer: i64,
    /// Each as the difference from the one before (delta encoding), of which the first is 0; none for kinds 4 to 6.
    #[prost(sint32, repeated, tag = "3")]
    ids: Vec<i32>,
    /// Of kind 2: the number of each new form.
    #[prost(uint32, repeated, tag = "4")]
    versions: Vec<u32>,
    /// Whose ids they are, where they are an account's own; until format 3 nobody's.
    #[prost(string, tag = "5")]
    account: String,
    /// Of kinds 7 and 8: the file. Each is a run of its own, whose one id is the message that it was seen in; none for an avatar.
    #[prost(message, optional, tag = "6")]
    file: Option<FileRecord>,
}

/// A file's id.
#[derive(Clone, PartialEq, prost::Message)]
struct FileRecord {
    /// 0 a photo's, 1 a document's.
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(sfixed64, tag = "2")]
    id: i64,
}

/// Kind and version as they are stored.
fn numbers(kind: &ChangeKind) -> (u32, u32) {
    match *kind {
        ChangeKind::MessageNew { .. } => (1, 0),
        ChangeKind::MessageEdited { version, .. } => (2, version),
        ChangeKind::MessageDeleted { .. } => (3, 0),
        ChangeKind::PeerChanged { .. } => (4, 0),
        ChangeKind::PeerJoined { .. } => (5, 0),
        ChangeKind::PeerLeft { .. } => (6, 0),
        ChangeKind::MediaStored { .. } => (7, 0),
        ChangeKind::MediaFailed { .. } => (8, 0),
        ChangeKind::MessageErased { .. } => (9, 0),
    }
}

fn kind_of(kind: u32, key: MessageKey, version: u32) -> Result<ChangeKind, RecordError> {
    Ok(match kind {
        1 => ChangeKind::MessageNew { key },
        2 => ChangeKind::MessageEdited { key, version },
        3 => ChangeKind::MessageDeleted { key },
        4 => ChangeKind::PeerChanged { peer: key.peer() },
        5 => ChangeKind::PeerJoined { peer: key.peer() },
        6 => ChangeKind::PeerLeft { peer: key.peer() },
        9 => ChangeKind::MessageErased { key },
        other => return Err(RecordError::value("change", format!("unknown kind {other}"))),
    })
}

impl RunRecord {
    fn read(&self, kinds: &mut Vec<ChangeKind>) -> Result<(), RecordError> {
        let account = match self.account.as_str() {
            "" => None,
            name => Some(name.parse().map_err(|e| RecordError::value("change", e))?),
        };
        let chat = ChatId::new(PeerId(self.peer), account);
        let at = |id| MessageKey { chat, id: MessageId(id) };
        if let Some(file) = &self.file {
            kinds.push(self.of_file(file, chat)?);
            return Ok(());
        }
        if self.ids.is_empty() {
            kinds.push(kind_of(self.kind, at(0), 0)?);
            return Ok(());
        }
        let mut id = 0_i32;
        for (nth, step) in self.ids.iter().enumerate() {
            id = id.wrapping_add(*step);
            kinds.push(kind_of(self.kind, at(id), self.versions.get(nth).copied().unwrap_or_default())?);
        }
        Ok(())
    }
}

impl RunRecord {
    fn of_file(&self, file: &FileRecord, chat: ChatId) -> Result<ChangeKind, RecordError> {
        let origin = match *self.ids {
            [] => FileOrigin::Avatar(chat.peer()),
            [id] => FileOrigin::Message(MessageKey { chat, id: MessageId(id) }),
            _ => return Err(RecordError::value("change", "a file in several messages")),
        };
        let kind = FileKind::ALL.get(file.kind as usize).copied();
        let kind = kind.ok_or_else(|| RecordError::value("change", format!("unknown kind of file {}", file.kind)))?;
        let file = FileId { kind, id: file.id };
        match self.kind {
            7 => Ok(ChangeKind::MediaStored { file, origin }),
            8 => Ok(ChangeKind::MediaFailed { file, origin }),
            other => Err(RecordError::value("change", format!("kind {other} with a file"))),
        }
    }

    fn for_file(kind: u32, file: FileId, origin: FileOrigin) -> Self {
        let file = Some(FileRecord { kind: file.kind.number(), id: file.id });
        let of_peer = Self { kind, peer: origin.peer().0, file, ..Self::default() };
        match origin {
            FileOrigin::Avatar(_) => of_peer,
            FileOrigin::Message(key) => Self { account: key.chat.account_name().to_owned(), ids: vec![key.id.0], ..of_peer },
        }
    }
}

fn runs(kinds: &[ChangeKind]) -> Vec<RunRecord> {
    let mut runs: Vec<RunRecord> = Vec::new();
    let mut before = 0_i32;
    for kind in kinds {
        let ((number, version), peer) = (numbers(kind), kind.peer().0);
        if let Some((file, origin)) = kind.file() {
            runs.push(RunRecord::for_file(number, file, origin));
            continue;
        }
        let Some(message) = kind.message() else {
            runs.push(RunRecord { kind: number, peer, ..RunRecord::default() });
            continue;
        };
        let account = message.chat.account_name();
        let goes_on = runs.last().is_some_and(|run| run.kind == number && run.peer == peer && run.account == account);
        if !goes_on {
            runs.push(RunRecord { kind: number, peer, account: account.to_owned(), ..RunRecord::default() });
            before = 0;
        }
        if let Some(run) = runs.last_mut() {
            run.ids.push(message.id.0.wrapping_sub(before));
            run.versions.extend((version > 0).then_some(version));
        }
        before = message.id.0;
    }
    runs
}

impl LogEntry {
    /// The number of its first change.
    pub(in crate::archive) fn first(&self) -> Seq {
        Seq(self.last.0.saturating_sub((self.kinds.len() as u64).saturating_sub(1)))
    }

    /// Its changes.
    pub(in crate::archive) fn changes(&self) -> impl Iterator<Item = Change> + use<'_> {
        let (first, at) = (self.first().0, self.at);
        let (mut before, mut newest) = (self.previous.iter(), BTreeMap::new());
        self.kinds.iter().enumerate().map(move |(nth, kind)| {
            let seq = Seq(first.saturating_add(nth as u64));
            let previous = match newest.entry(kind.peer()) {
                Entry::Occupied(mut known) => Some(known.insert(seq)),
                Entry::Vacant(new) => {
                    new.insert(seq);
                    before.next().copied().filter(|previous| *previous != Seq(0))
                }
            };
            Change { seq, at, kind: *kind, previous }
        })
    }

    /// The bytes that are sealed by its link: what it tells, without the link itself.
    pub(in crate::archive) fn sealed(&self) -> Vec<u8> {
        LogEntryRecord { at: self.at.0, runs: runs(&self.kinds), ..Default::default() }.encode_to_vec()
    }
}

impl WrittenValue<Seq> for LogEntry {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.sealed();
        let first = self.first().0;
        let distance = |previous: &Seq| if previous.0 == 0 { 0 } else { first.saturating_sub(previous.0) };
        let previous: Vec<u64> = self.previous.iter().map(distance).collect();
        if let Some(Seal { link, proofs }) = &self.seal {
            let (secret, proofs) = match proofs {
                Proofs::Secret(secret) => (secret.0.to_vec(), Vec::new()),
                Proofs::Each(proofs) => (Vec::new(), proofs.iter().map(|proof| proof.to_bytes()).collect()),
            };
            let seal = LogEntryRecord { link: link.0.to_vec(), secret, proofs, ..Default::default() };
            seal.encode_raw(&mut bytes);
        }
        LogEntryRecord { previous, ..Default::default() }.encode_raw(&mut bytes);
        bytes
    }
}

impl StoredValue<Seq> for LogEntry {
    fn from_bytes(last: &Seq, bytes: &[u8]) -> Result<Self, RecordError> {
        let r: LogEntryRecord = decode("change", bytes)?;
        let mut kinds = Vec::new();
        if r.kind != 0 || r.runs.is_empty() {
            let key = MessageKey::new(PeerId(r.peer), MessageId(r.id));
            kinds.push(kind_of(r.kind, key, r.version)?);
        }
        for run in &r.runs {
            run.read(&mut kinds)?;
        }
        if kinds.len() as u64 > last.0 {
            return Err(RecordError::value("change", format!("{} changes up to number {last}", kinds.len())));
        }
        let proofs = match (r.secret.is_empty(), r.proofs.is_empty()) {
            (true, false) => Proofs::Each(r.proofs.iter().map(|proof| Proof::of(proof)).collect::<Result<_, _>>()?),
            (true, true) if r.link.is_empty() => {
                return Ok(Self { last: *last, at: Timestamp(r.at), kinds, previous: Vec::new(), seal: None });
            }
            _ => Proofs::Secret(Secret::of(&r.secret)?),
        };
        let seal = Some(Seal { link: Link::of(&r.link)?, proofs });
        let mut entry = Self { last: *last, at: Timestamp(r.at), kinds, previous: Vec::new(), seal };
        let first = entry.first().0;
        let numbered = |distance: &u64| if *distance == 0 { Seq(0) } else { Seq(first.saturating_sub(*distance)) };
        entry.previous = r.previous.iter().map(numbered).collect();
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn kind() -> impl Strategy<Value = ChangeKind> {
        let peer = prop_oneof![Just(PeerId(-1)), Just(PeerId(7)), any::<i64>().prop_map(PeerId)];
        let id = prop_oneof![1_i32..6, any::<i32>()].prop_map(MessageId);
        let account = prop::option::of("[ab]{1,2}").prop_map(|name| name.and_then(|name| name.parse().ok()));
        let file = prop_oneof![any::<i64>().prop_map(FileId::photo), any::<i64>().prop_map(FileId::document)];
        (1_u32..=9, peer, account, id, 1_u32..4, file, any::<bool>()).prop_map(
            |(kind, peer, account, id, version, file, avatar)| {
                let key = MessageKey::new(ChatId::new(peer, account), id);
                let origin = if avatar { FileOrigin::Avatar(peer) } else { FileOrigin::Message(key) };
                match kind {
                    7 => ChangeKind::MediaStored { file, origin },
                    8 => ChangeKind::MediaFailed { file, origin },
                    kind => kind_of(kind, key, version).expect("a known kind"),
                }
            },
        )
    }

    proptest! {
        #[test]
        fn an_entry_reads_back_with_the_numbers_of_its_changes(
            kinds in prop::collection::vec(kind(), 1..40), before in 0_u64..1_000_000, at in any::<i64>(), sealed in any::<bool>(),
            erased in any::<bool>(), leaf in any::<Option<[u8; 32]>>(),
        ) {
            let last = Seq(before + kinds.len() as u64);
            let forms = kinds.iter().filter_map(ChangeKind::form).map(|(key, _)| key);
            let mut proofs = Proofs::Secret(Secret([8; 16]));
            if erased && forms.clone().next().is_some() {
                proofs.give_up_secret(forms, |proofs| proofs[0] = leaf.map_or(Proof::Unknown, Proof::Leaf));
            }
            let seal = sealed.then_some(Seal { link: Link([7; 32]), proofs });
            let peers = kinds.iter().map(ChangeKind::peer).collect::<BTreeSet<_>>().len();
            let previous = if sealed { (0..peers as u64).map(|nth| Seq(before.saturating_sub(nth))).collect() } else { Vec::new() };
            let entry = LogEntry { last, at: Timestamp(at), kinds: kinds.clone(), previous, seal };
            let read = LogEntry::from_bytes(&last, &entry.to_bytes()).expect("own bytes");
            prop_assert_eq!(&read, &entry);
            let numbered: Vec<(u64, ChangeKind)> = read.changes().map(|change| (change.seq.0, change.kind)).collect();
            prop_assert_eq!(numbered, (before + 1..).zip(kinds).collect::<Vec<_>>());
            prop_assert!(entry.to_bytes().starts_with(&read.sealed()));
        }

        #[test]
        fn foreign_bytes_are_refused_not_panicked_on(bytes in prop::collection::vec(any::<u8>(), 0..60), last in any::<u64>()) {
            if let Ok(entry) = LogEntry::from_bytes(&Seq(last), &bytes) {
                prop_assert!(entry.changes().all(|change| change.seq <= Seq(last)));
            }
        }
    }

    #[test]
    fn each_change_knows_the_one_of_its_peer_before_it() {
        let (one, two) = (PeerId::channel(1), PeerId::channel(2));
        let kinds = [one, two, one, PeerId(7), two].map(|peer| ChangeKind::PeerChanged { peer }).to_vec();
        let previous = vec![Seq(40), Seq(99), Seq(0)];
        let seal = Some(Seal { link: Link([7; 32]), proofs: Proofs::Secret(Secret([8; 16])) });
        let entry = LogEntry { last: Seq(105), at: Timestamp(1), kinds, previous, seal };
        let read = LogEntry::from_bytes(&Seq(105), &entry.to_bytes()).unwrap();
        let told = |entry: &LogEntry| entry.changes().map(|change| change.previous.map(|seq| seq.0)).collect::<Vec<_>>();
        assert_eq!(told(&read), [Some(40), Some(99), Some(101), None, Some(102)]);
        let former = LogEntry { previous: Vec::new(), ..entry };
        assert_eq!(told(&former), [None, None, Some(101), None, Some(102)], "what is not noted is not told");
    }

    #[test]
    fn a_page_of_neighbours_takes_a_byte_a_message() {
        let at = |id| MessageKey::new(PeerId(-1_001_500_000_001), MessageId(id));
        let kinds: Vec<ChangeKind> = (1..=100).rev().map(|id| ChangeKind::MessageNew { key: at(id) }).collect();
        let entry = LogEntry { last: Seq(100), at: Timestamp(1_706_702_400), kinds, previous: vec![Seq(0)], seal: None };
        assert!(entry.to_bytes().len() < 130, "{}", entry.to_bytes().len());
    }
}
