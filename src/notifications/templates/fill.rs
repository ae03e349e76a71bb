//! A wording with its values in place: as a text message, or as the two parts of an email.

use super::NotificationTemplate;
use super::placeholder::{Piece, Placeholder, pieces};
use crate::text::{self, CleanHtml, Lang, markdown};
use askama::Template;
use pulldown_cmark::{CowStr, Event, LinkType, Tag, TagEnd};

/// The values of the placeholders: a notification can say nothing else. They are text, not markup.
#[derive(Debug, Clone, Copy, Default)]
pub struct Values<'a> {
    /// the clinic's name
    pub clinic: &'a str,
    /// the clinic's telephone number; where it is empty, a paragraph that names it is left out
    pub phone: &'a str,
    /// the patient's name, see [`safe_name`]
    pub name: &'a str,
    /// whether to say whom it is for, because others have the same address
    pub for_whom: bool,
    /// the portal link
    pub link: &'a str,
    /// the passcode
    pub passcode: &'a str,
    /// until when the link or the passcode works
    pub expiry: &'a str,
    /// the clinic's postal address, for the foot of an email
    pub address: &'a str,
    /// the word that was chosen with the patient, so that they know the clinic's notifications; empty: none
    pub own_word: &'a str,
    /// where the portal says how to know a real notification, without the scheme: to be typed, not pressed; empty: nowhere
    pub real_at: &'a str,
}

impl<'a> Values<'a> {
    fn value(&self, one: Placeholder) -> &'a str {
        match one {
            Placeholder::Clinic => self.clinic,
            Placeholder::Phone => self.phone,
            Placeholder::Name => self.name,
            Placeholder::Link => self.link,
            Placeholder::Passcode => self.passcode,
            Placeholder::Expiry => self.expiry,
        }
    }

    fn fill(&self, text: &str) -> String {
        let part = |piece| match piece {
            Piece::Text(text) => text,
            Piece::Named(name) => name.parse().map_or("", |one| self.value(one)),
            Piece::Brace => "",
        };
        pieces(text).into_iter().map(part).collect()
    }
}

/// A patient's name as a notification may contain it: letters, spaces, hyphens and apostrophes, at most 40 characters,
/// so that a name in a chart can never be an address that a mail program turns into a link.
pub fn safe_name(name: &str) -> String {
    let kept =
        |c: &char| c.is_alphabetic() || unicode_normalization::char::is_combining_mark(*c) || " -'’".contains(*c);
    let kept: String = name.chars().filter(kept).take(40).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Who writes, for the foot of an email: the clinic's name, postal address and telephone number, as far as they are set.
pub fn sender_line(clinic: &str, address: &str, phone: &str) -> String {
    let address = address.lines().map(str::trim).collect::<Vec<_>>().join(", ");
    let parts = [clinic, address.as_str(), phone].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" · ")
}

/// The place of an origin as people type it into their browser: without the scheme.
pub fn typed_address(origin: &str) -> &str {
    origin.split_once("://").map_or(origin, |(_, host)| host)
}

/// One email's words.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// subject
    pub subject: String,
    /// plain part
    pub text: String,
    /// HTML part, a whole document
    pub html: String,
}

/// One email before it is put into its document.
pub struct EmailWords {
    /// subject
    pub subject: String,
    /// plain part
    pub text: String,
    /// the content of the HTML part
    pub html: CleanHtml,
    /// the lines below both parts: who writes, why, and how to know that it is real
    pub foot: Vec<String>,
}

#[derive(Template)]
#[template(path = "emails/notification.html")]
struct Document<'a> {
    lang: Lang,
    clinic: &'a str,
    html: &'a CleanHtml,
    foot: &'a [String],
}

