//! `/patients/{id}/messages/new`: "New Message", a dialog over the chart or a page of its own, and the Alert that stands
//! before it where something is missing.

use super::later::{self, Editing, Later};
use super::one_tap::offers;
use super::plan_line::PlanLine;
use super::repair::{self, Repair};
use super::rich_text::{RichText, read_body};
use super::told_lines::told_lines;
use crate::access::{Action, ChartAccess, rights};
use crate::attachments::{Picks, Refusal};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::caregivers;
use crate::chart::ItemKind;
use crate::clinic::account::kept_words::{KEPT, words_back};
use crate::clinic::files::lines::{FileLines, Picker};
use crate::clinic::files::{sent_along, uploads};
use crate::clinic::guard::{Chart, shell};
use crate::conversations::{self, DraftPlace, Fields, NewConversation, OneTap, Place, StartError};
use crate::db::{ScheduledId, TeamId};
use crate::delivery::Channel;
use crate::error::AppError;
use crate::http::form::{FieldError, FieldErrors};
use crate::http::page::{landed, with_status};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::message_templates::{self, TemplateName};
use crate::notifications::{self, Obstacle, PlanWish, Warning};
use crate::patients::{self, Patient};
use crate::settings;
use crate::state::AppState;
use crate::teams;
use crate::text::placeholders;
use crate::users::{self, UserRow};
use crate::values::Title;
use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

/// The word in the address that says that the user comes from the chart browser: the chart items in it are all that are
/// chosen.
pub const CHOSEN: &str = "chosen";

#[derive(Template)]
#[template(path = "clinic/composing/new_message.html")]
pub struct NewMessagePage {
    shell: Shell,
    patient: Patient,
    colleagues: Vec<UserRow>,
    teams: Vec<(TeamId, String)>,
    templates: Vec<TemplateName>,
    /// where a template is filled in without script
    template_goal: String,
    obstacles: Vec<Obstacle>,
    /// what is done for a patient whom no email and no text reaches, where the user may write to them all the same
    rungs: Option<String>,
    /// the user has said to write all the same
    anyway: bool,
    /// the form as it is, for the form of the Alert that goes on all the same
    along: Vec<(String, String)>,
    repair: Repair,
    /// what was typed into the form of a message that goes out later: no draft keeps it while the Alert is answered
    carried: Vec<(String, String)>,
    may_edit: bool,
    /// another channel that would work where the patient's own does not
    other_way: Option<Channel>,
    told: Vec<String>,
    /// somebody else is told of what is not only for the patient
    has_caregiver: bool,
    /// what is known against an address
    warnings: Vec<Warning>,
    /// the addresses by which nobody has signed in yet
    unconfirmed: Vec<Warning>,
    plan: PlanLine,
    later: Later,
    /// where "Send later" is sent
    later_goal: String,
    form: Typed,
    /// when the draft that fills the form was saved; empty where there is none
    draft_from: String,
    /// the draft was changed in another window
    conflict: bool,
    files: FileLines,
    errors: FieldErrors,
}

/// The fields of the form other than its files.
struct Typed {
    key: String,
    draft_version: i64,
    to: Vec<i64>,
    to_teams: Vec<TeamId>,
    title: String,
    body: RichText,
    replies_allowed: bool,
    only_patient: bool,
    offered: Vec<OneTap>,
}

impl Typed {
    fn from_form(form: &Form) -> Typed {
        Typed {
            key: form.get("key").to_owned(),
            draft_version: form.get("draft_version").parse().unwrap_or_default(),
            to: form.numbers("to"),
            to_teams: Fields(form.pairs()).teams(),
            title: form.get("title").to_owned(),
            body: RichText::typed(form),
            replies_allowed: form.has("replies_allowed"),
            only_patient: form.has("only_patient"),
            offered: offers(form),
        }
    }
}

/// How the form is to be shown.
#[derive(Default)]
pub struct Showing {
    /// as typed; `None`: a draft, or the clinic's defaults
    pub typed: Option<Form>,
    /// chart items that were just chosen in the browser, in place of those that the form names
    pub chosen: Option<Vec<i64>>,
    /// files that were refused just now: name, and why
    pub refused: Vec<(String, Refusal)>,
    /// what is wrong with the form
    pub errors: FieldErrors,
    /// what was typed into the Alert, where that is wrong
    pub repair: Option<Repair>,
    /// the draft was changed in another window
    pub conflict: bool,
    /// the session had ended when this was sent, and what was typed is shown again
    pub kept: bool,
    /// the message that is to go out later and is changed, where the form does not say so itself
    pub scheduled: Option<ScheduledId>,
}

