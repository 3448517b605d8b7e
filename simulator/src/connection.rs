//! Connections: a socket, its session, and the two tasks that serve it.
//!
//! The reader is a task of its own, because a read is not cancel safe: cutting it short loses the place in the stream. Both tasks
//! end with the connection's token, which the data centre cancels to restart and the simulator to stop.

use std::sync::Arc;

use thiserror::Error;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::core::{Address, Core};
use crate::hub::PUSHES_MAX;
use crate::late::LateAnswers;
use crate::methods::{Caller, Response};
use crate::wire::session::{Opened, Request, Session, SessionError};
use crate::wire::transport::{PacketReader, PacketWriter, TransportError};

/// The bound of the queue of packets: enough to keep the reader busy, few enough that a flood of requests waits in TCP (back-pressure).
const PACKETS_AHEAD_MAX: usize = 64;

/// Why a connection ended.
#[derive(Debug, Error)]
enum ConnectionEnd {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("cannot write: {0}")]
    Write(std::io::Error),
    #[error("the client asks for key generation, which is not simulated")]
    Plain,
    #[error("the client uses a key that this data centre does not know")]
    UnknownKey,
    #[error("a fault closes it")]
    Fault,
}

/// Serves a connection until it ends or the token is cancelled.
pub(crate) async fn serve(core: Arc<Core>, address: Address, stream: TcpStream, token: CancellationToken) {
    let _stop_reader = token.clone().drop_guard();
    let ended = token.run_until_cancelled(run(core, address, stream, token.clone())).await;
    match ended {
        Some(Err(reason)) => tracing::debug!(dc = address.dc, %reason, "connection ended"),
        Some(Ok(())) | None => tracing::debug!(dc = address.dc, "connection closed"),
    }
}

async fn run(core: Arc<Core>, address: Address, stream: TcpStream, token: CancellationToken) -> Result<(), ConnectionEnd> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(dc = address.dc, %error, "cannot set TCP_NODELAY");
    }
    let (read, write) = stream.into_split();
    let mut reader = PacketReader::detect(BufReader::new(read)).await?;
    let mut connection = Connection {
        write,
        writer: PacketWriter::new(reader.framing()),
        session: None,
        caller: None,
        core: Arc::clone(&core),
        address,
        late: LateAnswers::default(),
    };
    let (packet_tx, mut packets) = mpsc::channel(PACKETS_AHEAD_MAX);
    let reader_token = token.clone();
    core.tasks.spawn(async move {
        reader_token
            .run_until_cancelled(async move {
                loop {
                    let packet = reader.read().await;
                    let last = packet.is_err();
                    if packet_tx.send(packet).await.is_err() || last {
                        break;
                    }
                }
            })
            .await;
    });
    let (push_tx, mut pushes) = mpsc::channel(PUSHES_MAX);
    loop {
        tokio::select! {
            packet = packets.recv(), if !connection.late.is_full() => match packet {
                Some(packet) => connection.receive(packet?, &push_tx).await?,
                None => return Ok(()),
            },
            Some(update) = pushes.recv() => {
                if let Some(session) = &mut connection.session {
                    session.push(update);
                    while let Ok(update) = pushes.try_recv() {
                        session.push(update);
                    }
                }
            }
            () = connection.late.due() => {
                for (message_id, answer, wait) in connection.late.take_due() {
                    if let Some(session) = &mut connection.session {
                        session.answer(message_id, answer, wait);
                    }
                }
            }
        }
        connection.flush().await?;
    }
}

struct Connection {
    write: OwnedWriteHalf,
    writer: PacketWriter,
    session: Option<Session>,
    caller: Option<Caller>,
    core: Arc<Core>,
    address: Address,
    late: LateAnswers,
}

impl Connection {
    async fn receive(&mut self, mut packet: Vec<u8>, push_tx: &mpsc::Sender<Vec<u8>>) -> Result<(), ConnectionEnd> {
        let key_id = *packet.first_chunk::<8>().ok_or(SessionError::Truncated("key id"))?;
        if key_id == [0; 8] {
            return Err(ConnectionEnd::Plain);
        }
        if self.session.as_ref().is_none_or(|session| session.key_id() != key_id) {
            let Some((account, key)) = self.core.key(self.address.dc, key_id) else {
                if self.core.is_silent(self.address) {
                    return Ok(());
                }
                // Telegram says so in the open, and then hangs up.
                let refusal = self.writer.frame_error(404);
                self.write.write_all(&refusal).await.map_err(ConnectionEnd::Write)?;
                return Err(ConnectionEnd::UnknownKey);
            };
            let salt = self.core.salt(self.address.dc);
            self.session = Some(Session::new(key, salt, self.core.options.gzip_above));
            self.caller = Some(Caller::new(account, self.address, push_tx.clone()));
        }
        let (Some(session), Some(caller)) = (&mut self.session, &mut self.caller) else { return Ok(()) };
        let Opened { requests, acknowledged } = session.open(&mut packet)?;
        for wait in acknowledged {
            self.core.ledger.acknowledge(wait);
        }
        for Request { message_id, body } in requests {
            let (response, wait) = self.core.handle(caller, &body);
            match response {
                Response::Answer(answer) => session.answer(message_id, answer, wait),
                Response::Late(delay, answer) => {
                    self.late.add(delay, (message_id, answer, wait));
                }
                Response::WrongSession(answer) => {
                    session.use_wrong_session_id_once();
                    session.answer(message_id, answer, wait);
                }
                Response::Cut(answer) => {
                    session.answer(message_id, answer, wait);
                    return self.cut_off().await;
                }
                Response::Silence => {}
                Response::Close => return Err(ConnectionEnd::Fault),
            }
        }
        Ok(())
    }

    /// Sends half of what is queued, and no more.
    async fn cut_off(&mut self) -> Result<(), ConnectionEnd> {
        let packets = self.session.as_mut().map(Session::flush).unwrap_or_default();
        let framed: Vec<u8> = packets.iter().flat_map(|packet| self.writer.frame(packet)).collect();
        let half = framed.get(..framed.len() / 2).unwrap_or_default();
        self.write.write_all(half).await.map_err(ConnectionEnd::Write)?;
        Err(ConnectionEnd::Fault)
    }

    async fn flush(&mut self) -> Result<(), ConnectionEnd> {
        let Some(session) = &mut self.session else { return Ok(()) };
        if self.core.is_silent(self.address) {
            session.discard();
            return Ok(());
        }
        for packet in session.flush() {
            let framed = self.writer.frame(&packet);
            self.write.write_all(&framed).await.map_err(ConnectionEnd::Write)?;
        }
        Ok(())
    }
}
