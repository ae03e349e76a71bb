//! GROUND: what the clinic has decided for itself: one row, read by every page and in every transaction that depends on
//! it, so that a change takes effect at once on every instance. It is read here; `administration` writes it.

mod caregiver_ages;
mod hours;
mod images;
mod own_word;
mod reach;
mod retention;

pub use caregiver_ages::{CaregiverAges, caregiver_ages};
pub use hours::{
    Hours, MIDNIGHT, MOST_CLOSED, MOST_DAYS, MOST_HOURS, Promise, Span, Unit, answer_by, day_text, hours, parse_day,
};
pub use images::{Image, ImageKind, image};
pub use own_word::shows_own_word;
pub use reach::{Reach, reach};
pub use retention::Retention;

use crate::db::schema::clinic;
use crate::db::sealed::Secret;
use crate::db::{Conn, MultiBackend, Ts, Tx, lock_row};
use crate::text::{Lang, Zone};
use diesel::prelude::*;

/// The word of [`Settings::notices`] for a message that was taken back.
const RECALL: &str = "recall";

/// The clinic's settings.
#[derive(Debug, Clone, Default, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = clinic, check_for_backend(MultiBackend))]
pub struct Settings {
    /// name on every page, mail and text
    pub name: String,
    /// telephone number as patients should dial it
    pub phone: String,
    /// postal address
    pub address: String,
    /// IANA time zone
    pub time_zone: String,
    /// language of pages for people whose own is not known
    pub language: String,
    /// the clinic's own "not for emergencies" words; empty: the program's
    pub emergency_text: String,
    /// the clinic's own words to a patient whose conversation is closed; empty: the program's
    pub closing_text: String,
    /// "Portal Accessibility"
    pub portal_on: bool,
    /// "Portal Accessibility for New Patients"
    pub portal_for_new_patients: bool,
    /// "Patient Conversation Responses": whether the box "Allow patient to respond" starts ticked
    pub replies_by_default: bool,
    /// minutes without a click after which a patient's session ends
    pub portal_idle_minutes: i64,
    /// days that "Stay logged in" lasts; 0: not offered
    pub portal_stay_days: i64,
    /// hours after which a patient's session ends in any case, unless they stay logged in
    pub portal_longest_hours: i64,
    /// the most passcodes that one patient gets in a day
    pub passcodes_a_day: i64,
    /// kinds of numbers by which patients may identify themselves on the portal's first page: words of
    /// `patients::IdKind`, separated by spaces
    pub portal_identifiers: String,
    /// whether patients see the participants' names, else "the care team"
    pub portal_names: bool,
    /// roles whose users sign in with a second factor only: words, separated by spaces
    pub second_factor_roles: String,
    /// how long archived records are kept
    pub retention: Retention,
    /// name of the logo; empty: none
    pub logo: String,
    /// name of the portal's background image; empty: none
    pub background: String,
    /// since when the portal is on or off; `None`: since the beginning
    pub portal_since: Option<Ts>,
    /// whether notifications may contain the patient's name
    pub notify_by_name: bool,
    /// whether a notification says whom it is for where another patient has the same address
    pub name_where_shared: bool,
    /// whether patients are notified when their access to the portal is switched on
    pub tell_of_access: bool,
    /// hours after which a text follows an email that was not opened; 0: both at once
    pub plan_text_hours: i64,
    /// days after which a patient who has not opened a message is reminded; 0: never
    pub plan_remind_days: i64,
    /// days after which its sender is told; 0: never
    pub plan_tell_days: i64,
    /// the notices that the clinic sends besides those of messages: words, separated by spaces; one column for all of them,
    /// because the query builder limits the columns of a row
    pub notices: String,
    /// when the quiet hours for texts begin, in minutes after midnight of the clinic's time zone
    pub quiet_from: i64,
    /// when they end; the same as the beginning: there are none
    pub quiet_until: i64,
}

impl Settings {
    /// The clinic's time zone.
    pub fn zone(&self) -> Zone {
        Zone::or_utc(&self.time_zone)
    }

    /// Whether a patient is told that a message was taken back, where a notification of it had gone out.
    pub fn tells_of_recall(&self) -> bool {
        self.notices.split(' ').any(|word| word == RECALL)
    }

    /// Sets whether a patient is told that a message was taken back.
    pub fn set_tells_of_recall(&mut self, tells: bool) {
        let others = self.notices.split(' ').filter(|word| !word.is_empty() && *word != RECALL);
        self.notices = others.chain(tells.then_some(RECALL)).collect::<Vec<_>>().join(" ");
    }

    /// The clinic's language.
    pub fn lang(&self) -> Lang {
        Lang::or_english(&self.language)
    }
}

/// Reads the settings.
///
/// # Errors
/// Database errors; also when [`super::settings`] was never prepared.
pub fn load(conn: &mut Conn) -> QueryResult<Settings> {
    clinic::table.find(1).select(Settings::as_select()).first(conn)
}

/// Reads the settings to change them, and locks them until the transaction ends. All settings are one row, so a change
/// of one part writes the other parts as they are.
pub fn hold(tx: &mut Tx) -> QueryResult<Settings> {
    lock_row(tx, "clinic", 1)?;
    load(tx)
}

/// The key that signs cookies, the same on every instance.
pub fn cookie_key(conn: &mut Conn) -> QueryResult<Vec<u8>> {
    Ok(clinic::table.find(1).select(clinic::cookie_key).first::<Secret>(conn)?.0)
}
