//! The socket of a connection, beside who reads and writes it.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;

/// A second handle to the socket of a connection. When it is dropped the socket is shut down, so that nobody waits for the other side any more.
pub(super) struct Socket(TcpStream);

impl Socket {
    /// A second handle to a socket.
    pub(super) fn beside(stream: &impl AsFd) -> io::Result<Self> {
        Ok(Self(stream.as_fd().try_clone_to_owned()?.into()))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // It may be closed already.
        if let Err(error) = self.0.shutdown(Shutdown::Both) {
            tracing::trace!("the socket was not shut down: {error}");
        }
    }
}
