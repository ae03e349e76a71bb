//! Places each line of text: columns, line breaks and page breaks. Lengths are in points from the top left of a page.

use super::PdfError;
use super::faces::{Faces, is_rtl, may_break_before, plain};
use krilla::tagging::TagKind;

/// Letter paper: width and height.
pub(super) const PAPER: (f32, f32) = (612.0, 792.0);
const SIDE: f32 = 56.0;
const TOP: f32 = 54.0;
const BOTTOM: f32 = 730.0;
/// The height of the line at the foot of a page.
pub(super) const FOOT: f32 = 756.0;
pub(super) const WIDTH: f32 = PAPER.0 - 2.0 * SIDE;
/// The space between columns.
const GUTTER: f32 = 8.0;

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub size: f32,
    pub bold: bool,
    pub grey: bool,
}

impl Style {
    /// The distance from one line to the next.
    pub fn leading(self) -> f32 {
        self.size * 1.4
    }
}

/// A part of the page's width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    left: f32,
    width: f32,
}

impl Column {
    /// A column at any place.
    pub fn at(left: f32, width: f32) -> Column {
        Column { left, width }
    }

    pub fn share(from: f32, to: f32) -> Column {
        let gutter = if to < 1.0 { GUTTER } else { 0.0 };
        Column { left: SIDE + from * WIDTH, width: (to - from) * WIDTH - gutter }
    }

    /// Columns side by side over the whole width: of one width where their widest words fit, else each with room for its own.
    /// Where there is not so much, those that need least have it, and the others share what is left.
    pub fn fitting(words: &[f32]) -> Vec<Column> {
        let count = words.len() as f32;
        // a point against rounding
        let needs: Vec<f32> = words.iter().map(|word| word + GUTTER + 1.0).collect();
        let mut sorted = needs.clone();
        sorted.sort_unstable_by(f32::total_cmp);
        let (mut left, mut others, mut most) = (WIDTH, count, f32::INFINITY);
        for need in sorted {
            if need * others > left {
                most = left / others;
                left = 0.0;
                break;
            }
            (left, others) = (left - need, others - 1.0);
        }
        let is_even = needs.iter().all(|need| need * count <= WIDTH);
        let width = |need: f32| if is_even { WIDTH / count } else { need.min(most) + left / count };
        let mut from = 0.0;
        let mut columns = Vec::new();
        for (n, need) in needs.iter().enumerate() {
            let to = if n + 1 == needs.len() { 1.0 } else { from + width(*need) / WIDTH };
            columns.push(Column::share(from, to));
            from = to;
        }
        columns
    }
}

/// A line of text in its place.
pub(super) struct Line {
    pub page: usize,
    pub left: f32,
    /// the height of its baseline
    pub down: f32,
    pub text: String,
    /// its paragraph is read from right to left
    pub is_rtl: bool,
    pub style: Style,
    /// it repeats a line from elsewhere, and is not read out again
    pub artifact: bool,
}

/// A thin line, level, from one place to another.
pub(super) struct Rule {
    pub page: usize,
    pub down: f32,
    pub weight: f32,
    pub from: f32,
    pub to: f32,
}

/// A heading for the outline.
pub(super) struct Mark {
    pub level: u16,
    pub text: String,
    pub page: usize,
    pub down: f32,
}

/// A node of the document's structure.
pub(super) enum Node {
    Group(TagKind, Vec<Node>),
    /// Lines, by their positions in [`Sheet::lines`].
    Lines(TagKind, Vec<usize>),
}

impl Node {
    pub fn group(tag: impl Into<TagKind>, children: Vec<Node>) -> Node {
        Node::Group(tag.into(), children)
    }

    pub fn lines(tag: impl Into<TagKind>, lines: Vec<usize>) -> Node {
        Node::Lines(tag.into(), lines)
    }
}

/// A cell of a row: its column, its text, its style.
pub(super) type Cell<'a> = (Column, &'a str, Style);

