//! `/search`: patients and conversations by words. The form is posted to `/searches`, which leads here with the words sealed in
//! the address: see `http::searches`.

use crate::access::{self, rights};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::clinic::guard::{User, shell};
use crate::db::{MessageId, PatientId, Ts};
use crate::error::AppError;
use crate::http::searches::Sought;
use crate::http::{Head, Shell, html, unprocessable};
use crate::patients::{self, Patient};
use crate::search::{self, Found, Hit, Part, Search};
use crate::state::AppState;
use crate::text::{self, Zone};
use crate::values::BirthDate;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

/// Conversations on a page.
const PAGE: usize = 20;
/// Patients on a page: the list of patients has the others.
const PATIENTS: i64 = 5;

#[derive(Template)]
#[template(path = "clinic/conversations/search.html")]
struct SearchPage {
    shell: Shell,
    query: Query,
    patients: Vec<Patient>,
    /// the list of patients has more of them
    more_patients: bool,
    /// whose conversations alone are searched
    whose: Option<Patient>,
    found: Found,
    /// messages from this moment on are not searched yet
    behind: Option<Ts>,
}

impl SearchPage {
    /// Whether something was looked for.
    fn is_asked(&self) -> bool {
        !self.query.q.is_empty() && !self.query.is_wrong()
    }

    fn is_of_today(&self, at: &Ts) -> bool {
        self.shell.day(at) == self.shell.day(&self.shell.after(&0))
    }

    fn of_patient(&self, patient: &PatientId) -> String {
        Query { patient: patient.to_string(), ..self.query.clone() }.address("")
    }

    fn of_everybody(&self) -> String {
        Query { patient: String::new(), ..self.query.clone() }.address("")
    }

    /// Where the words stand, in words.
    fn places(&self, hit: &Hit) -> String {
        let places = hit.parts.iter().map(|part| self.shell.t_of("search-part", part.as_str()));
        places.collect::<Vec<_>>().join(", ")
    }

    /// Where the message is shown, also when many have come after it.
    fn link_to(&self, hit: &Hit) -> String {
        format!("/conversations/{}?at={id}#message-{id}", hit.conversation, id = hit.message)
    }

    fn next(&self) -> Option<String> {
        Some(self.query.address(&self.found.next?.to_string()))
    }
}

/// What stands in the address.
#[derive(Deserialize, Default, Clone)]
#[serde(default)]
pub struct Query {
    q: String,
    sought: String,
    part: String,
    state: String,
    patient: String,
    from: String,
    until: String,
    before: String,
}

fn day(text: &str) -> Option<time::Date> {
    BirthDate::parse(text).map(|day| day.0)
}

impl Query {
    /// Without what no page may show, such as NUL.
    fn cleaned(self) -> Query {
        let clean = |text: String| text::one_line(&text);
        Query {
            q: clean(self.q),
            sought: self.sought,
            part: clean(self.part),
            state: clean(self.state),
            patient: clean(self.patient),
            from: clean(self.from),
            until: clean(self.until),
            before: clean(self.before),
        }
    }

    fn is_wrong_day(&self, text: &str) -> bool {
        !text.is_empty() && day(text).is_none()
    }

    fn is_wrong(&self) -> bool {
        self.is_wrong_day(&self.from) || self.is_wrong_day(&self.until)
    }

    /// What it means; days are the clinic's.
    fn meant(&self, zone: Zone) -> Search {
        Search {
            text: self.q.clone(),
            part: self.part.parse().ok(),
            is_open: match self.state.as_str() {
                "open" => Some(true),
                "closed" => Some(false),
                _ => None,
            },
            patient: self.patient.parse().ok().map(PatientId),
            from: day(&self.from).map(|day| zone.start_of(day)),
            until: day(&self.until).and_then(time::Date::next_day).map(|day| zone.start_of(day)),
        }
    }

    /// The address of its page that begins before this message.
    fn address(&self, before: &str) -> String {
        let fields = [
            ("sought", self.sought.as_str()),
            ("part", &self.part),
            ("state", &self.state),
            ("patient", &self.patient),
            ("from", &self.from),
            ("until", &self.until),
            ("before", before),
        ];
        let kept = fields.into_iter().filter(|(_, value)| !value.is_empty());
        format!("/search?{}", Serializer::new(String::new()).extend_pairs(kept).finish())
    }
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Read>,
    query: Sought<Query>,
) -> Result<HttpResponse, AppError> {
    let query = query.0.cleaned();
    let reader = user.0.id();
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, &user.0)?;
        let meant = query.meant(settings.zone());
        let whose = match meant.patient {
            Some(patient) => {
                let chart = access::chart(conn, user.0.clone(), patient)?.ok_or(AppError::NotFound)?;
                Some(patients::patient(conn, &chart)?)
            }
            None => None,
        };
        let mut page = SearchPage {
            shell,
            query,
            patients: Vec::new(),
            more_patients: false,
            whose,
            found: Found::default(),
            behind: search::behind(conn)?,
        };
        if page.is_asked() {
            let before: Option<MessageId> = page.query.before.parse().ok().map(MessageId);
            if page.whose.is_none() && before.is_none() {
                let found = patients::search(conn, &page.query.q, true, None, PATIENTS)?;
                page.more_patients = found.next.is_some();
                page.patients = found.patients;
            }
            // a chart that was merged has its conversations in the other one
            let meant = Search { patient: page.whose.as_ref().map(|patient| patient.id), ..meant };
            page.found = search::find(conn, &user.0, &meant, before, PAGE)?;
        }
        Ok(page)
    });
    let page = page.await?;
    if page.query.is_wrong() {
        return unprocessable(&page);
    }
    if page.is_asked() {
        let (by, event) = (Actor::User(reader), Event::ConversationsSearched);
        let trace = match &page.whose {
            Some(patient) => Entry::of_patient(by, event, patient.id, Subject::None),
            None => Entry::of_clinic(by, event, Subject::None),
        };
        state.record(trace).await?;
    }
    html(&page)
}
