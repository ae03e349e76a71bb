//! The filters of lists of chart items: kind, dates and words, read from the address and written into addresses.

use crate::chart::{ItemFilter, ItemKind};
use crate::http::form::FieldErrors;
use crate::http::searches;
use crate::text::{self, Zone};
use crate::values::BirthDate;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

/// The fields of the form, as typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Narrowed {
    /// a kind's word; anything else means all kinds
    pub kind: String,
    /// words to look for
    pub q: String,
    /// the same, sealed, for addresses
    pub sought: String,
    /// the first day, ISO 8601
    pub from: String,
    /// the last day, ISO 8601
    pub until: String,
    /// where the previous page ended
    pub after: String,
}

impl Narrowed {
    /// The same without control characters and line ends, which no page has a place for.
    pub fn clean(mut self) -> Narrowed {
        for field in [&mut self.kind, &mut self.q, &mut self.from, &mut self.until, &mut self.after] {
            *field = text::one_line(field);
        }
        self
    }

    /// The kind that is chosen.
    pub fn chosen_kind(&self) -> Option<ItemKind> {
        self.kind.parse().ok()
    }

    /// Whether words or dates narrow the list.
    pub fn is_narrowed(&self) -> bool {
        !(self.q.is_empty() && self.from.is_empty() && self.until.is_empty())
    }

    /// The filter for the chart. A date that cannot be read is noted in `errors`, and narrows nothing.
    pub fn filter(&self, zone: Zone, errors: &mut FieldErrors) -> ItemFilter {
        let mut day = |field: &'static str, typed: &str| {
            let day = (!typed.is_empty()).then(|| BirthDate::parse(typed).map(|date| date.0));
            day.and_then(|day| errors.need(field, "error-filter-date", day))
        };
        let (from, until) = (day("from", &self.from), day("until", &self.until));
        let until = until.and_then(|day| day.next_day()).map(|day| zone.start_of(day));
        let from = from.map(|day| zone.start_of(day));
        ItemFilter { kind: self.chosen_kind(), from, until, text: self.q.clone(), offered: false }
    }

    /// The address of the first page of this list with another kind.
    pub fn with_kind(&self, path: &str, kind: Option<&ItemKind>) -> String {
        self.address(path, kind.map_or("", |kind| kind.as_str()), "")
    }

    /// The address of the next page of this list.
    pub fn next(&self, path: &str, after: &str) -> String {
        self.address(path, &self.kind, after)
    }

    fn address(&self, path: &str, kind: &str, after: &str) -> String {
        let mut query = Serializer::new(String::new());
        let fields = [
            ("kind", kind),
            (searches::FIELD, &self.sought),
            ("from", &self.from),
            ("until", &self.until),
            ("after", after),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}
