//! What tests share: something to try promises on (archives, an index, a server, a fleet on a simulated Telegram, a broker), messages to
//! put into it, commands and programs to ask it, and waiting for what comes of it.
//!
//! Nothing here promises anything: whatever two files of promises need stands here once, and what only one needs stands there.

pub(crate) mod archives;
pub(crate) mod caller;
pub(crate) mod commands;
pub(crate) mod copies;
pub(crate) mod demo;
pub(crate) mod desk;
pub(crate) mod disk;
pub(crate) mod faulty_disk;
pub(crate) mod files;
pub(crate) mod fleet;
pub(crate) mod gallery;
pub(crate) mod index_files;
pub(crate) mod indexed;
pub(crate) mod killed;
pub(crate) mod messages;
pub(crate) mod methods;
pub(crate) mod old_key;
pub(crate) mod program;
pub(crate) mod python;
pub(crate) mod rabbit;
pub(crate) mod receiver;
pub(crate) mod served;
pub(crate) mod storage;
pub(crate) mod vault;
pub(crate) mod waiting;
