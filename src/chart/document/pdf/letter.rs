//! A letter on letter paper for a Canadian number 10 window envelope (9½ × 4⅛ inches), folded in three.
//!
//! The window is 4½ × 1⅛ inches, ⅞ inch from the left and ½ inch from the bottom. The sheet is one inch narrower than the envelope,
//! and a third of it is 0.458 inches lower: it may lie anywhere in between. The address stands where it shows in every position,
//! and nothing else does.

use super::super::Part;
use super::super::letter::{Enclosed, Letter};
use super::sheet::{Column, Node, Rule, Sheet, Style};
use super::{CLINIC, HEADING, PdfError, SMALL, heading, is_blank, paint, part_of};
use krilla::tagging::Tag;

/// Points in an inch.
const INCH: f32 = 72.0;
/// The left edge and the width of the address: within the window wherever the sheet lies from left to right.
const LEFT: f32 = 0.95 * INCH;
const WIDTH: f32 = 3.4 * INCH;
/// The lower edge of the last line of the address: above that of the window where the sheet lies on the bottom, as it does by its
/// weight. Three lines show in its highest position too, six in this one.
const LAST: f32 = 3.16 * INCH;
const ADDRESS: Style = Style { size: 9.5, bold: false, grey: false };
/// So many lines show at least in that position.
const MOST: usize = 6;
/// The lower edge of the clinic's head: above all that the window shows in any position.
const HEAD_ENDS: f32 = 1.95 * INCH;
/// The first line of the text: below all that the window shows.
const TEXT_BEGINS: f32 = 3.85 * INCH;
/// Folded in three.
const FOLDS: [f32; 2] = [11.0 / 3.0 * INCH, 22.0 / 3.0 * INCH];
/// From here to there at the left edge stands the mark of a fold.
const MARK: (f32, f32) = (14.0, 28.0);

const TITLE: Style = Style { size: 13.0, bold: true, grey: false };
const WORDS: Style = Style { size: 11.0, bold: false, grey: false };

/// The part of the sheet that shows through the window.
fn window() -> Column {
    Column::at(LEFT, WIDTH)
}

/// How many lines a name and an address take in the window.
fn shown(sheet: &Sheet, recipient: &[String]) -> usize {
    recipient.iter().map(|line| sheet.count(line, ADDRESS, window())).sum()
}

impl Letter {
    /// Whether a name and an address, a line each, show whole through the window. Takes about a millisecond of computing.
    pub fn fits(recipient: &[String]) -> bool {
        Sheet::new().is_ok_and(|sheet| shown(&sheet, recipient) <= MOST)
    }

    /// The letter as a tagged PDF that keeps to PDF/UA-1. The pages of one that has several say whose they are, and have numbers.
    /// Takes milliseconds of computing: do not call it on an async thread.
    ///
    /// # Errors
    /// When the file would not keep to PDF/UA-1.
    pub fn pdf(&self) -> Result<Vec<u8>, PdfError> {
        let (sheet, root) = self.laid_out()?;
        let footer = |page: usize, pages: usize| match pages {
            1 => [String::new(), String::new()],
            _ => {
                let number = self.lang.t2("document-page", "number", page, "total", pages);
                [self.recipient.first().cloned().unwrap_or_default(), number]
            }
        };
        paint::paint(sheet, root, &self.title, self.lang.code(), footer)
    }

    fn laid_out(&self) -> Result<(Sheet, Vec<Node>), PdfError> {
        let mut sheet = Sheet::new()?;
        let mut root = Vec::new();
        for (line, text) in self.clinic.iter().enumerate() {
            let style = if line == 0 { CLINIC } else { SMALL };
            if sheet.down() + style.leading() > HEAD_ENDS {
                break;
            }
            root.push(sheet.block(Tag::P, text, style));
        }
        sheet.go_to(LAST - shown(&sheet, &self.recipient) as f32 * ADDRESS.leading());
        let mut address = Vec::new();
        for line in &self.recipient {
            address.extend(sheet.row(&[(window(), line.as_str(), ADDRESS)]).into_iter().flatten());
        }
        root.push(Node::lines(Tag::P, address));
        for down in FOLDS {
            sheet.rules.push(Rule { page: 0, down, weight: 0.5, from: MARK.0, to: MARK.1 });
        }
        sheet.go_to(TEXT_BEGINS);
        root.push(sheet.block(Tag::P, &self.date, WORDS));
        sheet.space(14.0);
        root.push(heading(&mut sheet, 1, &self.title, TITLE));
        paragraphs(&mut sheet, &mut root, &self.paragraphs);
        if let Some(message) = &self.enclosed {
            enclose(&mut sheet, &mut root, message);
        }
        paragraphs(&mut sheet, &mut root, &self.closing);
        Ok((sheet, root))
    }
}

fn paragraphs(sheet: &mut Sheet, root: &mut Vec<Node>, texts: &[String]) {
    for text in texts {
        sheet.space(8.0);
        root.push(sheet.block(Tag::P, text, WORDS));
    }
}

/// The message between two lines, so that nobody takes its words for those of the letter.
fn enclose(sheet: &mut Sheet, root: &mut Vec<Node>, message: &Enclosed) {
    sheet.rule(10.0);
    // PDF/UA-1 demands words in every heading
    if !is_blank(&message.title) {
        root.push(heading(sheet, 2, &message.title, HEADING));
    }
    root.push(sheet.block(Tag::P, &message.about, SMALL));
    sheet.space(6.0);
    root.extend(message.parts.iter().map(|part| part_of(sheet, part)));
    if !message.files.is_empty() {
        root.push(sheet.block(Tag::P, &message.files_say, WORDS));
        root.push(part_of(sheet, &Part::List(message.files.clone())));
    }
    sheet.rule(6.0);
}

