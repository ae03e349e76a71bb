//! `/conversations/{id}/call`: "Phone the patient": the number, what may be said, and a form for how the call ended.

use crate::access::{ConversationAccess, rights};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::clinic::account::kept_words::words_back;
use crate::clinic::guard::{Conversation, shell};
use crate::conversations;
use crate::db::{PlanStepId, Ts};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::notifications::{self, Asked, Block, BlockKind, CallError, NewCall, Outcome, StepState};
use crate::patients::{self, Patient};
use crate::state::AppState;
use crate::text;
use crate::values::PhoneNumber;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

/// The longest note, in characters.
const LONGEST: usize = 500;

/// The pause before the next try that the form offers first, in hours.
const USUAL_PAUSE: &str = "24";

#[derive(Template)]
#[template(path = "clinic/conversations/call.html")]
struct CallPage {
    shell: Shell,
    id: i64,
    title: String,
    patient: Patient,
    /// why texts to the number are not sent
    block: Option<Block>,
    asked: Asked,
    form: Form,
    key: String,
    /// the number that was called, also where the patient has another one by now
    number: String,
    errors: FieldErrors,
    /// somebody else noted a call while this one was being noted
    is_overtaken: bool,
}

impl CallPage {
    /// Whether a call is asked for, now or at a time that was chosen.
    fn is_wanted(&self) -> bool {
        let state = self.asked.step.as_ref().map(|step| step.state);
        matches!(state, Some(StepState::ToDo | StepState::Waiting))
    }

    /// Whether the form stands on the page: also for a call that was made just before it was not needed any more.
    fn has_form(&self) -> bool {
        self.asked.step.is_some() && (self.is_wanted() || !self.form.pairs().is_empty())
    }

    /// Whether an outcome is chosen.
    fn is(&self, outcome: &Outcome) -> bool {
        self.form.get("outcome") == outcome.as_str()
    }

    /// The pauses before the next try: hours, words, and whether this one is chosen.
    fn pauses(&self) -> Vec<(String, String, bool)> {
        let chosen = if self.form.has("pause") { self.form.get("pause") } else { USUAL_PAUSE };
        let words = |hours: i64| match hours % 24 {
            0 => self.shell.t1("call-again-days", "days", hours / 24),
            _ => self.shell.t1("call-again-hours", "hours", hours),
        };
        let never = (String::new(), self.shell.t("call-again-not").to_owned(), chosen.is_empty());
        let later = NewCall::AGAIN.map(|hours| (hours.to_string(), words(hours), chosen == hours.to_string()));
        std::iter::once(never).chain(later).collect()
    }
}

async fn page(
    state: &AppState,
    head: Head,
    access: ConversationAccess<rights::Notify>,
    typed: Option<(Form, FieldErrors)>,
    asks_for_kept: bool,
) -> Result<CallPage, AppError> {
    let fresh = state.random.token().reveal().to_owned();
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (mut shell, _) = shell(conn, &head, access.user())?;
        let patient = patients::patient_by_id(conn, access.patient())?;
        let block = notifications::blocks(conn, &patient)?.sms;
        let asked = notifications::asked_call(conn, &access)?;
        let kept = if asks_for_kept { words_back(conn, &mut shell, access.user(), None)? } else { None };
        let (form, errors) = typed.or(kept.map(|form| (form, FieldErrors::default()))).unwrap_or_default();
        let title = conversations::title(conn, &access)?;
        let key = Some(form.get("key")).filter(|key| !key.is_empty()).map_or(fresh, str::to_owned);
        let current = patient.phone.as_ref().map(|number| number.as_str().to_owned()).unwrap_or_default();
        let number = if form.has("number") { form.get("number").to_owned() } else { current };
        let id = access.conversation().0;
        Ok(CallPage { shell, id, title, patient, block, asked, form, key, number, errors, is_overtaken: false })
    });
    read.await
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    /// the session ended, and what was sent then is to be shown
    kept: Option<i64>,
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    conversation: Conversation<rights::Notify>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let (reader, patient) = (Actor::User(conversation.0.user().id()), conversation.0.patient());
    let trace = Entry::of_patient(reader, Event::ChartViewed, patient, Subject::None).with("call");
    let page = page(&state, head, conversation.0, None, query.kept.is_some()).await?;
    state.record(trace).await?;
    html(&page)
}

/// Reads the form; what is wrong with it is put into `errors`.
fn read(form: &Form, errors: &mut FieldErrors) -> Option<NewCall> {
    let number = |name: &str| form.numbers(name).first().copied();
    let note = text::one_line(form.get("note"));
    let outcome: Option<Outcome> = errors.need("outcome", "error-call-outcome", form.get("outcome").parse().ok());
    let note = errors.need("note", "error-call-note", Some(note).filter(|note| note.chars().count() <= LONGEST));
    Some(NewCall {
        step: PlanStepId(number("step").unwrap_or_default()),
        seen: number("calls").unwrap_or_default(),
        outcome: outcome?,
        note: note?,
        again_hours: number("pause").filter(|hours| NewCall::AGAIN.contains(hours)),
        number: PhoneNumber::from_network(form.get("number")),
        key: form.get("key").to_owned(),
    })
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    conversation: Conversation<rights::Notify>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, access): (Ts, _) = (state.clock.now(), conversation.0);
    let mut errors = FieldErrors::default();
    let Some(call) = read(&form, &mut errors) else {
        return unprocessable(&page(&state, head, access, Some((form, errors)), false).await?);
    };
    if call.key.len() < 16 {
        return Err(AppError::BadRequest);
    }
    let (id, again) = (access.conversation(), access.again());
    let write = state.db.write(move |tx| notifications::note_call(tx, now, &access, &call));
    match write.await {
        Ok(step) => {
            let notice = match step {
                StepState::Opened => "call-noted-opened",
                StepState::Waiting => "call-noted-again",
                _ => "call-noted",
            };
            state.wake.notify_one();
            Ok(see_other(&format!("/conversations/{id}?notice={notice}")))
        }
        Err(CallError::Overtaken) => {
            let page = page(&state, head, again, Some((form, errors)), false).await?;
            with_status(StatusCode::CONFLICT, &CallPage { is_overtaken: true, ..page })
        }
        Err(CallError::NotThere) => {
            with_status(StatusCode::CONFLICT, &page(&state, head, again, Some((form, errors)), false).await?)
        }
        Err(CallError::Db(cause)) => Err(cause.into()),
    }
}
