//! DOOR for the clinic's staff. One file for each page: its GET, its POST, its template's struct on top.

mod account;
mod attachments;
mod audit_log;
mod chart;
mod chart_browser;
mod chart_file;
mod chart_filter;
mod closure;
mod conversation;
mod demographics;
mod draft;
mod gateways;
mod guard;
mod images;
mod inbox;
mod language;
mod message_preview;
mod message_templates;
mod new_message;
mod notification_preview;
mod notification_templates;
mod one_tap;
mod outbox;
mod password;
mod patient_import;
mod patients;
mod plan_line;
mod portal_lock;
mod reach;
mod repair;
mod rich_text;
mod settings_clinic;
mod settings_portal;
mod sign_in;
mod template_picker;
mod uploads;

use actix_web::web::{self, ServiceConfig};

/// Every route of this door. GET changes nothing; a changed thing is a noun that is posted to.
pub fn routes(config: &mut ServiceConfig) {
    let get = crate::http::get;
    let post = web::post;
    config
        .route("/", get().to(inbox::home))
        .route("/sign-in", get().to(sign_in::show))
        .route("/sign-in", post().to(sign_in::submit))
        .route("/sign-out", post().to(sign_in::sign_out))
        .route("/password/{token}", get().to(password::show))
        .route("/password/{token}", post().to(password::submit))
        .route("/language", post().to(language::choose))
        .route("/inbox", get().to(inbox::show))
        .route("/inbox/count", get().to(account::count))
        .route("/account/notifications", get().to(account::show))
        .route("/account/notifications", post().to(account::submit))
        .route("/outbox", get().to(outbox::show))
        .route("/outbox.csv", get().to(outbox::export))
        .route("/patients", get().to(patients::show))
        .route("/patients/new", get().to(patients::new))
        .route("/patients/import", get().to(patient_import::show))
        .route("/patients/import", post().to(patient_import::submit))
        .route("/patients", post().to(patients::add))
        .route("/patients/{patient}", get().to(chart::show))
        .route("/patients/{patient}/chart-browser", get().to(chart_browser::show))
        .route("/patients/{patient}/items/{item}", get().to(chart::show_item))
        .route("/patients/{patient}/items/{item}/document.pdf", get().to(chart::download_item))
        .route("/patients/{patient}/items/{item}/file", get().to(chart_file::open))
        .route("/patients/{patient}/files/new", get().to(chart_file::show))
        .route("/patients/{patient}/files", post().to(chart_file::submit))
        .route("/patients/{patient}/information", get().to(demographics::show))
        .route("/patients/{patient}/information", post().to(demographics::submit))
        .route("/patients/{patient}/notification-method", post().to(reach::set_method))
        .route("/patients/{patient}/addresses", post().to(reach::release))
        .route("/patients/{patient}/notifications", post().to(outbox::tell_of_access_again))
        .route("/patients/{patient}/cancellations", post().to(outbox::cancel_access_notice))
        .route("/patients/{patient}/portal-unlocking", post().to(portal_lock::lift))
        .route("/patients/{patient}/messages/new", get().to(new_message::show))
        .route("/patients/{patient}/messages/new", post().to(new_message::submit))
        .route("/patients/{patient}/messages/draft", post().to(draft::save))
        .route("/patients/{patient}/messages/draft/removal", post().to(draft::discard))
        .route("/patients/{patient}/messages/repair", post().to(repair::submit))
        .route("/patients/{patient}/messages/preview", post().to(message_preview::show))
        .route("/patients/{patient}/messages/template", post().to(template_picker::fill_in))
        .route("/patients/{patient}/message-templates", get().to(template_picker::list))
        .route("/patients/{patient}/messages/files", post().to(new_message::change_files))
        .route("/patients/{patient}/uploads", post().to(uploads::add))
        .route("/patients/{patient}/uploads/{upload}/removal", post().to(uploads::remove))
        .route("/conversations/{conversation}", get().to(conversation::show))
        .route("/conversations/{conversation}/files", post().to(conversation::change_files))
        .route("/conversations/{conversation}/attachments/{number}", get().to(attachments::open))
        .route("/conversations/{conversation}/messages", post().to(conversation::submit))
        .route("/conversations/{conversation}/replies", post().to(conversation::set_replies))
        .route("/conversations/{conversation}/participants", post().to(conversation::add_participants))
        .route("/conversations/{conversation}/done", post().to(conversation::mark_done))
        .route("/conversations/{conversation}/notifications", post().to(conversation::send_again))
        .route("/conversations/{conversation}/cancellations", post().to(outbox::cancel))
        .route("/conversations/{conversation}/attention", post().to(conversation::settle_attention))
        .route("/conversations/{conversation}/closure", get().to(closure::ask))
        .route("/conversations/{conversation}/closure", post().to(closure::close))
        .route("/conversations/{conversation}/reopening", post().to(closure::reopen))
        .route("/settings", get().to(settings_clinic::home))
        .route("/settings/clinic", get().to(settings_clinic::show))
        .route("/settings/clinic", post().to(settings_clinic::submit))
        .route("/settings/patient-portal", get().to(settings_portal::show))
        .route("/settings/patient-portal", post().to(settings_portal::submit))
        .route("/settings/images/{kind}", post().to(images::submit))
        .route("/settings/message-templates", get().to(message_templates::show))
        .route("/settings/message-templates", post().to(message_templates::add))
        .route("/settings/message-templates/new", get().to(message_templates::new))
        .route("/settings/message-templates/{template}", get().to(message_templates::edit))
        .route("/settings/message-templates/{template}", post().to(message_templates::change))
        .route("/settings/message-templates/{template}/copies", post().to(message_templates::duplicate))
        .route("/settings/message-templates/{template}/retirement", post().to(message_templates::retire))
        .route("/settings/notification-templates", get().to(notification_templates::list))
        .route("/settings/notification-templates", post().to(notification_templates::choose))
        .route("/settings/notification-templates/{kind}/{channel}/{language}", get().to(notification_templates::show))
        .route(
            "/settings/notification-templates/{kind}/{channel}/{language}",
            post().to(notification_templates::submit),
        )
        .route(
            "/settings/notification-templates/{kind}/{channel}/{language}/preview",
            post().to(notification_templates::preview),
        )
        .route(
            "/settings/notification-templates/{kind}/{channel}/{language}/test",
            post().to(notification_templates::test),
        )
        .route(
            "/settings/notification-templates/{kind}/{channel}/{language}/default",
            post().to(notification_templates::reset),
        )
        .route("/settings/gateways", get().to(gateways::show))
        .route("/settings/gateways", post().to(gateways::submit))
        .route("/settings/audit-log", get().to(audit_log::show));
}
