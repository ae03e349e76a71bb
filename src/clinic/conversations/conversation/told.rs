//! What became of a message, in one line: "Emailed and texted 15:56 · read 15:57". All of it, with every time, is in the history below.
//!
//! Each road is told by its newest notification that was not cancelled, as in the inbox. Roads of which the same is to be said share
//! their words.

use crate::conversations::{MessageRow, Named};
use crate::db::{CaregiverId, Ts};
use crate::delivery::{Channel, Reason};
use crate::notifications::templates::Kind;
use crate::notifications::{NotificationRow, PlanStep, State, StepState};
use crate::text::{Lang, Zone};
use std::collections::HashMap;

/// The kinds of notifications about a message, in the order in which they go out.
const KINDS: [Kind; 3] = [Kind::MessageWaiting, Kind::Reminder, Kind::Recall];

/// The line for a message, from its notifications and the steps of its plan, both oldest first; empty where nothing is to be told.
pub(super) fn line(
    (lang, zone): (Lang, Zone),
    message: &MessageRow,
    notices: &[&NotificationRow],
    plan: &[&PlanStep],
    caregivers: &HashMap<CaregiverId, Named>,
) -> String {
    let when = |at: Ts| moment(lang, zone, message.created_at, at);
    let mut people: Vec<Option<CaregiverId>> = notices.iter().map(|one| one.caregiver_id).collect();
    people.sort_unstable();
    people.dedup();
    let mut parts = Vec::new();
    for whom in people {
        let own: Vec<&NotificationRow> = notices.iter().copied().filter(|one| one.caregiver_id == whom).collect();
        let said = roads(lang, &when, &own);
        match whom.and_then(|id| caregivers.get(&id)) {
            Some(who) if !said.is_empty() => {
                parts.push(lang.t2("said-by", "name", who.name.as_str(), "said", said.join(", ")));
            }
            _ => parts.extend(said),
        }
    }
    match (message.read_by_patient_at, message.reader_name()) {
        (Some(at), Some(name)) => parts.push(lang.t2("line-read-by", "name", name, "at", when(at))),
        (Some(at), None) => parts.push(lang.t1("line-read", "at", when(at))),
        (None, _) => {
            let listed = message.listed_at.filter(|_| message.recalled.is_none());
            parts.extend(listed.map(|at| lang.t1("line-listed", "at", when(at))));
        }
    }
    for step in plan.iter().filter(|step| step.state == StepState::ToDo) {
        parts.push(lang.t1("line-now", "step", lang.t_of("plan-step", step.step.as_str())));
    }
    if let Some(next) = plan.iter().filter(|step| step.state == StepState::Waiting).min_by_key(|step| step.due_at) {
        let step = lang.t_of("plan-step", next.step.as_str());
        parts.push(lang.t2("line-next", "step", step, "at", when(next.due_at)));
    }
    capital(&parts.join(" · "))
}

/// What is to be said of the notifications to one person, a part for each kind and road.
fn roads(lang: Lang, when: &dyn Fn(Ts) -> String, notices: &[&NotificationRow]) -> Vec<String> {
    let mut parts = Vec::new();
    for kind in KINDS {
        let newest = |channel: Channel| {
            let mut by = notices.iter().copied().filter(|one| one.kind == kind && one.channel == channel);
            by.clone().rfind(|one| one.state != State::Cancelled).or(by.next_back())
        };
        let email = newest(Channel::Email).map(|one| said_of(one, when(one.state_at)));
        let text = newest(Channel::Sms).map(|one| said_of(one, when(one.state_at)));
        match (email, text) {
            (Some(email), Some(text)) if email == text => parts.push(email.words(lang, kind, "both")),
            (email, text) => {
                parts.extend(email.map(|said| said.words(lang, kind, Channel::Email.as_str())));
                parts.extend(text.map(|said| said.words(lang, kind, Channel::Sms.as_str())));
            }
        }
    }
    parts
}

/// A moment as the line says it: the time of day where it is the message's own day, which stands above it.
fn moment(lang: Lang, zone: Zone, sent: Ts, at: Ts) -> String {
    let (local, of_message) = (zone.local(at), zone.local(sent).date());
    match local.date() == of_message {
        true => lang.t1("line-at", "time", lang.time(local)),
        false => lang.t1("line-on", "when", lang.moment(zone, at)),
    }
}

/// What is to be said of one road; the time only where it changes nothing any more that the patient can know of it.
#[derive(PartialEq, Eq)]
struct Said {
    state: State,
    at: String,
    reason: Option<Reason>,
    perhaps_sent: bool,
}

fn said_of(one: &NotificationRow, at: String) -> Said {
    let at = if matches!(one.state, State::Sent | State::Delivered) { at } else { String::new() };
    Said { state: one.state, at, reason: one.reason, perhaps_sent: one.perhaps_sent() }
}

impl Said {
    /// The words for roads: `email`, `sms` or `both`.
    fn words(&self, lang: Lang, kind: Kind, roads: &str) -> String {
        let state = self.state.as_str();
        let key = match (kind, self.state) {
            (Kind::MessageWaiting, State::Sent) => format!("line-sent-{roads}"),
            // an email and a text are two, a reminder by two roads is one
            (Kind::MessageWaiting, _) if roads == "both" => format!("line-states-{state}"),
            _ => format!("line-state-{state}"),
        };
        let what = lang.t_of(&format!("line-{}", kind.as_str()), roads);
        let mut words = lang.t2(&key, "what", what, "at", &self.at);
        if let Some(reason) = self.reason {
            words = lang.t2("line-why", "said", words, "why", lang.t_of("reason", reason.as_str()));
        }
        if self.perhaps_sent {
            words = lang.t2("line-perhaps", "said", words, "perhaps", lang.t("may-have-been-sent"));
        }
        words
    }
}

fn capital(words: &str) -> String {
    let mut rest = words.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}
