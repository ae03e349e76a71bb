//! Dosage (R4 §2.25) and Timing (R4 §2.24.0.8): shown in full, in the prescriber's words or by their parts, or not at
//! all.

use serde::de::IgnoredAny;

use super::body::Body;
use super::types::{
    CodeableConcept, Decimal, Period, Quantity, Range, Ratio, all_words, first_words, non_empty, types,
};
use super::value::ratio;
use super::when::period;
use crate::chart::item::{Datum, Every, Label};

types! {
    struct Repeat {
        bounds_duration: Option<Quantity>,
        bounds_range: Option<Range>,
        bounds_period: Option<Period>,
        count: Option<Decimal>,
        count_max: Option<Decimal>,
        duration: Option<Decimal>,
        duration_max: Option<Decimal>,
        frequency: Option<Decimal>,
        frequency_max: Option<Decimal>,
        period: Option<Decimal>,
        period_max: Option<Decimal>,
        period_unit: Option<String>,
        day_of_week: Vec<String>,
        time_of_day: Vec<String>,
        when: Vec<String>,
        offset: Option<Decimal>,
        extension: Vec<IgnoredAny>,
    }
    struct Timing {
        code: Option<CodeableConcept>,
        repeat: Option<Repeat>,
        event: Vec<String>,
        extension: Vec<IgnoredAny>,
        modifier_extension: Vec<IgnoredAny>,
    }
    struct Dose {
        dose_quantity: Option<Quantity>,
        dose_range: Option<Range>,
        rate_ratio: Option<Ratio>,
        rate_range: Option<Range>,
        rate_quantity: Option<Quantity>,
    }
    struct Dosage {
        sequence: Option<Decimal>,
        text: Option<String>,
        patient_instruction: Option<String>,
        additional_instruction: Vec<CodeableConcept>,
        timing: Option<Timing>,
        as_needed_boolean: Option<bool>,
        as_needed_codeable_concept: Option<CodeableConcept>,
        site: Option<CodeableConcept>,
        route: Option<CodeableConcept>,
        method: Option<CodeableConcept>,
        dose_and_rate: Vec<Dose>,
        max_dose_per_period: Option<Ratio>,
        max_dose_per_administration: Option<Quantity>,
        max_dose_per_lifetime: Option<Quantity>,
        modifier_extension: Vec<IgnoredAny>,
    }
}

/// Codes of EventTiming (R4) for which the pages have words.
const MOMENTS: [&str; 19] = [
    "MORN", "NOON", "AFT", "EVE", "NIGHT", "HS", "WAKE", "C", "CM", "CD", "CV", "AC", "ACM", "ACD", "ACV", "PC", "PCM",
    "PCD", "PCV",
];
/// Codes of DaysOfWeek (R4).
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Codes of UnitsOfTime (R4, from UCUM).
const UNITS: [&str; 7] = ["s", "min", "h", "d", "wk", "mo", "a"];

/// The parts of a timing, each shown under its own label.
#[derive(Default)]
pub(super) struct TimingParts {
    how_often: Option<Datum>,
    days: Vec<String>,
    times: Vec<String>,
    moments: Vec<String>,
    course: Option<Datum>,
}

fn is_positive(number: &Decimal) -> bool {
    number.as_f64().is_some_and(|number| number > 0.0)
}

/// `4`, or `4–6`; `None` where an end is not a positive number.
fn span(low: &Decimal, high: Option<&Decimal>) -> Option<String> {
    if !is_positive(low) {
        return None;
    }
    match high {
        None => Some(low.0.clone()),
        Some(high) if is_positive(high) => Some(format!("{}–{}", low.0, high.0)),
        Some(_) => None,
    }
}

