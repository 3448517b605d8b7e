//! Whom a request is for: one start of one server.
//!
//! # Guarantees
//! - What was sealed for one server is refused by every other, also by one that has the same key file.
//! - What was sealed before a start is refused after it, whatever the clocks say: each start has an id of its own that nobody can guess, and
//!   a request names it (a challenge). So the nonces need not outlive the process, and no client has to wait.

use rand::CryptoRng;

use super::nonces::Nonces;
use super::server_id::{ServerId, random_id};

/// One start of one server, as a client names it in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Which server; from the client's key file, because whoever is on the way could name another one.
    pub server: ServerId,
    /// Which start of it; from the server itself. Where somebody on the way names another one, the request is good nowhere.
    pub start: String,
}

/// The server's side: its present start, and the nonces that were used since; shared by all listeners that accept the same keys.
#[derive(Debug)]
pub struct Recipient {
    destination: Destination,
    pub(super) nonces: Nonces,
}

impl Recipient {
    /// Begins a start of a server.
    pub fn new(server: ServerId, random: &mut impl CryptoRng) -> Self {
        Self { destination: Destination { server, start: random_id(random) }, nonces: Nonces::new() }
    }

    /// Returns what requests must name. It is public.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }
}
