//! Values of the chart in a reader's words.

use crate::chart::item::{Datum, Every};
use crate::text::{Lang, Zone};
use crate::values::BirthDate;
use time::format_description::well_known::Rfc3339;

/// The most digits after the point that are shown: no laboratory measures more, only computed values have them.
const DECIMALS: usize = 4;

/// The language and the time zone that values are shown in.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    pub lang: Lang,
    pub zone: Zone,
}

impl Reader {
    /// A value in words. Decimals keep the digits of the chart, up to four after the point. A code of the standard is
    /// shown by the words that the pages have for it, else as it is.
    pub fn datum(self, datum: &Datum) -> String {
        match datum {
            Datum::Text(text) => text.clone(),
            Datum::Code(code) => match self.lang.t_of("code", code) {
                "" => code.clone(),
                words => words.to_owned(),
            },
            Datum::Number(number) => match number.split_once('.') {
                // not for "1.5e-7", which would lose its exponent
                Some((whole, part)) if part.bytes().all(|digit| digit.is_ascii_digit()) => {
                    format!("{whole}.{}", part.chars().take(DECIMALS).collect::<String>())
                }
                _ => number.clone(),
            },
            Datum::Bool(yes) => self.lang.t(if *yes { "yes" } else { "no" }).to_owned(),
            Datum::Codes(codes) => {
                let shown = codes.iter().map(|code| self.datum(&Datum::Code(code.clone())));
                shown.collect::<Vec<_>>().join(", ")
            }
            Datum::Every(every) => self.every(every),
            Datum::Parts(parts) => parts.iter().map(|part| self.datum(part)).collect::<Vec<_>>().join("; "),
            Datum::When(text) => self.when(text),
            Datum::Period(from, to) => {
                let shown = |end: &Option<String>| end.as_deref().map(|text| self.when(text)).unwrap_or_default();
                format!("{} – {}", shown(from), shown(to)).trim().to_owned()
            }
        }
    }

    /// "2 times a day", "every 4–6 hours", "4 g every 2 weeks".
    fn every(self, every: &Every) -> String {
        let lang = self.lang;
        let period = match every.period.as_str() {
            "1" => lang.t_of("per", &every.unit).to_owned(),
            span => lang.t1(&format!("every-{}", every.unit), "number", span),
        };
        match (every.amount.as_deref(), every.times.as_str(), every.period.as_str()) {
            (Some(amount), "1", _) => format!("{amount} {period}"),
            (Some(amount), times, _) => format!("{times} × {amount} {period}"),
            (None, "1", "1") => lang.t1("once-per", "period", period),
            (None, "1", _) => period,
            (None, times, _) => lang.t2("times-per", "times", times, "period", period),
        }
    }

    /// An instant or a whole date in the reader's words; a year or a month as it is.
    fn when(self, text: &str) -> String {
        match (time::OffsetDateTime::parse(text, &Rfc3339), BirthDate::parse(text)) {
            (Ok(instant), _) => self.lang.moment(self.zone, instant.into()),
            (_, Some(date)) => self.lang.date(date.0),
            _ => self.lang.part_of_date(text),
        }
    }
}
