//! Texts that patients send: STOP, START and HELP are obeyed. Other texts get an answer that says where to turn,
//! because nobody reads them. The words of a text are never stored.

use super::blocks::{self, BlockKind};
use super::keyword::Word;
use super::moves::set_state;
use super::rows::NotificationRow;
use super::states::{Ending, State};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::caregivers;
use crate::db::schema::{caregivers as caring, notifications, patients, received_texts};
use crate::db::{Both, CaregiverId, PatientId, Ts, Tx};
use crate::delivery::{Channel, Reason};
use crate::settings::{self, Settings};
use crate::text::{self, Lang};
use crate::values::PhoneNumber;
use diesel::prelude::*;
use time::Duration;

/// A text that a gateway has received.
pub struct Incoming<'a> {
    /// the sender's number
    pub from: PhoneNumber,
    /// the text
    pub body: &'a str,
    /// the gateway's own id of the text: a text with an id that was seen before changes nothing
    pub gateway_id: &'a str,
    /// whether the gateway has answered it already
    pub answered: bool,
}

/// A number's unknown texts are answered at most this often, so that two machines do not answer each other for ever.
const ANSWER_AGAIN_AFTER: Duration = Duration::DAY;

/// Obeys a text, and gives the answer; `None` where it gets none.
pub fn receive(tx: &mut Tx, now: Ts, incoming: &Incoming) -> QueryResult<Option<String>> {
    let word = Word::parse(incoming.body);
    let may_answer = word != Word::Other || !answered_lately(tx, now, &incoming.from)?;
    let row = (
        (received_texts::gateway_id.eq(incoming.gateway_id), received_texts::sender.eq(incoming.from.as_str())),
        (received_texts::word.eq(word), received_texts::received_at.eq(now)),
    );
    let insert = diesel::insert_into(received_texts::table).values(row).on_conflict_do_nothing();
    if Both(insert).execute(tx.conn())? == 0 {
        return Ok(None);
    }
    let holders = holders(tx, now, &incoming.from)?;
    match word {
        Word::Stop => stop(tx, now, &incoming.from)?,
        Word::Start => drop(blocks::lift(tx, Channel::Sms, incoming.from.as_str(), BlockKind::Stopped)?),
        Word::Help | Word::Other => {}
    }
    audit_text(tx, now, word, &holders)?;
    if incoming.answered || !may_answer {
        return Ok(None);
    }
    let settings = settings::load(tx)?;
    Ok(Some(answer(&settings, word, language(&settings, &holders, incoming.body))))
}

/// Whose number it is: a patient's, or that of a caregiver who reads for one.
struct Holder {
    patient: PatientId,
    caregiver: Option<CaregiverId>,
    language: String,
}

/// Everybody who has this number on record; a family may share a phone.
fn holders(tx: &mut Tx, now: Ts, from: &PhoneNumber) -> QueryResult<Vec<Holder>> {
    let own = blocks::holders(tx, from)?.into_iter();
    let own = own.map(|(patient, language)| Holder { patient, caregiver: None, language });
    let theirs = caregivers::at_phone(tx, now, from)?.into_iter();
    let theirs = theirs.map(|(id, patient, language)| Holder { patient, caregiver: Some(id), language });
    Ok(own.chain(theirs).collect())
}

fn answered_lately(tx: &mut Tx, now: Ts, from: &PhoneNumber) -> QueryResult<bool> {
    let lately = received_texts::table
        .filter(received_texts::sender.eq(from.as_str()))
        .filter(received_texts::received_at.gt(now.plus(-ANSWER_AGAIN_AFTER)))
        .filter(received_texts::word.eq(Word::Other));
    Ok(lately.select(received_texts::gateway_id).first::<String>(tx.conn()).optional()?.is_some())
}

/// The gateway's id of a text is kept this long: no gateway repeats a text after days, let alone weeks.
const TEXTS_KEPT: Duration = Duration::days(30);
/// At most this many ids are removed in one transaction.
const FORGOTTEN_AT_ONCE: i64 = 500;

