//! The fields of a record: for each of them the user chooses which of two records' values is kept.

use crate::patients::{Demographics, Patient};
use crate::text::Lang;
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
        /// how the patient is notified
        Method = "method",
    }
}

impl Field {
    /// The name of the translation that is its label.
    pub fn label(self) -> &'static str {
        match self {
            Field::GivenName => "given-name",
            Field::FamilyName => "family-name",
            Field::PreferredName => "preferred-name",
            Field::BirthDate => "birth-date",
            Field::HealthNumber => "health-number",
            Field::Email => "email",
            Field::Phone => "cellphone",
            Field::Language => "language",
            Field::Method => "notification-method",
        }
    }

    /// The value in a record, as text; `None` where it is not set.
    pub fn value_in(self, d: &Demographics) -> Option<String> {
        let value = match self {
            Field::GivenName => Some(d.given_name.clone()),
            Field::FamilyName => Some(d.family_name.clone()),
            Field::PreferredName => d.preferred_name.clone(),
            Field::BirthDate => Some(d.birth_date.iso()),
            Field::HealthNumber => d.health_number.clone(),
            Field::Email => d.email.as_ref().map(EmailAddress::to_string),
            Field::Phone => d.phone.as_ref().map(PhoneNumber::to_string),
            Field::Language => Some(d.language.clone()),
            Field::Method => Some(d.method.as_str().to_owned()),
        };
        value.filter(|text| !text.is_empty())
    }

    /// Puts a value that [`Field::value_in`] gave into a record; a value that the field cannot hold changes nothing.
    pub(super) fn put(self, d: &mut Demographics, value: Option<&str>) {
        let text = || value.map(str::to_owned);
        match self {
            Field::GivenName => d.given_name = text().unwrap_or_default(),
            Field::FamilyName => d.family_name = text().unwrap_or_default(),
            Field::PreferredName => d.preferred_name = text(),
            Field::BirthDate => d.birth_date = value.and_then(BirthDate::parse).unwrap_or(d.birth_date),
            Field::HealthNumber => d.health_number = text(),
            Field::Email => d.email = value.and_then(EmailAddress::parse),
            Field::Phone => d.phone = value.and_then(|number| PhoneNumber::parse(number, "")),
            Field::Language => {
                d.language = value.and_then(Lang::find).map_or(d.language.clone(), |l| l.code().to_owned())
            }
            Field::Method => d.method = value.and_then(|word| word.parse().ok()).unwrap_or(d.method),
        }
    }

    /// The fields in which two records differ.
    pub fn differing(one: &Demographics, other: &Demographics) -> Vec<Field> {
        Field::ALL.iter().copied().filter(|field| field.value_in(one) != field.value_in(other)).collect()
    }

    /// Whether this record has no value, so that the other record's is preselected.
    pub fn is_missing(self, patient: &Patient) -> bool {
        self.value_in(patient).is_none()
    }
}
