//! Pictures that not every browser shows: a fax or a scan as TIFF is drawn as a JPEG to look at, all pages below one
//! another, and so is a photo as HEIC. The original is what is stored and saved. The process that reads documents draws it, within its limits of memory and
//! time.

use super::reader::{self, Wanted};
use super::{FileIntake, PATIENCE, fax, heic};
use crate::storage::Reading;
use actix_web::web::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, ImageEncoder, RgbImage};
use std::io::Cursor;
use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult};
use tiff::tags::Tag;

/// The widest a page is drawn, in pixels: enough to read a letter on a screen.
const WIDEST: u32 = 1400;
/// The most pages that are drawn; the original file has them all.
const MOST_PAGES: usize = 30;
/// The tallest picture that a JPEG can be, in pixels.
const TALLEST: u32 = 65_500;
/// The space between two pages, in pixels.
const GAP: u32 = 12;
pub(super) const GREY: u8 = 128;
/// Quality of the JPEG, of 100: letters stay sharp.
const QUALITY: u8 = 80;
/// The largest drawn picture, in bytes.
pub(super) const LARGEST_PICTURE: usize = 32 << 20;

/// The media types of files that are drawn.
pub const DRAWN: [&str; 2] = ["image/tiff", "image/heic"];
/// The media type of the drawing.
pub const AS: &str = "image/jpeg";

impl FileIntake {
    /// A picture to look at of a TIFF or HEIC; `None` where it cannot be drawn.
    pub async fn picture(&self, file: Reading) -> Option<Bytes> {
        let turn = tokio::time::timeout(PATIENCE, self.words.seats.acquire()).await;
        let _turn = turn.inspect_err(|_| tracing::info!("a picture waited too long to be drawn")).ok()?.ok()?;
        let draw = async { reader::start(&self.words.program, Wanted::Picture)?.picture(file).await };
        let drawn = tokio::time::timeout(PATIENCE, draw).await.unwrap_or_else(|late| Err(late.into()));
        drawn.inspect_err(|cause| tracing::info!(%cause, "a picture could not be drawn")).ok().map(Bytes::from)
    }
}

/// The pages of a TIFF, one after the other.
pub(super) type Pages<'a> = Decoder<Cursor<&'a [u8]>>;

/// What is drawn of a file.
pub(super) struct Drawn {
    pub pages: Vec<DynamicImage>,
    /// what the numbers of its colours mean (an ICC profile), where that is not the usual
    pub profile: Option<Vec<u8>>,
}

/// Draws the pages of a file as one JPEG; `None` where none of them can be read.
pub(super) fn drawn(file: Vec<u8>) -> Option<Vec<u8>> {
    let Drawn { pages, profile } = match &file[..] {
        [b'I', b'I', ..] | [b'M', b'M', ..] => Drawn { pages: pages(file)?, profile: None },
        _ => heic::photo(&file)?,
    };
    let pages: Vec<DynamicImage> = pages.into_iter().map(smaller).collect();
    joined(&pages, profile).filter(|jpeg| jpeg.len() < LARGEST_PICTURE)
}

/// The pages of a TIFF, as many as fit below one another.
fn pages(mut tiff: Vec<u8>) -> Option<Vec<DynamicImage>> {
    let with_palette = palettes_to_greys(&mut tiff);
    let mut decoder = Decoder::new(Cursor::new(tiff.as_slice())).ok()?;
    let mut pages = Vec::new();
    let mut height = 0;
    loop {
        let mut page = match fax::is_one(&mut decoder) {
            true => fax::page(&mut decoder, &tiff)?,
            false if with_palette.contains(&pages.len()) => coloured(&mut decoder)?,
            false => page(&mut decoder)?,
        };
        page = smaller(page);
        height += page.height() + GAP;
        if height > TALLEST {
            break;
        }
        pages.push(page);
        if pages.len() == MOST_PAGES || !decoder.more_images() || decoder.next_image().is_err() {
            break;
        }
    }
    Some(pages)
}

/// The samples of a page, in eight bits or packed in fewer.
fn samples(decoder: &mut Pages) -> Option<Vec<u8>> {
    match decoder.read_image().ok()? {
        DecodingResult::U8(bytes) => Some(bytes),
        // the upper byte of a sample of sixteen bits is the sample in eight bits
        DecodingResult::U16(samples) => Some(samples.into_iter().map(|sample| sample.to_be_bytes()[0]).collect()),
        _ => None,
    }
}