impl Showing {
    /// The form as typed.
    pub fn typed(form: Form) -> Showing {
        Showing { typed: Some(form), ..Showing::default() }
    }
}

impl NewMessagePage {
    /// Whether the tick "Only for the patient" is seen at once: where a caregiver would be told. Else it is one of the options, for those
    /// who may read later.
    fn is_plainly_alone(&self) -> bool {
        self.has_caregiver || self.form.only_patient
    }

    /// What is chosen in the fold of options, in one line.
    fn options(&self) -> String {
        let answers = self.form.offered.iter().map(|one| self.shell.t_of("one-tap", one.as_str()).to_owned());
        let follows = if self.anyway { Vec::new() } else { self.plan.chosen(&self.shell) };
        answers.chain(follows).collect::<Vec<_>>().join(" · ")
    }

    /// Whether this user can set what is missing in the Alert itself.
    fn can_be_repaired(&self) -> bool {
        self.may_edit && self.obstacles.iter().any(|one| !matches!(one, Obstacle::Archived | Obstacle::PortalOff))
    }
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Send>,
    query: web::Query<Vec<(String, String)>>,
) -> Result<HttpResponse, AppError> {
    let query = Form::of_pairs(query.into_inner());
    let chosen = query.has(CHOSEN).then(|| query.numbers("chart_item"));
    let (kept, scheduled) = (query.has(KEPT), query.numbers("scheduled").first().copied().map(ScheduledId));
    let asked = scheduled.filter(|_| !kept);
    if let Some(to) = later::elsewhere(&state, chart.0.user().clone(), asked, (chart.0.patient(), None)).await? {
        return Ok(see_other(&to));
    }
    html(&page(&state, head, chart.0, Showing { chosen, kept, scheduled, ..Showing::default() }).await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let mut errors = FieldErrors::default();
    sent_along::check(&form, &mut errors);
    let Some(mut new) = read_form(&form, &mut errors) else {
        let page = page(&state, head, chart.0, Showing { errors, ..Showing::typed(form) }).await?;
        return with_status(StatusCode::UNPROCESSABLE_ENTITY, &page);
    };
    let Some(files) = sent_along::picks(&state, &chart.0, &form, &mut errors).await? else {
        let status = errors.status();
        let page = page(&state, head, chart.0, Showing { errors, ..Showing::typed(form) }).await?;
        return with_status(status, &page);
    };
    new.files = files;
    let (now, random, again, access) = (state.clock.now(), state.random.clone(), chart.0.again(), chart.0);
    let write = state.db.write(move |tx| conversations::start(tx, now, &random, &access, &new));
    match write.await {
        Ok(id) => {
            state.wake.notify_one();
            return Ok(landed(head.fragment, &format!("/conversations/{id}?notice=message-sent")));
        }
        Err(StartError::Deactivated) => return Err(AppError::SignIn { to: "/sign-in".into() }),
        // the page says what is missing
        Err(StartError::Obstacles(_)) => {}
        Err(StartError::Overtaken(cause)) => errors.add("body", later::overtaken(cause)),
        Err(StartError::Files(cause)) => errors.add("files", sent_along::why_not(cause)?),
        Err(StartError::Db(cause)) if cause.is_full() => {
            tracing::error!(%cause, "a message could not be kept");
            errors.add("files", FieldError::FilesFull);
        }
        Err(StartError::Db(cause)) => return Err(cause.into()),
    }
    with_status(errors.status(), &page(&state, head, again, Showing { errors, ..Showing::typed(form) }).await?)
}

/// `POST /patients/{id}/messages/files`: "Add files" and "Remove" without script, and the list of chart items where a message that
/// goes out later is changed.
pub async fn change_files(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    chart: Chart<rights::Send>,
    body: Multipart,
) -> Result<HttpResponse, AppError> {
    let (form, refused) = uploads::change(&state, &req, &chart.0, body).await?;
    let status = uploads::status(&refused);
    if form.has("browse") {
        let who = Actor::User(chart.0.user().id());
        state.record(Entry::of_patient(who, Event::ChartViewed, chart.0.patient(), Subject::None)).await?;
    }
    with_status(status, &page(&state, head, chart.0, Showing { refused, ..Showing::typed(form) }).await?)
}

fn read_form(form: &Form, errors: &mut FieldErrors) -> Option<NewConversation> {
    let title = errors.need("title", "error-title", Title::parse(form.get("title")));
    let body = read_body(form, errors);
    if !placeholders::names(form.get("title")).is_empty() {
        errors.add("title", "error-title-unfilled");
    }
    let key = form.get("key");
    if !(16..=64).contains(&key.len()) {
        errors.add("body", "error-form-old");
    }
    if !errors.is_empty() {
        return None;
    }
    Fields(form.pairs()).conversation(Picks::default()).filter(|_| title.is_some() && body.is_some())
}

/// `POST /patients/{id}/messages/scheduled`: "Send later".
pub async fn schedule(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, mut errors) = (state.clock.now(), FieldErrors::default());
    sent_along::check(&form, &mut errors);
    let read = read_form(&form, &mut errors).is_some();
    let settings = state.db.read(|conn| -> Result<_, AppError> { Ok(settings::load(conn)?) }).await?;
    let send_at = later::read(&form, settings.zone(), now, &mut errors).filter(|_| read);
    let files = match send_at {
        Some(_) => sent_along::picks(&state, &chart.0, &form, &mut errors).await?,
        None => None,
    };
    if let (Some(send_at), Some(files)) = (send_at, files) {
        let place = Place::New(chart.0.again());
        let new = later::to_schedule(&form, send_at, files);
        match state.db.write(move |tx| conversations::schedule(tx, now, &place, &new)).await {
            Ok(_) => return Ok(landed(head.fragment, "/inbox/scheduled?notice=message-scheduled")),
            Err(cause) => later::why_not(cause, &mut errors)?,
        }
    }
    with_status(errors.status(), &page(&state, head, chart.0, Showing { errors, ..Showing::typed(form) }).await?)
}

