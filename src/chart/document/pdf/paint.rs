//! Draws a sheet and writes the file: every line is a piece of the structure, or an artifact.

use super::PdfError;
use super::sheet::{FOOT, Line, Mark, Node, PAPER, Rule, Sheet, Style, WIDTH};
use krilla::SerializeSettings;
use krilla::color::luma;
use krilla::configure::{Accessibility, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::geom::{PathBuilder, Point};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, Identifier, SpanTag, TagGroup, TagTree};

const SIDE: f32 = (PAPER.0 - WIDTH) / 2.0;
const FOOTER: Style = Style { size: 8.0, bold: false, grey: true };

/// Writes the file. `footer` takes the number of a page and of all pages, and gives the words at the left and right of
/// its foot.
pub(super) fn paint(
    sheet: Sheet,
    root: Vec<Node>,
    title: &str,
    lang: &str,
    footer: impl Fn(usize, usize) -> [String; 2],
) -> Result<Vec<u8>, PdfError> {
    let configuration = ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish();
    let configuration = configuration.map_err(|_| PdfError("no such configuration".to_owned()))?;
    let mut document = krilla::Document::new_with(SerializeSettings { configuration, ..SerializeSettings::default() });
    let mut identifiers: Vec<Option<Identifier>> = sheet.lines.iter().map(|_| None).collect();
    for page in 0..sheet.pages {
        let size = PageSettings::from_wh(PAPER.0, PAPER.1).ok_or_else(|| PdfError("no such paper".to_owned()))?;
        let mut open = document.start_page_with(size);
        let mut surface = open.surface();
        for rule in sheet.rules.iter().filter(|rule| rule.page == page) {
            draw_rule(&mut surface, rule);
        }
        for (line, identifier) in sheet.lines.iter().zip(&mut identifiers).filter(|(line, _)| line.page == page) {
            *identifier = draw(&mut surface, &sheet, line);
        }
        let [left, right] = footer(page + 1, sheet.pages);
        let width = sheet.faces.width(&right, FOOTER.bold) * FOOTER.size;
        for (text, left) in [(left, SIDE), (right, SIDE + WIDTH - width)] {
            let text = super::faces::plain(&text);
            let is_rtl = super::faces::is_rtl(&text);
            draw(&mut surface, &sheet, &Line { page, left, down: FOOT, text, is_rtl, style: FOOTER, artifact: true });
        }
        surface.finish();
        open.finish();
    }
    let mut tree = TagTree::new().with_lang(Some(lang.to_owned()));
    for node in root {
        if let Some(group) = group(node, &mut identifiers) {
            tree.push(group);
        }
    }
    document.set_tag_tree(tree);
    document.set_outline(outline(&sheet.marks));
    let title = super::faces::plain(title);
    document.set_metadata(Metadata::new().title(title).language(lang.to_owned()).creator("Postern".to_owned()));
    // an error of krilla names glyphs and places, and glyphs are content of the document
    document.finish().map_err(|_| PdfError("it would not keep to PDF/UA-1".to_owned()))
}

fn grey(style: Style) -> Fill {
    // at least 5.6 to 1 on white (WCAG 2.2, 1.4.3)
    let shade = if style.grey { 96 } else { 0 };
    Fill { paint: luma::Color::new(shade).into(), opacity: NormalizedF32::ONE, rule: Default::default() }
}

fn draw(surface: &mut Surface, sheet: &Sheet, line: &Line) -> Option<Identifier> {
    let shown = sheet.faces.shown(&line.text);
    if shown.is_empty() {
        return None;
    }
    let tag = match line.artifact {
        true if line.down == FOOT => ContentTag::Artifact(Artifact::with_kind(ArtifactType::Footer)),
        true => ContentTag::Artifact(Artifact::with_kind(ArtifactType::PaginationOther)),
        false => ContentTag::Span(SpanTag::empty().with_actual_text((shown != line.text).then_some(&line.text))),
    };
    let identifier = surface.start_tagged(tag);
    surface.set_fill(Some(grey(line.style)));
    let (mut left, size) = (line.left, line.style.size);
    for piece in sheet.faces.shape(&shown, line.style.bold, line.is_rtl) {
        let start = Point::from_xy(left, line.down);
        surface.draw_glyphs(start, &piece.glyphs, piece.font, piece.text, size, false);
        left += piece.width * size;
    }
    surface.end_tagged();
    (!line.artifact).then_some(identifier)
}

fn draw_rule(surface: &mut Surface, rule: &Rule) {
    let mut path = PathBuilder::new();
    path.move_to(rule.from, rule.down);
    path.line_to(rule.to, rule.down);
    let Some(path) = path.finish() else { return };
    surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)));
    surface.set_fill(None);
    surface.set_stroke(Some(Stroke { paint: luma::Color::new(96).into(), width: rule.weight, ..Stroke::default() }));
    surface.draw_path(&path);
    surface.set_stroke(None);
    surface.end_tagged();
}

/// The structure below a node, as a group of tags.
fn group(node: Node, identifiers: &mut [Option<Identifier>]) -> Option<TagGroup> {
    match node {
        Node::Group(tag, children) => {
            let mut group = TagGroup::new(tag);
            for child in children.into_iter().filter_map(|child| self::group(child, identifiers)) {
                group.push(child);
            }
            (!group.children.is_empty()).then_some(group)
        }
        Node::Lines(tag, lines) => {
            let mut group = TagGroup::new(tag);
            for line in lines {
                if let Some(identifier) = identifiers.get_mut(line).and_then(Option::take) {
                    group.push(identifier);
                }
            }
            Some(group)
        }
    }
}

/// The outline: the title, and below it the headings.
fn outline(marks: &[Mark]) -> Outline {
    let node = |mark: &Mark| {
        let place = XyzDestination::new(mark.page, Point::from_xy(0.0, mark.down));
        OutlineNode::new(mark.text.clone(), place)
    };
    let mut outline = Outline::new();
    let mut top: Option<OutlineNode> = None;
    for mark in marks {
        match &mut top {
            Some(above) if mark.level > 1 => above.push_child(node(mark)),
            _ => {
                if let Some(before) = top.replace(node(mark)) {
                    outline.push_child(before);
                }
            }
        }
    }
    if let Some(last) = top {
        outline.push_child(last);
    }
    outline
}
