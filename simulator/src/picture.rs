//! Pictures (a small JPEG encoder): what photos and thumbnails show where a world has real media.
//!
//! A picture follows from an id and its dimensions, and has exactly as many bytes as it was said to have: what is missing is filled up
//! with comments, between the parts that a decoder reads. Of a progressive picture each scan ends where it was said to end. Baseline and
//! progressive (spectral selection only), with the tables of the standard. See <https://www.w3.org/Graphics/JPEG/itu-t81.pdf>.

mod design;
mod huffman;

use design::Design;
use huffman::{BitWriter, CHROMA_AC, CHROMA_DC, Codes, LUMA_AC, LUMA_DC, Table};

use crate::mixing::mix;

/// Pixels of the largest picture that is drawn; larger ones are no pictures of any message.
const PIXELS_MAX: i64 = 50_000_000;
/// The longest comment with its marker and its length.
const COMMENT_MAX: usize = 65_535 + 2;
/// Progressive pictures have so many scans: means of all, then the rest of brightness, blue and red.
pub(crate) const SCANS: usize = 4;
/// The longest side of an inline preview.
const PREVIEW_SIDE: i32 = 40;

/// The steps of a picture's quantisation for the mean, for what varies, and of both for colours.
struct Steps {
    luma: [f32; 3],
    chroma: f32,
}

/// Fine enough that no steps are seen.
const FINE: Steps = Steps { luma: [8.0, 4.0, 4.0], chroma: 16.0 };
/// Those of Telegram's inline previews, of which only the scan is sent.
const OF_PREVIEWS: Steps = Steps { luma: [40.0, 28.0, 30.0], chroma: 43.0 };

/// Where the scans of a progressive picture of so many bytes end.
pub(crate) fn scan_ends(size: i32) -> [i32; SCANS] {
    let part = |eighths: i64| i32::try_from(i64::from(size) * eighths / 8).unwrap_or(size);
    [part(4), part(6), part(7), size]
}

/// The picture of an id: of exactly so many bytes, where that is enough for one, and cut off where it is not. Nothing for dimensions that
/// no picture has.
pub(crate) fn jpeg(id: i64, width: i32, height: i32, progressive: bool, size: i64) -> Option<Vec<u8>> {
    let (width, height) = dimensions(width, height)?;
    let size = usize::try_from(size).ok()?;
    let mut parts = Parts::draw(id, width, height, progressive, true);
    if !parts.fits(size) {
        parts = Parts::draw(id, width, height, progressive, false);
    }
    Some(parts.laid_out(size, mix(id as u64 ^ 0xc0)))
}

/// The least number of bytes that a picture takes; nothing for dimensions that no picture has.
pub(crate) fn size_min(id: i64, width: i32, height: i32, progressive: bool) -> Option<i64> {
    let (width, height) = dimensions(width, height)?;
    let parts = Parts::draw(id, width, height, progressive, false);
    let mut size = parts.length();
    while !parts.fits(size) {
        size += size / 8 + 1;
    }
    i64::try_from(size).ok()
}

/// An inline preview (`photoStrippedSize`): its height and width, and the scan of a JPEG whose header every client has. See
/// <https://core.telegram.org/api/files#stripped-thumbnails>.
pub(crate) fn stripped(id: i64, width: i32, height: i32) -> Vec<u8> {
    let longest = i64::from(width.max(height).max(1));
    let fitted = |side: i32| (i64::from(side.max(1)) * i64::from(PREVIEW_SIDE) / longest).clamp(1, 40) as u8;
    let (width, height) = (fitted(width), fitted(height));
    let design = Design::new(id, width.into(), height.into(), false);
    let encoder = Encoder::new(&design, width.into(), height.into(), &OF_PREVIEWS);
    let mut bytes = vec![1, height, width];
    bytes.extend(encoder.interleaved(true));
    bytes
}

fn dimensions(width: i32, height: i32) -> Option<(u16, u16)> {
    let is_drawn = i64::from(width) * i64::from(height) <= PIXELS_MAX && width > 0 && height > 0;
    is_drawn.then_some(())?;
    Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
}

