//! Mixing: one number from another, as if at random, and the same each time (a hash).

/// A well-known integer hash (the finaliser of splitmix64): cheap, and good enough for numbers that nobody attacks.
pub(crate) fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
