//! `/patients/{id}/messages/preview`: what is being written, on the page that the patient will see. Nothing is kept.

use super::one_tap::offers;
use super::rich_text::RichText;
use crate::access::rights;
use crate::attachments::Attachment;
use crate::clinic::files::lines::FileLines;
use crate::clinic::guard::{Chart, shell};
use crate::conversations::{self, Preview};
use crate::error::AppError;
use crate::http::{Form, Head};
use crate::patients;
use crate::settings;
use crate::state::{AppState, PatientPage};
use crate::text::{CleanHtml, Lang, one_line};
use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};

pub async fn show(
    state: web::Data<AppState>,
    render: web::Data<PatientPage>,
    head: Head,
    chart: Chart<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, intake, typed) = (state.clock.now(), state.intake.clone(), form.clone());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (mut shell, settings) = shell(conn, &head, chart.0.user())?;
        let patient = patients::patient(conn, &chart.0)?;
        // the page is in the patient's language, under a line in the user's
        shell.notice = shell.lang.t("preview-banner");
        shell.lang = Lang::or_english(&patient.language);
        shell.who = None;
        shell.signed_in = true;
        let files = FileLines::read(conn, &intake, &chart.0, &typed)?;
        let names = (patient.name(), chart.0.user().name().to_owned());
        Ok((shell, settings, files, (names, settings::answer_by(conn, now)?)))
    });
    let (shell, settings, files, ((patient, by), answer_by)) = read.await?;
    let uploads = files.uploads.into_iter().map(|file| Attachment::previewed(file.file_name, file.size));
    let items = files.items.into_iter().map(|item| Attachment::previewed(item.title, 0));
    let files = uploads.chain(items).collect();
    let body = CleanHtml::from_html(&RichText::typed(&form).html);
    let title = one_line(form.get("title"));
    let replies_allowed = form.has("replies_allowed");
    let offers = offers(&form);
    let written = Preview { patient, by, title, body, replies_allowed, offers, files, answer_by };
    let page = (render.0)(shell, settings, conversations::preview(written, now))?;
    Ok(HttpResponse::Ok().content_type(ContentType::html()).body(page))
}
