//! Tones: a sound file (WAV, 8 kHz, 8 bits, one channel) whose pitch follows from an id.

use crate::mixing::mix;

/// Samples, and bytes, a second.
pub(crate) const SAMPLE_RATE: i64 = 8_000;
/// Bytes before the samples.
pub(crate) const HEADER: i64 = 44;

/// A part of the sound of an id in a file of so many bytes.
pub(crate) fn wave(id: i64, size: i64, from: i64, to: i64) -> Vec<u8> {
    let header = header(size);
    // Between 220 and 880 Hz.
    let pitch = 220 + (mix(id as u64 ^ 0x701e) % 661) as i64;
    let sample = |at: i64| {
        // A triangle, which needs no tables and is the same on any machine.
        let phase = (at * pitch * 256 / SAMPLE_RATE) & 0xff;
        (64 + if phase < 128 { phase } else { 255 - phase }) as u8
    };
    let byte = |at: i64| usize::try_from(at).ok().and_then(|at| header.get(at)).copied().unwrap_or_else(|| sample(at - HEADER));
    (from..to).map(byte).collect()
}

fn header(size: i64) -> Vec<u8> {
    let length = |bytes: i64| u32::try_from(bytes.max(0)).unwrap_or(u32::MAX).to_le_bytes();
    let rate = length(SAMPLE_RATE);
    [
        b"RIFF",
        &length(size - 8)[..],
        b"WAVEfmt ",
        &[16, 0, 0, 0, 1, 0, 1, 0],
        &rate,
        &rate,
        &[1, 0, 8, 0],
        b"data",
        &length(size - HEADER),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_tone_join_to_the_whole_and_its_lengths_are_right() {
        let size = HEADER + SAMPLE_RATE;
        let whole = wave(7, size, 0, size);
        assert_eq!(header(size).len() as i64, HEADER);
        for cut in [0, 3, 44, 45, 5_000] {
            assert_eq!([wave(7, size, 0, cut), wave(7, size, cut, size)].concat(), whole);
        }
        let number = |at: usize| u32::from_le_bytes(*whole[at..].first_chunk().unwrap());
        assert_eq!((number(4), number(24), number(40)), (8_036, 8_000, 8_000));
        let samples = &whole[44..];
        assert!(samples.iter().min() < Some(&80) && samples.iter().max() > Some(&170));
        assert!(wave(7, 10, 0, 10).starts_with(b"RIFF"));
    }
}
