//! DOOR for patients. It imports nothing that acts for the clinic: it can only use the few verbs that take a
//! `PortalVisit`. No route creates a conversation, and none accepts a file.

mod attachments;
mod download;
mod gone;
mod guard;
mod home;
mod image;
mod information;
mod language;
mod link;
mod logout;
mod message;
mod messages;
mod not_yours;
mod real;
mod session;
mod views;

pub use message::preview;
pub use not_yours::of_their_own;

use crate::http::packed;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::{self, ServiceConfig};

/// Pages that are sent compressed: they contain only the clinic's and the patient's own words, see [`packed`].
const PACKED: &[&str] =
    &["/portal/messages", "/portal/messages/{number}", "/portal/information", "/portal/information/views"];

/// Compresses the pages of this door that may be compressed.
///
/// # Errors
/// Those of the page.
pub async fn pack(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    packed::pages(PACKED, req, next).await
}

/// Every route of this door, below `/portal`.
pub fn routes(config: &mut ServiceConfig) {
    let get = crate::http::get;
    let post = web::post;
    config
        .route("", get().to(home::show))
        .route("/real", get().to(real::show))
        .route("/entry", post().to(home::enter))
        .route("/link/{token}", get().to(link::show))
        .route("/link/{token}/", get().to(link::show))
        .route("/link/{token}/passcode", post().to(link::request_passcode))
        .route("/link/{token}/session", post().to(link::login))
        .route("/messages", get().to(messages::show))
        .route("/messages/{number}", get().to(message::show))
        .route("/messages/{number}/attachments/{file}", get().to(attachments::open))
        .route("/messages/{number}/replies", post().to(message::reply))
        .route("/messages/{number}/draft", post().to(message::keep))
        .route("/messages/{number}/answers", post().to(message::answer))
        .route("/session", post().to(session::stay))
        .route("/information", get().to(information::show))
        .route("/information", post().to(information::submit))
        .route("/information/views", get().to(views::show))
        .route("/information/download", get().to(download::show))
        .route("/sessions/end", post().to(information::log_out_everywhere))
        .route("/images/{kind}/{name}", get().to(image::show))
        .route("/language", post().to(language::choose))
        .route("/logout", post().to(logout::submit));
}
