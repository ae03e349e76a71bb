//! Puts what was typed back into a form of a page that is rendered already: one mechanism for every form, also for
//! those that keep no draft.

use crate::clinic::composing::rich_text::RichText;
use crate::http::Form;
use askama::filters::{Escaper, Html};
use lol_html::errors::RewritingError;
use lol_html::html_content::{ContentType, Element};
use lol_html::{HandlerResult, RewriteStrSettings, element, rewrite_str};
use std::cell::{Cell, RefCell};

/// Kinds of fields that are not filled again: buttons and files, which nobody types, and passwords, which are never
/// kept.
const NOT_TYPED: &[&str] = &["file", "password", "submit", "button"];

/// The page, with the form that is sent to `action` filled in, and `said` as a notice at its top. A page without such a
/// form stays as it is.
///
/// # Errors
/// Where the page is not HTML as our templates write it.
pub fn refill(html: &str, action: &str, form: &Form, said: &str) -> Result<String, RewritingError> {
    let Some(meant) = position(html, action)? else { return Ok(html.to_owned()) };
    let (at, select) = (Cell::new(0), RefCell::new(String::new()));
    let typed = RefCell::new(Typed { form, left: form.pairs().to_vec() });
    let settings = RewriteStrSettings::new()
        .append_element_content_handler(element!("main", |main| {
            let notice = format!("<p class=\"flash\" role=\"status\">{}</p>", escaped(said));
            main.prepend(&notice, ContentType::Html);
            Ok(())
        }))
        .append_element_content_handler(element!("form", |_form| {
            at.set(at.get() + 1);
            Ok(())
        }))
        .append_element_content_handler(element!("form select", |menu| {
            select.replace(menu.get_attribute("name").unwrap_or_default());
            Ok(())
        }))
        .append_element_content_handler(element!("form input, form textarea, form select option", |field| {
            if at.get() == meant {
                typed.borrow_mut().fill(field, &select.borrow())?;
            }
            Ok(())
        }));
    rewrite_str(html, settings)
}

/// Which form of the page, counted from one, is sent to `action`, by itself or by one of its buttons.
fn position(html: &str, action: &str) -> Result<Option<usize>, RewritingError> {
    let (at, found) = (Cell::new(0), Cell::new(None));
    let look = |element: &Element, attribute: &str| {
        if found.get().is_none() && element.get_attribute(attribute).is_some_and(|to| to == escaped(action)) {
            found.set(Some(at.get()));
        }
    };
    let settings = RewriteStrSettings::new()
        .append_element_content_handler(element!("form", |form| {
            at.set(at.get() + 1);
            look(form, "action");
            Ok(())
        }))
        .append_element_content_handler(element!("form [formaction]", |button| {
            look(button, "formaction");
            Ok(())
        }));
    rewrite_str(html, settings)?;
    Ok(found.get())
}

/// What was typed; where several fields have the same name, each takes the next value.
struct Typed<'a> {
    form: &'a Form,
    left: Vec<(String, String)>,
}

impl Typed<'_> {
    fn next(&mut self, name: &str) -> Option<String> {
        let at = self.left.iter().position(|(typed, _)| typed == name)?;
        Some(self.left.remove(at).1)
    }

    fn fill(&mut self, field: &mut Element, select: &str) -> HandlerResult {
        let name = field.get_attribute("name").unwrap_or_default();
        let value = field.get_attribute("value");
        match (field.tag_name().as_str(), field.get_attribute("type").as_deref().unwrap_or("text")) {
            ("option", _) if self.form.has(select) => self.mark(field, select, "selected", &value.unwrap_or_default()),
            ("option", _) => Ok(()),
            ("textarea", _) if field.has_attribute("data-rich") => {
                let rich = RichText::typed(self.form);
                field.set_attribute("data-html", &escaped(&rich.html))?;
                text(field, &rich.markdown);
                Ok(())
            }
            ("textarea", _) => {
                self.next(&name).iter().for_each(|typed| text(field, typed));
                Ok(())
            }
            (_, kind) if NOT_TYPED.contains(&kind) => Ok(()),
            (_, "checkbox" | "radio") => self.mark(field, &name, "checked", value.as_deref().unwrap_or("on")),
            _ => match self.next(&name) {
                Some(typed) => Ok(field.set_attribute("value", &escaped(&typed))?),
                None => Ok(()),
            },
        }
    }

    /// Marks the field as chosen where this value was sent.
    fn mark(&self, field: &mut Element, name: &str, word: &str, value: &str) -> HandlerResult {
        match self.form.all(name).any(|typed| escaped(typed) == value) {
            true => Ok(field.set_attribute(word, "")?),
            false => {
                field.remove_attribute(word);
                Ok(())
            }
        }
    }
}

/// HTML drops the first line end in a text area, so one is written before the text.
fn text(area: &mut Element, typed: &str) {
    area.set_inner_content(&format!("\n{typed}"), ContentType::Text);
}

/// Escapes as our templates do, so that a value can be compared with the page.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // writing to a string does not fail
    let _ = Html.write_escaped_str(&mut out, text);
    out
}
