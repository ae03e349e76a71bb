//! What should give the writer pause, though nothing stands in the way.

use super::blocks::Blocks;
use super::plan::plan;
use super::states::State;
use crate::db::schema::notifications;
use crate::db::{Conn, PatientId};
use crate::delivery::Channel;
use crate::patients::{self, Patient};
use crate::text_enum;
use diesel::prelude::*;

text_enum! {
    /// One doubt about an address that is going to be used.
    pub enum Warning {
        /// another patient has this email
        SharedEmail = "shared-email",
        /// another patient has this number
        SharedPhone = "shared-phone",
        /// nobody has come in by this email yet
        UnconfirmedEmail = "unconfirmed-email",
        /// nobody has come in by this number yet
        UnconfirmedPhone = "unconfirmed-phone",
        /// the last email did not arrive
        FailedEmail = "failed-email",
        /// the last text did not arrive
        FailedPhone = "failed-phone",
    }
}

impl Warning {
    /// Whether it only asks for a second look at a new address: nothing is known against it.
    pub fn is_unconfirmed(self) -> bool {
        matches!(self, Warning::UnconfirmedEmail | Warning::UnconfirmedPhone)
    }
}

/// The doubts about the addresses to which links would go.
pub fn warnings(conn: &mut Conn, patient: &Patient, blocks: &Blocks) -> QueryResult<Vec<Warning>> {
    let links = plan(patient, blocks).links;
    let mut found = Vec::new();
    if let Some(email) = patient.email.as_ref().filter(|_| links.contains(&Channel::Email)) {
        let shared = patients::email_is_shared(conn, patient.id, email)?;
        let confirmed = patient.confirmed_email.as_ref() == Some(email);
        let failed = last_failed(conn, patient.id, Channel::Email)?;
        let all =
            [(shared, Warning::SharedEmail), (!confirmed, Warning::UnconfirmedEmail), (failed, Warning::FailedEmail)];
        found.extend(all.into_iter().filter(|(is, _)| *is).map(|(_, warning)| warning));
    }
    if let Some(phone) = patient.phone.as_ref().filter(|_| links.contains(&Channel::Sms)) {
        let shared = patients::phone_is_shared(conn, patient.id, phone)?;
        let confirmed = patient.confirmed_phone.as_ref() == Some(phone);
        let failed = last_failed(conn, patient.id, Channel::Sms)?;
        let all =
            [(shared, Warning::SharedPhone), (!confirmed, Warning::UnconfirmedPhone), (failed, Warning::FailedPhone)];
        found.extend(all.into_iter().filter(|(is, _)| *is).map(|(_, warning)| warning));
    }
    Ok(found)
}

fn last_failed(conn: &mut Conn, patient: PatientId, channel: Channel) -> QueryResult<bool> {
    let by_this_road = notifications::patient_id.eq(patient).and(notifications::channel.eq(channel));
    let newest = (notifications::created_at.desc(), notifications::id.desc());
    let own = by_this_road.and(notifications::caregiver_id.is_null());
    let last = notifications::table.filter(own).order(newest).limit(1);
    let state: Option<State> = last.select(notifications::state).first(conn).optional()?;
    Ok(matches!(state, Some(State::Failed | State::Bounced | State::Stopped)))
}
