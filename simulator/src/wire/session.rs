//! Sessions: what is inside an encrypted packet.
//!
//! A session opens packets, answers the protocol's own service messages by itself (salts, pings, acknowledgements), hands
//! the requests out, and collects what is to be sent until [`Session::flush`] packs it. It never waits and never fails but
//! by refusing a malformed packet.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use grammers_tl_types::{Cursor, Deserializable, Identifiable, RawVec, Serializable, enums, functions, types};
use thiserror::Error;

use super::sealing::AuthKey;
use crate::answer::Answer;
use crate::clock;
use crate::ledger::WaitId;

const MSG_CONTAINER: u32 = 0x73f1_f8dc;
const GZIP_PACKED: u32 = 0x3072_cfa1;
const RPC_RESULT: u32 = 0xf35c_6d01;

/// Messages in one container; Telegram's own bound.
const CONTAINER_LENGTH_MAX: i32 = 1020;
/// Bytes after decompression; the largest message is 1 MiB, and a bomb must not get further than this.
const UNPACKED_SIZE_MAX: u64 = 4 << 20;
/// Bytes of all messages in one container, above which the rest goes into the next packet: what clients take. A message that is longer goes alone.
const CONTAINER_SIZE_MAX: usize = 1_044_000;
/// What a message in a container has before its body: its id, its sequence number and its length.
const MESSAGE_HEAD_SIZE: usize = 16;
/// Session ids that one connection may use; a client uses one or two.
const SESSIONS_MAX: usize = 1000;

/// Why a packet was refused; every one of them ends the connection.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum SessionError {
    #[error("the packet does not open with the key it names")]
    NotSealed,
    #[error("the packet ends in the middle of `{0}`")]
    Truncated(&'static str),
    #[error("a container of `{0}` messages is out of bounds")]
    Container(i32),
    #[error("containers and compressed messages are nested too deeply")]
    Nested,
    #[error("a compressed message does not decompress")]
    Compression,
    #[error("too many sessions on one connection")]
    Sessions,
}

/// A request as it came in.
#[derive(Debug)]
pub(crate) struct Request {
    pub message_id: i64,
    pub body: Vec<u8>,
}

/// What was in a packet.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    pub requests: Vec<Request>,
    /// Waits whose answers the client says it has got.
    pub acknowledged: Vec<WaitId>,
}

struct Outgoing {
    body: Vec<u8>,
    /// Whether the client must acknowledge it.
    content: bool,
    response: bool,
    /// The wait that it asks for.
    wait: Option<WaitId>,
}

/// One client's session over one connection.
pub(crate) struct Session {
    key: AuthKey,
    salt: Arc<AtomicI64>,
    gzip_above: Option<usize>,
    id: i64,
    known: HashSet<i64>,
    sequence: i32,
    last_message_id: i64,
    outgoing: Vec<Outgoing>,
    /// Waits that were sent and are not acknowledged, by the id of their message.
    unacknowledged: HashMap<i64, WaitId>,
    /// How many packets are still to be sent under a session id that is not the client's.
    wrong_ids: u32,
}

impl Session {
    pub(crate) fn new(key: AuthKey, salt: Arc<AtomicI64>, gzip_above: Option<usize>) -> Self {
        Self {
            key,
            salt,
            gzip_above,
            id: 0,
            known: HashSet::new(),
            sequence: 0,
            last_message_id: 0,
            outgoing: Vec::new(),
            unacknowledged: HashMap::new(),
            wrong_ids: 0,
        }
    }

    pub(crate) fn key_id(&self) -> [u8; 8] {
        self.key.id()
    }

    /// Opens a packet, queues what the protocol itself answers, and returns what is for others in it.
    pub(crate) fn open(&mut self, packet: &mut [u8]) -> Result<Opened, SessionError> {
        let key = self.key.clone();
        let plain = key.open(packet).ok_or(SessionError::NotSealed)?;
        let mut cursor = Cursor::from_slice(plain);
        let truncated = |_| SessionError::Truncated("header");
        let salt = i64::deserialize(&mut cursor).map_err(truncated)?;
        let session = i64::deserialize(&mut cursor).map_err(truncated)?;
        let message_id = i64::deserialize(&mut cursor).map_err(truncated)?;
        let sequence = i32::deserialize(&mut cursor).map_err(truncated)?;
        let length = i32::deserialize(&mut cursor).map_err(truncated)?;
        let body = slice(plain, cursor.pos(), length)?;
        if session != self.id {
            self.id = session;
            self.sequence = 0;
        }
        let current = self.salt.load(Ordering::Relaxed);
        if salt != current {
            let refusal = types::BadServerSalt {
                bad_msg_id: message_id,
                bad_msg_seqno: sequence,
                error_code: 48,
                new_server_salt: current,
            };
            self.queue(enums::BadMsgNotification::BadServerSalt(refusal).to_bytes(), false, true);
            return Ok(Opened::default());
        }
        if self.known.len() >= SESSIONS_MAX {
            return Err(SessionError::Sessions);
        }
        if self.known.insert(session) {
            let created = types::NewSessionCreated { first_msg_id: message_id, unique_id: !message_id, server_salt: current };
            self.queue(enums::NewSession::Created(created).to_bytes(), true, false);
        }
        let mut opened = Opened::default();
        self.read_message(message_id, body, 0, &mut opened)?;
        Ok(opened)
    }

