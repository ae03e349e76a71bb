//! The clinic's settings.

use crate::access::{Authority, rights};
use crate::audit::{self, Entry, Event, Subject};
use crate::db::schema::{caregiver_ages, clinic, own_word_settings, reach_settings};
use crate::db::sealed;
use crate::db::{Both, Ts, Tx};
use crate::settings::{CaregiverAges, Reach, Settings};
use crate::text_enum;
use diesel::prelude::*;

text_enum! {
    /// The page of the settings that was saved.
    pub enum Part {
        /// name, phone, address, time zone, language
        Clinic = "clinic",
        /// who may sign in, whether they may answer, how long a session lasts
        PatientPortal = "patient_portal",
        /// the services that send email and texts
        Gateways = "gateways",
        /// what concerns every notification
        Notifications = "notifications",
        /// who needs a second factor to sign in
        SignIn = "sign_in",
        /// how long records are kept
        Records = "records",
        /// when the clinic is open, and what it promises
        Hours = "hours",
    }
}

/// Replaces the settings, which were edited on the page of `part`.
pub fn save_settings(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Settings>,
    part: Part,
    settings: &Settings,
) -> QueryResult<()> {
    diesel::update(clinic::table.find(1)).set(settings).execute(tx.conn())?;
    settings_changed(tx, now, by, part.as_str())
}

/// Replaces what the clinic does for a patient who does not open a message. The caller holds the settings, see
/// [`crate::settings::hold`].
pub fn save_reach(tx: &mut Tx, now: Ts, by: &impl Authority<rights::Settings>, reach: Reach) -> QueryResult<()> {
    let insert = diesel::insert_into(reach_settings::table).values((reach_settings::id.eq(1), reach));
    Both(insert.on_conflict(reach_settings::id).do_update().set(reach)).execute(tx.conn())?;
    settings_changed(tx, now, by, "reach")
}

/// Decides whether notifications show the word that was chosen with the patient. The caller holds the settings, see
/// [`crate::settings::hold`].
pub fn save_own_word(tx: &mut Tx, now: Ts, by: &impl Authority<rights::Settings>, shown: bool) -> QueryResult<()> {
    let set = own_word_settings::shown.eq(shown);
    let insert = diesel::insert_into(own_word_settings::table).values((own_word_settings::id.eq(1), set));
    Both(insert.on_conflict(own_word_settings::id).do_update().set(set)).execute(tx.conn())?;
    settings_changed(tx, now, by, "own_word")
}

/// Replaces the ages at which a parent's access changes. The caller holds the settings, see [`crate::settings::hold`].
pub fn save_caregiver_ages(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Settings>,
    ages: CaregiverAges,
) -> QueryResult<()> {
    let insert = diesel::insert_into(caregiver_ages::table).values((caregiver_ages::id.eq(1), ages));
    Both(insert.on_conflict(caregiver_ages::id).do_update().set(ages)).execute(tx.conn())?;
    settings_changed(tx, now, by, "caregiver_ages")
}

/// Writes the change of the settings to the audit log.
pub(super) fn settings_changed(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Settings>,
    what: &str,
) -> QueryResult<()> {
    let entry = Entry::of_clinic(by.user().into(), Event::SettingsChanged, Subject::None);
    audit::append(tx, now, entry.with(what))
}

/// Adds the clinic's only row where there is none yet. Safe to call at every start, on several instances at once.
pub fn prepare(tx: &mut Tx, cookie_key: [u8; 64]) -> QueryResult<()> {
    let row = (
        (clinic::id.eq(1), clinic::name.eq("Clinic"), clinic::phone.eq(""), clinic::address.eq("")),
        (clinic::time_zone.eq("America/Toronto"), clinic::language.eq("en")),
        (clinic::emergency_text.eq(""), clinic::closing_text.eq("")),
        (clinic::portal_on.eq(true), clinic::portal_for_new_patients.eq(true), clinic::replies_by_default.eq(true)),
        (clinic::portal_idle_minutes.eq(30), clinic::portal_stay_days.eq(7)),
        clinic::cookie_key.eq(sealed::secret(cookie_key)?),
    );
    Both(diesel::insert_into(clinic::table).values(row).on_conflict_do_nothing()).execute(tx.conn()).map(drop)
}
