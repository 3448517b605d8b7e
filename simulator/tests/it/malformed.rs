//! Whatever a client sends, the others are served on.

use grammers_tl_types::functions as f;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, PATIENCE, spec, start};

/// Bytes from nowhere, the same ones every time.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

#[tokio::test]
async fn malformed_packets_close_their_connection_and_nothing_else() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    client.call(&f::updates::GetState {}).await.unwrap();
    let address = client.access.data_centres[0].address;
    let intermediate = |packet: Vec<u8>| [&[0xee; 4][..], &(packet.len() as u32).to_le_bytes(), &packet].concat();
    let mut attacks: Vec<Vec<u8>> = (0..40).map(|seed| noise(seed, 1 + seed as usize * 37)).collect();
    attacks.extend((0..40).map(|seed| intermediate(noise(seed, seed as usize * 4))));
    attacks.push(intermediate(vec![0; 40]));
    attacks.push([&[0xee; 4][..], &u32::MAX.to_le_bytes()].concat());
    attacks.push([&[0xef, 0x7f][..], &[0xff; 3]].concat());
    for attack in attacks {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may have hung up before everything was written.
        let written = stream.write_all(&attack).await;
        drop(stream.shutdown().await);
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "the connection ends, written: {written:?}");
    }
    client.call(&f::updates::GetState {}).await.unwrap();
    simulator.stop().await;
}

#[tokio::test]
async fn stopping_ends_every_connection_and_frees_the_ports() {
    let mut answered = 0;
    for _ in 0..4 {
        let simulator = start(&spec()).await;
        let client = Client::connect(&simulator, "alpha");
        client.call(&f::updates::GetState {}).await.unwrap();
        let address = client.access.data_centres[0].address;
        let mut idle = TcpStream::connect(address).await.unwrap();
        tokio::time::timeout(PATIENCE, simulator.stop()).await.expect("stopping takes no time");
        assert!(matches!(idle.read(&mut [0; 1]).await, Ok(0) | Err(_)));
        answered += usize::from(TcpStream::connect(address).await.is_ok());
    }
    // A port that is free may be given to another test at once; not each time.
    assert!(answered < 4, "the ports were not freed");
}
