//! The fields of a patient's record that the clinic and an EMR may both have, and whose word counts for each.

use crate::chart::import::fhir::ImportedPatient;
use crate::patients::{Demographics, Patient};
use crate::text::{self, Lang};
use crate::text_enum;
use crate::values::{BirthDate, EmailAddress, PhoneNumber};

text_enum! {
    /// A field of a patient's record.
    pub enum Field {
        /// given names
        GivenName = "given_name",
        /// family name
        FamilyName = "family_name",
        /// what they like to be called
        PreferredName = "preferred_name",
        /// date of birth
        BirthDate = "birth_date",
        /// health number
        HealthNumber = "health_number",
        /// email
        Email = "email",
        /// cellphone
        Phone = "phone",
        /// language
        Language = "language",
    }
}

text_enum! {
    /// Whose word counts for a field.
    pub enum Rule {
        /// a user is asked
        Ask = "ask",
        /// the EMR's
        Emr = "emr",
        /// the clinic's
        Clinic = "clinic",
    }
}

impl Field {
    /// What the source says, as the clinic's record would have it; `None` where it says nothing that can be taken.
    pub(super) fn said(self, of: &ImportedPatient, calling_code: &str) -> Option<String> {
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        match self {
            Field::GivenName => text(&of.given),
            Field::FamilyName => text(&of.family),
            Field::PreferredName => text(of.preferred.as_deref()?),
            Field::BirthDate => Some(BirthDate(of.birth_date).iso()),
            Field::HealthNumber => text(of.health_number.as_deref()?),
            Field::Email => Some(EmailAddress::parse(of.email.as_deref()?)?.as_str().to_owned()),
            Field::Phone => Some(PhoneNumber::parse(of.phone.as_deref()?, calling_code)?.as_str().to_owned()),
            Field::Language => Some(Lang::find(of.language.as_deref()?)?.code().to_owned()),
        }
    }

    /// What a record has; empty where it has nothing.
    pub fn of(self, record: &Demographics) -> String {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        match self {
            Field::GivenName => record.given_name.clone(),
            Field::FamilyName => record.family_name.clone(),
            Field::PreferredName => text(record.preferred_name.as_deref()),
            Field::BirthDate => record.birth_date.iso(),
            Field::HealthNumber => text(record.health_number.as_deref()),
            Field::Email => text(record.email.as_ref().map(EmailAddress::as_str)),
            Field::Phone => text(record.phone.as_ref().map(PhoneNumber::as_str)),
            Field::Language => record.language.clone(),
        }
    }

    /// Whether two values are the same to people: spaces, hyphens, capital letters and accents make no other name.
    pub(super) fn is_same(self, one: &str, other: &str) -> bool {
        match self {
            Field::GivenName | Field::FamilyName | Field::PreferredName => text::squeezed(one) == text::squeezed(other),
            Field::HealthNumber => {
                let letters = |text: &str| -> String {
                    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
                };
                letters(one) == letters(other)
            }
            Field::Email => one.eq_ignore_ascii_case(other),
            Field::BirthDate | Field::Phone | Field::Language => one == other,
        }
    }

    /// Whether the patient has proved that what the clinic has is theirs: they have signed in by a link that went there.
    pub(super) fn is_confirmed(self, of: &Patient) -> bool {
        match self {
            Field::Email => of.email.is_some() && of.email == of.confirmed_email,
            Field::Phone => of.phone.is_some() && of.phone == of.confirmed_phone,
            _ => false,
        }
    }

    /// Puts a value into a record; `false` where it cannot be one.
    pub(super) fn put(self, into: &mut Demographics, value: &str) -> bool {
        match self {
            Field::GivenName => value.clone_into(&mut into.given_name),
            Field::FamilyName => value.clone_into(&mut into.family_name),
            Field::PreferredName => into.preferred_name = Some(value.to_owned()),
            Field::HealthNumber => into.health_number = Some(value.to_owned()),
            Field::BirthDate => match BirthDate::parse(value) {
                Some(date) => into.birth_date = date,
                None => return false,
            },
            Field::Email => match EmailAddress::parse(value) {
                Some(email) => into.email = Some(email),
                None => return false,
            },
            Field::Phone => match PhoneNumber::parse(value, "1") {
                Some(phone) => into.phone = Some(phone),
                None => return false,
            },
            Field::Language => match Lang::find(value) {
                Some(language) => language.code().clone_into(&mut into.language),
                None => return false,
            },
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_take_for_the_same_is_no_difference() {
        assert!(Field::FamilyName.is_same("TREMBLAY", "Tremblay") && Field::GivenName.is_same("Élodie", "Elodie"));
        assert!(Field::HealthNumber.is_same("trem 5201 1234", "TREM52011234"));
        assert!(Field::Email.is_same("Ann@Example.org", "ann@example.org"));
        assert!(!Field::FamilyName.is_same("Ash", "Oak") && !Field::Phone.is_same("+16135550121", "+16135550122"));
        assert!(!Field::GivenName.is_same("Ann", ""));
    }
}
