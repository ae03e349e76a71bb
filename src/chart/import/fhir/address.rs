//! Address (FHIR R4) to the postal address of a patient.

use super::bundle::count;
use super::types::{Period, single_line, types};
use super::when::{is_over, moment};
use super::{SkipReason, Skipped};
use crate::patients::{PostalAddress, postal_code};
use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;
use time::Date;

types! {
    struct Address {
        r#use: Option<String>,
        r#type: Option<String>,
        line: Vec<Option<String>>,
        city: Option<String>,
        state: Option<String>,
        postal_code: Option<String>,
        country: Option<String>,
        period: Option<Period>,
    }
}

/// The addresses of a patient. One of another form than FHIR says costs itself, and not the patient.
#[derive(Debug, Clone, Default)]
pub(super) struct Addresses {
    read: Vec<Address>,
    unreadable: usize,
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        let Ok(each) = serde_json::from_str::<Vec<Box<RawValue>>>(raw.get()) else {
            return Ok(Addresses { read: Vec::new(), unreadable: 1 });
        };
        let mut all = Addresses::default();
        for one in each {
            match serde_json::from_str::<Address>(one.get()) {
                Ok(address) => all.read.push(address),
                Err(_) => all.unreadable += 1,
            }
        }
        Ok(all)
    }
}

impl Addresses {
    /// The best address in force to which a letter can be sent. The others in force that have no street, town or postal code, or
    /// are longer than an envelope, are counted.
    pub fn best(&self, today: Date, skipped: &mut Skipped) -> Option<PostalAddress> {
        let mut current: Vec<&Address> = self.read.iter().filter(|address| address.is_in_force(today)).collect();
        current.sort_by_key(|address| address.rank());
        let mut left_out = self.unreadable;
        let mut best = None;
        for address in current {
            match address.postal() {
                Some(postal) => best = best.or(Some(postal)),
                None => left_out += 1,
            }
        }
        (0..left_out).for_each(|_| count(skipped, "Patient.address", SkipReason::PostalAddress));
        best
    }

    /// Whether there are addresses, and each of them is old or over. One that cannot be read may be in force.
    pub fn have_ended(&self, today: Date) -> bool {
        self.unreadable == 0 && !self.read.is_empty() && self.read.iter().all(|address| address.has_ended(today))
    }
}

impl Address {
    /// Old, or over.
    fn has_ended(&self, today: Date) -> bool {
        self.r#use.as_deref() == Some("old") || is_over(self.period.as_ref(), today)
    }

    /// Not old, and neither over nor yet to come.
    fn is_in_force(&self, today: Date) -> bool {
        let start = self.period.as_ref().and_then(|period| period.start.as_deref()).and_then(moment);
        let is_to_come = start.is_some_and(|start| start.day > today);
        !self.has_ended(today) && !is_to_come
    }

    /// A letter goes home before it goes to work, and to an address for the post before one for visitors.
    fn rank(&self) -> (u8, u8, u8) {
        let away = match self.r#use.as_deref() {
            Some("work" | "billing") => 1,
            _ => 0,
        };
        let visited = match self.r#type.as_deref() {
            Some("postal") => 0,
            Some("physical") => 2,
            _ => 1,
        };
        let other = match self.r#use.as_deref() {
            Some("home") => 0,
            Some("temp") => 2,
            _ => 1,
        };
        (away, visited, other)
    }

    /// As it stands on an envelope; `None` where no letter would arrive, or where a line has no room there.
    fn postal(&self) -> Option<PostalAddress> {
        let words = |text: &str| single_line(text, PostalAddress::LONGEST + 1);
        let of = |text: &Option<String>| text.as_deref().map(words).unwrap_or_default();
        let lines = self.line.iter().flatten().flat_map(|line| line.lines()).map(words);
        let street: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
        let (city, code, state, country) = (of(&self.city), of(&self.postal_code), of(&self.state), of(&self.country));
        let is_long = |text: &String| text.chars().count() > PostalAddress::LONGEST;
        let is_missing = street.is_empty() || city.is_empty() || code.is_empty();
        let others = [&city, &code, &state, &country];
        if is_missing || street.len() > PostalAddress::MOST_LINES || street.iter().chain(others).any(is_long) {
            return None;
        }
        // ISO 3166-2 writes the country before the province
        let region = state.strip_prefix("CA-").unwrap_or(&state).to_owned();
        let country = match country.to_uppercase().as_str() {
            // the clinic's own country stands on no envelope
            "CA" | "CAN" | "CANADA" => String::new(),
            "US" => "USA".to_owned(),
            _ => country,
        };
        Some(PostalAddress { street: street.join("\n"), city, region, postal_code: postal_code(&code), country })
    }
}
