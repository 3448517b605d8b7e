//! Transports: how packets are cut out of a TCP stream.
//!
//! Full (grammers, Telethon's default), abridged and intermediate, told apart by their first bytes. Obfuscated transports
//! are not spoken. See <https://core.telegram.org/mtproto/mtproto-transports>.

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The largest packet that is read: twice the largest message that clients send (1 MiB), so that a wrong length cannot make
/// the server allocate whatever a client says.
const PACKET_SIZE_MAX: usize = 2 << 20;

/// Why reading a packet failed; every one of them ends the connection.
#[derive(Debug, Error)]
pub(crate) enum TransportError {
    #[error("the connection ended: {0}")]
    Io(#[from] std::io::Error),
    #[error("a packet of {0} bytes is out of bounds")]
    Length(usize),
    #[error("packet number `{got}` instead of `{expected}`")]
    Sequence { expected: i32, got: i32 },
    #[error("the checksum of a packet does not match")]
    Checksum,
}

/// Which transport a connection uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Full,
    Abridged,
    Intermediate,
}

/// Reads packets.
pub(crate) struct PacketReader<R> {
    stream: R,
    framing: Framing,
    sequence: i32,
    /// The length of the first full packet, which was read to recognise the transport.
    first: Option<[u8; 4]>,
}

impl<R: AsyncRead + Unpin> PacketReader<R> {
    /// Recognises the transport by its first bytes.
    pub(crate) async fn detect(mut stream: R) -> Result<Self, TransportError> {
        let first = stream.read_u8().await?;
        if first == 0xef {
            return Ok(Self { stream, framing: Framing::Abridged, sequence: 0, first: None });
        }
        let mut start = [first, 0, 0, 0];
        let [_, rest @ ..] = &mut start;
        stream.read_exact(rest).await?;
        Ok(if start == [0xee; 4] {
            Self { stream, framing: Framing::Intermediate, sequence: 0, first: None }
        } else {
            Self { stream, framing: Framing::Full, sequence: 0, first: Some(start) }
        })
    }

    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    /// Reads one packet. Not cancel-safe: a read that is cut half way loses its place in the stream.
    pub(crate) async fn read(&mut self) -> Result<Vec<u8>, TransportError> {
        match self.framing {
            Framing::Full => self.read_full().await,
            Framing::Abridged => {
                let short = self.stream.read_u8().await?;
                let words = if short == 0x7f {
                    let mut long = [0; 4];
                    let [rest @ .., _] = &mut long;
                    self.stream.read_exact(rest).await?;
                    u32::from_le_bytes(long) as usize
                } else {
                    usize::from(short)
                };
                self.read_body(words.saturating_mul(4)).await
            }
            Framing::Intermediate => {
                let length = self.stream.read_u32_le().await? as usize;
                self.read_body(length).await
            }
        }
    }

    async fn read_body(&mut self, length: usize) -> Result<Vec<u8>, TransportError> {
        if length > PACKET_SIZE_MAX {
            return Err(TransportError::Length(length));
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(body)
    }

    async fn read_full(&mut self) -> Result<Vec<u8>, TransportError> {
        let prefix = match self.first.take() {
            Some(prefix) => prefix,
            None => self.stream.read_u32_le().await?.to_le_bytes(),
        };
        let length = u32::from_le_bytes(prefix) as usize;
        if length < 12 {
            return Err(TransportError::Length(length));
        }
        let mut rest = self.read_body(length - 4).await?;
        let (signed, checksum) = rest.split_last_chunk::<4>().ok_or(TransportError::Length(length))?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&prefix);
        hasher.update(signed);
        if hasher.finalize() != u32::from_le_bytes(*checksum) {
            return Err(TransportError::Checksum);
        }
        let (got, _) = signed.split_first_chunk::<4>().ok_or(TransportError::Length(length))?;
        let got = i32::from_le_bytes(*got);
        if got != self.sequence {
            return Err(TransportError::Sequence { expected: self.sequence, got });
        }
        self.sequence = self.sequence.wrapping_add(1);
        rest.truncate(length - 8);
        rest.drain(..4);
        Ok(rest)
    }
}

/// Frames packets for sending.
pub(crate) struct PacketWriter {
    framing: Framing,
    sequence: i32,
}

impl PacketWriter {
    pub(crate) fn new(framing: Framing) -> Self {
        Self { framing, sequence: 0 }
    }

    /// Frames one packet, whose length must be a multiple of four.
    pub(crate) fn frame(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut framed = Vec::with_capacity(packet.len() + 12);
        match self.framing {
            Framing::Full => {
                framed.extend((packet.len() as u32 + 12).to_le_bytes());
                framed.extend(self.sequence.to_le_bytes());
                framed.extend(packet);
                framed.extend(crc32fast::hash(&framed).to_le_bytes());
                self.sequence = self.sequence.wrapping_add(1);
            }
            Framing::Abridged => {
                let words = packet.len() as u32 / 4;
                if words < 0x7f {
                    framed.push(words as u8);
                } else {
                    let [a, b, c, _] = words.to_le_bytes();
                    framed.extend([0x7f, a, b, c]);
                }
                framed.extend(packet);
            }
            Framing::Intermediate => {
                framed.extend((packet.len() as u32).to_le_bytes());
                framed.extend(packet);
            }
        }
        framed
    }

    /// Frames a transport error such as 404, which is a bare negative number.
    pub(crate) fn frame_error(&mut self, code: i32) -> Vec<u8> {
        let bytes = (-code).to_le_bytes();
        match self.framing {
            // A client reads at least twelve bytes before it looks at the length, which is the error here.
            Framing::Full => [bytes; 3].concat(),
            Framing::Abridged | Framing::Intermediate => self.frame(&bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(framing: Framing) -> Vec<u8> {
        match framing {
            Framing::Full => vec![],
            Framing::Abridged => vec![0xef],
            Framing::Intermediate => vec![0xee; 4],
        }
    }

    #[tokio::test]
    async fn every_transport_reads_what_it_wrote() {
        for framing in [Framing::Full, Framing::Abridged, Framing::Intermediate] {
            let mut writer = PacketWriter::new(framing);
            let packets: Vec<Vec<u8>> = [4, 8, 504, 508, 512, 100_000].map(|length| vec![length as u8; length]).into();
            let mut stream = start(framing);
            for packet in &packets {
                stream.extend(writer.frame(packet));
            }
            let mut reader = PacketReader::detect(&stream[..]).await.unwrap();
            assert_eq!(reader.framing(), framing);
            for packet in &packets {
                assert_eq!(&reader.read().await.unwrap(), packet);
            }
            assert!(matches!(reader.read().await, Err(TransportError::Io(_))));
        }
    }

    #[tokio::test]
    async fn a_changed_byte_is_noticed_by_the_full_transport() {
        let mut stream = PacketWriter::new(Framing::Full).frame(&[7; 32]);
        stream[20] ^= 1;
        let mut reader = PacketReader::detect(&stream[..]).await.unwrap();
        assert!(matches!(reader.read().await, Err(TransportError::Checksum)));
    }

    #[tokio::test]
    async fn a_length_beyond_the_bound_is_refused_before_anything_is_allocated() {
        let stream = [&[0xee; 4][..], &u32::MAX.to_le_bytes()].concat();
        let mut reader = PacketReader::detect(&stream[..]).await.unwrap();
        assert!(matches!(reader.read().await, Err(TransportError::Length(_))));
    }
}