    fn read_message(&mut self, message_id: i64, body: &[u8], depth: u32, opened: &mut Opened) -> Result<(), SessionError> {
        // A container may hold compressed messages, and nothing may hold more than that.
        if depth > 2 {
            return Err(SessionError::Nested);
        }
        let constructor = u32::from_bytes(body).map_err(|_| SessionError::Truncated("constructor"))?;
        let rest = body.get(4..).unwrap_or_default();
        match constructor {
            MSG_CONTAINER => self.read_container(rest, depth, opened)?,
            GZIP_PACKED => {
                let packed = Vec::<u8>::from_bytes(rest).map_err(|_| SessionError::Truncated("gzip_packed"))?;
                let mut unpacked = Vec::new();
                let decoder = GzDecoder::new(&packed[..]);
                decoder.take(UNPACKED_SIZE_MAX).read_to_end(&mut unpacked).map_err(|_| SessionError::Compression)?;
                self.read_message(message_id, &unpacked, depth + 1, opened)?;
            }
            types::MsgsAck::CONSTRUCTOR_ID => {
                let ids = Vec::<i64>::from_bytes(rest).map_err(|_| SessionError::Truncated("msgs_ack"))?;
                opened.acknowledged.extend(ids.iter().filter_map(|id| self.unacknowledged.remove(id)));
            }
            types::MsgResendReq::CONSTRUCTOR_ID
            | types::MsgsAllInfo::CONSTRUCTOR_ID
            | types::MsgsStateInfo::CONSTRUCTOR_ID
            | types::HttpWait::CONSTRUCTOR_ID => {}
            types::MsgsStateReq::CONSTRUCTOR_ID => {
                let ids = Vec::<i64>::from_bytes(rest).map_err(|_| SessionError::Truncated("msgs_state_req"))?;
                // 4: received, and an answer is on its way.
                let info = types::MsgsStateInfo { req_msg_id: message_id, info: vec![4; ids.len()] };
                self.queue(enums::MsgsStateInfo::Info(info).to_bytes(), false, true);
            }
            functions::Ping::CONSTRUCTOR_ID | functions::PingDelayDisconnect::CONSTRUCTOR_ID => {
                let ping_id = i64::from_bytes(rest).map_err(|_| SessionError::Truncated("ping"))?;
                let pong = types::Pong { msg_id: message_id, ping_id };
                self.queue(enums::Pong::Pong(pong).to_bytes(), false, true);
            }
            functions::GetFutureSalts::CONSTRUCTOR_ID => self.queue_future_salts(message_id),
            functions::DestroySession::CONSTRUCTOR_ID => {
                let session_id = i64::from_bytes(rest).map_err(|_| SessionError::Truncated("destroy_session"))?;
                let destroyed = if self.known.remove(&session_id) {
                    enums::DestroySessionRes::DestroySessionOk(types::DestroySessionOk { session_id })
                } else {
                    enums::DestroySessionRes::DestroySessionNone(types::DestroySessionNone { session_id })
                };
                self.queue(destroyed.to_bytes(), false, true);
            }
            functions::RpcDropAnswer::CONSTRUCTOR_ID => {
                self.answer(message_id, Ok(enums::RpcDropAnswer::RpcAnswerUnknown.to_bytes()), None);
            }
            _ => opened.requests.push(Request { message_id, body: body.to_vec() }),
        }
        Ok(())
    }

    fn read_container(&mut self, rest: &[u8], depth: u32, opened: &mut Opened) -> Result<(), SessionError> {
        let truncated = |_| SessionError::Truncated("container");
        let mut cursor = Cursor::from_slice(rest);
        let count = i32::deserialize(&mut cursor).map_err(truncated)?;
        if !(0..=CONTAINER_LENGTH_MAX).contains(&count) {
            return Err(SessionError::Container(count));
        }
        let mut at = cursor.pos();
        for _ in 0..count {
            let mut cursor = Cursor::from_slice(rest.get(at..).ok_or(SessionError::Truncated("container"))?);
            let message_id = i64::deserialize(&mut cursor).map_err(truncated)?;
            let _sequence = i32::deserialize(&mut cursor).map_err(truncated)?;
            let length = i32::deserialize(&mut cursor).map_err(truncated)?;
            let body = slice(rest, at + cursor.pos(), length)?;
            self.read_message(message_id, body, depth + 1, opened)?;
            at += cursor.pos() + body.len();
        }
        Ok(())
    }

    fn queue_future_salts(&mut self, message_id: i64) {
        let now = clock::unix_seconds();
        let salt = self.salt.load(Ordering::Relaxed);
        // At least two, or grammers asks again before every request.
        let salts = (0..8)
            .map(|day| types::FutureSalt { valid_since: now - 60 + day * 86_400, valid_until: now + (day + 1) * 86_400, salt })
            .collect();
        // A bare vector, and not wrapped in an rpc_result.
        let salts = types::FutureSalts { req_msg_id: message_id, now, salts: RawVec(salts) };
        self.queue(enums::FutureSalts::Salts(salts).to_bytes(), false, true);
    }

