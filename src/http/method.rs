//! The HTTP methods that a page answers.

use actix_web::{Route, guard, web};

/// GET and HEAD. Mail scanners and link checkers ask by HEAD, which gets the same without the body. actix's own `get()`
/// answers HEAD with 404, so a scanner would take every link for a dead one.
pub fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}
