//! A photo as phones take it (HEIC: ISO/IEC 23008-12, with HEVC).

use super::picture::{Drawn, on_white};
use heic_decoder::{decode, probe};
use image::{DynamicImage, RgbImage};

/// The most pixels of a photo: more do not fit into the reader's memory.
const MOST_PIXELS: usize = 30_000_000;

/// The photo, turned as its file says, with its colour profile; `None` where it cannot be read.
pub(super) fn photo(file: &[u8]) -> Option<Drawn> {
    let size = probe(file).ok()?;
    if size.coded_width.checked_mul(size.coded_height)? > MOST_PIXELS {
        return None;
    }
    let photo = decode(file).ok()?;
    let (width, height) = (u32::try_from(photo.width).ok()?, u32::try_from(photo.height).ok()?);
    let pixels = match photo.alpha.is_some() {
        true => photo.to_rgba8().ok()?.data.chunks_exact(4).flat_map(on_white).collect(),
        false => photo.to_rgb8().ok()?.data,
    };
    let page = RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)?;
    Some(Drawn { pages: vec![page], profile: photo.metadata.icc_profile })
}
