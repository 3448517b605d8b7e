//! Serves a small world until stdin closes.
//!
//! `cargo run -p telescribe-simulator --example serve -- access.json truth.ndjson [messages] [peers] [export]`

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Read};
use std::path::Path;

use telescribe_simulator::{Options, Simulator, World, WorldSpec};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [access, truth, rest @ ..] = &arguments[..] else {
        return Err("usage: serve access.json truth.ndjson [messages] [peers] [export]".into());
    };
    let number = |at: usize, default: usize| rest.get(at).map_or(Ok(default), |text| text.parse());
    let world = match rest.get(2) {
        Some(export) => World::from_export(Path::new(export))?.0,
        None => {
            let extras = WorldSpec { folders: true, linked: true, forums: true, ..WorldSpec::default() };
            let spec = WorldSpec { messages: number(0, 2_000)?, peers: number(1, 12)?, media_everywhere: false, ..extras };
            spec.generate()
        }
    };
    let simulator = Simulator::start(world, Options::default()).await?;
    simulator.truth(&mut BufWriter::new(File::create(truth)?))?;
    // Last, so that whoever waits for this file finds everything there.
    fs::write(access, simulator.access_json())?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    simulator.stop().await;
    Ok(())
}