impl Repeat {
    /// The parts of the timing; `None` where one of them is not understood.
    fn parts(&self) -> Option<TimingParts> {
        let unread = [&self.count_max, &self.duration, &self.duration_max, &self.offset];
        if unread.iter().any(|part| part.is_some()) || !self.extension.is_empty() {
            return None;
        }
        let how_often = match (&self.frequency, &self.period, self.period_unit.as_deref()) {
            (None, None, None) if self.frequency_max.is_none() && self.period_max.is_none() => None,
            (times, Some(every), Some(unit)) if UNITS.contains(&unit) => {
                // R4: without a frequency it is once
                let once = Decimal("1".to_owned());
                let times = span(times.as_ref().unwrap_or(&once), self.frequency_max.as_ref())?;
                let period = span(every, self.period_max.as_ref())?;
                Some(Datum::Every(Every { amount: None, times, period, unit: unit.to_owned() }))
            }
            _ => return None,
        };
        let count = match &self.count {
            Some(count) if is_positive(count) => Some(Datum::Text(format!("{}×", count.0))),
            Some(_) => return None,
            None => None,
        };
        let known = |codes: &[String], of: &[&str]| codes.iter().all(|code| of.contains(&code.as_str()));
        if !known(&self.day_of_week, &DAYS) || !known(&self.when, &MOMENTS) {
            return None;
        }
        let times: Option<Vec<String>> = self.time_of_day.iter().map(|text| clock(text)).collect();
        let bounds = [self.bounds_duration.is_some(), self.bounds_range.is_some(), self.bounds_period.is_some()];
        let bounds = bounds.iter().filter(|is| **is).count();
        let course = match () {
            () if bounds > 1 || (bounds == 1 && count.is_some()) => return None,
            () if self.bounds_period.is_some() => Some(period(self.bounds_period.as_ref())?),
            () if self.bounds_duration.is_some() => Some(Datum::Text(self.bounds_duration.as_ref()?.to_text()?)),
            () if self.bounds_range.is_some() => {
                let range = self.bounds_range.as_ref()?;
                Some(Datum::Text(format!("{} {}", range.amounts()?, range.unit()?)))
            }
            () => count,
        };
        Some(TimingParts {
            how_often,
            days: self.day_of_week.clone(),
            times: times?,
            moments: self.when.clone(),
            course,
        })
    }
}

/// `08:00` from a time of day (`08:00:00`); `None` where it is not one.
fn clock(text: &str) -> Option<String> {
    let mut parts = text.split(':');
    let (hour, minute) = (parts.next()?, parts.next()?);
    let digits = |part: &str, below: u8| part.len() == 2 && part.parse::<u8>().is_ok_and(|n| n < below);
    (digits(hour, 24) && digits(minute, 60)).then(|| format!("{hour}:{minute}"))
}

impl Timing {
    /// Adds when something is to be done. `false`, and nothing is added, where the timing is not fully understood.
    pub fn tell(&self, body: &mut Body) -> bool {
        let Some(told) = self.parts() else { return false };
        body.fact(Label::Due, told.how_often.clone());
        told.tell_rest(body);
        true
    }

    fn parts(&self) -> Option<TimingParts> {
        if !self.event.is_empty() || !self.extension.is_empty() || !self.modifier_extension.is_empty() {
            return None;
        }
        match (&self.repeat, &self.code) {
            (Some(repeat), _) => repeat.parts(),
            (None, Some(code)) => {
                Some(TimingParts { how_often: code.to_text().map(Datum::Text), ..TimingParts::default() })
            }
            (None, None) => Some(TimingParts::default()),
        }
    }
}

impl TimingParts {
    fn tell_rest(self, body: &mut Body) {
        body.fact(Label::Days, codes(self.days));
        let times = self.times.join(", ");
        body.text(Label::TimesOfDay, first_words([Some(&times)]));
        body.fact(Label::TimesOfDay, codes(self.moments));
        body.fact(Label::Course, self.course);
    }
}

