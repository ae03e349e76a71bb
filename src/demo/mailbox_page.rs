//! `/demo/mailbox`: the emails and texts that the people of the demo get, as their phones and mail programs show them.

use super::tour_page::shell;
use crate::clock::Token;
use crate::db::{Conn, PatientId, Ts};
use crate::delivery::{Mailbox, Received};
use crate::error::AppError;
use crate::http::{Head, Shell, html, mail_frame};
use crate::patients::{self, Patient};
use crate::portal_links::{self, OpenLink};
use crate::settings;
use crate::state::AppState;
use crate::text::Zone;
use crate::users;
use crate::values::BirthDate;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The most mails and texts in the JSON.
const MOST: usize = 500;
/// What stands before the token in a link into the portal.
const PORTAL_LINK: &str = "/portal/link/";
/// The most texts that a phone shows.
const TEXTS: usize = 40;

#[derive(Template)]
#[template(path = "demo/mailbox.html")]
struct MailboxPage {
    shell: Shell,
    people: Vec<Person>,
    chosen: usize,
    /// place of the mail that is shown
    mail: usize,
    look: &'static str,
    size: &'static str,
    /// changes when something new has come
    version: u64,
}

/// Somebody who gets mails or texts, with those, newest first.
struct Person {
    /// how the address of the page names them
    key: String,
    name: String,
    born: Option<BirthDate>,
    is_staff: bool,
    patient: Option<PatientId>,
    /// where "Open as this patient" leads; the portal's first page, until a link is known to be theirs
    way_in: String,
    email: String,
    phone: String,
    /// the same number as people write it
    number: String,
    mails: Vec<Arrived>,
    texts: Vec<Arrived>,
}

/// A mail or text.
struct Arrived {
    received: Received,
    at: Ts,
    words: Vec<Word>,
}

enum Word {
    Text(String),
    Link(String),
}

/// What is chosen on the page.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Query {
    who: String,
    mail: Option<u64>,
    look: String,
    size: String,
}

impl Arrived {
    fn new(received: Received) -> Arrived {
        let at = OffsetDateTime::parse(&received.at, &Rfc3339).unwrap_or(OffsetDateTime::UNIX_EPOCH).into();
        let words = linked_words(&received.text);
        Arrived { received, at, words }
    }

    /// Its link into the portal.
    fn portal_link(&self) -> Option<&str> {
        self.words.iter().find_map(|word| match word {
            Word::Link(link) if link.contains(PORTAL_LINK) => Some(link.as_str()),
            _ => None,
        })
    }
}

impl Person {
    fn from_patient(patient: Patient) -> Person {
        let name = patient.name();
        let d = patient.demographics;
        let email = d.email.map(|email| email.to_string()).unwrap_or_default();
        let number = d.phone.as_ref().map(|phone| phone.shown()).unwrap_or_default();
        let phone = d.phone.map(|phone| phone.to_string()).unwrap_or_default();
        let named = Person::named(format!("p{}", patient.id), name);
        Person { born: Some(d.birth_date), patient: Some(patient.id), email, phone, number, ..named }
    }

    fn named(key: String, name: String) -> Person {
        Person {
            key,
            name,
            born: None,
            is_staff: false,
            patient: None,
            way_in: "/portal".to_owned(),
            email: String::new(),
            phone: String::new(),
            number: String::new(),
            mails: Vec::new(),
            texts: Vec::new(),
        }
    }

    fn has(&self, address: &str) -> bool {
        !address.is_empty() && [&self.email, &self.phone].into_iter().any(|own| own.eq_ignore_ascii_case(address))
    }

    /// When the newest of them came.
    fn newest(&self) -> Option<Ts> {
        self.mails.first().into_iter().chain(self.texts.first()).map(|one| one.at).max()
    }

    /// How many have come.
    fn count(&self) -> usize {
        self.mails.len() + self.texts.len()
    }

    /// The texts as a phone shows them: the newest at the end.
    fn on_phone(&self) -> impl Iterator<Item = &Arrived> {
        self.texts.iter().take(TEXTS).rev()
    }
}

impl MailboxPage {
    fn person(&self) -> Option<&Person> {
        self.people.get(self.chosen)
    }

    /// The address of the page with something else chosen.
    fn with(&self, person: &Person, mail: Option<&Arrived>, look: &str, size: &str) -> String {
        let mail = mail.map(|mail| format!("&mail={}", mail.received.id)).unwrap_or_default();
        format!("/demo/mailbox?who={}{mail}&look={look}&size={size}", person.key)
    }
}

