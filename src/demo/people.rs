//! The people of the demo: one user of each role, and patients that cover every case of the "Message Patient" guard.

use crate::access::{Operator, Role};
use crate::administration::{self, Part};
use crate::db::{Ts, Tx};
use crate::error::AppError;
use crate::patients::{Change, Method, Patient};
use crate::settings;
use crate::users::{self, AddUser};
use crate::values::{EmailAddress, PhoneNumber, UserName};
use serde::Serialize;

/// A user of the demo, with the password that is printed.
#[derive(Serialize, Clone)]
pub struct DemoUser {
    /// name
    pub name: &'static str,
    /// sign-in name
    pub email: &'static str,
    /// sign-in password
    pub password: &'static str,
    /// role
    pub role: &'static str,
}

/// The users. Their passwords are no secret: the demo listens on loopback only.
pub const USERS: &[DemoUser] = &[
    DemoUser { name: "Olivia Okafor", email: "owner@demo.example", password: "demo-owner-1", role: "owner" },
    DemoUser {
        name: "Dr. Camille Roy",
        email: "clinician@demo.example",
        password: "demo-clinician-1",
        role: "clinician",
    },
    DemoUser { name: "Sam Lindqvist", email: "staff@demo.example", password: "demo-staff-1", role: "staff" },
    DemoUser { name: "Vera Novak", email: "viewer@demo.example", password: "demo-viewer-1", role: "viewer" },
];

/// A patient as `demo.json` lists them.
#[derive(Serialize)]
pub struct DemoPatient {
    id: i64,
    name: String,
    birth_date: String,
    health_number: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    portal_access: bool,
    language: String,
    notification_method: &'static str,
}

impl From<Patient> for DemoPatient {
    fn from(p: Patient) -> DemoPatient {
        let name = p.name();
        let d = p.demographics;
        DemoPatient {
            id: p.id.0,
            name,
            birth_date: d.birth_date.iso(),
            health_number: d.health_number,
            email: d.email.map(|email| email.to_string()),
            phone: d.phone.map(|phone| phone.to_string()),
            portal_access: p.portal_access,
            language: d.language,
            notification_method: d.method.as_str(),
        }
    }
}

/// Adds the users; `hashes` has the hashes of their passwords in the same order.
pub fn add_users(tx: &mut Tx, now: Ts, hashes: Vec<String>) -> Result<(), AppError> {
    for (user, hash) in USERS.iter().zip(hashes) {
        let email = EmailAddress::parse(user.email).ok_or(AppError::BadRequest)?;
        let name = UserName::parse(user.name).ok_or(AppError::BadRequest)?;
        let role: Role = user.role.parse().map_err(AppError::Internal)?;
        let add = AddUser { email, name, role, language: "en".into(), password_hash: Some(hash) };
        users::add(tx, now, &Operator::of_the_command_line(), add)
            .map_err(|cause| AppError::Internal(cause.to_string()))?;
    }
    Ok(())
}

/// Sets the clinic's name, phone number and address.
pub fn name_clinic(tx: &mut Tx, now: Ts) -> Result<(), AppError> {
    let mut settings = settings::load(tx)?;
    (settings.name, settings.phone) = ("Riverside Clinic".into(), "+1 613 555 0142".into());
    settings.address = "12 Quay Street, Riverside".into();
    let operator = Operator::of_the_command_line();
    Ok(administration::save_settings(tx, now, &operator, Part::Clinic, &settings)?)
}

/// Families of those who were made up for the demo and are told by text, or by both roads.
const TOLD_BY_TEXT: [&str; 1] = ["ᐱᑕ"];
const TOLD_BY_BOTH: [&str; 2] = ["Sinclair", "செல்வம்"];

/// Gives Synthea's patients addresses, so that every case of the guard occurs. In the order of their import: email
/// and phone, notified by email; both, notified by both; email only; phone only; neither; no access; no notifications;
/// French. All others have both and are notified by email.
pub fn give_addresses(tx: &mut Tx) -> Result<(), AppError> {
    // those who were made up for the demo have their own
    let (own, others): (Vec<Patient>, Vec<Patient>) =
        crate::patients::every(tx, 100)?.into_iter().partition(|p| p.demographics.health_number.is_some());
    for patient in own {
        let mut demographics = patient.demographics.clone();
        demographics.method = match patient.demographics.email {
            None => Method::Sms,
            Some(_) if TOLD_BY_TEXT.contains(&patient.family_name.as_str()) => Method::Sms,
            Some(_) if TOLD_BY_BOTH.contains(&patient.family_name.as_str()) => Method::Both,
            Some(_) => Method::Email,
        };
        crate::patients::prepare(tx, patient.id, &Change { demographics, portal_access: true })?;
    }
    let living: Vec<Patient> = others.into_iter().filter(|p| p.archived_at.is_none()).collect();
    for (at, patient) in living.into_iter().enumerate() {
        let mailbox = crate::text::words(&patient.name()).join(".");
        let email = EmailAddress::parse(&format!("{mailbox}@example.org"));
        // telephone numbers in imported charts are not assigned; 555-0100 to 555-0199 are reserved for fiction
        let phone = PhoneNumber::parse(&format!("+1613555{:04}", 100 + at), "1").filter(|_| !matches!(at, 2 | 4));
        let method = match at {
            1 => Method::Both,
            3 => Method::Sms,
            6 => Method::None,
            _ => Method::Email,
        };
        let mut demographics = patient.demographics.clone();
        demographics.email = email.filter(|_| !matches!(at, 3 | 4));
        demographics.phone = phone;
        demographics.health_number = Some(ontario_number(at));
        demographics.method = method;
        demographics.language = if at == 7 { "fr" } else { "en" }.into();
        crate::patients::prepare(tx, patient.id, &Change { demographics, portal_access: at != 5 })?;
    }
    Ok(())
}

/// A number like those on health cards of Ontario: ten digits, the last one Luhn's check digit, and a version code.
fn ontario_number(at: usize) -> String {
    let digits: Vec<u32> = format!("9{:08}", 4_140_371 + 61_417 * at).chars().filter_map(|c| c.to_digit(10)).collect();
    let doubled = |digit: u32| (2 * digit) / 10 + (2 * digit) % 10;
    let sum: u32 =
        digits.iter().enumerate().map(|(at, digit)| if at % 2 == 0 { doubled(*digit) } else { *digit }).sum();
    let all: String = digits.iter().chain([&((10 - sum % 10) % 10)]).map(u32::to_string).collect();
    let part = |from, to| all.get(from..to).unwrap_or_default();
    format!("{} {} {} AB", part(0, 4), part(4, 7), part(7, 10))
}