impl NotificationTemplate {
    /// As a text message. The link or the passcode must be in the first part of a long text: if it is not, it is moved
    /// before the words, if that helps.
    pub fn text(&self, values: &Values) -> String {
        let body = self.body_for(values, "\n");
        let whole = values.fill(&body);
        let secret = self.slot().required().map_or("", |one| values.value(one));
        if secret.is_empty() || text::in_first_part(&whole, secret) {
            return whole;
        }
        let words = Values { link: "", passcode: "", ..*values }.fill(&body);
        let words =
            words.lines().map(|line| line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "));
        let moved = format!("{secret}\n{}", words.collect::<Vec<_>>().join("\n").trim());
        if text::in_first_part(&moved, secret) { moved } else { whole }
    }

    /// As an email.
    ///
    /// # Errors
    /// When the document around it cannot be rendered.
    pub fn email(&self, values: &Values) -> askama::Result<Rendered> {
        let EmailWords { subject, text, html, foot } = self.email_words(values);
        let html = html.with_button_style();
        let html = Document { lang: self.slot().lang, clinic: values.clinic, html: &html, foot: &foot }.render()?;
        // "-- " begins a signature (RFC 3676, 4.3)
        let text = format!("{text}\n-- \n{}\n", foot.join("\n"));
        Ok(Rendered { subject, text, html })
    }

    /// As an email, without the document around its HTML.
    pub fn email_words(&self, values: &Values) -> EmailWords {
        let body = self.body_for(values, "\n\n");
        let button = self.slot().lang.t("mail-waiting-button");
        let events: Vec<Event> = substituted(&body, values, button);
        let html = CleanHtml::from_events(events.iter().cloned()).with_button(values.link);
        let text = plain(events, values.link, button);
        EmailWords { subject: values.fill(self.subject()), text, html, foot: self.foot(values) }
    }

    /// What stands below every email to a patient, whatever the clinic's own words are.
    fn foot(&self, values: &Values) -> Vec<String> {
        let lang = self.slot().lang;
        let sender = sender_line(values.clinic, values.address, values.phone);
        let mut foot = vec![sender, lang.t1("mail-why", "clinic", values.clinic), lang.t("mail-real").to_owned()];
        if !values.real_at.is_empty() {
            foot.push(lang.t1("mail-real-page", "address", values.real_at));
        }
        foot
    }

    /// The body, without paragraphs or lines that name a telephone number which the clinic does not have, unless they
    /// hold the link or the passcode. Whom it is for stands first, where it has to be said and the wording does not say
    /// it, then the word by which the patient knows it.
    fn body_for(&self, values: &Values, between: &str) -> String {
        let has = |part: &str, one: Placeholder| pieces(part).contains(&Piece::Named(one.as_str()));
        let names_it =
            |part: &&str| has(part, Placeholder::Phone) && !self.slot().required().is_some_and(|one| has(part, one));
        let parts = self.body().split(between).filter(|part| !values.phone.is_empty() || !names_it(part));
        let says = values.for_whom && !self.has_name();
        let for_whom = says.then(|| self.slot().lang.t1("notification-for", "name", Placeholder::Name.written()));
        let lang = self.slot().lang;
        let word = (!values.own_word.is_empty()).then(|| lang.t1("notification-own-word", "word", values.own_word));
        for_whom.iter().chain(&word).map(String::as_str).chain(parts).collect::<Vec<_>>().join(between)
    }

    /// Whether the wording contains the patient's name.
    pub fn has_name(&self) -> bool {
        let name = Piece::Named(Placeholder::Name.as_str());
        pieces(self.subject()).contains(&name) || pieces(self.body()).contains(&name)
    }
}

/// The Markdown of a body with the values in place. They are put into the parsed text and not into the source, so that
/// a star or a bracket in a clinic's name stays one. HTML in a body is shown as it was typed.
fn substituted<'a>(body: &'a str, values: &Values<'a>, button: &'a str) -> Vec<Event<'a>> {
    let mut in_link = 0usize;
    let mut out = Vec::new();
    for event in markdown::read(body) {
        match event {
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                in_link += 1;
                let dest_url = CowStr::from(values.fill(&dest_url));
                out.push(Event::Start(Tag::Link { link_type, dest_url, title: values.fill(&title).into(), id }));
            }
            Event::End(TagEnd::Link) => {
                in_link -= 1;
                out.push(Event::End(TagEnd::Link));
            }
            Event::Text(text) if in_link == 0 => out.extend(with_button(&text, values, button)),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                out.push(Event::Text(values.fill(&text).into()));
            }
            Event::Code(text) => out.push(Event::Code(values.fill(&text).into())),
            other => out.push(other),
        }
    }
    out
}

/// Fills in one text; a bare link becomes a button.
fn with_button<'a>(text: &str, values: &Values<'a>, button: &'a str) -> Vec<Event<'a>> {
    let mut out = Vec::new();
    for piece in pieces(text) {
        match piece {
            Piece::Named(name) if name == Placeholder::Link.as_str() => {
                let dest_url = CowStr::from(values.link);
                let (title, id) = (CowStr::from(""), CowStr::from(""));
                out.push(Event::Start(Tag::Link { link_type: LinkType::Inline, dest_url, title, id }));
                out.push(Event::Text(button.into()));
                out.push(Event::End(TagEnd::Link));
            }
            Piece::Named(name) => {
                let value = name.parse().map_or("", |one| values.value(one));
                out.push(Event::Text(value.into()));
            }
            Piece::Text(text) => out.push(Event::Text(text.to_owned().into())),
            Piece::Brace => {}
        }
    }
    out
}

/// The same words without markup, for the plain part: blank lines between paragraphs, addresses written out.
fn plain(events: Vec<Event>, button_link: &str, button: &str) -> String {
    let mut out = String::new();
    let mut links: Vec<(String, usize)> = Vec::new();
    let mut lists: Vec<Option<u64>> = Vec::new();
    for event in events {
        match event {
            Event::Start(Tag::Link { dest_url, .. }) => links.push((dest_url.into_string(), out.len())),
            Event::End(TagEnd::Link) => {
                let Some((address, from)) = links.pop() else { continue };
                let label = out.split_off(from);
                let bare = label == address || (address == button_link && label == button);
                out += &if bare { address } else { format!("{label}: {address}") };
            }
            Event::Start(Tag::List(first)) => lists.push(first),
            Event::Start(Tag::Item) => match lists.last_mut() {
                Some(Some(number)) => {
                    out += &format!("{number}. ");
                    *number = number.saturating_add(1);
                }
                _ => out += "- ",
            },
            Event::Text(text) | Event::Code(text) => out += &text,
            Event::SoftBreak | Event::HardBreak | Event::End(TagEnd::Item | TagEnd::TableRow) => out.push('\n'),
            Event::End(TagEnd::TableCell) => out.push(' '),
            Event::End(TagEnd::List(_)) => {
                lists.pop();
                out += "\n\n";
            }
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::Table) | Event::Rule => {
                out += "\n\n"
            }
            _ => {}
        }
    }
    let mut lines: Vec<&str> = out.lines().map(str::trim_end).collect();
    lines.dedup_by(|a, b| a.is_empty() && b.is_empty());
    lines.join("\n").trim().to_owned() + "\n"
}
