//! The templates that a new clinic starts with, in each language that has a file here.

use super::{Content, save};
use crate::db::schema::message_templates as t;
use crate::db::{DbError, Ts, Tx};
use crate::text::CleanHtml;
use crate::values::Title;
use diesel::prelude::*;
use serde::Deserialize;

const FILES: [(&str, &str); 2] = [("en", include_str!("starter/en.toml")), ("fr", include_str!("starter/fr.toml"))];

#[derive(Deserialize)]
struct File {
    template: Vec<Starter>,
}

#[derive(Deserialize)]
struct Starter {
    name: String,
    category: String,
    title: String,
    replies: String,
    /// Markdown
    body: String,
}

/// Adds the starter templates to a clinic that has never had a template: they can be changed and retired like any
/// other.
pub fn add_starters(tx: &mut Tx, now: Ts) -> Result<(), DbError> {
    let some: Option<i64> = t::table.select(t::version).limit(1).first(tx.conn()).optional()?;
    if some.is_some() {
        return Ok(());
    }
    for content in starters() {
        save::insert(tx, now, None, None, &content)?;
    }
    Ok(())
}

fn starters() -> Vec<Content> {
    let files = FILES.iter().filter_map(|(language, text)| Some((language, toml::from_str::<File>(text).ok()?)));
    let all = files.flat_map(|(language, file)| file.template.into_iter().filter_map(|one| content(language, one)));
    all.collect()
}

fn content(language: &str, starter: Starter) -> Option<Content> {
    Some(Content {
        name: starter.name,
        category: starter.category,
        language: language.to_owned(),
        title: Title::parse(&starter.title)?,
        body: CleanHtml::from_markdown(&starter.body),
        replies: starter.replies.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read_whole() {
        let declared: usize = FILES.iter().map(|(_, text)| text.matches("[[template]]").count()).sum();
        assert_eq!(starters().len(), declared);
        assert_eq!(declared, 16);
        assert!(starters().iter().all(|content| !content.body.is_blank()));
    }
}
