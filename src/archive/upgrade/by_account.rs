//! From format 3 to 4: outside channels the keys of messages, coverage and crawl states name the account whose ids they are.
//!
//! Until then each such peer was archived by one account, which its crawl state named. What it had archived gets that account's name; of a
//! peer without one nobody knows whose ids they are, and its chat stays without a name. The change log stays as it is, because its hash
//! chain does; whose ids its older entries mean is kept beside it.

use std::path::Path;

use prost::Message as _;
use rocksdb::{DB, Direction, IteratorMode, WriteBatch};

use super::super::ArchiveError;
use super::super::codec::StoredKey as _;
use super::super::family::{FORMER_OWNER, OWN};
use super::super::key::{FormerOwnerKey, OwnKey, under_chat};
use super::super::schema::{self, Cf};
use super::super::view::View;
use super::write;
use crate::model::{AccountName, ChatId, MessageId, PeerId};

/// Bytes of values in one write.
const WRITE_SIZE: usize = 4 << 20;
/// Bytes of a peer in a key.
const PEER_LEN: usize = 8;
/// The families whose keys begin with a message's, and how long such a key was.
const OF_MESSAGES: [(Cf, usize); 4] = [(Cf::Message, 12), (Cf::Version, 16), (Cf::Counters, 20), (Cf::Topic, 12)];

/// What a crawl state had besides what it has.
#[derive(Clone, PartialEq, prost::Message)]
struct FormerCursor {
    #[prost(string, optional, tag = "3")]
    account: Option<String>,
}

/// Names the account in all keys that are left without one.
pub(super) fn name_accounts(db: &mut DB, path: &Path) -> Result<(), ArchiveError> {
    name_chats(db, path)?;
    for (cf, length) in OF_MESSAGES {
        let mut from = first_own_key();
        while let Some(next) = name_messages(db, path, cf, length, &from)? {
            from = next;
        }
    }
    Ok(())
}

/// Where the keys begin of peers in which each account has ids of its own.
fn first_own_key() -> Vec<u8> {
    PeerId::FIRST_WITH_OWN_IDS.encode().to_vec()
}

/// Coverage and crawl states, and whose ids the older entries of the change log mean: each peer's in one write.
fn name_chats(db: &DB, path: &Path) -> Result<(), ArchiveError> {
    let store = |source| ArchiveError::Store { path: path.to_owned(), source };
    let (cursors, coverages) = (schema::handle(db, Cf::Cursor), schema::handle(db, Cf::Coverage));
    let from = first_own_key();
    for entry in db.iterator_cf(cursors, IteratorMode::From(&from, Direction::Forward)) {
        let (former, state) = entry.map_err(store)?;
        let Ok(peer) = PeerId::decode(&former) else { continue };
        // One that cannot be decoded says nothing of its account.
        let account = FormerCursor::decode(&*state).ok().and_then(|cursor| cursor.account);
        let Some(account) = account.and_then(|name| name.parse::<AccountName>().ok()) else { continue };
        let chat = ChatId::seen_by(account, peer).encode();
        let mut batch = WriteBatch::default();
        FORMER_OWNER.put(db, &mut batch, &FormerOwnerKey(peer), &account);
        batch.put_cf(cursors, &chat, &state);
        batch.delete_cf(cursors, &former);
        if let Some(coverage) = db.get_cf(coverages, &former).map_err(store)? {
            batch.put_cf(coverages, &chat, coverage);
            batch.delete_cf(coverages, &former);
        }
        write(db, path, batch)?;
    }
    Ok(())
}

/// Some keys of a family in one write; returns where it goes on.
fn name_messages(db: &DB, path: &Path, cf: Cf, length: usize, from: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
    let store = |source| ArchiveError::Store { path: path.to_owned(), source };
    let family = schema::handle(db, cf);
    let mut batch = WriteBatch::default();
    let mut of: Option<(PeerId, ChatId)> = None;
    let mut next = None;
    for entry in db.iterator_cf(family, IteratorMode::From(from, Direction::Forward)) {
        let (former, value) = entry.map_err(store)?;
        if batch.size_in_bytes() > WRITE_SIZE {
            next = Some(former.into_vec());
            break;
        }
        // A key that names its account is longer.
        if former.len() != length {
            continue;
        }
        let (peer, rest) = former.split_at(PEER_LEN);
        let peer = PeerId::decode(peer)?;
        let chat = match of {
            Some((known, chat)) if known == peer => chat,
            _ => former_chat(db, path, peer)?,
        };
        of = Some((peer, chat));
        if let (Cf::Message, Some(account), Ok(id)) = (cf, chat.account(), <[u8; 4]>::try_from(rest)) {
            let id = MessageId(i32::from_be_bytes(id) ^ i32::MIN);
            OWN.put(db, &mut batch, &OwnKey { account, id }, &peer);
        }
        batch.put_cf(family, [under_chat(chat).as_slice(), rest].concat(), value);
        batch.delete_cf(family, &former);
    }
    write(db, path, batch)?;
    Ok(next)
}

fn former_chat(db: &DB, path: &Path, peer: PeerId) -> Result<ChatId, ArchiveError> {
    let owner = View::over(db, path).get(&FORMER_OWNER, &FormerOwnerKey(peer))?;
    Ok(ChatId::new(peer, owner))
}
