//! The process that decodes: a picture in on standard input, a small one out on standard output, or the reason.

use std::io::{self, Cursor, Read as _, Write as _};
use std::process::ExitCode;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits};
use rlimit::Resource;

use super::{OUTPUT_MAX, PICTURE_MAX};

/// How it ends when it has written a reason instead of a picture.
pub(super) const REFUSED: u8 = 3;
/// How it ends when it can write nothing.
const SILENT: u8 = 4;

/// The longest side of a small picture, in pixels: what a list shows, sharp on a dense screen.
const SIDE: u32 = 320;
/// The longest side that is decoded. Cameras and scanners stay below.
const SIDE_MAX: u32 = 30_000;
/// Bytes of a picture when it is decoded: 64 megapixels of three bytes.
const DECODED_MAX: u64 = 192 << 20;
/// Bytes of memory beyond those of the program itself: the picture, what it is decoded from, and what a progressive JPEG collects.
const MEMORY_MAX: u64 = 512 << 20;
/// The same of the program itself, where the system does not say.
const PROGRAM_MAX: u64 = 4 << 30;
/// Seconds of processor time. The largest picture takes one.
pub(super) const PROCESSOR_SECONDS: u64 = 5;
/// Of JPEG, of 100: below it edges blur, above it bytes buy nothing at this size.
const QUALITY: u8 = 80;
/// Bytes of a page of memory, in which Linux counts.
const PAGE: u64 = 4_096;

/// The formats that are decoded.
const FORMATS: [ImageFormat; 5] = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Bmp];

/// Whether the first bytes of a file are those of a picture that can be tried.
#[must_use]
pub fn is_picture(first_bytes: &[u8]) -> bool {
    format_of(first_bytes).is_some()
}

fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    image::guess_format(bytes).ok().filter(|format| FORMATS.contains(format))
}

/// The whole of the process that decodes.
#[must_use]
pub fn decode_stdin() -> ExitCode {
    // In this order: nothing is read before the limits hold.
    let small = confine().map_err(|error| format!("the decoder cannot be confined: {error}")).and_then(|()| read());
    let (bytes, code) = match small.and_then(|bytes| shrink(&bytes)) {
        Ok(bytes) => (bytes, 0),
        Err(why) => (why.into_bytes(), REFUSED),
    };
    let mut out = io::stdout().lock();
    let written = out.write_all(&bytes).and_then(|()| out.flush());
    ExitCode::from(if written.is_ok() { code } else { SILENT })
}

/// Gives up what decoding does not need. Without a file that may be opened there is no connection either.
fn confine() -> io::Result<()> {
    let memory = program_bytes().unwrap_or(PROGRAM_MAX) + MEMORY_MAX;
    for (resource, soft, hard) in [
        (Resource::AS, memory, memory),
        (Resource::CPU, PROCESSOR_SECONDS, PROCESSOR_SECONDS + 1),
        (Resource::FSIZE, OUTPUT_MAX, OUTPUT_MAX),
        (Resource::CORE, 0, 0),
        (Resource::NPROC, 0, 0),
        (Resource::NOFILE, 0, 0),
    ] {
        rlimit::setrlimit(resource, soft, hard)?;
    }
    Ok(())
}

/// Bytes of address space that this process has already.
fn program_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(PAGE)
}

fn read() -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(PICTURE_MAX + 1).read_to_end(&mut bytes).map_err(|error| format!("it cannot be read: {error}"))?;
    if bytes.len() as u64 > PICTURE_MAX { Err("it has too many bytes".to_owned()) } else { Ok(bytes) }
}

/// Makes a picture small, the right way up.
fn shrink(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let format = format_of(bytes).ok_or("it is no picture of a format that is decoded")?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(SIDE_MAX), Some(SIDE_MAX));
    limits.max_alloc = Some(DECODED_MAX);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| why(&error))?;
    let (width, height) = decoder.dimensions();
    if width.max(height) > SIDE_MAX || decoder.total_bytes() > DECODED_MAX {
        return Err(format!("it has too many pixels to be decoded: {width} x {height}"));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    // Of what moves, this is the first frame.
    let picture = DynamicImage::from_decoder(decoder).map_err(|error| why(&error))?;
    let mut small = if width.max(height) > SIDE { picture.thumbnail(SIDE, SIDE) } else { picture };
    small.apply_orientation(orientation);
    encoded(&small).map_err(|error| why(&error))
}

