//! The fonts: which one shows which character, how wide a text is, and what none of them can show.

use super::PdfError;
use harfrust::{Direction, ShapeOptions, ShaperData, UnicodeBuffer};
use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::MetadataProvider;
use skrifa::instance::{LocationRef, Size};
use std::cell::OnceCell;
use std::io::Read;
use std::ops::Range;
use std::sync::OnceLock;
use unicode_bidi::{BidiInfo, Direction as BaseDirection, Level, get_base_direction};
use unicode_normalization::UnicodeNormalization;
use unicode_script::{Script, UnicodeScript};

const REGULAR: &[u8] = include_bytes!("../fonts/DejaVuSansCondensed.ttf");
const BOLD: &[u8] = include_bytes!("../fonts/DejaVuSansCondensed-Bold.ttf");

macro_rules! fonts {
    ($($file:literal: $($script:ident),*;)*) => {
        [$((&[$(Script::$script),*], include_bytes!(concat!("../fonts/", $file, ".ttf.z")))),*]
    };
}

/// Fonts for what the two above lack, deflated, each with the scripts that it is tried for first.
const OTHERS: [(&[Script], &[u8]); 19] = fonts! {
    "NotoSansArabic": Arabic;
    "NotoSansHebrew": Hebrew;
    "NotoSansDevanagari": Devanagari;
    "NotoSansBengali": Bengali;
    "NotoSansGurmukhi": Gurmukhi;
    "NotoSansGujarati": Gujarati;
    "NotoSansTamil": Tamil;
    "NotoSansTelugu": Telugu;
    "NotoSansKannada": Kannada;
    "NotoSansMalayalam": Malayalam;
    "NotoSansSinhala": Sinhala;
    "NotoSansThai": Thai;
    "NotoSansLao": Lao;
    "NotoSansKhmer": Khmer;
    "NotoSansMyanmar": Myanmar;
    "NotoSansEthiopic": Ethiopic;
    "NotoSansCanadianAboriginal": Canadian_Aboriginal;
    "DroidSansFallback": Han, Hiragana, Katakana, Hangul, Bopomofo;
    "NotoSansSymbols2": Braille;
};
/// The last two are tried for any character, too.
const FOR_ANY: Range<usize> = 17..19;

/// [`OTHERS`], each inflated on its first use.
static INFLATED: [OnceLock<Vec<u8>>; OTHERS.len()] = [const { OnceLock::new() }; OTHERS.len()];

fn inflated(number: usize) -> &'static [u8] {
    let (Some(place), Some((_, deflated))) = (INFLATED.get(number), OTHERS.get(number)) else { return &[] };
    place.get_or_init(|| {
        let mut data = Vec::new();
        // a font that cannot be inflated is left empty, and is then not used
        let _ = flate2::read::ZlibDecoder::new(*deflated).read_to_end(&mut data);
        data
    })
}

/// Shown in place of a character that no font has; the file keeps the real character beside it.
const BOX: char = '□';

/// Whether a character only says how its neighbours join.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

pub(super) struct Faces {
    /// regular and bold
    own: [Face; 2],
    others: [OnceCell<Option<Face>>; OTHERS.len()],
}

struct Face {
    font: Font,
    reading: skrifa::FontRef<'static>,
    charmap: skrifa::charmap::Charmap<'static>,
    metrics: skrifa::metrics::GlyphMetrics<'static>,
    shaper: ShaperData,
}

/// A piece of a line in one font and one direction, with its glyphs from left to right.
pub(super) struct Shaped<'t> {
    pub font: Font,
    pub text: &'t str,
    pub glyphs: Vec<KrillaGlyph>,
    /// as a multiple of the font size
    pub width: f32,
}

impl Face {
    fn load(data: &'static [u8]) -> Option<Face> {
        let reading = skrifa::FontRef::new(data).ok()?;
        // as a multiple of the font size
        let metrics = reading.glyph_metrics(Size::new(1.0), LocationRef::default());
        let shaper = ShaperData::new(&reading);
        Some(Face { font: Font::new(data.into(), 0)?, charmap: reading.charmap(), metrics, shaper, reading })
    }

    fn has(&self, c: char) -> bool {
        self.charmap.map(c).is_some()
    }

    fn shape<'t>(&self, text: &'t str, is_rtl: bool) -> Shaped<'t> {
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        buffer.set_direction(if is_rtl { Direction::RightToLeft } else { Direction::LeftToRight });
        let shaper = self.shaper.shaper(&self.reading).build();
        let out = shaper.shape(buffer, ShapeOptions::new());
        let units = self.font.units_per_em();
        let part = |units_of: i32| units_of as f32 / units;
        // a cluster ends where the next one in the text begins
        let mut starts: Vec<usize> = out.glyph_infos().iter().map(|info| info.cluster as usize).collect();
        starts.sort_unstable();
        starts.dedup();
        let end = |start: usize| {
            let next = starts.partition_point(|other| *other <= start);
            starts.get(next).copied().unwrap_or(text.len())
        };
        let mut glyphs = Vec::with_capacity(out.len());
        let mut width = 0.0;
        for (info, at) in out.glyph_infos().iter().zip(out.glyph_positions()) {
            // PDF/UA forbids the glyph for "missing"; `Faces::shown` has replaced every character that would need it
            if info.glyph_id == 0 {
                continue;
            }
            let start = info.cluster as usize;
            let (x, y, right, up) = (at.x_advance, at.y_advance, at.x_offset, at.y_offset);
            let id = GlyphId::new(info.glyph_id);
            glyphs.push(KrillaGlyph::new(id, part(x), part(right), part(up), part(y), start..end(start), None));
            width += part(x);
        }
        Shaped { font: self.font.clone(), text, glyphs, width }
    }
}