fn page(decoder: &mut Pages) -> Option<DynamicImage> {
    let (width, height) = decoder.dimensions().ok()?;
    let colour = decoder.colortype().ok()?;
    let bytes = samples(decoder)?;
    let grey = |bytes| GrayImage::from_raw(width, height, bytes).map(DynamicImage::ImageLuma8);
    let rgb = |bytes| RgbImage::from_raw(width, height, bytes).map(DynamicImage::ImageRgb8);
    let by_pixel =
        |samples: usize, pixel: fn(&[u8]) -> [u8; 3]| rgb(bytes.chunks_exact(samples).flat_map(pixel).collect());
    match colour {
        ColorType::Gray(depth @ (1 | 2 | 4)) => {
            let brightest = u8::MAX >> (8 - depth);
            grey(unpacked(&bytes, width, depth).into_iter().map(|sample| sample * (u8::MAX / brightest)).collect())
        }
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

/// Unpacks samples of less than a byte (TIFF 6.0, tag 258); each line takes whole bytes.
fn unpacked(bytes: &[u8], width: u32, depth: u8) -> Vec<u8> {
    let each = 8 / depth;
    let line = |line: &[u8]| -> Vec<u8> {
        let samples = line
            .iter()
            .flat_map(|byte| (0..each).rev().map(move |place| byte >> (place * depth) & (u8::MAX >> (8 - depth))));
        samples.take(width as usize).collect()
    };
    bytes.chunks_exact((width as usize).div_ceil(each.into()).max(1)).flat_map(line).collect()
}

/// Makes the pages with a palette (TIFF 6.0, section 5), which the library does not read, pages of greys: then the greys
/// are the numbers of the colours. Gives which pages these are.
fn palettes_to_greys(tiff: &mut [u8]) -> Vec<usize> {
    const INTERPRETATION: u64 = 262;
    const GREYS: u64 = 1;
    const PALETTE: u64 = 3;
    let little = tiff.starts_with(b"II");
    let number = |tiff: &[u8], at: u64, bytes: usize| -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let found = tiff.get(at..at.checked_add(bytes)?)?;
        let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if little { found.iter().rev().fold(0, push) } else { found.iter().fold(0, push) })
    };
    // a BigTIFF has wider numbers
    let (count, entry, offset) = if number(tiff, 2, 2) == Some(43) { (8, 20, 8) } else { (2, 12, 4) };
    let mut found = Vec::new();
    let mut next = number(tiff, if count == 8 { 8 } else { 4 }, offset);
    for page in 0..MOST_PAGES {
        let Some(at) = next.filter(|at| *at != 0) else { break };
        let Some(entries) = number(tiff, at, count).filter(|entries| *entries < 4096) else { break };
        let first = at.saturating_add(count as u64);
        for place in (0..entries).map(|number| first.saturating_add(number * entry)) {
            // the tag, its type, how many values, the value: a short number stands at its beginning
            let value = place.saturating_add(4 + offset as u64);
            if number(tiff, place, 2) == Some(INTERPRETATION) && number(tiff, value, 2) == Some(PALETTE) {
                let byte = usize::try_from(value).unwrap_or_default() + usize::from(!little);
                if let Some(byte) = tiff.get_mut(byte) {
                    *byte = GREYS as u8;
                    found.push(page);
                }
            }
        }
        next = number(tiff, first.saturating_add(entries * entry), offset);
    }
    found
}

/// A page whose samples are numbers of colours.
fn coloured(decoder: &mut Pages) -> Option<DynamicImage> {
    let (width, height) = decoder.dimensions().ok()?;
    let ColorType::Gray(depth @ (1 | 2 | 4 | 8)) = decoder.colortype().ok()? else { return None };
    let map = decoder.get_tag_u16_vec(Tag::ColorMap).ok()?;
    // old programs wrote eight bits of each light, not sixteen
    let shift = if map.iter().all(|light| *light < 256) { 0 } else { 8 };
    let colours = 1 << depth;
    let light = |part: usize, number: u8| map.get(part * colours + usize::from(number)).map(|it| (it >> shift) as u8);
    let bytes = samples(decoder)?;
    let numbers = if depth == 8 { bytes } else { unpacked(&bytes, width, depth) };
    let pixels = numbers.into_iter().flat_map(|number| [0, 1, 2].map(|part| light(part, number).unwrap_or_default()));
    RgbImage::from_raw(width, height, pixels.collect()).map(DynamicImage::ImageRgb8)
}

pub(super) fn on_white(pixel: &[u8]) -> [u8; 3] {
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
fn joined(pages: &[DynamicImage], profile: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let width = pages.iter().map(DynamicImage::width).max()?;
    let height = pages.iter().map(|page| page.height() + GAP).sum::<u32>() - GAP;
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, QUALITY);
    if let Some(profile) = profile {
        encoder.set_icc_profile(profile).ok()?;
    }
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
        assert_eq!(unpacked(&[0b0100_0000, 0xff], 3, 1), [0, 1, 0, 1, 1, 1]);
        assert_eq!(unpacked(&[0x1f, 0x20, 0xab, 0xcd], 3, 4), [1, 15, 2, 10, 11, 12]);
        assert_eq!(on_white(&[0, 100, 255, 255]), [0, 100, 255]);
        assert_eq!(on_white(&[0, 100, 255, 0]), [255; 3]);
        assert_eq!(from_ycbcr(&[255, 128, 128]), [255; 3]);
        assert_eq!(from_ycbcr(&[76, 85, 255]), [254, 0, 0], "red");
    }
}
