//! Which methods a page answers.

use actix_web::{Route, guard, web};

/// GET, and HEAD, by which mail scanners and link checkers ask: the same without the body. actix's own `get()` answers
/// HEAD with 404, so a scanner would take every link for a dead one.
pub fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}
