//! Pages of a TIFF that are coded as a fax codes them: CCITT Group 3 in one or two dimensions (ITU-T T.4) and Group 4 (T.6).

use super::picture::{GREY, Pages};
use hayro_ccitt::{DecodeSettings, Decoder, DecoderContext, EncodingMode};
use image::{DynamicImage, GrayImage};
use tiff::tags::Tag;

/// Values of the tag Compression (TIFF 6.0, sections 8, 10 and 11).
const RUN_LENGTHS: u16 = 2;
const GROUP_3: u16 = 3;
const GROUP_4: u16 = 4;
/// The tag T4Options, and its bit for two dimensions (TIFF 6.0, section 11).
const T4_OPTIONS: Tag = Tag::Unknown(292);
const TWO_DIMENSIONS: u32 = 1;
/// The most pixels of a page: a page of a fax has four million.
const MOST_PIXELS: u64 = 150_000_000;

/// Whether the page is one.
pub(super) fn is_one(pages: &mut Pages) -> bool {
    matches!(compression(pages), Some(RUN_LENGTHS | GROUP_3 | GROUP_4))
}

fn compression(pages: &mut Pages) -> Option<u16> {
    pages.find_tag_unsigned(Tag::Compression).ok()?
}

/// The page. Lines that are lacking or damaged are white.
pub(super) fn page(pages: &mut Pages, tiff: &[u8]) -> Option<DynamicImage> {
    let (width, height) = pages.dimensions().ok()?;
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return None;
    }
    let options: u32 = pages.find_tag_unsigned(T4_OPTIONS).ok()?.unwrap_or_default();
    let encoding = match compression(pages)? {
        GROUP_4 => EncodingMode::Group4,
        GROUP_3 if options & TWO_DIMENSIONS != 0 => EncodingMode::Group3_2D,
        _ => EncodingMode::Group3_1D,
    };
    let is_plain = compression(pages) == Some(RUN_LENGTHS);
    let is_mirrored = pages.find_tag_unsigned::<u16>(Tag::FillOrder).ok()? == Some(2);
    let black_is_zero = pages.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation).ok()? == Some(1);
    let rows: Option<u32> = pages.find_tag_unsigned(Tag::RowsPerStrip).ok()?;
    let (offsets, sizes) = (pages.get_tag_u64_vec(Tag::StripOffsets).ok()?, strip_sizes(pages, tiff)?);
    let mut sheet = Sheet { width: width as usize, pixels: Vec::new(), is_inverse: black_is_zero };
    for (offset, size) in offsets.into_iter().zip(sizes) {
        let begins = sheet.rows();
        let rows = rows.unwrap_or(height).min(height - begins);
        if rows == 0 {
            break;
        }
        let settings = DecodeSettings {
            columns: width,
            rows,
            end_of_block: true,
            end_of_line: !is_plain && encoding != EncodingMode::Group4,
            rows_are_byte_aligned: is_plain,
            encoding,
            strict: false,
        };
        let offset = usize::try_from(offset).ok()?;
        let strip = tiff.get(offset..offset.checked_add(usize::try_from(size).ok()?)?)?;
        let mirrored: Vec<u8>;
        let strip = match is_mirrored {
            true => {
                mirrored = strip.iter().map(|byte| byte.reverse_bits()).collect();
                &mirrored
            }
            false => strip,
        };
        let decoded = hayro_ccitt::decode(strip, &mut sheet, &mut DecoderContext::new(settings));
        if decoded.is_err() && sheet.rows() == 0 {
            return None;
        }
        // the next strip begins where this one should end
        sheet.fill(begins + rows);
    }
    sheet.fill(height);
    GrayImage::from_raw(width, height, sheet.pixels).map(DynamicImage::ImageLuma8)
}

/// The sizes of the strips, in bytes; an old program that wrote one strip may have left its size out.
fn strip_sizes(pages: &mut Pages, tiff: &[u8]) -> Option<Vec<u64>> {
    match pages.find_tag(Tag::StripByteCounts).ok()? {
        Some(sizes) => sizes.into_u64_vec().ok(),
        None => {
            let first = pages.get_tag_u64_vec(Tag::StripOffsets).ok()?.first().copied()?;
            Some(vec![(tiff.len() as u64).checked_sub(first)?])
        }
    }
}

/// A page that grows line by line.
struct Sheet {
    width: usize,
    pixels: Vec<u8>,
    /// the picture says that what the code calls white is black (T.4 knows only white paper; TIFF 6.0, tag 262)
    is_inverse: bool,
}

impl Sheet {
    fn rows(&self) -> u32 {
        (self.pixels.len() / self.width.max(1)) as u32
    }

    /// Brings the page to this many lines with grey ones: what could not be read is not white paper.
    fn fill(&mut self, rows: u32) {
        self.pixels.resize(rows as usize * self.width, GREY);
    }
}

impl Decoder for Sheet {
    fn push_row(&mut self, changes: &[u32]) {
        let (white, black) = if self.is_inverse { (0, u8::MAX) } else { (u8::MAX, 0) };
        let begins = self.pixels.len();
        let mut colour = white;
        for change in changes {
            self.pixels.resize(begins + (*change as usize).min(self.width), colour);
            colour = if colour == white { black } else { white };
        }
        self.pixels.resize(begins + self.width, colour);
    }
}
