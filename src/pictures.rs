//! Small pictures of pictures that strangers have made, each decoded in a process of its own (docs/decisions/0020).
//!
//! # Guarantees
//! - No byte of a stranger's picture is decoded in this process. The one that does it is confined before it reads any: memory, processor time
//!   and what it writes are limited, and it can open nothing, neither a file nor a connection. It gets no variable of the environment.
//! - It ends: by itself, by its limits, at the deadline, or with whoever waits for it.
//! - A picture that is damaged, a lie, or too large is answered with the reason. Only a system that cannot start a process is an error.
//!
//! # What this does not do
//! It draws no frames of films and no pages of documents, and knows nothing of files and messages.

mod decode;
mod process;

pub use decode::{decode_stdin, is_picture};
pub use process::Decoder;

/// What the program is started with to decode: no command for people.
pub const ARGUMENT: &str = "decode-picture";
/// Bytes of a picture that is tried: what people send as files stays below.
pub const PICTURE_MAX: u64 = 32 << 20;
/// Bytes of a small picture: one of 320 x 320 that is stored without loss has less.
const OUTPUT_MAX: u64 = 1 << 20;