/// Dosages in the order in which they follow each other; dosages of the same number, or without one, share a step.
pub(super) fn in_order(dosages: &[Dosage]) -> Vec<(Option<usize>, &Dosage)> {
    let number = |dosage: &Dosage| dosage.sequence.as_ref().and_then(Decimal::as_f64).unwrap_or_default();
    let mut sorted: Vec<&Dosage> = dosages.iter().collect();
    sorted.sort_by(|a, b| number(a).total_cmp(&number(b)));
    let (mut step, mut before, mut steps) = (0, None, Vec::new());
    for dosage in sorted {
        if before != Some(number(dosage)) {
            step += 1;
            before = Some(number(dosage));
        }
        steps.push((Some(step), dosage));
    }
    if step <= 1 {
        steps.iter_mut().for_each(|(step, _)| *step = None);
    }
    steps
}

impl Dosage {
    /// Adds a dosage: the prescriber's words where there are some, else the dose and all of its timing (`1 tablet; 2
    /// times a day`) and the other parts under their labels. `false` where it is not fully understood: then only "see
    /// the prescription" is added. The maximum dose is added in any case.
    pub fn tell(&self, body: &mut Body) -> bool {
        let text = self.text.as_deref().and_then(non_empty);
        let complete = match text {
            Some(text) => {
                let parts = std::iter::once(text).chain(all_words(&self.additional_instruction));
                body.text(Label::Dosage, non_empty(&parts.collect::<Vec<_>>().join(", ")));
                true
            }
            None => self.tell_parts(body),
        };
        if !complete {
            body.fact(Label::Dosage, Some(Datum::Code("see-prescription".to_owned())));
        }
        body.fact(Label::MaxDose, self.max_dose_per_period.as_ref().and_then(within));
        let single = [&self.max_dose_per_administration, &self.max_dose_per_lifetime];
        single.into_iter().for_each(|most| body.text(Label::MaxDose, most.as_ref().and_then(Quantity::to_text)));
        complete
    }

    fn tell_parts(&self, body: &mut Body) -> bool {
        let Some(told) = self.timing.as_ref().map_or(Some(TimingParts::default()), Timing::parts) else { return false };
        let dose = match self.dose_and_rate.as_slice() {
            [] => None,
            [one] => match one.amount() {
                Some(dose) => Some(dose),
                None => return false,
            },
            _ => return false,
        };
        if !self.modifier_extension.is_empty() {
            return false;
        }
        let concepts = [&self.method, &self.route, &self.site];
        let how = concepts.into_iter().filter_map(|concept| concept.as_ref().and_then(CodeableConcept::to_text));
        let rest = how.chain(all_words(&self.additional_instruction)).map(Datum::Text);
        let parts = dose.map(Datum::Text).into_iter().chain(told.how_often.clone()).chain(rest);
        body.fact(Label::Dosage, Datum::all(parts.collect()));
        told.tell_rest(body);
        true
    }
}

/// An amount per time: `4 g a day`. A time in an unknown unit is shown as it is written.
fn within(ratio: &Ratio) -> Option<Datum> {
    let amount = ratio.numerator.as_ref().and_then(Quantity::to_text);
    let time = ratio.denominator.as_ref().and_then(|time| Some((&time.value.as_ref()?.0, time.code.as_ref()?)));
    match (amount, time) {
        (Some(amount), Some((period, unit))) if UNITS.contains(&unit.as_str()) => Some(Datum::Every(Every {
            amount: Some(amount),
            times: "1".to_owned(),
            period: period.clone(),
            unit: unit.clone(),
        })),
        _ => self::ratio(ratio).map(Datum::Text),
    }
}

fn codes(codes: Vec<String>) -> Option<Datum> {
    (!codes.is_empty()).then_some(Datum::Codes(codes))
}

impl Dose {
    /// The dose; `None` where it is not one amount, or is given by a rate.
    fn amount(&self) -> Option<String> {
        if self.rate_ratio.is_some() || self.rate_range.is_some() || self.rate_quantity.is_some() {
            return None;
        }
        match (&self.dose_quantity, &self.dose_range) {
            (Some(quantity), None) => quantity.to_text(),
            (None, Some(range)) => {
                Some([range.amounts(), range.unit()].into_iter().flatten().collect::<Vec<_>>().join(" "))
            }
            _ => None,
        }
    }
}
