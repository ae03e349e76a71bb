//! `/patients/{id}`: the chart.

use super::caregivers_ending::outlook;
use super::differences::{self, DifferenceRow};
use crate::access::{Action, rights};
use crate::attachments;
use crate::audit::{Actor, Entry, Event, Subject};
use crate::caregivers::{self, Caregiver, Outlook};
use crate::chart::document::{self, Document, Part};
use crate::chart::{self, ChartFile, ItemKind, ItemRow};
use crate::clinic::files::chart_filter::Narrowed;
use crate::clinic::guard::{AskedChart, Chart, number, shell};
use crate::conversations::{self, DraftPlace, InboxRow};
use crate::db::{self, ChartItemId, Ts};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::searches::Sought;
use crate::http::{Head, Shell, html, paging};
use crate::merging::{self, Merge};
use crate::notifications::{self, BlockKind, Blocks};
use crate::patients::{self, IdKind, Patient};
use crate::portal_links;
use crate::records::{self, Hold};
use crate::settings::{self, CaregiverAges};
use crate::state::AppState;
use crate::sync::{self, Freshness};
use crate::values::Line;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

/// Chart items on a page.
const PAGE: i64 = 25;
/// Conversations on the chart; the rest is in the inbox.
const CONVERSATIONS: i64 = 20;

#[derive(Template)]
#[template(path = "clinic/patients/chart.html")]
struct ChartPage {
    shell: Shell,
    patient: Patient,
    conversations: Vec<InboxRow>,
    /// when this user's draft was saved; empty where there is none
    draft_from: String,
    narrowed: Narrowed,
    errors: FieldErrors,
    items: Vec<ItemRow>,
    next: Option<String>,
    may_send: bool,
    may_edit: bool,
    may_audit: bool,
    may_delete: bool,
    /// the legal hold, where an owner reads the chart
    hold: Option<Hold>,
    /// why notifications to the addresses are stopped
    blocks: Blocks,
    /// the patient's numbers, such as a chart number
    identifiers: Vec<(IdKind, String)>,
    /// who reads for the patient now, or will
    caregivers: Vec<Caregiver>,
    /// the patient's ages at which a parent's access changes
    ages: CaregiverAges,
    /// the lines of the postal address
    postal_address: Option<Vec<String>>,
    /// whether a word for notifications was chosen; `None` where the clinic shows none
    has_own_word: Option<bool>,
    /// until when the portal takes no passcode of this patient
    locked_until: Option<Ts>,
    /// other charts that may be this patient's
    doubles: Vec<Patient>,
    /// one of them looks the same to the portal, so that whoever says who they are there gets no passcode
    doubles_shut_out: bool,
    /// another patient whom the portal cannot tell from this one
    mistaken_for: Option<Patient>,
    /// merges into this chart that can be undone
    merges: Vec<Merge>,
    /// what an EMR says otherwise, where this user may choose
    differences: Vec<DifferenceRow>,
    /// how fresh the chart is, by the EMRs that it comes from
    fresh: Vec<Freshness>,
}

#[derive(Template)]
#[template(path = "clinic/patients/chart_item.html")]
struct ItemPage {
    shell: Shell,
    patient: Patient,
    item: ItemRow,
    parts: Vec<Part>,
    /// the item's file, where it has one besides its words
    file: Option<ChartFile>,
}

impl ItemPage {
    /// The characters that the PDF of the item cannot draw.
    fn not_drawn(&self) -> String {
        document::not_drawn(&self.item.title, &self.parts)
    }

    /// Whether a browser can show the file.
    fn can_show(&self, file: &ChartFile) -> bool {
        attachments::shown_as(&file.media_type).is_some()
    }
}

impl ChartPage {
    /// What is to be said of a caregiver's access before it ends, in words; empty where there is nothing.
    fn warning(&self, one: &Caregiver) -> String {
        let clock = (self.shell.now, self.shell.zone);
        outlook(&self.shell, &Outlook::of(one, self.patient.birth_date, self.ages, clock))
    }

