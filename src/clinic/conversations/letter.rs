//! `/conversations/{id}/letter`: a letter that says that a message waits, or holds it. Printing is a POST, and then the PDF can be opened.

use crate::access::{ConversationAccess, rights};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::chart::document::{self, Enclosed, Letter};
use crate::clinic::guard::{Conversation, number, shell};
use crate::conversations;
use crate::db::{LetterId, PlanStepId};
use crate::error::AppError;
use crate::http::page::with_status;
use crate::http::seen::Stored;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::notifications::{self, LetterError, NewLetter, PlanStep, PrintedLetter, StepState, WholeMessage};
use crate::patients::{self, Patient};
use crate::settings::{self, Settings};
use crate::state::AppState;
use crate::text::Lang;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/conversations/letter.html")]
struct LetterPage {
    shell: Shell,
    id: i64,
    title: String,
    patient: Patient,
    /// the name and the address, a line each; none where there is no address
    recipient: Vec<String>,
    /// the fingerprint of these lines
    seen: String,
    /// they show whole through the window of an envelope
    fits: bool,
    step: Option<PlanStep>,
    letters: Vec<PrintedLetter>,
    /// whether it holds the whole message
    whole: bool,
    /// characters of the message that the letter cannot show
    lacking: String,
    key: String,
    /// the key of the words that say why none was printed
    alert: Option<&'static str>,
}

impl LetterPage {
    /// Whether a letter is asked for, now or on a day that was planned.
    fn is_wanted(&self) -> bool {
        self.step.as_ref().is_some_and(is_pending)
    }
}

/// Whether a letter is asked for that has not ended.
fn is_pending(step: &PlanStep) -> bool {
    matches!(step.state, StepState::ToDo | StepState::Waiting)
}

/// What the page shows of where the letter goes: it is printed as it was seen, or not at all.
fn stored(recipient: &[String]) -> Stored {
    Stored::default().text("recipient", "postal-address", recipient.join("\n"))
}

async fn page(
    state: &AppState,
    head: Head,
    access: ConversationAccess<rights::EditPatients>,
    alert: Option<&'static str>,
) -> Result<LetterPage, AppError> {
    let key = state.random.token().reveal().to_owned();
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, access.user())?;
        let patient = patients::patient_by_id(conn, access.patient())?;
        let address = patients::postal_address(conn, patient.id)?;
        let recipient = address.map(|address| address.recipient(patient.name())).unwrap_or_default();
        let (seen, fits) = (stored(&recipient).seen().version, Letter::fits(&recipient));
        let step = notifications::asked_letter(conn, &access)?;
        let letters = notifications::letters_of(conn, access.conversation())?;
        let title = conversations::title(conn, &access)?;
        let whole = notifications::holds_whole(conn, access.conversation())?;
        let asked = step.as_ref().filter(|step| whole && is_pending(step));
        let message = match asked {
            Some(step) => notifications::whole_message(conn, &access, step.id)?,
            None => None,
        };
        let lang = Lang::or_english(&patient.language);
        let not_drawn = |message: WholeMessage| {
            document::not_drawn(&message.title, &document::parts_of_message(&message.body, lang))
        };
        let lacking = message.map(not_drawn).unwrap_or_default();
        Ok(LetterPage {
            shell,
            id: access.conversation().0,
            title,
            patient,
            recipient,
            seen,
            fits,
            step,
            letters,
            whole,
            lacking,
            key,
            alert,
        })
    });
    read.await
}

/// The row of the log that says that somebody looked at the page.
fn looked(access: &ConversationAccess<rights::EditPatients>) -> Entry {
    let reader = Actor::User(access.user().id());
    Entry::of_patient(reader, Event::ChartViewed, access.patient(), Subject::None).with("letter")
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    conversation: Conversation<rights::EditPatients>,
) -> Result<HttpResponse, AppError> {
    let trace = looked(&conversation.0);
    let page = page(&state, head, conversation.0, None).await?;
    state.record(trace).await?;
    html(&page)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    conversation: Conversation<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let step = form.numbers("step").first().copied().unwrap_or_default();
    let whole = form.has("holds").then(|| form.get("holds") == "whole");
    let letter = NewLetter { step: PlanStepId(step), key: form.get("key").to_owned(), whole };
    let (now, access) = (state.clock.now(), conversation.0);
    let (id, again) = (access.conversation(), access.again());
    let write = state.db.write(move |tx| {
        let is_seen = |recipient: &[String]| stored(recipient).newer(&form).is_none();
        notifications::print_letter(tx, now, &access, &letter, is_seen)
    });
    let (status, alert) = match write.await {
        Ok(_) => return Ok(see_other(&format!("/conversations/{id}/letter?notice=letter-printed"))),
        Err(LetterError::NotAsked) => (StatusCode::CONFLICT, Some("letter-late")),
        Err(LetterError::NewAddress) => (StatusCode::CONFLICT, Some("letter-new-address")),
        Err(LetterError::NewHolds) => (StatusCode::CONFLICT, Some("letter-new-holds")),
        Err(LetterError::NoPortal) => (StatusCode::CONFLICT, Some("letter-no-portal")),
        Err(LetterError::NoAddress | LetterError::TooLong) => (StatusCode::UNPROCESSABLE_ENTITY, None),
        Err(LetterError::Db(cause)) => return Err(cause.into()),
    };
    with_status(status, &page(&state, head, again, alert).await?)
}

