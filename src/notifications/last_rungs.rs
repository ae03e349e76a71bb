//! A patient whom no email and no text reaches can be written to all the same, where the clinic phones patients or sends them
//! letters: the plan of such a message begins with these last rungs. Whoever writes is asked first.

use super::blocks::{BlockKind, Blocks};
use super::plan::{Obstacle, obstacles, reaches};
use super::recipients::obstacles_now;
use crate::db::{Conn, Ts};
use crate::delivery::Channel;
use crate::patients::{Method, Patient};
use crate::settings::{self, Reach, Settings};
use crate::text::Lang;
use diesel::QueryResult;

/// What users are asked to do for a message to such a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRungs {
    /// to phone, at once
    pub phone: bool,
    /// to send a letter, after so many days; `None`: no letter
    pub letter_days: Option<i64>,
}

impl LastRungs {
    /// What will be done, in words.
    pub fn describe(self, lang: Lang) -> String {
        match (self.phone, self.letter_days) {
            (true, Some(days)) => lang.t1("rungs-both", "days", days),
            (true, None) => lang.t("rungs-phone").to_owned(),
            (false, _) => lang.t("rungs-letter").to_owned(),
        }
    }
}

/// The last rungs that reach a patient who has no other road; `None` where there is a road, where the patient could not read the
/// message anyway, or where the clinic neither phones nor writes letters.
pub fn last_rungs(settings: &Settings, reach: Reach, patient: &Patient, blocks: &Blocks) -> Option<LastRungs> {
    let is_shut = |one: &Obstacle| matches!(one, Obstacle::Archived | Obstacle::PortalOff | Obstacle::NoAccess);
    let has_road = [Channel::Email, Channel::Sms].iter().any(|channel| reaches(patient, blocks, *channel));
    let found = obstacles(settings, patient, blocks);
    if found.is_empty() || found.iter().any(is_shut) || (has_road && patient.method != Method::None) {
        return None;
    }
    let is_somebody_elses = blocks.sms.is_some_and(|block| block.kind == BlockKind::Wrong);
    let phone = reach.phone_days > 0 && patient.phone.is_some() && !is_somebody_elses;
    // a letter leaves the call as long as it would after an email
    let after_call = if phone { (reach.letter_days - reach.phone_days).max(1) } else { 0 };
    let letter_days = (reach.letter_days > 0).then_some(after_call);
    (phone || letter_days.is_some()).then_some(LastRungs { phone, letter_days })
}

/// What prevents a message to this patient now, in a conversation that began at the second moment and may be for them alone; nothing
/// where its writer has said to write `anyway`, and the last rungs reach them.
pub fn hindrances(
    conn: &mut Conn,
    at: (Ts, Ts),
    settings: &Settings,
    patient: &Patient,
    blocks: &Blocks,
    (only_patient, anyway): (bool, bool),
) -> QueryResult<Vec<Obstacle>> {
    let found = obstacles_now(conn, at, settings, patient, blocks, only_patient)?;
    if !found.is_empty() && anyway && last_rungs(settings, settings::reach(conn)?, patient, blocks).is_some() {
        return Ok(Vec::new());
    }
    Ok(found)
}