    /// The chart's own address; the list of items is a part of the page.
    fn path(&self) -> String {
        format!("/patients/{}", self.patient.id)
    }
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    asked: AskedChart<rights::Read>,
    query: Sought<Narrowed>,
) -> Result<HttpResponse, AppError> {
    let narrowed = query.0.clean();
    let before = paging::parse(&narrowed.after).map(|(at, id)| (at, ChartItemId(id)));
    let now = head.now;
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let chart = Chart(asked.proof(conn)?);
        let trace = trace(&chart, Event::ChartViewed, Subject::None);
        let (shell, settings) = shell(conn, &head, chart.0.user())?;
        let patient = patients::patient(conn, &chart.0)?;
        let blocks = notifications::blocks(conn, &patient)?;
        let identifiers = patients::identifiers(conn, patient.id)?;
        let mut caregivers = caregivers::of_chart(conn, &chart.0)?;
        caregivers.retain(|one| one.details.ends_at > now);
        let postal_address = patients::postal_address(conn, patient.id)?.map(|address| address.lines());
        let has_own_word = match settings::shows_own_word(conn)? {
            true => Some(patients::own_word(conn, patient.id)?.is_some()),
            false => None,
        };
        let locked_until = portal_links::locked_until(conn, now, &chart.0)?;
        let (doubles, apart) = patients::doubles_of(conn, &patient)?;
        let shuts_out = |other: &&Patient| patients::is_mistaken_for(&patient, other);
        let (doubles_shut_out, mistaken_for) =
            (doubles.iter().any(|other| shuts_out(&other)), apart.iter().find(shuts_out).cloned());
        let mut errors = FieldErrors::default();
        let filter = narrowed.filter(settings.zone(), &mut errors);
        let conversations = conversations::of_patient(conn, &chart.0, CONVERSATIONS)?;
        let draft = conversations::draft(conn, DraftPlace::new_message(&chart.0))?;
        let draft_from = draft.kept.map(|(_, at)| shell.short(&at)).unwrap_or_default();
        let mut items = chart::items(conn, &chart.0, &filter, before, PAGE + 1)?;
        let next = db::cut(&mut items, PAGE, |item| paging::key(item.occurred_at, item.id.0));
        let role = chart.0.user().role();
        let (may_send, may_edit) = (role.may(Action::Send), role.may(Action::EditPatients));
        let (may_audit, may_delete) = (role.may(Action::Audit), role.may(Action::Records));
        let differences = if may_edit { differences::rows(conn, &shell, &patient)? } else { Vec::new() };
        let fresh = sync::freshness(conn, patient.id)?;
        let hold = if may_delete { records::held(conn, patient.id)? } else { None };
        let page = ChartPage {
            shell,
            patient,
            conversations,
            draft_from,
            narrowed,
            errors,
            items,
            next,
            may_send,
            may_edit,
            may_audit,
            may_delete,
            hold,
            blocks,
            identifiers,
            caregivers,
            ages: settings::caregiver_ages(conn)?,
            postal_address,
            has_own_word,
            locked_until,
            doubles_shut_out,
            differences,
            fresh,
            mistaken_for,
            doubles,
            merges: merging::undoable(conn, now, &chart.0)?,
        };
        Ok((page, trace))
    });
    let (page, trace) = read.await?;
    state.record(trace).await?;
    html(&page)
}

pub async fn show_item(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Read>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let id = ChartItemId(number(&req, "item")?);
    let trace = trace(&chart, Event::ChartItemViewed, Subject::ChartItem(id.0));
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let item = chart::item(conn, &chart.0, id)?.ok_or(AppError::NotFound)?;
        let (shell, settings) = shell(conn, &head, chart.0.user())?;
        let parts = chart::document::parts_for(&item, shell.lang, &settings);
        let file = chart::file(conn, &chart.0, id)?;
        Ok(ItemPage { shell, patient: patients::patient(conn, &chart.0)?, item: item.row, parts, file })
    });
    let page = read.await?;
    state.record(trace).await?;
    html(&page)
}

/// The item as a PDF, in the reader's language. The file name tells nothing about the patient.
pub async fn download_item(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Read>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let id = ChartItemId(number(&req, "item")?);
    let trace = trace(&chart, Event::ChartItemViewed, Subject::ChartItem(id.0)).with("pdf");
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let item = chart::item(conn, &chart.0, id)?.ok_or(AppError::NotFound)?;
        let (shell, settings) = shell(conn, &head, chart.0.user())?;
        let patient = patients::patient(conn, &chart.0)?;
        Ok(Document::from_item(&item, &patient, &settings, shell.lang))
    });
    let document = read.await?;
    let pdf = web::block(move || document.pdf()).await.map_err(|_| AppError::Internal("no thread".into()))?;
    let pdf = pdf.map_err(|cause| AppError::Internal(cause.to_string()))?;
    state.record(trace).await?;
    let name = format!("attachment; filename=\"chart-item-{id}.pdf\"");
    Ok(HttpResponse::Ok().content_type("application/pdf").insert_header((CONTENT_DISPOSITION, name)).body(pdf))
}

fn trace(chart: &Chart<rights::Read>, event: Event, subject: Subject) -> Entry {
    Entry::of_patient(Actor::User(chart.0.user().id()), event, chart.0.patient(), subject)
}