pub(super) struct Sheet {
    pub faces: Faces,
    pub lines: Vec<Line>,
    pub rules: Vec<Rule>,
    pub marks: Vec<Mark>,
    pub pages: usize,
    down: f32,
    repeated: Vec<(Column, String, Style)>,
}

impl Sheet {
    pub fn new() -> Result<Sheet, PdfError> {
        let (lines, rules, marks, repeated) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Sheet { faces: Faces::load()?, lines, rules, marks, pages: 1, down: TOP, repeated })
    }

    /// Text across the whole width.
    pub fn block(&mut self, tag: impl Into<TagKind>, text: &str, style: Style) -> Node {
        let lines = self.row(&[(Column::share(0.0, 1.0), text, style)]);
        Node::lines(tag, lines.into_iter().flatten().collect())
    }

    /// Places cells side by side; gives the lines of each. A row that fits on a page stays together, a higher one is
    /// broken.
    pub fn row(&mut self, cells: &[Cell]) -> Vec<Vec<usize>> {
        let wrapped: Vec<Vec<(String, bool)>> =
            cells.iter().map(|(column, text, style)| self.wrap(text, *style, column.width)).collect();
        let leading = cells.iter().map(|(.., style)| style.leading()).fold(0.0, f32::max);
        let count = wrapped.iter().map(Vec::len).max().unwrap_or_default();
        let height = leading * count as f32;
        if height <= BOTTOM - TOP {
            self.keep_with_next(height);
        }
        let mut placed: Vec<Vec<usize>> = cells.iter().map(|_| Vec::new()).collect();
        for number in 0..count {
            self.keep_with_next(leading);
            self.down += leading;
            for ((lines, (column, _, style)), placed) in wrapped.iter().zip(cells).zip(&mut placed) {
                let Some((text, is_rtl)) = lines.get(number) else { continue };
                match text.as_str() {
                    // an empty cell still gets a line: without one it would be missing from the structure
                    "" if lines.len() == 1 => placed.push(self.line(*column, " ", *is_rtl, *style, false)),
                    "" => {}
                    text => placed.push(self.line(*column, text, *is_rtl, *style, false)),
                }
            }
        }
        placed
    }

    fn line(&mut self, column: Column, text: &str, is_rtl: bool, style: Style, artifact: bool) -> usize {
        // the baseline lies above the line's lower edge
        let down = self.down - style.leading() * 0.25;
        // a line that is read from right to left begins at the right
        let left = match is_rtl {
            true => {
                let shown = self.faces.shown(text.trim_end_matches(' '));
                column.left + (column.width - self.faces.width(&shown, style.bold) * style.size).max(0.0)
            }
            false => column.left,
        };
        self.lines.push(Line { page: self.pages - 1, left, down, text: text.to_owned(), is_rtl, style, artifact });
        self.lines.len() - 1
    }

    /// Breaks a text into lines: at its line breaks, between words, and within a word that is wider than the column.
    /// The space at which a line is broken stays at its end, so that words do not run together when read out. Each line
    /// comes with whether its paragraph is read from right to left.
    fn wrap(&self, text: &str, style: Style, width: f32) -> Vec<(String, bool)> {
        let width = width / style.size;
        let mut lines = Vec::new();
        for paragraph in text.split('\n') {
            let is_rtl = is_rtl(paragraph);
            let mut line = String::new();
            let mut used = 0.0;
            for word in plain(paragraph).split_inclusive(' ') {
                let bare = self.faces.width(&self.faces.shown(word.trim_end()), style.bold);
                // in scripts without spaces a line is filled before it is broken
                let is_long = bare > width || word.chars().any(crate::text::is_spaceless);
                if used > 0.0 && used + bare > width && !is_long {
                    lines.push((std::mem::take(&mut line), is_rtl));
                    used = 0.0;
                }
                if !is_long {
                    line.push_str(word);
                    used += self.faces.width(&self.faces.shown(word), style.bold);
                    continue;
                }
                for c in word.chars() {
                    let wide = self.faces.width(&self.faces.shown(c.encode_utf8(&mut [0; 4])), style.bold);
                    if c != ' ' && used > 0.0 && used + wide > width && may_break_before(c) {
                        lines.push((std::mem::take(&mut line), is_rtl));
                        used = 0.0;
                    }
                    line.push(c);
                    used += wide;
                }
            }
            lines.push((line.trim_end_matches(' ').to_owned(), is_rtl));
        }
        lines
    }

    /// How wide the widest word of a text is that must not be broken.
    pub fn widest_word(&self, text: &str, style: Style) -> f32 {
        let of_paragraph = |paragraph: &str| {
            let paragraph = plain(paragraph);
            let words = paragraph.split(' ').filter(|word| !word.chars().any(crate::text::is_spaceless));
            words.map(|word| self.faces.width(&self.faces.shown(word), style.bold)).fold(0.0, f32::max)
        };
        text.split('\n').map(of_paragraph).fold(0.0, f32::max) * style.size
    }

    /// Where the next line begins.
    pub fn down(&self) -> f32 {
        self.down
    }

    /// The next line begins here.
    pub fn go_to(&mut self, down: f32) {
        self.down = down;
    }

    /// How many lines a text takes in a column.
    pub fn count(&self, text: &str, style: Style, column: Column) -> usize {
        self.wrap(text, style, column.width).len()
    }

    /// Leaves room before the next line.
    pub fn space(&mut self, points: f32) {
        self.down += points;
    }

    /// Goes on to the next page where less room than this is left.
    pub fn keep_with_next(&mut self, points: f32) {
        if self.down + points > BOTTOM && self.down > TOP {
            self.pages += 1;
            self.down = TOP;
            self.repeat();
        }
    }

    /// Sets the cells that stand at the top of each new page, like the head of a table; no cells to stop it.
    pub fn repeat_on_new_pages(&mut self, cells: &[Cell]) {
        self.repeated = cells.iter().map(|(column, text, style)| (*column, (*text).to_owned(), *style)).collect();
    }

    fn repeat(&mut self) {
        let repeated = std::mem::take(&mut self.repeated);
        if let Some(leading) = repeated.iter().map(|(.., style)| style.leading()).reduce(f32::max) {
            self.down += leading;
            for (column, text, style) in &repeated {
                for (text, is_rtl) in self.wrap(text, *style, column.width).into_iter().take(1) {
                    self.line(*column, &text, is_rtl, *style, true);
                }
            }
            self.rule(1.5);
        }
        self.repeated = repeated;
    }

    /// Draws a line across the page, with room around it.
    pub fn rule(&mut self, around: f32) {
        self.down += around;
        self.rules.push(Rule { page: self.pages - 1, down: self.down, weight: 0.8, from: SIDE, to: SIDE + WIDTH });
        self.down += around;
    }

    /// Draws a thin line below a row.
    pub fn hairline(&mut self) {
        self.down += 1.5;
        self.rules.push(Rule { page: self.pages - 1, down: self.down, weight: 0.3, from: SIDE, to: SIDE + WIDTH });
        self.down += 1.0;
    }

    /// Notes a heading at this place for the outline.
    pub fn mark(&mut self, level: u16, text: &str) {
        self.marks.push(Mark { level, text: plain(text), page: self.pages - 1, down: self.down });
    }
}

#[cfg(test)]
mod tests {
    use super::{Column, GUTTER};

    #[test]
    fn columns_have_room_for_their_words() {
        let widths = |words: &[f32]| Column::fitting(words).iter().map(|column| column.width).collect::<Vec<_>>();
        let even = widths(&[10.0, 20.0]);
        assert!((even[0] + GUTTER - even[1]).abs() < 0.1, "{even:?}");
        let words = [200.0, 30.0, 40.0, 50.0];
        let own = widths(&words);
        assert!(own.iter().zip(words).all(|(width, word)| *width >= word), "{own:?}");
        // a word that has no room anywhere does not take that of the others
        let long = widths(&[900.0, 30.0]);
        assert!(long[0] > 400.0 && long[1] >= 30.0, "{long:?}");
    }
}
