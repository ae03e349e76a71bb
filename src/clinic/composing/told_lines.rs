//! The line under a new message that says who will be told, and how.

use crate::db::Conn;
use crate::delivery::Channel;
use crate::http::Shell;
use crate::notifications::{self, Blocks};
use crate::patients::Patient;
use crate::state::AppState;
use crate::values::{EmailAddress, PhoneNumber};
use diesel::QueryResult;

/// How the patient will be notified, a line for each channel, and each caregiver beside them, where it is not for the patient alone.
pub(super) fn told_lines(
    conn: &mut Conn,
    shell: &Shell,
    state: &AppState,
    (patient, blocks): (&Patient, &Blocks),
    only_patient: bool,
) -> QueryResult<Vec<String>> {
    let at = (shell.now, shell.now);
    if only_patient {
        // nobody but the patient is told, and by no road that leads to a caregiver too
        let told = notifications::recipients(conn, at, patient, true)?;
        let links: Vec<Channel> = told.into_iter().flat_map(|one| one.links).collect();
        return Ok(notice_lines(shell, state, patient, blocks, &links));
    }
    let mut lines = notice_lines(shell, state, patient, blocks, &notifications::plan(patient, blocks).links);
    for (caregiver, links) in notifications::caregivers_told(conn, at, patient)? {
        let record = caregiver.stands_for(patient);
        let blocks = notifications::blocks(conn, &record)?;
        let how = notice_lines(shell, state, &record, &blocks, &links).join(", ");
        lines.push(shell.t2("told-caregiver", "name", caregiver.details.name.as_str(), "how", how));
    }
    Ok(lines)
}

/// How the patient will be notified by these roads, a line for each, with masked addresses.
fn notice_lines(shell: &Shell, state: &AppState, patient: &Patient, blocks: &Blocks, links: &[Channel]) -> Vec<String> {
    let mut lines: Vec<String> = links
        .iter()
        .map(|link| {
            let passcode = notifications::passcode_channel(patient, blocks, &state.delivery, *link);
            let key = match (link, passcode) {
                (Channel::Email, Channel::Sms) => "told-email-sms",
                (Channel::Email, Channel::Email) => "told-email-email",
                (Channel::Sms, Channel::Email) => "told-sms-email",
                (Channel::Sms, Channel::Sms) => "told-sms-sms",
            };
            let email = patient.email.as_ref().map(EmailAddress::masked).unwrap_or_default();
            let phone = patient.phone.as_ref().map(PhoneNumber::masked).unwrap_or_default();
            shell.t2(key, "email", email, "phone", phone)
        })
        .collect();
    if links.contains(&Channel::Sms) && !state.delivery.has(Channel::Sms) {
        lines.push(shell.t("told-no-gateway").to_owned());
    }
    for (channel, key) in [(Channel::Email, "told-email-bad"), (Channel::Sms, "told-texts-stopped")] {
        if blocks.on(channel).is_some() {
            lines.push(shell.t(key).to_owned());
        }
    }
    if patient.email.is_none() || patient.phone.is_none() {
        lines.push(shell.t("told-one-channel").to_owned());
    }
    lines
}
