//! MTProto 2.0 over TCP, the server's side of it.
//!
//! [`transport`] cuts the byte stream into packets, [`sealing`] opens and seals a packet, [`session`] speaks the service
//! messages inside. What a request *means*, and the sockets, are none of their business.

pub(crate) mod sealing;
pub(crate) mod session;
pub(crate) mod transport;
