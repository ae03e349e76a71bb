//! The two fonts: how wide a text is, and what of it they can show.

use super::PdfError;
use krilla::text::Font;
use skrifa::MetadataProvider;
use skrifa::instance::{LocationRef, Size};
use unicode_normalization::UnicodeNormalization;

const REGULAR: &[u8] = include_bytes!("../fonts/DejaVuSansCondensed.ttf");
const BOLD: &[u8] = include_bytes!("../fonts/DejaVuSansCondensed-Bold.ttf");

/// Stands for a character that the fonts do not have; the file keeps the real one beside it.
const BOX: char = '□';

pub(super) struct Faces {
    regular: Face,
    bold: Face,
}

struct Face {
    font: Font,
    charmap: skrifa::charmap::Charmap<'static>,
    metrics: skrifa::metrics::GlyphMetrics<'static>,
}

impl Face {
    fn load(data: &'static [u8]) -> Option<Face> {
        let reading = skrifa::FontRef::new(data).ok()?;
        // in parts of the font size
        let metrics = reading.glyph_metrics(Size::new(1.0), LocationRef::default());
        Some(Face { font: Font::new(data.into(), 0)?, charmap: reading.charmap(), metrics })
    }
}

impl Faces {
    pub fn load() -> Result<Faces, PdfError> {
        let broken = || PdfError("a font is broken".to_owned());
        Ok(Faces { regular: Face::load(REGULAR).ok_or_else(broken)?, bold: Face::load(BOLD).ok_or_else(broken)? })
    }

    fn face(&self, bold: bool) -> &Face {
        if bold { &self.bold } else { &self.regular }
    }

    pub fn font(&self, bold: bool) -> Font {
        self.face(bold).font.clone()
    }

    /// How wide a character is, in parts of the font size.
    pub fn width_of(&self, c: char, bold: bool) -> f32 {
        let face = self.face(bold);
        face.charmap.map(c).and_then(|glyph| face.metrics.advance_width(glyph)).unwrap_or_default()
    }

    /// How wide a text is, in parts of the font size. Kerning only ever makes it narrower.
    pub fn width(&self, text: &str, bold: bool) -> f32 {
        text.chars().map(|c| self.width_of(c, bold)).sum()
    }

    /// What the fonts show of a text: characters that they lack are boxes.
    pub fn shown(&self, text: &str) -> String {
        let known = |c: char| self.regular.charmap.map(c).is_some() && self.bold.charmap.map(c).is_some();
        text.chars().map(|c| if known(c) { c } else { BOX }).collect()
    }
}

/// A line of text without what has no width or no place in a line; letters and their accents as one character.
pub(super) fn plain(text: &str) -> String {
    let kept = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}')
    };
    text.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(kept).nfc().collect()
}
