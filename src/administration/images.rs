//! The clinic's logo and the portal's background image. An upload is decoded, made smaller and encoded again: no byte
//! of the uploaded file is kept or served, so neither an attack hidden in it nor its metadata (place, camera) is.

use super::clinic::settings_changed;
use crate::access::{Authority, rights};
use crate::db::schema::{clinic, clinic_images};
use crate::db::{Both, Ts, Tx};
use crate::settings::{Image, ImageKind};
use diesel::prelude::*;
use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use sha2::{Digest, Sha256};
use std::io::Cursor;

/// The largest file that is taken, in bytes.
pub const LARGEST_IMAGE: usize = 8 << 20;
/// The most pixels that one side may have.
const LONGEST_SIDE: u32 = 8_000;
/// The most memory that decoding may take, in bytes.
const MEMORY: u64 = 256 << 20;

/// Why an uploaded image is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// not a PNG, JPEG or WebP image, or a broken one
    #[error("not an image that can be read")]
    Unreadable,
    /// too many bytes or pixels
    #[error("too large")]
    TooLarge,
}

/// Makes the image to be served from an uploaded file: a logo of at most 480 by 160 pixels as PNG, a background of at
/// most 1600 by 1200 as JPEG. Blocks for the time of decoding: call it on a blocking thread.
///
/// # Errors
/// See [`NotTaken`].
pub fn made_anew(kind: ImageKind, uploaded: &[u8]) -> Result<Image, NotTaken> {
    if uploaded.len() > LARGEST_IMAGE {
        return Err(NotTaken::TooLarge);
    }
    let decoded = decode(uploaded)?;
    let (width, height) = match kind {
        ImageKind::Logo => (480, 160),
        ImageKind::Background => (1600, 1200),
    };
    let fits = decoded.width() <= width && decoded.height() <= height;
    let small = if fits { decoded } else { decoded.thumbnail(width, height) };
    let mut bytes = Vec::new();
    let (written, media_type) = match kind {
        ImageKind::Logo => (small.to_rgba8().write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png), "image/png"),
        ImageKind::Background => {
            (JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(&small.to_rgb8()), "image/jpeg")
        }
    };
    written.map_err(|_| NotTaken::Unreadable)?;
    let name = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)[..16]);
    Ok(Image { name, media_type: media_type.to_owned(), bytes })
}

fn decode(uploaded: &[u8]) -> Result<DynamicImage, NotTaken> {
    let format = image::guess_format(uploaded).map_err(|_| NotTaken::Unreadable)?;
    if !matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP) {
        return Err(NotTaken::Unreadable);
    }
    let mut reader = ImageReader::with_format(Cursor::new(uploaded), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let too_large = |cause| match cause {
        image::ImageError::Limits(_) => NotTaken::TooLarge,
        _ => NotTaken::Unreadable,
    };
    let mut decoder = reader.into_decoder().map_err(too_large)?;
    // a phone's picture says which side is up; the new image is stored upright
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(too_large)?;
    decoded.apply_orientation(orientation);
    Ok(decoded)
}

/// Replaces the image, or removes it.
pub fn set_image(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Settings>,
    kind: ImageKind,
    image: Option<&Image>,
) -> QueryResult<()> {
    diesel::delete(clinic_images::table.find(kind)).execute(tx.conn())?;
    if let Some(image) = image {
        let row = (
            (clinic_images::kind.eq(kind), clinic_images::name.eq(&image.name)),
            (clinic_images::media_type.eq(&image.media_type), clinic_images::bytes.eq(&image.bytes)),
        );
        Both(diesel::insert_into(clinic_images::table).values(row).on_conflict_do_nothing()).execute(tx.conn())?;
    }
    let (row, name) = (diesel::update(clinic::table.find(1)), image.map_or("", |image| &image.name));
    match kind {
        ImageKind::Logo => row.set(clinic::logo.eq(name)).execute(tx.conn()),
        ImageKind::Background => row.set(clinic::background.eq(name)).execute(tx.conn()),
    }?;
    settings_changed(tx, now, by, kind.as_str())
}