    /// Queues the answer to a request, and the wait that it asks for.
    pub(crate) fn answer(&mut self, message_id: i64, answer: Answer, wait: Option<WaitId>) {
        let result = match answer {
            Ok(result) => result,
            Err(error) => {
                let error = types::RpcError { error_code: error.code, error_message: error.name.into_owned() };
                enums::RpcError::Error(error).to_bytes()
            }
        };
        let mut body = Vec::with_capacity(result.len() + 12);
        body.extend(RPC_RESULT.to_le_bytes());
        body.extend(message_id.to_le_bytes());
        match self.gzip_above.filter(|above| result.len() > *above).and_then(|_| compress(&result)) {
            Some(packed) => {
                body.extend(GZIP_PACKED.to_le_bytes());
                packed.serialize(&mut body);
            }
            None => body.extend(result),
        }
        self.outgoing.push(Outgoing { body, content: true, response: true, wait });
    }

    /// Queues an update.
    pub(crate) fn push(&mut self, update: Vec<u8>) {
        self.queue(update, true, false);
    }

    /// Makes the next packet go out under a session id that is not the client's.
    pub(crate) fn use_wrong_session_id_once(&mut self) {
        self.wrong_ids += 1;
    }

    fn queue(&mut self, body: Vec<u8>, content: bool, response: bool) {
        self.outgoing.push(Outgoing { body, content, response, wait: None });
    }

    /// Throws away everything that is queued.
    pub(crate) fn discard(&mut self) {
        self.outgoing.clear();
    }

    /// Packs and seals everything that is queued, into as few packets as the bounds allow.
    pub(crate) fn flush(&mut self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        let mut outgoing = std::mem::take(&mut self.outgoing).into_iter().peekable();
        while let Some(first) = outgoing.next() {
            let size_of = |message: &Outgoing| MESSAGE_HEAD_SIZE + message.body.len();
            let mut size = size_of(&first);
            let mut batch = vec![first];
            while let Some(next) =
                outgoing.next_if(|next| size + size_of(next) <= CONTAINER_SIZE_MAX && batch.len() < CONTAINER_LENGTH_MAX as usize)
            {
                size += size_of(&next);
                batch.push(next);
            }
            packets.push(self.pack(batch, size));
        }
        packets
    }

    fn pack(&mut self, batch: Vec<Outgoing>, size: usize) -> Vec<u8> {
        let in_container = batch.len() > 1;
        let mut plain = Vec::with_capacity(size + 96);
        plain.extend(self.salt.load(Ordering::Relaxed).to_le_bytes());
        let wrong = self.wrong_ids > 0;
        self.wrong_ids = self.wrong_ids.saturating_sub(1);
        plain.extend((self.id ^ i64::from(wrong)).to_le_bytes());
        let count = batch.len() as u32;
        let mut inner = Vec::with_capacity(if in_container { size } else { 0 });
        let target = if in_container { &mut inner } else { &mut plain };
        for message in batch {
            let id = self.next_message_id(message.response);
            if let Some(wait) = message.wait {
                self.unacknowledged.insert(id, wait);
            }
            target.extend(id.to_le_bytes());
            target.extend(self.next_sequence(message.content).to_le_bytes());
            target.extend((message.body.len() as u32).to_le_bytes());
            target.extend(message.body);
        }
        if in_container {
            plain.extend(self.next_message_id(true).to_le_bytes());
            plain.extend(self.next_sequence(false).to_le_bytes());
            plain.extend((inner.len() as u32 + 8).to_le_bytes());
            plain.extend(MSG_CONTAINER.to_le_bytes());
            plain.extend(count.to_le_bytes());
            plain.extend(inner);
        }
        self.key.seal(plain)
    }

    /// Strictly increasing and close to the real time; the low bits say who began.
    fn next_message_id(&mut self, response: bool) -> i64 {
        let now = clock::since_epoch();
        let fresh = ((now.as_secs() as i64) << 32) | (i64::from(now.subsec_nanos()) << 2);
        let id = (fresh & !3).max((self.last_message_id & !3) + 4) | if response { 1 } else { 3 };
        self.last_message_id = id;
        id
    }

    fn next_sequence(&mut self, content: bool) -> i32 {
        let sequence = self.sequence.wrapping_mul(2) + i32::from(content);
        self.sequence = self.sequence.wrapping_add(i32::from(content));
        sequence
    }
}

fn slice(bytes: &[u8], at: usize, length: i32) -> Result<&[u8], SessionError> {
    let length = usize::try_from(length).map_err(|_| SessionError::Truncated("message"))?;
    let end = at.checked_add(length).ok_or(SessionError::Truncated("message"))?;
    bytes.get(at..end).ok_or(SessionError::Truncated("message"))
}

fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}