/// Removes some of the old ids of texts; gives how many. 0: none is left.
pub fn forget_texts(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    let old: Vec<String> = received_texts::table
        .filter(received_texts::received_at.lt(now.plus(-TEXTS_KEPT)))
        .order(received_texts::received_at)
        .limit(FORGOTTEN_AT_ONCE)
        .select(received_texts::gateway_id)
        .load(tx.conn())?;
    if old.is_empty() {
        return Ok(0);
    }
    diesel::delete(received_texts::table.filter(received_texts::gateway_id.eq_any(old))).execute(tx.conn())
}

/// Blocks a number, and stops the texts that wait for it: nothing more is sent from this moment on.
pub fn stop(tx: &mut Tx, now: Ts, phone: &PhoneNumber) -> QueryResult<()> {
    blocks::block(tx, now, Channel::Sms, phone.as_str(), BlockKind::Stopped)?;
    let mut waiting: Vec<NotificationRow> = notifications::table
        .inner_join(patients::table)
        .filter(patients::phone.eq(phone))
        .filter(notifications::caregiver_id.is_null())
        .filter(notifications::channel.eq(Channel::Sms))
        .filter(notifications::state.eq_any([State::Queued, State::Sending]))
        .select(NotificationRow::as_select())
        .load(tx.conn())?;
    // a caregiver's go to their own number
    let theirs = caring::table.filter(caring::phone.eq(phone)).select(caring::id.nullable());
    let of_caregivers: Vec<NotificationRow> = notifications::table
        .filter(notifications::caregiver_id.eq_any(theirs))
        .filter(notifications::channel.eq(Channel::Sms))
        .filter(notifications::state.eq_any([State::Queued, State::Sending]))
        .select(NotificationRow::as_select())
        .load(tx.conn())?;
    waiting.extend(of_caregivers);
    let ending = Ending { state: State::Stopped, reason: Some(Reason::StoppedByPatient) };
    for row in waiting {
        // the job finds the notification ended, and is removed then
        set_state(tx, now, &row, row.attempts, ending)?;
    }
    Ok(())
}

fn audit_text(tx: &mut Tx, now: Ts, word: Word, holders: &[Holder]) -> QueryResult<()> {
    for holder in holders {
        let who = Actor::at_portal(holder.patient, holder.caregiver);
        let entry = Entry::of_patient(who, Event::TextReceived, holder.patient, Subject::None);
        audit::append(tx, now, entry.with(word.as_str()))?;
    }
    if holders.is_empty() {
        let entry = Entry::of_clinic(Actor::System, Event::TextReceived, Subject::None);
        audit::append(tx, now, entry.with(word.as_str()))?;
    }
    Ok(())
}

/// The language of the number's holders, if they have one in common, else that of the word, else the clinic's.
fn language(settings: &Settings, holders: &[Holder], body: &str) -> Lang {
    let mut languages = holders.iter().map(|holder| holder.language.as_str());
    let first = languages.next();
    match first.filter(|first| languages.all(|other| other == *first)) {
        Some(language) => Lang::or_english(language),
        None if Word::is_french(body) => Lang::or_english("fr"),
        None => settings.lang(),
    }
}

/// The answer, in letters of GSM's seven-bit alphabet where it has them: one other accent would make it two texts.
fn answer(settings: &Settings, word: Word, lang: Lang) -> String {
    let key = match word {
        Word::Stop => "text-answer-stop",
        Word::Start => "text-answer-start",
        Word::Help => "text-answer-help",
        Word::Other => "text-answer-other",
    };
    let words = lang.t1(key, "clinic", settings.name.as_str());
    let words = match settings.phone.as_str() {
        "" => words,
        phone => format!("{words} {}", lang.t1("text-answer-call", "phone", phone)),
    };
    text::in_gsm7(&words)
}