/// A picture before it is filled up: what comes first, and its scans.
struct Parts {
    head: Vec<u8>,
    scans: Vec<Vec<u8>>,
}

/// The marker that ends a picture.
const END: [u8; 2] = [0xff, 0xd9];

impl Parts {
    fn draw(id: i64, width: u16, height: u16, progressive: bool, sloped: bool) -> Self {
        let design = Design::new(id, width, height, sloped);
        let encoder = Encoder::new(&design, width, height, &FINE);
        let scan = |components: &[u8], from: u8, to: u8, data: Vec<u8>| {
            let count = components.len() as u8;
            let mut scan = vec![0xff, 0xda, 0, 6 + 2 * count, count];
            // The first component is brightness, which has tables of its own.
            scan.extend(components.iter().flat_map(|component| [*component, if *component == 1 { 0x00 } else { 0x11 }]));
            scan.extend([from, to, 0]);
            scan.extend(data);
            scan
        };
        let scans = if progressive {
            let rest = (0..3u8).map(|component| scan(&[component + 1], 1, 63, encoder.rest(usize::from(component))));
            [scan(&[1, 2, 3], 0, 0, encoder.interleaved(false))].into_iter().chain(rest).collect()
        } else {
            vec![scan(&[1, 2, 3], 0, 63, encoder.interleaved(true))]
        };
        Self { head: head(width, height, progressive), scans }
    }

    /// The least length, without any filling.
    fn length(&self) -> usize {
        self.head.len() + self.scans.iter().map(Vec::len).sum::<usize>() + END.len()
    }

    /// Where each scan is to end in a picture of so many bytes.
    fn ends(&self, size: usize) -> Vec<usize> {
        if self.scans.len() == 1 {
            return vec![size.saturating_sub(END.len())];
        }
        let ends = scan_ends(i32::try_from(size).unwrap_or(i32::MAX));
        let last = ends.len() - 1;
        (0..).zip(ends).map(|(at, end)| (end.max(0) as usize).saturating_sub(if at == last { END.len() } else { 0 })).collect()
    }

    /// Whether every scan can end where it is to end.
    fn fits(&self, size: usize) -> bool {
        let mut at = self.head.len();
        self.scans.iter().zip(self.ends(size)).all(|(scan, end)| {
            let is_room = at + scan.len() <= end;
            at = end;
            is_room
        })
    }

    fn laid_out(self, size: usize, key: u64) -> Vec<u8> {
        let ends = self.ends(size);
        let mut bytes = self.head;
        for (scan, end) in self.scans.iter().zip(ends) {
            fill(&mut bytes, end.saturating_sub(scan.len()), key);
            bytes.extend(scan);
        }
        bytes.extend(END);
        bytes.resize(size, 0);
        bytes
    }
}

/// Fills up to a length, before a marker, with comments.
fn fill(bytes: &mut Vec<u8>, length: usize, key: u64) {
    while bytes.len() < length {
        let missing = (length - bytes.len()).min(COMMENT_MAX);
        if missing < 4 {
            // Too little for a comment, but a marker may have any number of these before it.
            bytes.resize(length, 0xff);
            return;
        }
        bytes.extend([0xff, 0xfe]);
        bytes.extend(((missing - 2) as u16).to_be_bytes());
        let noise = (bytes.len() as u64..).flat_map(|block| mix(key ^ block).to_le_bytes());
        bytes.extend(noise.take(missing - 4));
    }
}