/// The page, with what is to be shown in its form.
pub async fn page(
    state: &web::Data<AppState>,
    head: Head,
    access: ChartAccess<rights::Send>,
    showing: Showing,
) -> Result<NewMessagePage, AppError> {
    let data = state.clone();
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let user = access.user();
        let (mut shell, settings) = shell(conn, &head, user)?;
        let patient = patients::patient(conn, &access)?;
        let blocks = notifications::blocks(conn, &patient)?;
        let draft = conversations::draft(conn, DraftPlace::new_message(&access))?;
        let mut draft_from = String::new();
        let saved_at = draft.kept.as_ref().map(|(_, at)| *at);
        let kept = if showing.kept { words_back(conn, &mut shell, user, saved_at)? } else { None };
        let typed = showing.typed.or(kept);
        let (place, begun) = ((access.patient(), None), draft.kept.as_ref().map(|(pairs, _)| pairs.as_slice()));
        let edited = later::edited(conn, user, (typed.as_ref(), begun), showing.scheduled, place)?;
        let typed = typed.or_else(|| showing.scheduled.and_then(|_| later::opened(edited.as_ref())));
        let mut named = match (typed, draft.kept) {
            (Some(typed), _) => typed,
            (None, Some((pairs, at))) => {
                draft_from = shell.short(&at);
                Form::of_pairs(pairs)
            }
            (None, None) if settings.replies_by_default => Form::filled(&[("replies_allowed", "on")]),
            (None, None) => Form::default(),
        };
        if let Some(chosen) = showing.chosen {
            named.put_all("chart_item", &chosen);
        }
        if showing.errors.has(FieldError::ScheduledWaits) {
            named.put_all("upload", &[]);
        }
        let mut form = Typed::from_form(&named);
        let later = Later::new(&shell, &settings.time_zone, &named, edited.as_ref());
        let mut files = FileLines::read(conn, &data.intake, &access, &named)?;
        files.action = format!("/patients/{}/messages/files", access.patient());
        files.browse_by = format!("/patients/{}/messages/draft", access.patient());
        if later.editing.is_some() {
            // on the way to the chart browser and back the form would be kept as a draft of another message
            files.browse_by.clone_from(&files.action);
            files.picker = Picker::asked(conn, &access, &named)?;
        }
        files.refused = showing.refused;
        let mut errors = showing.errors;
        files.name_refused(&mut errors);
        let (only_patient, reach) = (form.only_patient, settings::reach(conn)?);
        let at = (head.now, head.now);
        let found = notifications::obstacles_now(conn, at, &settings, &patient, &blocks, only_patient)?;
        let rungs = match found.is_empty() {
            true => None,
            false => notifications::last_rungs(&settings, reach, &patient, &blocks),
        };
        let anyway = rungs.is_some() && Fields(named.pairs()).anyway();
        // a message that would go without the tick keeps its form, where the tick can be taken away
        let is_ticked_away = only_patient
            && rungs.is_none()
            && !found.is_empty()
            && notifications::obstacles_now(conn, at, &settings, &patient, &blocks, false)?.is_empty();
        if is_ticked_away {
            errors.add("only_patient", "error-only-patient-unreached");
        }
        let obstacles = if anyway || is_ticked_away { Vec::new() } else { found };
        let told = match rungs.filter(|_| anyway) {
            Some(rungs) => vec![rungs.describe(shell.lang)],
            None => told_lines(conn, &shell, &data, (&patient, &blocks), only_patient)?,
        };
        // wherever the form comes from: what is not there any more is not on it, and would be missed by nobody
        if files.gone && obstacles.is_empty() {
            errors.add("files", FieldError::FilesGone);
        }
        form.draft_version = match form.draft_version {
            // what is changed here is no draft, and a draft to the same patient stays as it is
            _ if later.editing.is_some() => -1,
            // nor does the page of one that is gone write over a draft that it never showed
            -1 if saved_at.is_some() => -1,
            over if showing.conflict || over < 1 => draft.version,
            over => over,
        };
        // each window has a key of its own, also where two show the same draft; whoever was told that the same form waits to go
        // out later presses again for another message
        if form.key.is_empty() || !draft_from.is_empty() || errors.has(FieldError::ScheduledWaits) {
            form.key = data.random.token().reveal().to_owned();
        }
        let me = user.id();
        let warnings = notifications::warnings(conn, &patient, &blocks)?.into_iter();
        let (unconfirmed, warnings): (Vec<Warning>, Vec<Warning>) = warnings.partition(|one| one.is_unconfirmed());
        Ok(NewMessagePage {
            colleagues: users::active(conn)?.into_iter().filter(|user| user.id != me).collect(),
            teams: teams::offered(conn)?,
            templates: message_templates::names(conn, user)?,
            template_goal: format!("/patients/{}/messages/template", patient.id),
            obstacles,
            along: along(&named, later.editing.as_ref()),
            repair: showing.repair.unwrap_or_else(|| Repair::from_patient(&patient)),
            carried: later.editing.as_ref().map(|_| along(&named, later.editing.as_ref())).unwrap_or_default(),
            may_edit: user.role().may(Action::EditPatients),
            rungs: rungs.map(|rungs| rungs.describe(shell.lang)),
            anyway,
            has_caregiver: !caregivers::current(conn, head.now, patient.id)?.is_empty(),
            told,
            other_way: notifications::other_way(&patient, &blocks, &data.delivery),
            plan: PlanLine::new(
                (&settings, reach),
                PlanWish::read(|name| named.get(name)),
                &notifications::plan(&patient, &blocks),
            ),
            warnings,
            unconfirmed,
            later,
            later_goal: format!("/patients/{}/messages/scheduled", patient.id),
            files,
            errors,
            conflict: showing.conflict,
            form,
            draft_from,
            patient,
            shell,
        })
    });
    read.await
}

/// The fields of a form, with the message that it changes, for a form of the Alert to carry.
fn along(form: &Form, editing: Option<&Editing>) -> Vec<(String, String)> {
    let typed = form.pairs().iter().filter(|(name, _)| !repair::OWN.contains(&name.as_str()));
    let mut pairs: Vec<(String, String)> = typed.cloned().collect();
    if let Some(editing) = editing.filter(|_| !form.has("scheduled")) {
        pairs.push(("scheduled".to_owned(), editing.id.to_string()));
        pairs.push(("scheduled_version".to_owned(), editing.version.to_string()));
    }
    pairs
}