/// JPEG, or WebP where something shines through.
fn encoded(small: &DynamicImage) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    let shows_through = |picture: &image::RgbaImage| picture.pixels().any(|pixel| pixel.0[3] < u8::MAX);
    if small.color().has_alpha() {
        let picture = small.to_rgba8();
        if shows_through(&picture) {
            let (width, height) = picture.dimensions();
            WebPEncoder::new_lossless(&mut bytes).encode(&picture, width, height, ExtendedColorType::Rgba8)?;
            return Ok(bytes);
        }
    }
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&small.to_rgb8())?;
    Ok(bytes)
}

/// What a decoder says, in words of ours.
fn why(error: &ImageError) -> String {
    match error {
        ImageError::Limits(_) => "it has too many pixels to be decoded",
        ImageError::Unsupported(_) => "it is of a kind that is not decoded",
        _ => "it is damaged, or not what its first bytes say",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, RgbImage, RgbaImage};
    use proptest::prelude::*;

    use super::*;

    fn written(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// PNG's checksum of a chunk.
    fn checksum(bytes: &[u8]) -> u32 {
        let shift = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), shift))
    }

    fn size_of(bytes: &[u8]) -> (ImageFormat, u32, u32) {
        let picture = image::load_from_memory(bytes).unwrap();
        (image::guess_format(bytes).unwrap(), picture.width(), picture.height())
    }

    #[test]
    fn each_format_is_made_small_and_keeps_its_shape() {
        let picture = DynamicImage::ImageRgb8(RgbImage::from_fn(1_000, 500, |x, y| image::Rgb([x as u8, y as u8, 9])));
        for format in FORMATS {
            let small = shrink(&written(&picture, format)).unwrap();
            assert_eq!(size_of(&small), (ImageFormat::Jpeg, 320, 160), "{format:?}");
            assert!(small.len() < 40_000, "{format:?}: {}", small.len());
        }
        let small = shrink(&written(&DynamicImage::ImageLuma8(GrayImage::new(30, 20)), ImageFormat::Png)).unwrap();
        assert_eq!(size_of(&small), (ImageFormat::Jpeg, 30, 20), "what is small stays so");
        let line = DynamicImage::ImageRgb8(RgbImage::new(20_000, 2));
        assert_eq!(size_of(&shrink(&written(&line, ImageFormat::Png)).unwrap()), (ImageFormat::Jpeg, 320, 1));
    }

    #[test]
    fn what_shines_through_still_does() {
        let through = RgbaImage::from_fn(512, 512, |x, _| image::Rgba([200, 30, 30, if x < 256 { 0 } else { 255 }]));
        let small = shrink(&written(&DynamicImage::ImageRgba8(through), ImageFormat::WebP)).unwrap();
        assert_eq!(size_of(&small), (ImageFormat::WebP, 320, 320));
        assert_eq!(image::load_from_memory(&small).unwrap().to_rgba8().get_pixel(10, 10).0[3], 0);
        let opaque = DynamicImage::ImageRgba8(RgbaImage::from_pixel(512, 512, image::Rgba([1, 2, 3, 255])));
        assert_eq!(size_of(&shrink(&written(&opaque, ImageFormat::Png)).unwrap()).0, ImageFormat::Jpeg);
    }

    #[test]
    fn what_is_no_picture_or_too_large_has_a_reason() {
        let mut png = written(&DynamicImage::ImageRgb8(RgbImage::new(40, 40)), ImageFormat::Png);
        for length in [0, 4, 20, 50, png.len() - 20] {
            assert!(shrink(&png[..length]).is_err(), "{length}");
        }
        // The header says 60,000 x 60,000; its checksum is not what stops it.
        png.splice(16..24, [60_000_u32.to_be_bytes(), 60_000_u32.to_be_bytes()].concat());
        let checksum = checksum(&png[12..29]);
        png.splice(29..33, checksum.to_be_bytes());
        assert_eq!(shrink(&png).unwrap_err(), "it has too many pixels to be decoded");
        for text in ["", "GIF89a", "<svg/>", "RIFF....WEBP", "BM", "%PDF-1.7"] {
            assert!(shrink(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn bytes_that_begin_like_a_picture_never_panic(
            at in 0..FORMATS.len(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8), cut in any::<prop::sample::Index>(),
        ) {
            let picture = DynamicImage::ImageRgb8(RgbImage::from_fn(24, 16, |x, y| image::Rgb([x as u8 * 9, y as u8, 9])));
            let mut bytes = written(&picture, FORMATS[at]);
            for (index, value) in changes {
                let index = index.index(bytes.len());
                bytes[index] = value;
            }
            bytes.truncate(cut.index(bytes.len()) + 1);
            drop(shrink(&bytes));
        }
    }
}
