//! `POST /searches`: leads from a search form to the page that is searched, with the text sealed in the address.

use crate::access::rights;
use crate::clinic::guard::User;
use crate::error::AppError;
use crate::http::searches::{FIELD, Searches, TEXT};
use crate::http::{Form, Head, see_other, whose};
use actix_web::{HttpResponse, web};
use url::form_urlencoded::Serializer;

/// The field that names the page.
const PAGE: &str = "page";
/// The part of the chart's page that is searched.
const ITEMS: &str = "items";

/// Whether this is a page that can be searched; the redirect leads to no other page.
fn is_searched(page: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match *page.split('/').collect::<Vec<_>>().as_slice() {
        ["", "patients" | "outbox" | "search"] => true,
        ["", "patients", patient] | ["", "patients", patient, "merging" | "chart-browser"] => is_number(patient),
        _ => false,
    }
}

pub async fn submit(
    head: Head,
    user: User<rights::Read>,
    searches: web::Data<Searches>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (page, part) = form.get(PAGE).split_once('#').unwrap_or((form.get(PAGE), ""));
    if !is_searched(page) || !(part.is_empty() || part == ITEMS) {
        return Err(AppError::BadRequest);
    }
    let mut query = Serializer::new(String::new());
    let ours = [PAGE, TEXT, FIELD, whose::FIELD];
    query.extend_pairs(form.pairs().iter().filter(|(name, _)| !ours.contains(&name.as_str())));
    let sealed = searches.seal(user.0.id(), head.now, form.get(TEXT).trim());
    if !sealed.is_empty() {
        query.append_pair(FIELD, &sealed);
    }
    let (query, part) = (query.finish(), if part.is_empty() { String::new() } else { format!("#{part}") });
    Ok(see_other(&if query.is_empty() { format!("{page}{part}") } else { format!("{page}?{query}{part}") }))
}
