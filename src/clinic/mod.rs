//! DOOR for the clinic's staff. One file for each page: its GET, its POST, its template's struct on top.

mod account;
mod broadcasts;
mod composing;
mod conversations;
mod errors;
mod files;
mod guard;
mod patients;
mod refusals;
mod settings;

pub use account::kept_words::keep_words;
pub use account::not_yours::of_their_own;
pub use errors::in_frame;
pub use refusals::note_refusals;

use actix_web::web::{self, ServiceConfig};

/// Every route of this door. GET changes nothing; a changed thing is a noun that is posted to.
pub fn routes(config: &mut ServiceConfig) {
    let get = crate::http::get;
    let post = web::post;
    config
        .route("/", get().to(conversations::inbox::home))
        .route("/sign-in", get().to(account::sign_in::show))
        .route("/sign-in", post().to(account::sign_in::submit))
        .route("/sign-in/second-step", get().to(account::second_step::show))
        .route("/sign-in/second-step", post().to(account::second_step::submit))
        .route("/sign-in/second-step/challenge", post().to(account::passkey::second_step_challenge))
        .route("/sign-in/passkey", post().to(account::passkey::sign_in))
        .route("/sign-in/passkey/challenge", post().to(account::passkey::sign_in_challenge))
        .route("/sign-in/provider", post().to(account::provider::sign_in))
        .route("/sign-in/provider/answer", get().to(account::provider::show_answer))
        .route("/sign-in/provider/answer", post().to(account::provider::answer))
        .route("/sign-out", post().to(account::sign_in::sign_out))
        .route("/password/{token}", get().to(account::password::show))
        .route("/password/{token}/", get().to(account::password::show))
        .route("/password/{token}", post().to(account::password::submit))
        .route("/password/{token}/provider", post().to(account::provider::by_invitation))
        .route("/forgotten-password", get().to(account::forgotten::show))
        .route("/forgotten-password", post().to(account::forgotten::submit))
        .route("/language", post().to(account::language::choose))
        .route("/account", get().to(account::own::show))
        .route("/account/email", post().to(account::own::change_email))
        .route("/account/password", post().to(account::own::change_password))
        .route("/account/sessions", post().to(account::own::end_sessions))
        .route("/account/keys", post().to(account::keys::submit))
        .route("/account/views", get().to(account::views::show))
        .route("/account/views", post().to(account::views::submit))
        .route("/account/views/{view}", get().to(account::views::show_one))
        .route("/account/views/{view}", post().to(account::views::submit_one))
        .route("/account/views/{view}/removal", post().to(account::views::remove))
        .route("/account/session", post().to(account::session::stay))
        .route("/account/confirmation", get().to(account::confirmation::show))
        .route("/account/confirmation", post().to(account::confirmation::submit))
        .route("/account/confirmation/challenge", post().to(account::passkey::confirmation_challenge))
        .route("/account/confirmation/provider", post().to(account::provider::confirm))
        .route("/account/provider", post().to(account::provider::link))
        .route("/account/provider/removal", post().to(account::provider::unlink))
        .route("/account/second-factor", get().to(account::second_factor::show))
        .route("/account/second-factor/app", get().to(account::second_factor::app::show))
        .route("/account/second-factor/app", post().to(account::second_factor::app::start))
        .route("/account/second-factor/app/code", post().to(account::second_factor::app::confirm))
        .route("/account/second-factor/app/removal", post().to(account::second_factor::app::remove))
        .route("/account/second-factor/passkeys", post().to(account::second_factor::passkeys::add))
        .route("/account/second-factor/passkeys/challenge", post().to(account::second_factor::passkeys::challenge))
        .route("/account/second-factor/passkeys/{passkey}/removal", post().to(account::second_factor::passkeys::remove))
        .route("/account/second-factor/recovery-codes", post().to(account::second_factor::make_recovery_codes))
        .route("/keys", get().to(account::keys::show))
        .route("/inbox", get().to(conversations::inbox::show))
        .route("/inbox/done", post().to(conversations::marks::done))
        .route("/inbox/done/removal", post().to(conversations::marks::not_done))
        .route("/inbox/unread", post().to(conversations::marks::unread))
        .route("/inbox/assignment", post().to(conversations::assign_many::submit))
        .route("/inbox/assignment/removal", post().to(conversations::assign_many::undo))
        .route("/inbox/scheduled", get().to(conversations::scheduled::show))
        .route("/scheduled/{scheduled}/cancellation", post().to(conversations::scheduled::cancel))
        .route("/scheduled/{scheduled}/sending", post().to(conversations::scheduled::send_now))
        .route("/scheduled/{scheduled}/removal", post().to(conversations::scheduled::remove))
        .route("/inbox/count", get().to(account::notifications::count))
        .route("/events", get().to(conversations::live::events))
        .route("/account/away", get().to(account::away::show))
        .route("/account/away", post().to(account::away::submit))
        .route("/account/notifications", get().to(account::notifications::show))
        .route("/account/notifications", post().to(account::notifications::submit))
        .route("/outbox", get().to(conversations::outbox::show))
        .route("/outbox.csv", get().to(conversations::outbox::export))
        .route("/broadcasts", get().to(broadcasts::list::show))
        .route("/broadcasts", post().to(broadcasts::new::submit))
        .route("/broadcasts/new", get().to(broadcasts::new::show))
        .route("/broadcasts/draft", post().to(broadcasts::draft::save))
        .route("/broadcasts/draft/removal", post().to(broadcasts::draft::discard))
        .route("/broadcasts/template", post().to(broadcasts::new::fill_in))
        .route("/broadcasts/recipients", post().to(broadcasts::recipients::add))
        .route("/broadcasts/{broadcast}", get().to(broadcasts::one::show))
        .route("/broadcasts/{broadcast}/progress", get().to(broadcasts::one::progress))
        .route("/broadcasts/{broadcast}/sending", post().to(broadcasts::one::send))
        .route("/broadcasts/{broadcast}/stopping", post().to(broadcasts::one::stop))
        .route("/broadcasts/{broadcast}/removal", post().to(broadcasts::new::remove))
        .route("/searches", post().to(patients::searches::submit))
        .route("/search", get().to(conversations::search::show))
        .route("/patients", get().to(patients::list::show))
        .route("/patients/new", get().to(patients::new::show))
        .route("/patients/doubles", get().to(patients::doubles::show))
        .route("/patients/import", get().to(patients::import::show))
        .route("/patients/import", post().to(patients::import::submit))
        .route("/patients", post().to(patients::new::submit))
        .route("/patients/{patient}", get().to(patients::chart::show))
        .route("/patients/{patient}/chart-browser", get().to(files::chart_browser::show))
        .route("/patients/{patient}/items/{item}", get().to(patients::chart::show_item))
        .route("/patients/{patient}/items/{item}/document.pdf", get().to(patients::chart::download_item))
        .route("/patients/{patient}/items/{item}/file", get().to(files::chart_file::open))
        .route("/patients/{patient}/files/new", get().to(files::chart_file::show))
        .route("/patients/{patient}/files", post().to(files::chart_file::submit))
        .route("/patients/{patient}/information", get().to(patients::demographics::show))
        .route("/patients/{patient}/information", post().to(patients::demographics::submit))
        .route("/patients/{patient}/differences", post().to(patients::differences::choose))
        .route("/patients/{patient}/postal-address", get().to(patients::postal_address::show))
        .route("/patients/{patient}/postal-address", post().to(patients::postal_address::submit))
        .route("/patients/{patient}/own-word", get().to(patients::own_word::show))
        .route("/patients/{patient}/own-word", post().to(patients::own_word::submit))
        .route("/patients/{patient}/archiving", get().to(patients::archiving::ask))
        .route("/patients/{patient}/archiving", post().to(patients::archiving::submit))
        .route("/patients/{patient}/bringing-back", post().to(composing::repair::bring_back))
        .route("/patients/{patient}/deletion", get().to(patients::deletion::ask))
        .route("/patients/{patient}/deletion", post().to(patients::deletion::submit))
        .route("/patients/{patient}/hold", get().to(patients::hold::show))
        .route("/patients/{patient}/hold", post().to(patients::hold::submit))
        .route("/patients/{patient}/hold/removal", post().to(patients::hold::lift))
        .route("/patients/{patient}/merging", get().to(patients::merging::show))
        .route("/patients/{patient}/merging", post().to(patients::merging::submit))
        .route("/patients/{patient}/unmerging", post().to(patients::merging::undo))
        .route("/patients/{patient}/distinctions", post().to(patients::doubles::tell_apart))
        .route("/patients/{patient}/distinctions/removal", post().to(patients::doubles::undo))
        .route("/patients/{patient}/notification-method", post().to(composing::repair::set_method))
        .route("/patients/{patient}/addresses", post().to(patients::reach::release))
        .route("/patients/{patient}/notifications", post().to(conversations::outbox::tell_of_access_again))
        .route("/patients/{patient}/cancellations", post().to(conversations::outbox::cancel_access_notice))
        .route("/patients/{patient}/portal-unlocking", post().to(patients::portal_lock::lift))
        .route("/patients/{patient}/messages/new", get().to(composing::new_message::show))
        .route("/patients/{patient}/messages/new", post().to(composing::new_message::submit))
        .route("/patients/{patient}/messages/scheduled", post().to(composing::new_message::schedule))
        .route("/patients/{patient}/messages/draft", post().to(composing::draft::save))
        .route("/patients/{patient}/messages/draft/removal", post().to(composing::draft::discard))
        .route("/patients/{patient}/messages/repair", post().to(composing::repair::submit))
        .route("/patients/{patient}/messages/preview", post().to(composing::preview::show))
        .route("/patients/{patient}/messages/template", post().to(composing::template_picker::fill_in))
        .route("/patients/{patient}/message-templates", get().to(composing::template_picker::list))
        .route("/patients/{patient}/messages/files", post().to(composing::new_message::change_files))
        .route("/patients/{patient}/uploads", post().to(files::uploads::add))
        .route("/patients/{patient}/uploads/{upload}/removal", post().to(files::uploads::remove))
        .route("/conversations/{conversation}", get().to(conversations::conversation::show))
        .route("/conversations/{conversation}/print", get().to(conversations::print::show))
        .route("/conversations/{conversation}/document.pdf", get().to(conversations::print::download))
        .route("/conversations/{conversation}/live", get().to(conversations::live::part))
        .route("/conversations/{conversation}/answering", post().to(conversations::live::answering))
        .route("/conversations/{conversation}/attachments/{number}", get().to(files::attachments::open))
        .route("/conversations/{conversation}/messages", post().to(conversations::write::replies::send))
        .route("/conversations/{conversation}/messages/files", post().to(conversations::write::replies::change_files))
        .route("/conversations/{conversation}/messages/scheduled", post().to(conversations::write::schedule))
        .route("/conversations/{conversation}/messages/template", post().to(conversations::write::fill_in))
        .route("/conversations/{conversation}/messages/draft", post().to(conversations::write::replies::save))
        .route(
            "/conversations/{conversation}/messages/draft/removal",
            post().to(conversations::write::replies::discard),
        )
        .route("/conversations/{conversation}/messages/{message}/recall", get().to(conversations::recall::ask))
        .route("/conversations/{conversation}/messages/{message}/recall", post().to(conversations::recall::submit))
        .route("/conversations/{conversation}/notes", get().to(conversations::conversation::show_notes))
        .route("/conversations/{conversation}/notes", post().to(conversations::write::notes::send))
        .route("/conversations/{conversation}/notes/files", post().to(conversations::write::notes::change_files))
        .route("/conversations/{conversation}/notes/draft", post().to(conversations::write::notes::save))
        .route("/conversations/{conversation}/notes/draft/removal", post().to(conversations::write::notes::discard))
        .route("/conversations/{conversation}/replies", post().to(conversations::conversation::set_replies))
        .route("/conversations/{conversation}/participants", post().to(conversations::participants::add))
        .route("/conversations/{conversation}/participants/removal", post().to(conversations::participants::remove))
        .route("/conversations/{conversation}/assignment", get().to(conversations::assignment::show))
        .route("/conversations/{conversation}/assignment", post().to(conversations::assignment::submit))
        .route("/conversations/{conversation}/done", post().to(conversations::marks::conversation_done))
        .route("/conversations/{conversation}/done/removal", post().to(conversations::marks::conversation_not_done))
        .route("/conversations/{conversation}/unread", post().to(conversations::marks::conversation_unread))
        .route("/conversations/{conversation}/notifications", post().to(conversations::conversation::send_again))
        .route("/conversations/{conversation}/cancellations", post().to(conversations::outbox::cancel))
        .route("/conversations/{conversation}/attention", post().to(conversations::conversation::settle_attention))
        .route("/conversations/{conversation}/call", get().to(conversations::call::show))
        .route("/conversations/{conversation}/call", post().to(conversations::call::submit))
        .route("/conversations/{conversation}/letter", get().to(conversations::letter::show))
        .route("/conversations/{conversation}/letter", post().to(conversations::letter::submit))
        .route("/conversations/{conversation}/letters/{number}", get().to(conversations::letter::download))
        .route("/conversations/{conversation}/closure", get().to(conversations::closure::ask))
        .route("/conversations/{conversation}/closure", post().to(conversations::closure::close))
        .route("/conversations/{conversation}/reopening", post().to(conversations::closure::reopen))
        .route("/settings", get().to(settings::clinic::home))
        .route("/settings/clinic", get().to(settings::form::show::<settings::clinic::ClinicPage>))
        .route("/settings/clinic", post().to(settings::form::submit::<settings::clinic::ClinicPage>))
        .route("/settings/hours", get().to(settings::hours::show))
        .route("/settings/hours", post().to(settings::hours::submit))
        .route("/settings/answer-times", get().to(settings::answer_times::show))
        .route("/settings/patient-portal", get().to(settings::form::show::<settings::portal::PortalPage>))
        .route("/settings/patient-portal", post().to(settings::form::submit::<settings::portal::PortalPage>))
        .route("/settings/reach", get().to(settings::reach::show))
        .route("/settings/reach", post().to(settings::reach::submit))
        .route("/settings/own-word", get().to(settings::own_word::show))
        .route("/settings/own-word", post().to(settings::own_word::submit))
        .route("/settings/images/{kind}", post().to(settings::images::submit))
        .route("/settings/message-templates", get().to(settings::message_templates::show))
        .route("/settings/message-templates", post().to(settings::message_templates::add))
        .route("/settings/message-templates/new", get().to(settings::message_templates::new))
        .route("/settings/message-templates/{template}", get().to(settings::message_templates::edit))
        .route("/settings/message-templates/{template}", post().to(settings::message_templates::change))
        .route("/settings/message-templates/{template}/copies", post().to(settings::message_templates::duplicate))
        .route("/settings/message-templates/{template}/retirement", post().to(settings::message_templates::retire))
        .route(
            "/settings/notification-templates",
            get().to(settings::form::show::<settings::notifications::NotificationsPage>),
        )
        .route(
            "/settings/notification-templates",
            post().to(settings::form::submit::<settings::notifications::NotificationsPage>),
        )
        .route(
            "/settings/notification-templates/{kind}/{channel}/{language}",
            get().to(settings::notification_templates::show),
        )
        .route(
            "/settings/notification-templates/{kind}/{channel}/{language}",
            post().to(settings::notification_templates::submit),
        )
        .route(
            "/settings/notification-templates/{kind}/{channel}/{language}/view",
            get().to(settings::notification_view::show),
        )
        .route(
            "/settings/notification-templates/{kind}/{channel}/{language}/mail",
            get().to(settings::notification_view::mail),
        )
        .route(
            "/settings/notification-templates/{kind}/{channel}/{language}/preview",
            post().to(settings::notification_templates::preview),
        )
        .route(
            "/settings/notification-templates/{kind}/{channel}/{language}/test",
            post().to(settings::notification_templates::test),
        )
        .route(
            "/settings/notification-templates/{kind}/{channel}/{language}/default",
            post().to(settings::notification_templates::reset),
        )
        .route("/settings/users", get().to(settings::users::list::show))
        .route("/settings/users/new", get().to(settings::users::new::show))
        .route("/settings/users", post().to(settings::users::new::submit))
        .route("/settings/users/{user}/password-links", post().to(settings::users::new::another_link))
        .route("/settings/users/{user}", get().to(settings::users::one::show))
        .route("/settings/users/{user}", post().to(settings::users::one::submit))
        .route("/settings/users/{user}/away", get().to(settings::users::away::show))
        .route("/settings/users/{user}/away", post().to(settings::users::away::submit))
        .route("/settings/users/{user}/deactivation", get().to(settings::users::deactivation::ask))
        .route("/settings/users/{user}/deactivation", post().to(settings::users::deactivation::submit))
        .route("/settings/users/{user}/reactivation", post().to(settings::users::deactivation::reactivate))
        .route("/settings/users/{user}/sessions", post().to(settings::users::one::end_sessions))
        .route("/settings/users/{user}/second-factor", post().to(settings::users::one::reset_second_factor))
        .route("/settings/users/{user}/provider/removal", post().to(settings::users::one::unlink))
        .route("/settings/teams", get().to(settings::teams::show))
        .route("/settings/teams", post().to(settings::teams::add))
        .route("/settings/teams/new", get().to(settings::teams::new))
        .route("/settings/teams/{team}", get().to(settings::teams::edit))
        .route("/settings/teams/{team}", post().to(settings::teams::change))
        .route("/settings/teams/{team}/archiving", post().to(settings::teams::archive))
        .route("/settings/sign-in", get().to(settings::form::show::<settings::sign_in::SignInPage>))
        .route("/settings/sign-in", post().to(settings::form::submit::<settings::sign_in::SignInPage>))
        .route("/settings/records", get().to(settings::form::show::<settings::records::RecordsPage>))
        .route("/settings/records", post().to(settings::form::submit::<settings::records::RecordsPage>))
        .route("/settings/records/deleted", get().to(settings::records::deleted))
        .route("/settings/records/deletion", post().to(patients::deletion::submit_due))
        .route("/settings/sync", get().to(settings::sync::show))
        .route("/settings/sync", post().to(settings::sync::submit))
        .route("/settings/sync/rules", post().to(settings::sync::save_rules))
        .route("/settings/gateways", get().to(settings::form::show::<settings::gateways::GatewaysPage>))
        .route("/settings/gateways", post().to(settings::form::submit::<settings::gateways::GatewaysPage>))
        .route("/settings/emr", get().to(settings::emr::show))
        .route("/settings/emr/keys", post().to(settings::emr::renew_key))
        .route("/settings/emr/{number}", post().to(settings::emr::submit))
        .route("/settings/emr/{number}/test", post().to(settings::emr::test))
        .route("/settings/audit-log", get().to(settings::audit_log::show))
        .route("/settings/audit-log.csv", get().to(settings::audit_log::export));
}