/// What comes before the scans.
fn head(width: u16, height: u16, progressive: bool) -> Vec<u8> {
    let mut head = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00".to_vec();
    for (table, steps) in [(0, FINE.luma), (1, [FINE.chroma; 3])] {
        head.extend([0xff, 0xdb, 0, 67, table]);
        head.extend((0..64usize).map(|at| steps.get(at).copied().unwrap_or(16.0) as u8));
    }
    head.extend([0xff, if progressive { 0xc2 } else { 0xc0 }, 0, 17, 8]);
    head.extend([height.to_be_bytes(), width.to_be_bytes()].concat());
    // Three components: brightness at full, colours at half the resolution.
    head.extend([3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
    for Table { id, lengths, symbols } in [LUMA_DC, LUMA_AC, CHROMA_DC, CHROMA_AC] {
        head.extend([0xff, 0xc4]);
        head.extend((19 + symbols.len() as u16).to_be_bytes());
        head.push(id);
        head.extend(lengths);
        head.extend(symbols);
    }
    head
}

/// Writes the scans of a picture.
struct Encoder<'d> {
    design: &'d Design,
    width: usize,
    height: usize,
    steps: &'d Steps,
    dc: [Codes; 2],
    ac: [Codes; 2],
}

impl<'d> Encoder<'d> {
    fn new(design: &'d Design, width: u16, height: u16, steps: &'d Steps) -> Self {
        let (dc, ac) = ([LUMA_DC.codes(), CHROMA_DC.codes()], [LUMA_AC.codes(), CHROMA_AC.codes()]);
        Self { design, width: width.into(), height: height.into(), steps, dc, ac }
    }

    /// The mean of a block and how it varies to the right and downwards, all quantised.
    fn block(&self, component: usize, column: usize, row: usize) -> [i16; 3] {
        let side = if component == 0 { 8.0 } else { 16.0 };
        let block = self.design.block(component, (column as f32 + 0.5) * side, (row as f32 + 0.5) * side);
        let [mean, right, down] = if component == 0 { self.steps.luma } else { [self.steps.chroma; 3] };
        // The cosine transform of a plane, but for what is too small to see.
        let of_slope = |slope: f32, step: f32| (slope * -18.22 / step).round() as i16;
        let (slope_right, slope_down) = block.slope;
        [((block.mean - 128.0) * 8.0 / mean).round() as i16, of_slope(slope_right, right), of_slope(slope_down, down)]
    }

    /// All components, block by block: only their means, or all there is.
    fn interleaved(&self, all: bool) -> Vec<u8> {
        const UNIT: [(usize, usize, usize); 6] = [(0, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 0), (2, 0, 0)];
        let mut bits = BitWriter::default();
        let mut before = [0; 3];
        for row in 0..self.height.div_ceil(16) {
            for column in 0..self.width.div_ceil(16) {
                for (component, right, down) in UNIT {
                    let of_unit = if component == 0 { 2 } else { 1 };
                    let block = self.block(component, column * of_unit + right, row * of_unit + down);
                    let (Some(before), [dc, ac]) = (before.get_mut(component), self.codes(component)) else { continue };
                    bits.put_number(dc, 0, block[0].wrapping_sub(*before));
                    *before = block[0];
                    if all {
                        put_rest(&mut bits, ac, block);
                    }
                }
            }
        }
        bits.finish()
    }

    /// Of one component what is not the mean. Here blocks that are only there to fill up a unit are left out.
    fn rest(&self, component: usize) -> Vec<u8> {
        let side = if component == 0 { 8 } else { 16 };
        let mut bits = BitWriter::default();
        let [_, ac] = self.codes(component);
        for row in 0..self.height.div_ceil(side) {
            for column in 0..self.width.div_ceil(side) {
                put_rest(&mut bits, ac, self.block(component, column, row));
            }
        }
        bits.finish()
    }

    fn codes(&self, component: usize) -> [&Codes; 2] {
        let ([luma_dc, chroma_dc], [luma_ac, chroma_ac]) = (&self.dc, &self.ac);
        if component == 0 { [luma_dc, luma_ac] } else { [chroma_dc, chroma_ac] }
    }
}

fn put_rest(bits: &mut BitWriter, ac: &Codes, [_, right, down]: [i16; 3]) {
    let mut zeros = 0;
    for number in [right, down] {
        if number == 0 {
            zeros += 1;
        } else {
            bits.put_number(ac, zeros, number);
            zeros = 0;
        }
    }
    bits.put_symbol(ac, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The colours of the middle of each block of a picture, and its size in bytes.
    fn decoded(bytes: &[u8]) -> (u16, u16, Vec<u8>) {
        let mut decoder = jpeg_decoder::Decoder::new(bytes);
        let pixels = decoder.decode().unwrap();
        let info = decoder.info().unwrap();
        (info.width, info.height, pixels)
    }

    /// Whether two pictures of one design look alike.
    fn look_alike(one: &[u8], other: &[u8]) -> bool {
        let difference: u64 = one.iter().zip(other).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        one.len() == other.len() && difference < 4 * one.len() as u64
    }

    #[test]
    fn pictures_of_any_dimensions_decode_and_have_exactly_their_bytes() {
        for (width, height) in [(1, 1), (8, 8), (17, 9), (180, 240), (320, 240), (641, 479), (1280, 720), (1, 900)] {
            for progressive in [false, true] {
                let min = size_min(5, width, height, progressive).unwrap();
                for size in [min, min + 1, min + 5, min * 2, min + 200_000] {
                    let bytes = jpeg(5, width, height, progressive, size).unwrap();
                    assert_eq!(bytes.len() as i64, size);
                    let (w, h, pixels) = decoded(&bytes);
                    assert_eq!((i32::from(w), i32::from(h)), (width, height));
                    assert_eq!(pixels.len() as i32, width * height * 3);
                }
            }
        }
        assert!(look_alike(
            &decoded(&jpeg(9, 400, 300, false, 50_000).unwrap()).2,
            &decoded(&jpeg(9, 400, 300, true, 50_000).unwrap()).2
        ));
        let of = |id: i64| decoded(&jpeg(id, 400, 300, false, 50_000).unwrap()).2;
        assert!(!look_alike(&of(1), &of(2)));
        assert_eq!(of(1), of(1));
    }

    #[test]
    fn a_progressive_picture_can_be_looked_at_from_where_each_scan_ends() {
        let size = 60_000;
        let bytes = jpeg(3, 800, 600, true, size).unwrap();
        let whole = decoded(&bytes).2;
        for end in scan_ends(size as i32) {
            let part = [&bytes[..end as usize], &END[..]].concat();
            assert!(look_alike(&decoded(&part).2, &whole) || end < size as i32 * 3 / 4);
        }
    }

    #[test]
    fn what_is_too_small_for_a_picture_or_too_large_is_none() {
        assert_eq!(jpeg(1, 100, 100, false, 10).unwrap().len(), 10);
        assert_eq!(jpeg(1, 100, 100, false, 0).unwrap().len(), 0);
        for (width, height) in [(0, 5), (-1, -1), (70_000, 1), (i32::MAX, i32::MAX), (60_000, 60_000)] {
            assert_eq!(jpeg(1, width, height, true, 1_000), None);
            assert_eq!(size_min(1, width, height, true), None);
        }
    }

    #[test]
    fn an_inline_preview_is_a_picture_with_the_header_that_clients_have() {
        for (width, height) in [(1280, 960), (480, 1280), (5, 5), (0, -3), (10_000, 1)] {
            let preview = stripped(4, width, height);
            let [version, h, w] = preview[..3] else { panic!("three bytes") };
            assert!(version == 1 && (1..=40).contains(&h) && (1..=40).contains(&w));
            let mut bytes = head(u16::from(w), u16::from(h), false);
            // The steps are the first thing that differs from the header that clients have.
            for (table, steps) in [(0, OF_PREVIEWS.luma), (1, [OF_PREVIEWS.chroma; 3])] {
                let at = bytes.windows(5).position(|window| window == [0xff, 0xdb, 0, 67, table]).unwrap() + 5;
                (0..3).for_each(|step| bytes[at + step] = steps[step] as u8);
            }
            bytes.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
            bytes.extend(&preview[3..]);
            bytes.extend(END);
            let (_, _, small) = decoded(&bytes);
            let size = size_min(4, i32::from(w), i32::from(h), false).unwrap();
            let same = decoded(&jpeg(4, i32::from(w), i32::from(h), false, size).unwrap()).2;
            let difference: u64 = small.iter().zip(&same).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            assert!(difference < 12 * small.len() as u64, "{difference} of {}", small.len());
        }
    }
}
