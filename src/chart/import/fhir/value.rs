//! `value[x]`, reference ranges and flags of observations and answers.

use super::types::{CodeableConcept, Quantity, Range, Ratio, non_empty, types};
use crate::chart::item::{Datum, Flag};

types! {
    /// Observation.referenceRange (R4 §10.1).
    struct ReferenceRange {
        low: Option<Quantity>,
        high: Option<Quantity>,
        r#type: Option<CodeableConcept>,
        applies_to: Vec<CodeableConcept>,
        age: Option<Range>,
        text: Option<String>,
    }
}

/// A struct with the fields of `value[x]` (R4 §2.24.0.16, as used by Observation and QuestionnaireResponse) added, and
/// its `value()`: what to show, and its unit.
macro_rules! valued {
    ($($(#[$doc:meta])* struct $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {$(
        $crate::chart::import::fhir::types::types! {
            $(#[$doc])*
            struct $name {
                $($field: $type,)*
                value_quantity: Option<$crate::chart::import::fhir::types::Quantity>,
                value_codeable_concept: Option<$crate::chart::import::fhir::types::CodeableConcept>,
                value_coding: Option<$crate::chart::import::fhir::types::Coding>,
                value_string: Option<String>,
                value_uri: Option<String>,
                value_boolean: Option<bool>,
                value_integer: Option<$crate::chart::import::fhir::types::Decimal>,
                value_decimal: Option<$crate::chart::import::fhir::types::Decimal>,
                value_range: Option<$crate::chart::import::fhir::types::Range>,
                value_ratio: Option<$crate::chart::import::fhir::types::Ratio>,
                value_time: Option<String>,
                value_date: Option<String>,
                value_date_time: Option<String>,
                value_period: Option<$crate::chart::import::fhir::types::Period>,
                value_sampled_data: Option<serde::de::IgnoredAny>,
                value_reference: Option<$crate::chart::import::fhir::types::Reference>
            }
        }

        impl $name {
            pub fn value(&self) -> Option<(crate::chart::item::Datum, Option<String>)> {
                use crate::chart::item::Datum;
                use $crate::chart::import::fhir::{types, value, when};
                if let Some(quantity) = &self.value_quantity {
                    return value::quantity(quantity);
                }
                if let Some(range) = &self.value_range {
                    return Some((Datum::Text(range.amounts()?), range.unit()));
                }
                if self.value_sampled_data.is_some() {
                    return Some((Datum::Code("sampled-data".to_owned()), None));
                }
                let text = (self.value_codeable_concept.as_ref().and_then(types::CodeableConcept::to_text))
                    .or_else(|| self.value_coding.as_ref().and_then(types::Coding::to_text))
                    .or_else(|| types::first_words([
                        self.value_string.as_ref(),
                        self.value_time.as_ref(),
                        self.value_uri.as_ref(),
                    ]))
                    .or_else(|| self.value_ratio.as_ref().and_then(value::ratio))
                    .or_else(|| types::first_words([self.value_reference.as_ref().and_then(|it| it.display.as_ref())]));
                let number = self.value_integer.as_ref().or(self.value_decimal.as_ref());
                text.map(Datum::Text)
                    .or_else(|| self.value_boolean.map(Datum::Bool))
                    .or_else(|| number.map(|number| Datum::Number(number.0.clone())))
                    .or_else(|| when::datum(self.value_date_time.as_ref().or(self.value_date.as_ref())))
                    .or_else(|| when::period(self.value_period.as_ref()))
                    .map(|value| (value, None))
            }
        }
    )*};
}
pub(super) use valued;

/// A quantity and its unit; an amount with a comparator (`<5`) is text, not a number.
pub(super) fn quantity(quantity: &Quantity) -> Option<(Datum, Option<String>)> {
    let amount = quantity.amount()?;
    let plain = amount.starts_with('-') || amount.starts_with(|c: char| c.is_ascii_digit());
    Some((if plain { Datum::Number(amount) } else { Datum::Text(amount) }, quantity.unit()))
}

/// `1:128`, or with units `3 mg / 5 mL`.
pub(super) fn ratio(ratio: &Ratio) -> Option<String> {
    let (above, below) = (ratio.numerator.as_ref()?, ratio.denominator.as_ref()?);
    match (above.unit(), below.unit()) {
        (None, None) => Some(format!("{}:{}", above.amount()?, below.amount()?)),
        _ => Some(format!("{} / {}", above.to_text()?, below.to_text()?)),
    }
}

/// The reference ranges in words: the range's `text`, else its ends, after the persons that it is for.
pub(super) fn reference(ranges: &[ReferenceRange], value: Option<&Quantity>) -> Option<String> {
    let unit = value.and_then(Quantity::unit);
    let texts: Vec<String> = ranges
        .iter()
        .filter_map(|range| {
            let ends = Range { low: range.low.clone(), high: range.high.clone() };
            // a range in another unit than the value's names its unit
            let other = ends.unit().filter(|own| Some(own) != unit.as_ref());
            let amounts = || {
                Some([ends.amounts(), other].into_iter().flatten().collect::<Vec<_>>().join(" "))
                    .filter(|text| !text.is_empty())
            };
            let text = range.text.as_deref().and_then(non_empty).or_else(amounts)?;
            let mut whom: Vec<String> = super::types::all_words(&range.applies_to);
            whom.extend(range.age.as_ref().and_then(|age| Some(format!("{} {}", age.amounts()?, age.unit()?))));
            Some(if whom.is_empty() { text } else { format!("{}: {text}", whom.join(", ")) })
        })
        .collect();
    non_empty(&texts.join("; "))
}

/// The flag that the interpretation gives, else the one that the range gives.
pub(super) fn flag(
    interpretation: &[CodeableConcept],
    ranges: &[ReferenceRange],
    value: Option<&Quantity>,
) -> Option<Flag> {
    let codes = interpretation.iter().flat_map(|concept| &concept.coding).filter_map(|coding| coding.code.as_deref());
    match codes.filter_map(by_code).next() {
        Some(flag) => Some(flag),
        // an interpretation that has no flag (such as "resistant") is not overruled by arithmetic
        None if interpretation.iter().any(|concept| concept.to_text().is_some()) => None,
        None => by_range(ranges, value?),
    }
}

/// The part of an interpretation that is no flag, in the record's words, else in the page's words for its code.
pub(super) fn interpretation(concepts: &[CodeableConcept]) -> Option<Datum> {
    let has_flag = |concept: &CodeableConcept| {
        concept.coding.iter().filter_map(|coding| coding.code.as_deref()).any(|code| by_code(code).is_some())
    };
    let others: Vec<&CodeableConcept> = concepts.iter().filter(|concept| !has_flag(concept)).collect();
    let said = |concept: &&CodeableConcept| {
        let display = concept.coding.iter().map(|coding| coding.display.as_ref());
        super::types::first_words(std::iter::once(concept.text.as_ref()).chain(display))
    };
    let told = others.iter().filter_map(|concept| match said(concept) {
        Some(text) => Some(Datum::Text(text)),
        None => concept.code().map(|code| match INTERPRETATIONS.contains(&code.as_str()) {
            true => Datum::Code(format!("result-{code}")),
            false => Datum::Text(code),
        }),
    });
    Datum::all(told.collect())
}

/// Codes of ObservationInterpretation that are no flags; the pages have words for them.
const INTERPRETATIONS: [&str; 32] = [
    "AC", "B", "CAR", "D", "DET", "E", "EX", "EXP", "HX", "I", "IE", "IND", "LX", "MS", "ND", "NEG", "NR", "NS", "POS",
    "QCF", "R", "RR", "S", "SDD", "SYN-R", "SYN-S", "TOX", "U", "UNE", "VS", "W", "WR",
];

/// The flag for a code of HL7 v3 ObservationInterpretation
/// (<https://terminology.hl7.org/CodeSystem-v3-ObservationInterpretation.html>).
fn by_code(code: &str) -> Option<Flag> {
    Some(match code {
        "L" | "<" => Flag::Low,
        "H" | ">" => Flag::High,
        "LL" | "LU" => Flag::CriticalLow,
        "HH" | "HU" => Flag::CriticalHigh,
        "A" | "AA" => Flag::Abnormal,
        "N" => Flag::Normal,
        _ => return None,
    })
}

/// The flag by range, only where there is one range of normal values for everyone, in the unit of the value. Both ends
/// belong to the range (R4 §10.1, referenceRange.low and high are inclusive).
fn by_range(ranges: &[ReferenceRange], value: &Quantity) -> Option<Flag> {
    let normal = |range: &&ReferenceRange| match range.r#type.as_ref().and_then(CodeableConcept::code) {
        Some(code) => code == "normal",
        None => true,
    };
    let mut usual = ranges.iter().filter(normal);
    let range = usual.next().filter(|range| range.applies_to.is_empty() && range.age.is_none())?;
    if usual.next().is_some() || value.comparator.is_some() {
        return None;
    }
    let number = value.number()?;
    let end = |end: &Option<Quantity>| match end {
        None => Some(None),
        Some(end) => {
            let same_unit = match (&end.code, &value.code) {
                (Some(a), Some(b)) => a == b,
                _ => end.unit().is_none() || end.unit() == value.unit(),
            };
            // an end with another unit, a comparator or no number makes the whole range useless
            end.number().filter(|_| same_unit && end.comparator.is_none()).map(Some)
        }
    };
    let (low, high) = (end(&range.low)?, end(&range.high)?);
    if low.is_none() && high.is_none() {
        return None;
    }
    Some(match (low, high) {
        (Some(low), _) if number < low => Flag::Low,
        (_, Some(high)) if number > high => Flag::High,
        _ => Flag::Normal,
    })
}
