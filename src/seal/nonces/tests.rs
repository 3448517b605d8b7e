//! A nonce is good once, for as long as its request is.

use super::*;

fn key(name: &str) -> KeyId {
    name.parse().unwrap()
}

#[test]
fn a_nonce_is_taken_once_a_key() {
    let nonces = Nonces::new();
    assert_eq!(nonces.claim(&key("a"), "n", 1_000, 1_000), Ok(()));
    assert_eq!(nonces.claim(&key("a"), "n", 1_000, 1_000), Err(RefusalReason::Replay));
    assert_eq!(nonces.claim(&key("a"), "m", 1_000, 1_000), Ok(()));
    assert_eq!(nonces.claim(&key("b"), "n", 1_000, 1_000), Ok(()));
}

#[test]
fn a_nonce_is_remembered_for_twice_the_tolerance_to_the_second() {
    let nonces = Nonces::new();
    // From a clock that is 120 s ahead: good until 1,240.
    nonces.claim(&key("a"), "n", 1_120, 1_000).unwrap();
    assert_eq!(nonces.claim(&key("a"), "n", 1_120, 1_240), Err(RefusalReason::Replay));
    assert_eq!(nonces.claim(&key("a"), "n", 1_241, 1_241), Ok(()), "a new request may use an old nonce again");
}

#[test]
fn a_full_memory_refuses_rather_than_forgets_and_only_for_its_own_key() {
    let nonces = Nonces::with_limits(Duration::from_secs(240), 3);
    for nonce in ["1", "2", "3"] {
        nonces.claim(&key("a"), nonce, 1_000, 1_000).unwrap();
    }
    assert_eq!(nonces.claim(&key("a"), "4", 1_000, 1_000), Err(RefusalReason::Full));
    assert_eq!(nonces.claim(&key("a"), "1", 1_000, 1_000), Err(RefusalReason::Replay));
    assert_eq!(nonces.claim(&key("b"), "1", 1_000, 1_000), Ok(()));
    assert_eq!(nonces.claim(&key("a"), "4", 1_241, 1_241), Ok(()), "time makes room");
}

#[test]
fn a_clock_that_is_set_back_brings_nothing_forgotten_back() {
    let nonces = Nonces::new();
    nonces.claim(&key("a"), "n", 1_000, 1_000).unwrap();
    nonces.claim(&key("a"), "later", 5_000, 5_000).unwrap();
    assert_eq!(nonces.claim(&key("a"), "n", 1_000, 1_000), Err(RefusalReason::Time));
    assert_eq!(nonces.claim(&key("a"), "fresh", 1_001, 1_001), Ok(()), "and clients with the right time go on");
}

#[test]
fn many_threads_with_one_nonce_win_once() {
    let nonces = Nonces::new();
    let won: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| nonces.claim(&key("a"), "n", 1_000, 1_000).is_ok())).collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    });
    assert_eq!(won, 1);
}