/// The letter as a PDF. The file name tells nothing about the patient. One that holds a message is there as long as the message was
/// not taken back.
pub async fn download(
    state: web::Data<AppState>,
    head: Head,
    conversation: Conversation<rights::EditPatients>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let (access, id) = (conversation.0, LetterId(number(&req, "number")?));
    let actor = Actor::User(access.user().id());
    let subject = Subject::Conversation(access.conversation());
    let trace = Entry::of_patient(actor, Event::LetterOpened, access.patient(), subject);
    let again = access.again();
    let (portal, delivery) = (format!("{}/portal", state.config.origin()), state.delivery.clone());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let letters = notifications::letters_of(conn, access.conversation())?;
        let letter = letters.into_iter().find(|letter| letter.id == id).ok_or(AppError::NotFound)?;
        let (patient, settings) = (patients::patient_by_id(conn, access.patient())?, settings::load(conn)?);
        let blocks = notifications::blocks(conn, &patient)?;
        let opens = notifications::reaches_portal(&patient, &blocks, &settings, &delivery);
        let message = match letter.whole {
            true => notifications::whole_message(conn, &access, letter.step)?,
            false => None,
        };
        let is_gone = letter.whole && message.is_none();
        Ok((!is_gone).then(|| written(&letter, message, &settings, opens.then_some(&portal))))
    });
    let Some(letter) = read.await? else {
        state.record(looked(&again)).await?;
        return with_status(StatusCode::GONE, &page(&state, head, again, Some("letter-taken-back")).await?);
    };
    let pdf = web::block(move || letter.pdf()).await.map_err(|_| AppError::Internal("no thread".into()))?;
    let pdf = pdf.map_err(|cause| AppError::Internal(cause.to_string()))?;
    state.record(trace).await?;
    let name = format!("attachment; filename=\"letter-{id}.pdf\"");
    Ok(HttpResponse::Ok().content_type("application/pdf").insert_header((CONTENT_DISPOSITION, name)).body(pdf))
}

/// What the letter says, in the patient's language: the clinic, that a message waits or what it says, and the ways to it. Without the
/// address of the portal, which needs a code that reaches the patient, they are asked to call.
fn written(
    letter: &PrintedLetter,
    message: Option<WholeMessage>,
    settings: &Settings,
    portal: Option<&String>,
) -> Letter {
    let lang = Lang::or_english(&letter.language);
    let mut clinic = vec![settings.name.clone()];
    clinic.extend(settings.address.lines().map(str::to_owned));
    clinic.push(settings.phone.clone());
    clinic.retain(|line| !line.trim().is_empty());
    let (call, ask) = match (&message, portal) {
        (Some(_), _) => ("letter-whole-call", "letter-whole-ask"),
        (None, Some(_)) => ("letter-call", "letter-ask"),
        (None, None) => ("letter-call-only", "letter-ask-only"),
    };
    let call = match settings.phone.trim() {
        "" => lang.t(ask).to_owned(),
        phone => lang.t1(call, "phone", phone),
    };
    let (title, says, opens) = match message {
        Some(_) => ("letter-whole-title", "letter-whole-says", "letter-whole-open"),
        None => ("letter-waits", "letter-says", "letter-open"),
    };
    let mut paragraphs = vec![lang.t1(says, "clinic", settings.name.as_str())];
    let mut closing = Vec::new();
    closing.extend(portal.map(|portal| lang.t1(opens, "address", portal.as_str())));
    closing.push(call);
    closing.extend(message.is_none().then(|| lang.t("letter-private").to_owned()));
    closing.push(settings.name.clone());
    if message.is_none() {
        paragraphs.append(&mut closing);
    }
    Letter {
        lang,
        clinic,
        recipient: letter.recipient.lines().map(str::to_owned).collect(),
        date: lang.date(settings.zone().local(letter.at).date()),
        title: lang.t(title).to_owned(),
        paragraphs,
        enclosed: message.map(|message| enclosed(message, lang, settings, portal.is_some())),
        closing,
    }
}

/// The message as the patient would read it in the portal, where the clinic writes and not one of its users.
fn enclosed(message: WholeMessage, lang: Lang, settings: &Settings, opens: bool) -> Enclosed {
    let files_say = if opens { "letter-whole-files" } else { "letter-whole-files-call" };
    Enclosed {
        about: format!("{}, {}", settings.name, lang.moment(settings.zone(), message.at)),
        parts: document::parts_of_message(&message.body, lang),
        title: message.title,
        files_say: lang.t(files_say).to_owned(),
        files: message.files,
    }
}
