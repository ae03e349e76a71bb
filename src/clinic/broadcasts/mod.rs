//! One message to many patients: written and checked, sent, followed.

pub mod draft;
pub mod files;
pub mod list;
pub mod new;
pub mod one;
pub mod recipients;

use crate::db::BroadcastId;
use crate::error::AppError;
use crate::patients::ArchiveReason;
use actix_web::HttpRequest;

/// The words of a reason in the reader's language, a sentence each.
fn reason_in_words(shell: &crate::http::Shell, reason: &str, archived: Option<ArchiveReason>) -> String {
    let mut said: Vec<&str> = Vec::new();
    for word in reason.split(' ') {
        let is_own = word.parse::<crate::broadcasts::Why>().is_ok();
        said.push(shell.t_of(if is_own { "many-why" } else { "obstacle" }, word));
        if let Some(archived) = archived.filter(|_| word == "archived") {
            said.push(shell.t_of("archived-why", archived.as_str()));
        }
    }
    said.join(" ")
}

fn id(req: &HttpRequest) -> Result<BroadcastId, AppError> {
    super::guard::number(req, "broadcast").map(BroadcastId)
}
