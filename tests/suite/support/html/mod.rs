//! A page as it was sent, read as a browser without JavaScript reads it.

mod form;
#[cfg(test)]
mod tests;

pub use form::{Form, OnEnter};
use scraper::{ElementRef, Html, Node, Selector};

/// Tags that do not separate words; all others do.
const INLINE: [&str; 25] = [
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "del", "dfn", "em", "i", "ins", "kbd", "label", "mark",
    "q", "s", "small", "span", "strong", "sub", "sup", "time", "u",
];

pub struct Page {
    html: Html,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub text: String,
    pub href: String,
}

impl Page {
    pub fn parse(html: &str) -> Page {
        Page { html: Html::parse_document(html) }
    }

    /// The visible text, runs of white space as one space.
    pub fn text(&self) -> String {
        text(self.html.root_element())
    }

    pub fn has_text(&self, wanted: &str) -> bool {
        self.text().contains(&spaces_as_one(wanted))
    }

    pub fn title(&self) -> String {
        spaces_as_one(&self.only("title").text().collect::<String>())
    }

    pub fn has(&self, css: &str) -> bool {
        self.count(css) > 0
    }

    pub fn count(&self, css: &str) -> usize {
        self.html.select(&selector(css)).count()
    }

    /// The visible text of the one element of this selector.
    pub fn text_of(&self, css: &str) -> String {
        text(self.only(css))
    }

    /// The visible texts of all elements of this selector, in order.
    pub fn texts_of(&self, css: &str) -> Vec<String> {
        self.html.select(&selector(css)).map(text).collect()
    }

    /// An attribute of the one element of this selector.
    pub fn attr(&self, css: &str, name: &str) -> Option<String> {
        self.only(css).attr(name).map(str::to_owned)
    }

    /// An attribute of each element of this selector that has it, in order.
    pub fn attrs_of(&self, css: &str, name: &str) -> Vec<String> {
        self.html.select(&selector(css)).filter_map(|e| e.attr(name).map(str::to_owned)).collect()
    }

    pub fn links(&self) -> Vec<Link> {
        let link = |a: ElementRef| Link { text: text(a), href: a.attr("href").unwrap_or_default().to_owned() };
        self.html.select(&selector("a[href]")).filter(|a| is_shown(*a)).map(link).collect()
    }

    /// The address of the link with this text; if there are several, they must have the same address.
    pub fn link(&self, text: &str) -> String {
        let mut found: Vec<_> = self.links().into_iter().filter(|link| link.text == text).collect();
        found.dedup();
        match found.as_slice() {
            [link] => link.href.clone(),
            _ => panic!("not one link {text:?} in {:?}", self.links()),
        }
    }

    /// The visible label of the one control of this selector, without the mark for required fields.
    pub fn label_of(&self, css: &str) -> String {
        let control = self.only(css);
        let by_for = control.attr("id").map(|id| format!("label[for=\"{id}\"]"));
        let by_aria = control
            .attr("aria-labelledby")
            .map(|ids| ids.split_whitespace().map(|id| format!("[id=\"{id}\"]")).collect::<Vec<_>>().join(","));
        let around = control.ancestors().filter_map(ElementRef::wrap).find(|e| e.value().name() == "label");
        let pointed_at =
            by_for.into_iter().chain(by_aria).flat_map(|css| self.html.select(&selector(&css)).collect::<Vec<_>>());
        let labels: Vec<String> =
            around.into_iter().chain(pointed_at).filter(|e| is_shown(*e)).map(label_text).collect();
        assert!(!labels.is_empty(), "{css} has no visible label: {}", control.html());
        labels.join(" ")
    }

    /// All forms, each as it would be submitted by pressing Enter in it.
    pub fn forms(&self) -> Vec<Form> {
        self.html.select(&selector("form")).map(|form| Form::read(&self.html, form)).collect()
    }

    /// The one form of this selector, as it would be submitted by pressing Enter in it.
    pub fn form(&self, css: &str) -> Form {
        Form::read(&self.html, self.only(css))
    }

    /// The one form with a button of these words, as it would be submitted by pressing that button.
    pub fn form_with(&self, button: &str) -> Form {
        let mut found = self.forms();
        found.retain(|form| form.buttons().contains(&button));
        assert!(found.len() == 1, "{} forms with a button {button:?} in: {}", found.len(), self.text());
        let mut form = found.remove(0);
        form.press(button);
        form
    }

    fn only(&self, css: &str) -> ElementRef<'_> {
        let found: Vec<_> = self.html.select(&selector(css)).collect();
        assert!(found.len() == 1, "{} elements {css} in: {}", found.len(), self.html.html());
        found[0]
    }
}

fn ancestors(element: ElementRef<'_>) -> impl Iterator<Item = ElementRef<'_>> {
    element.ancestors().filter_map(ElementRef::wrap)
}

fn text_or_name(element: ElementRef) -> String {
    let text = text(element);
    if text.is_empty() { element.attr("aria-label").unwrap_or_default().to_owned() } else { text }
}

fn label_text(label: ElementRef) -> String {
    let mut out = String::new();
    collect(label, &|e| matches!(e.value().name(), "input" | "select" | "textarea" | "button"), &mut out);
    spaces_as_one(&out).trim_end_matches(['*', ':']).trim_end().to_owned()
}

fn text(element: ElementRef) -> String {
    let mut out = String::new();
    collect(element, &|_| false, &mut out);
    spaces_as_one(&out)
}

fn collect(element: ElementRef, leave_out: &dyn Fn(ElementRef) -> bool, out: &mut String) {
    for child in element.children() {
        if let Node::Text(text) = child.value() {
            out.push_str(text);
        } else if let Some(child) = ElementRef::wrap(child).filter(|e| is_shown_itself(*e) && !leave_out(*e)) {
            let parts_words = !INLINE.contains(&child.value().name());
            if parts_words {
                out.push(' ');
            }
            collect(child, leave_out, out);
            if parts_words {
                out.push(' ');
            }
        }
    }
}

/// Whether the markup shows the element; what style sheets hide is not known here.
fn is_shown(element: ElementRef) -> bool {
    is_shown_itself(element) && ancestors(element).all(is_shown_itself)
}

fn is_shown_itself(element: ElementRef) -> bool {
    let closed_dialog = element.value().name() == "dialog" && element.attr("open").is_none();
    let never = matches!(element.value().name(), "head" | "script" | "style" | "template" | "datalist");
    !never && !closed_dialog && element.attr("hidden").is_none()
}

fn selector(css: &str) -> Selector {
    Selector::parse(css).unwrap_or_else(|e| panic!("{css}: {e}"))
}

fn spaces_as_one(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
