//! What the simulator promises, tried from outside with the real client over the real wire.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod client;
mod copies;
mod dialogs;
mod download_faults;
mod downloads;
mod endurance;
mod exports;
mod faults;
mod files;
mod forums;
mod histories;
mod joining;
mod malformed;
mod media_addresses;
mod peer_photos;
mod real_media;
mod references;
mod signing_in;
mod updates;
mod worlds;