/// The words of a text, with its links. Links to our own pages hold no origin: the demo may have another port by now.
fn linked_words(text: &str) -> Vec<Word> {
    let split = text.split_inclusive(char::is_whitespace);
    let words = split.map(|word| match word.trim() {
        link if link.starts_with("http") => match link.split_once("/portal") {
            Some((_, path)) => Word::Link(format!("/portal{path}")),
            None => Word::Link(link.to_owned()),
        },
        _ => Word::Text(word.to_owned()),
    });
    words.collect()
}

/// Everybody to whom something came, with it, the newest first.
fn people(conn: &mut Conn, mailbox: &Mailbox) -> Result<Vec<Person>, AppError> {
    let mut people: Vec<Person> = patients::every(conn, 1_000)?.into_iter().map(Person::from_patient).collect();
    people.extend(users::active(conn)?.into_iter().map(|user| {
        let key = format!("u{}", user.id);
        Person { is_staff: true, email: user.email.to_string(), ..Person::named(key, user.name) }
    }));
    for received in mailbox.newest_first() {
        let mut holders: Vec<usize> = Vec::new();
        holders.extend(people.iter().enumerate().filter(|(_, person)| person.has(&received.to)).map(|(at, _)| at));
        if holders.is_empty() {
            // an address that nobody has any more
            let mut person = Person::named(format!("a{}", received.id), received.to.clone());
            person.email = received.to.clone();
            holders.push(people.len());
            people.push(person);
        }
        for at in holders {
            let Some(person) = people.get_mut(at) else { continue };
            let list = if received.channel == "sms" { &mut person.texts } else { &mut person.mails };
            list.push(Arrived::new(received.clone()));
        }
    }
    people.retain(|person| person.count() > 0);
    people.sort_by_key(|person| std::cmp::Reverse(person.newest()));
    Ok(people)
}

/// The newest link into the portal that came to a person. Where two patients share an address, the mails of both come
/// to both, and only the link tells whose it is.
fn newest_way_in(conn: &mut Conn, now: Ts, person: &Person) -> Result<Option<String>, AppError> {
    let mut arrived: Vec<&Arrived> = person.mails.iter().chain(&person.texts).collect();
    arrived.sort_by_key(|one| std::cmp::Reverse(one.at));
    for link in arrived.into_iter().filter_map(Arrived::portal_link) {
        let Some((_, token)) = link.split_once(PORTAL_LINK) else { continue };
        let open = portal_links::open(conn, now, &Token::received(token))?;
        let is_theirs =
            |open: OpenLink| open.patient.is_some() && open.patient == person.patient && open.caregiver.is_none();
        if open.is_some_and(is_theirs) {
            return Ok(Some(link.to_owned()));
        }
    }
    Ok(None)
}

pub(super) async fn show(
    state: web::Data<AppState>,
    head: Head,
    mailbox: web::Data<Mailbox>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let query = query.into_inner();
    let (own, who, now) = (mailbox.clone(), query.who.clone(), state.clock.now());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let mut all = people(conn, &own)?;
        let chosen = all.iter().position(|person| person.key == who).unwrap_or_default();
        if let Some(person) = all.get_mut(chosen)
            && let Some(link) = newest_way_in(conn, now, person)?
        {
            person.way_in = link;
        }
        Ok((all, chosen, settings::load(conn)?.zone()))
    });
    let (people, chosen, zone): (Vec<Person>, usize, Zone) = read.await?;
    let mails = people.get(chosen).map(|person| person.mails.as_slice()).unwrap_or_default();
    let mail = mails.iter().position(|mail| Some(mail.received.id) == query.mail).unwrap_or_default();
    let page = MailboxPage {
        shell: shell(&head, zone),
        version: mailbox.newest_first().first().map_or(0, |newest| newest.id),
        look: mail_frame::chosen(&query.look, ["light", "dark"]).unwrap_or_default(),
        size: mail_frame::chosen(&query.size, ["phone", "desk"]).unwrap_or("desk"),
        people,
        chosen,
        mail,
    };
    mail_frame::allow_in(html(&page)?)
}

/// `/demo/mailbox/{id}/html`: a mail as it was sent, for its frame. `look` shows it in light or dark.
pub(super) async fn mail(
    mailbox: web::Data<Mailbox>,
    id: web::Path<u64>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let id = id.into_inner();
    let mail = mailbox.newest_first().into_iter().find(|mail| mail.id == id).ok_or(AppError::NotFound)?;
    Ok(mail_frame::document(&mail.html, &query.look))
}

pub(super) async fn json(mailbox: web::Data<Mailbox>) -> HttpResponse {
    let mut mails = mailbox.newest_first();
    mails.truncate(MOST);
    HttpResponse::Ok().json(mails)
}