impl Faces {
    pub fn load() -> Result<Faces, PdfError> {
        let broken = || PdfError("a font is broken".to_owned());
        let own = [Face::load(REGULAR).ok_or_else(broken)?, Face::load(BOLD).ok_or_else(broken)?];
        Ok(Faces { own, others: [const { OnceCell::new() }; OTHERS.len()] })
    }

    fn own(&self, bold: bool) -> &Face {
        let [regular, heavy] = &self.own;
        if bold { heavy } else { regular }
    }

    fn other(&self, number: usize) -> Option<&Face> {
        self.others.get(number)?.get_or_init(|| Face::load(inflated(number))).as_ref()
    }

    /// The font for a character; a character of no script stays in the font of the character before it.
    fn face_of<'f>(&'f self, c: char, bold: bool, before: Option<&'f Face>) -> Option<&'f Face> {
        let own = self.own(bold);
        if is_joiner(c) {
            return Some(before.unwrap_or(own));
        }
        let script = c.script();
        let belongs = !matches!(script, Script::Common | Script::Inherited | Script::Unknown);
        let first = match belongs {
            true => OTHERS.iter().position(|(scripts, _)| scripts.contains(&script)).and_then(|at| self.other(at)),
            false => before,
        };
        let first = first.into_iter().chain([own, self.own(!bold)]).find(|face| face.has(c));
        first.or_else(|| FOR_ANY.filter_map(|number| self.other(number)).find(|face| face.has(c)))
    }

    /// How wide a text is, as a multiple of the font size. Kerning only makes it narrower.
    pub fn width(&self, text: &str, bold: bool) -> f32 {
        let own = self.own(bold);
        let plainly = |c: char| match c.script() {
            Script::Common | Script::Latin | Script::Greek | Script::Cyrillic => own.charmap.map(c),
            _ => None,
        };
        let advance = |c: char| plainly(c).and_then(|glyph| own.metrics.advance_width(glyph));
        match text.chars().map(advance).sum::<Option<f32>>() {
            Some(width) => width,
            None => self.shape(text, bold, is_rtl(text)).iter().map(|piece| piece.width).sum(),
        }
    }

    /// A line in pieces, from left to right as it is drawn (UAX 9).
    pub fn shape<'t>(&self, line: &'t str, bold: bool, is_rtl: bool) -> Vec<Shaped<'t>> {
        let level = if is_rtl { Level::rtl() } else { Level::ltr() };
        let info = BidiInfo::new(line, Some(level));
        let mut out = Vec::new();
        for paragraph in &info.paragraphs {
            let (levels, runs) = info.visual_runs(paragraph, paragraph.range.clone());
            for run in runs {
                let is_rtl = levels.get(run.start).is_some_and(Level::is_rtl);
                let from = out.len();
                out.extend(
                    self.cut(line.get(run).unwrap_or_default(), bold).map(|(face, text)| face.shape(text, is_rtl)),
                );
                if is_rtl && let Some(pieces) = out.get_mut(from..) {
                    pieces.reverse();
                }
            }
        }
        out
    }

    /// A text in pieces of one font each, in reading order.
    fn cut<'f, 't>(&'f self, text: &'t str, bold: bool) -> impl Iterator<Item = (&'f Face, &'t str)> {
        let mut pieces: Vec<(&Face, Range<usize>)> = Vec::new();
        for (at, c) in text.char_indices() {
            let before = pieces.last().map(|(face, _)| *face);
            let face = self.face_of(c, bold, before).unwrap_or_else(|| self.own(bold));
            let end = at + c.len_utf8();
            match pieces.last_mut() {
                Some((last, range)) if std::ptr::eq(*last, face) => range.end = end,
                _ => pieces.push((face, at..end)),
            }
        }
        pieces.into_iter().map(|(face, range)| (face, text.get(range).unwrap_or_default()))
    }

    /// The text as the fonts show it: a box in place of each character that they lack.
    pub fn shown(&self, text: &str) -> String {
        text.chars().map(|c| if self.know(c) { c } else { BOX }).collect()
    }

    /// Whether a font has this character.
    pub fn know(&self, c: char) -> bool {
        self.face_of(c, false, None).is_some()
    }
}

/// Whether a paragraph is read from right to left: as its first letter is.
pub(super) fn is_rtl(text: &str) -> bool {
    get_base_direction(text) == BaseDirection::Rtl
}

/// Whether a line may be broken before a character: never between a letter and its marks.
pub(super) fn may_break_before(c: char) -> bool {
    !is_joiner(c) && !unicode_normalization::char::is_combining_mark(c)
}

/// A line of text without what has no width or no place in a line; letters and their accents as one character.
pub(super) fn plain(text: &str) -> String {
    let kept = |c: &char| {
        is_joiner(*c)
            || !c.is_control()
                && !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}')
    };
    text.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(kept).nfc().collect()
}
