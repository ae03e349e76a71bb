//! The data types of FHIR R4 (<https://hl7.org/fhir/R4/datatypes.html>) as far as the import reads them.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::value::RawValue;

/// A `decimal` with exactly the digits of the file.
#[derive(Debug, Clone)]
pub(super) struct Decimal(pub String);

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        match raw.get().chars().next() {
            Some(first) if first == '-' || first.is_ascii_digit() => Ok(Self(raw.get().to_owned())),
            _ => Err(D::Error::custom("not a number")),
        }
    }
}

impl Decimal {
    pub fn as_f64(&self) -> Option<f64> {
        self.0.parse().ok().filter(|number: &f64| number.is_finite())
    }
}

/// The fields of a type that the import reads.
pub(super) trait Fields {
    /// Their names in Rust.
    const ALL: &'static [&'static str];
}

macro_rules! types {
    ($($(#[$doc:meta])* struct $name:ident { $($(#[$meta:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, Default, serde::Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        pub(super) struct $name { $($(#[$meta])* pub $field: $type),* }

        impl $crate::chart::import::fhir::types::Fields for $name {
            const ALL: &'static [&'static str] = &[$(stringify!($field)),*];
        })*
    };
}
pub(super) use types;

types! {
    struct Coding { system: Option<String>, code: Option<String>, display: Option<String> }
    struct CodeableConcept { coding: Vec<Coding>, text: Option<String> }
    struct Reference { reference: Option<String>, display: Option<String> }
    struct Period { start: Option<String>, end: Option<String> }
    struct Quantity { value: Option<Decimal>, comparator: Option<String>, unit: Option<String>, code: Option<String> }
    struct Range { low: Option<Quantity>, high: Option<Quantity> }
    struct Ratio { numerator: Option<Quantity>, denominator: Option<Quantity> }
    struct Money { value: Option<Decimal>, currency: Option<String> }
    struct Annotation { text: Option<String> }
    struct Identifier {
        r#use: Option<String>,
        r#type: Option<CodeableConcept>,
        system: Option<String>,
        value: Option<String>,
        period: Option<Period>,
    }
    struct HumanName {
        r#use: Option<String>,
        text: Option<String>,
        family: Option<String>,
        given: Vec<Option<String>>,
        prefix: Vec<Option<String>>,
        period: Option<Period>,
    }
    struct ContactPoint {
        system: Option<String>,
        value: Option<String>,
        r#use: Option<String>,
        rank: Option<u32>,
        period: Option<Period>,
    }
    struct Attachment {
        content_type: Option<String>,
        data: Option<String>,
        url: Option<String>,
        title: Option<String>,
        creation: Option<String>,
    }
}

/// Text after [`clean`], or `None` where nothing is left.
pub(super) fn non_empty(text: &str) -> Option<String> {
    let text = clean(text);
    (!text.is_empty()).then_some(text)
}

/// The first of the candidates that is not empty.
pub(super) fn first_words<'a>(candidates: impl IntoIterator<Item = Option<&'a String>>) -> Option<String> {
    candidates.into_iter().flatten().find_map(|text| non_empty(text))
}

/// Text without control characters (PostgreSQL refuses NUL, the others spoil pages) and outer white space. Line breaks
/// and tabs stay.
pub(super) fn clean(text: &str) -> String {
    let kept: String =
        text.chars().filter(|c| matches!(c, '\n' | '\t') || !(c.is_control() || *c == '\u{feff}')).collect();
    kept.trim().to_owned()
}

