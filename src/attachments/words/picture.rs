//! Pictures that no browser shows: a fax or a scan as TIFF is drawn as a JPEG to look at, all pages below one another.
//! The original is what is stored and saved. The process that reads documents draws it, within its limits of memory and
//! time.

use super::reader::{self, Wanted};
use super::{FileIntake, PATIENCE};
use crate::storage::Reading;
use actix_web::web::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, RgbImage};
use std::io::Cursor;
use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult};

/// The widest a page is drawn, in pixels: enough to read a letter on a screen.
const WIDEST: u32 = 1400;
/// The most pages that are drawn; the original file has them all.
const MOST_PAGES: usize = 30;
/// The tallest picture that a JPEG can be, in pixels.
const TALLEST: u32 = 65_500;
/// The space between two pages, in pixels.
const GAP: u32 = 12;
const GREY: u8 = 128;
/// Quality of the JPEG, of 100: letters stay sharp.
const QUALITY: u8 = 80;
/// The largest drawn picture, in bytes.
pub(super) const LARGEST_PICTURE: usize = 32 << 20;

/// The media type of files that are drawn.
pub const DRAWN: &str = "image/tiff";
/// The media type of the drawing.
pub const AS: &str = "image/jpeg";

impl FileIntake {
    /// A picture to look at of a TIFF; `None` where it cannot be drawn.
    pub async fn picture(&self, file: Reading) -> Option<Bytes> {
        let turn = tokio::time::timeout(PATIENCE, self.words.seats.acquire()).await;
        let _turn = turn.inspect_err(|_| tracing::info!("a picture waited too long to be drawn")).ok()?.ok()?;
        let draw = async { reader::start(&self.words.program, Wanted::Picture)?.picture(file).await };
        let drawn = tokio::time::timeout(PATIENCE, draw).await.unwrap_or_else(|late| Err(late.into()));
        drawn.inspect_err(|cause| tracing::info!(%cause, "a picture could not be drawn")).ok().map(Bytes::from)
    }
}

/// Draws the pages of a TIFF as one JPEG; `None` where none of them can be read.
pub(super) fn drawn(tiff: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = Decoder::new(Cursor::new(tiff)).ok()?;
    let mut pages = Vec::new();
    let mut height = 0;
    loop {
        let page = smaller(page(&mut decoder)?);
        height += page.height() + GAP;
        if height > TALLEST {
            break;
        }
        pages.push(page);
        if pages.len() == MOST_PAGES || !decoder.more_images() || decoder.next_image().is_err() {
            break;
        }
    }
    joined(&pages).filter(|jpeg| jpeg.len() < LARGEST_PICTURE)
}

fn page(decoder: &mut Decoder<Cursor<&[u8]>>) -> Option<DynamicImage> {
    let (width, height) = decoder.dimensions().ok()?;
    let colour = decoder.colortype().ok()?;
    let bytes = match decoder.read_image().ok()? {
        DecodingResult::U8(bytes) => bytes,
        // the upper byte of a sample of sixteen bits is the sample in eight bits
        DecodingResult::U16(samples) => samples.into_iter().map(|sample| sample.to_be_bytes()[0]).collect(),
        _ => return None,
    };
    let grey = |bytes| GrayImage::from_raw(width, height, bytes).map(DynamicImage::ImageLuma8);
    let rgb = |bytes| RgbImage::from_raw(width, height, bytes).map(DynamicImage::ImageRgb8);
    let by_pixel =
        |samples: usize, pixel: fn(&[u8]) -> [u8; 3]| rgb(bytes.chunks_exact(samples).flat_map(pixel).collect());
    match colour {
        ColorType::Gray(1) => grey(bits(&bytes, width)),
        ColorType::Gray(8 | 16) => grey(bytes),
        ColorType::RGB(8 | 16) => rgb(bytes),
        ColorType::RGBA(8 | 16) => by_pixel(4, on_white),
        ColorType::GrayA(8 | 16) | ColorType::Multiband { bit_depth: 8 | 16, num_samples: 2 } => {
            by_pixel(2, |pixel| on_white(&[pixel[0], pixel[0], pixel[0], pixel[1]]))
        }
        ColorType::CMYK(8 | 16) => by_pixel(4, |inks| {
            let [c, m, y] = [inks[0], inks[1], inks[2]].map(|ink| 255 - u16::from(ink));
            [c, m, y].map(|light| (light * (255 - u16::from(inks[3])) / 255) as u8)
        }),
        ColorType::YCbCr(8) => by_pixel(3, from_ycbcr),
        _ => None,
    }
}

/// Unpacks one bit for each pixel; each line takes whole bytes, as faxes have them.
fn bits(bytes: &[u8], width: u32) -> Vec<u8> {
    let line = |line: &[u8]| -> Vec<u8> {
        let bits = line.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        bits.take(width as usize).map(|bit| bit * 255).collect()
    };
    bytes.chunks_exact((width as usize).div_ceil(8).max(1)).flat_map(line).collect()
}

fn on_white(pixel: &[u8]) -> [u8; 3] {
    let alpha = u16::from(pixel[3]);
    [pixel[0], pixel[1], pixel[2]].map(|light| ((u16::from(light) * alpha + 255 * (255 - alpha)) / 255) as u8)
}

/// Converts a pixel as ITU-T T.871, section 7, says.
fn from_ycbcr(pixel: &[u8]) -> [u8; 3] {
    let [y, cb, cr] = [f32::from(pixel[0]), f32::from(pixel[1]) - 128.0, f32::from(pixel[2]) - 128.0];
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb]
        .map(|light| light.round().clamp(0.0, 255.0) as u8)
}

fn smaller(page: DynamicImage) -> DynamicImage {
    if page.width() <= WIDEST {
        return page;
    }
    let height = (u64::from(page.height()) * u64::from(WIDEST) / u64::from(page.width())).clamp(1, TALLEST.into());
    page.resize_exact(WIDEST, height as u32, FilterType::Triangle)
}

/// Joins the pages below one another. Faxes and scans stay in greys, which takes a third of the memory.
fn joined(pages: &[DynamicImage]) -> Option<Vec<u8>> {
    let width = pages.iter().map(DynamicImage::width).max()?;
    let height = pages.iter().map(|page| page.height() + GAP).sum::<u32>() - GAP;
    let mut jpeg = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut jpeg, QUALITY);
    let mut top = 0;
    if pages.iter().all(|page| matches!(page, DynamicImage::ImageLuma8(_))) {
        let mut sheet = GrayImage::from_pixel(width, height, image::Luma([GREY]));
        for page in pages {
            imageops::replace(&mut sheet, &page.to_luma8(), 0, i64::from(top));
            top += page.height() + GAP;
        }
        sheet.write_with_encoder(encoder).ok()?;
    } else {
        let mut sheet = RgbImage::from_pixel(width, height, image::Rgb([GREY; 3]));
        for page in pages {
            imageops::replace(&mut sheet, &page.to_rgb8(), 0, i64::from(top));
            top += page.height() + GAP;
        }
        sheet.write_with_encoder(encoder).ok()?;
    }
    Some(jpeg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_what_they_were() {
        assert_eq!(bits(&[0b0100_0000, 0xff], 3), [0, 255, 0, 255, 255, 255]);
        assert_eq!(on_white(&[0, 100, 255, 255]), [0, 100, 255]);
        assert_eq!(on_white(&[0, 100, 255, 0]), [255; 3]);
        assert_eq!(from_ycbcr(&[255, 128, 128]), [255; 3]);
        assert_eq!(from_ycbcr(&[76, 85, 255]), [254, 0, 0], "red");
    }
}
