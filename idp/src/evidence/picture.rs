//! Pictures: decoded within limits, turned upright, encoded anew.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, imageops::FilterType};

use super::{Clean, MAX_PIXELS, UploadError};

/// Shorter side below which nothing on a card can be read.
const MIN_EDGE: u32 = 200;
/// Longest side kept; enough to read the smallest print on a card that fills the picture.
const KEPT_EDGE: u32 = 3_000;
/// Longest side decoded.
const MAX_EDGE: u32 = 20_000;
/// Memory that decoding may take: four bytes for each pixel allowed, and half as much again.
const DECODE_MEMORY: u64 = MAX_PIXELS * 6;
const QUALITY: u8 = 88;

/// The picture as a JPEG of our own making: no EXIF, ICC profile, XMP or trailing bytes.
pub(super) fn clean(bytes: &[u8], format: ImageFormat) -> Result<Clean, UploadError> {
    let mut decoder = ImageReader::with_format(Cursor::new(bytes), format)
        .into_decoder()
        .map_err(|_| UploadError::Damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS || width.max(height) > MAX_EDGE {
        return Err(UploadError::TooManyPixels);
    }
    if width.min(height) < MIN_EDGE {
        return Err(UploadError::TooFewPixels);
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(DECODE_MEMORY);
    decoder
        .set_limits(limits)
        .map_err(|_| UploadError::TooManyPixels)?;
    // A missing or broken orientation leaves the picture as it lies.
    let orientation = decoder.orientation().ok();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|_| UploadError::Damaged)?;
    if width.max(height) > KEPT_EDGE {
        picture = picture.resize(KEPT_EDGE, KEPT_EDGE, FilterType::Triangle);
    }
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    let picture = on_white(&picture);
    let mut encoded = Vec::new();
    JpegEncoder::new_with_quality(&mut encoded, QUALITY)
        .encode_image(&picture)
        .map_err(|_| UploadError::Damaged)?;
    Ok(Clean {
        media_type: "image/jpeg",
        bytes: encoded,
        pixels: Some(picture.dimensions()),
        pages: None,
    })
}

/// JPEG has no transparency: what shows through is white, as on paper.
fn on_white(picture: &DynamicImage) -> image::RgbImage {
    if !picture.color().has_alpha() {
        return picture.to_rgb8();
    }
    let rgba = picture.to_rgba8();
    let mut flat = image::RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in flat.pixels_mut().zip(rgba.pixels()) {
        let [red, green, blue, alpha] = from.0;
        let mix = |value: u8| {
            let sum = u16::from(value) * u16::from(alpha) + 255 * (255 - u16::from(alpha));
            u8::try_from(sum / 255).unwrap_or(u8::MAX)
        };
        to.0 = [mix(red), mix(green), mix(blue)];
    }
    flat
}