#[cfg(test)]
mod tests {
    use super::super::super::Part;
    use super::super::super::letter::{Enclosed, Letter};
    use super::{ADDRESS, INCH};
    use crate::text::Lang;

    fn letter(lines: &[&str], clinic: usize) -> Letter {
        Letter {
            lang: Lang::or_english("fr"),
            clinic: (0..clinic).map(|line| format!("Clinique des Érables, ligne {line}")).collect(),
            recipient: lines.iter().map(|line| (*line).to_owned()).collect(),
            date: "30 novembre 2026".into(),
            title: "Un message vous attend".into(),
            paragraphs: vec!["Un message vous attend. ".repeat(20)],
            enclosed: None,
            closing: vec!["Clinique des Érables".into()],
        }
    }

    /// Wherever the sheet lies in its envelope, the window shows the address, and nothing else.
    #[test]
    fn the_window_shows_the_address_and_nothing_else() {
        let three = ["María Mejía", "12, rue des Érables, app. 4", "Montréal QC  H2X 1Y4"];
        for (lines, clinic) in [(&three[..], 3), (&three[..], 12), (&three[1..], 0)] {
            let (sheet, _) = letter(lines, clinic).laid_out().unwrap();
            assert_eq!(sheet.pages, 1);
            for line in &sheet.lines {
                let (above, below) = (line.down - line.style.size, line.down + line.style.size * 0.25);
                let right = line.left + sheet.faces.width(&line.text, line.style.bold) * line.style.size;
                if lines.contains(&line.text.as_str()) {
                    assert!(
                        line.left > 0.875 * INCH && right < 4.375 * INCH,
                        "{} from {} to {right}",
                        line.text,
                        line.left
                    );
                    // the sheet lies at the top of the envelope, or on its bottom
                    assert!(above > 2.5 * INCH && below < 3.1667 * INCH, "{} from {above} to {below}", line.text);
                } else {
                    assert!(below < 2.0417 * INCH || above > 3.625 * INCH, "{} from {above} to {below}", line.text);
                }
            }
        }
    }

    /// A long address shows where the sheet lies on the bottom of the envelope, and what is too long is broken.
    #[test]
    fn a_long_address_is_shown_too() {
        let long = "Résidence du Vieux-Moulin-de-la-Rivière, appartement numéro 1204";
        let lines = ["María Mejía", long, "12, rue des Érables", "Montréal QC  H2X 1Y4", "CANADA"];
        let six = letter(&lines, 4);
        assert!(Letter::fits(&six.recipient));
        let (sheet, _) = six.laid_out().unwrap();
        let of_address = |size: f32| size == ADDRESS.size;
        let address: Vec<_> = sheet.lines.iter().filter(|line| of_address(line.style.size)).collect();
        assert_eq!(address.len(), 6);
        assert!(address.iter().all(|line| line.down - line.style.size > 2.0417 * INCH && line.down < 3.1667 * INCH));
    }

    /// What is longer is refused before it is printed; no line of it is ever left out.
    #[test]
    fn no_line_of_an_address_is_left_out() {
        let long = "Résidence du Vieux-Moulin-de-la-Rivière, appartement numéro 1204";
        let seven = letter(&["María Mejía", long, long, "Montréal QC  H2X 1Y4", "CANADA"], 4);
        assert!(!Letter::fits(&seven.recipient));
        let (sheet, _) = seven.laid_out().unwrap();
        assert!(["María Mejía", "CANADA"].iter().all(|part| sheet.lines.iter().any(|line| line.text == *part)));
    }

    /// A message may be longer than a page: the address stands on the first one, where it shows, and all words are there.
    #[test]
    fn a_whole_message_goes_on_over_pages() {
        let lines = ["María Mejía", "12, rue des Érables, app. 4", "Montréal QC  H2X 1Y4"];
        let mut long = letter(&lines, 3);
        let parts = (0..60).map(|n| Part::Paragraph(format!("Paragraphe {n} du message."))).collect();
        let (files_say, files) = ("Ces fichiers font partie du message.".into(), vec!["plan.pdf".into()]);
        long.enclosed =
            Some(Enclosed { title: "Vos résultats".into(), about: "Clinique".into(), parts, files_say, files });
        let (sheet, _) = long.laid_out().unwrap();
        assert!(sheet.pages > 1, "{} pages", sheet.pages);
        for line in &sheet.lines {
            let (above, below) = (line.down - line.style.size, line.down + line.style.size * 0.25);
            if lines.contains(&line.text.as_str()) {
                assert!(
                    line.page == 0 && above > 2.5 * INCH && below < 3.1667 * INCH,
                    "{} on {}",
                    line.text,
                    line.page
                );
            } else if line.page == 0 {
                assert!(below < 2.0417 * INCH || above > 3.625 * INCH, "{} from {above} to {below}", line.text);
            }
        }
        for words in ["Paragraphe 0 du message.", "Paragraphe 59 du message.", "plan.pdf", "Clinique des Érables"] {
            assert_eq!(sheet.lines.iter().filter(|line| line.text == words).count(), 1, "{words}");
        }
        // the marks to fold at are those of the first page
        assert!(sheet.rules.iter().filter(|rule| rule.to < 40.0).all(|rule| rule.page == 0));
        assert!(long.pdf().unwrap().starts_with(b"%PDF-"));
    }

    #[test]
    fn the_same_letter_gives_the_same_file() {
        let letter = letter(&["María Mejía", "12, rue des Érables"], 3);
        let pdf = letter.pdf().unwrap();
        assert!(pdf.starts_with(b"%PDF-") && pdf == letter.pdf().unwrap());
    }
}