/// Text on one line, of at most `limit` characters, cut with an ellipsis.
pub(super) fn single_line(text: &str, limit: usize) -> String {
    let line = clean(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= limit {
        return line;
    }
    let mut cut: String = line.chars().take(limit.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

impl Coding {
    pub fn to_text(&self) -> Option<String> {
        first_words([self.display.as_ref(), self.code.as_ref()])
    }

    /// Whether this is a code of that system.
    pub fn is_in(&self, systems: &[&str]) -> bool {
        self.system.as_deref().is_some_and(|system| systems.contains(&system))
    }
}

impl CodeableConcept {
    /// The words of the record: `text`, else the first display, else the first code (R4 §2.24.0.7: text is what the
    /// user saw or typed).
    pub fn to_text(&self) -> Option<String> {
        self.name().or_else(|| first_words(self.coding.iter().map(|coding| coding.code.as_ref())))
    }

    /// The words of the record without the code: a mere code is no title.
    pub fn name(&self) -> Option<String> {
        first_words(std::iter::once(self.text.as_ref()).chain(self.coding.iter().map(|coding| coding.display.as_ref())))
    }

    /// The first code of any system.
    pub fn code(&self) -> Option<String> {
        first_words(self.coding.iter().map(|coding| coding.code.as_ref()))
    }

    /// The first code of these systems.
    pub fn code_in(&self, systems: &[&str]) -> Option<&str> {
        self.coding.iter().filter(|coding| coding.is_in(systems)).find_map(|coding| coding.code.as_deref())
    }
}

/// The words of each concept that has words.
pub(super) fn all_words(concepts: &[CodeableConcept]) -> Vec<String> {
    concepts.iter().filter_map(CodeableConcept::to_text).collect()
}

/// The text of each remark that has text.
pub(super) fn notes(notes: &[Annotation]) -> Vec<String> {
    notes.iter().filter_map(|note| non_empty(note.text.as_deref()?)).collect()
}

impl Quantity {
    /// The unit as the record shows it, else its code.
    pub fn unit(&self) -> Option<String> {
        first_words([self.unit.as_ref(), self.code.as_ref()])
    }

    /// The number with its comparator (`<`, `<=`, `>=`, `>`), without the unit.
    pub fn amount(&self) -> Option<String> {
        let value = &self.value.as_ref()?.0;
        Some(match self.comparator.as_deref() {
            Some(sign @ ("<" | "<=" | ">" | ">=")) => format!("{sign}{value}"),
            _ => value.clone(),
        })
    }

    /// Number and unit.
    pub fn to_text(&self) -> Option<String> {
        let amount = self.amount()?;
        Some(match self.unit() {
            Some(unit) => format!("{amount} {unit}"),
            None => amount,
        })
    }

    pub fn number(&self) -> Option<f64> {
        self.value.as_ref()?.as_f64()
    }
}

impl Range {
    /// `low–high`, `≥low` or `≤high`, without units.
    pub fn amounts(&self) -> Option<String> {
        let end = |quantity: &Option<Quantity>| quantity.as_ref().and_then(Quantity::amount);
        match (end(&self.low), end(&self.high)) {
            (Some(low), Some(high)) => Some(format!("{low}–{high}")),
            (Some(low), None) => Some(format!("≥{low}")),
            (None, Some(high)) => Some(format!("≤{high}")),
            (None, None) => None,
        }
    }

    /// Both ends with their unit.
    pub fn to_text(&self) -> Option<String> {
        Some([self.amounts(), self.unit()].into_iter().flatten().collect::<Vec<_>>().join(" "))
            .filter(|it| !it.is_empty())
    }

    pub fn unit(&self) -> Option<String> {
        [&self.low, &self.high].into_iter().flatten().find_map(Quantity::unit)
    }
}

impl Money {
    /// Amount and ISO 4217 currency.
    pub fn to_text(&self) -> Option<String> {
        let value = &self.value.as_ref()?.0;
        Some(match self.currency.as_deref().and_then(non_empty) {
            Some(currency) => format!("{value} {currency}"),
            None => value.clone(),
        })
    }
}

impl HumanName {
    /// The given names, joined.
    pub fn given(&self) -> Option<String> {
        joined(&self.given)
    }

    /// The name as people write it: `text`, else prefix, given and family name.
    pub fn to_text(&self) -> Option<String> {
        let parts = [joined(&self.prefix), self.given(), self.family.as_deref().and_then(non_empty)];
        first_words([self.text.as_ref()])
            .or_else(|| non_empty(&parts.into_iter().flatten().collect::<Vec<_>>().join(" ")))
    }
}

fn joined(parts: &[Option<String>]) -> Option<String> {
    let parts: Vec<String> = parts.iter().flatten().filter_map(|part| non_empty(part)).collect();
    non_empty(&parts.join(" "))
}
