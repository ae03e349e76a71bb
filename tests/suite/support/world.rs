//! People for tests: users of each role, and patients of every kind.

use super::app::{Actor, App};
use postern::access::{Operator, Role};
use postern::db::PatientId;
use postern::error::AppError;
use postern::patients::{self, Demographics, Method, NewPatient};
use postern::users::{self, AddUser};
use postern::values::{BirthDate, EmailAddress, PhoneNumber, UserName};

pub const PASSWORD: &str = "correct horse battery";

/// The properties of a patient.
#[derive(Clone)]
pub struct Like {
    pub name: (&'static str, &'static str),
    pub email: Option<String>,
    pub phone: Option<String>,
    pub method: Method,
    pub portal_access: bool,
    pub language: &'static str,
}

impl Default for Like {
    fn default() -> Like {
        Like {
            name: ("María", "Mejía"),
            email: Some("maria@example.org".into()),
            phone: Some("+16135550121".into()),
            method: Method::Email,
            portal_access: true,
            language: "en",
        }
    }
}

pub const BORN: &str = "1951-03-04";

impl App {
    /// Adds a user of this role and signs them in.
    pub async fn user(&self, role: Role) -> Actor {
        let email = format!("{}{}@clinic.example", role.as_str(), self.state.random.six_digits());
        let (now, hash) = (
            self.state.clock.now(),
            postern::slow_hash::hash(postern::slow_hash::Lane::Passwords, PASSWORD.into()).await.unwrap(),
        );
        let add = AddUser {
            email: EmailAddress::parse(&email).unwrap(),
            name: UserName::parse(&format!("User {}", role.as_str())).unwrap(),
            role,
            language: "en".into(),
            password_hash: Some(hash),
        };
        self.state.db.write(move |tx| users::add(tx, now, &Operator::of_the_command_line(), add)).await.unwrap();
        let actor = self.anyone();
        actor.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
        actor
    }

    pub async fn patient(&self, like: Like) -> PatientId {
        let now = self.state.clock.now();
        let new = NewPatient {
            source_key: None,
            demographics: Demographics {
                given_name: like.name.0.into(),
                family_name: like.name.1.into(),
                preferred_name: None,
                birth_date: BirthDate::parse(BORN).unwrap(),
                health_number: Some("943 476 5919".into()),
                email: like.email.as_deref().map(|e| EmailAddress::parse(e).unwrap()),
                phone: like.phone.as_deref().map(|p| PhoneNumber::parse(p, "1").unwrap()),
                language: like.language.into(),
                method: like.method,
            },
            portal_access: like.portal_access,
            archived: false,
        };
        let write = self.state.db.write(move |tx| -> Result<_, AppError> {
            Ok(patients::add(tx, now, &Operator::of_the_command_line(), &new)?)
        });
        write.await.unwrap()
    }

    /// Sends a message from this user to this patient; gives the conversation's path.
    pub async fn message(&self, user: &Actor, patient: PatientId, replies: bool) -> String {
        let page = user.get(&format!("/patients/{patient}/messages/new")).await.ok();
        let mut form = page.form_with("Submit");
        form.set("title", "Your results").set("body", "All is **well**. See www.example.org");
        match replies {
            true => form.set("replies_allowed", "on"),
            false => form.clear("replies_allowed"),
        };
        let pairs = form.fields();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let to = user.post(&form.action, &pairs).await.redirect();
        to.split('?').next().unwrap().to_owned()
    }

    /// Adds a parent with this name, email and cellphone, who was born when patients of tests are; gives the path of their page.
    pub async fn caregiver(&self, user: &Actor, patient: PatientId, name: &str, contact: (&str, &str)) -> String {
        let list = format!("/patients/{patient}/caregivers");
        let page = user.get(&list).await.ok();
        let born = [("day", "4"), ("month", "3"), ("year", "1951"), ("relation", "parent")];
        let fields = [&born[..], &[("name", name), ("email", contact.0), ("phone", contact.1)]].concat();
        user.submit(&page, "Add a caregiver", &fields).await.redirect();
        user.get(&list).await.ok().attrs_of("ul.list a.item", "href").remove(0)
    }

    /// Prepares a message to many patients, and sends none of it; gives its path.
    pub async fn broadcast(&self, user: &Actor, patients: &[PatientId]) -> String {
        let page = user.get("/broadcasts/new").await.ok();
        let list = patients.iter().map(|id| format!("/patients/{id}")).collect::<Vec<_>>().join("\n");
        let fields = [
            ("recipients", &*list),
            ("title", "Flu shots for {{patient.given_name}}"),
            ("body", "Dear {{patient.given_name}}, come **any day**."),
        ];
        user.submit(&page, "Check who gets it", &fields).await.redirect()
    }

    /// The path of the link in the newest mail or text to an address.
    pub fn link_to(&self, address: &str) -> String {
        let mail =
            self.mailbox.newest_first().into_iter().find(|m| m.to == address && m.text.contains("/portal/link/"));
        let text = mail.unwrap_or_else(|| panic!("no link for {address}")).text;
        let from = text.find("/portal/link/").unwrap();
        text[from..].split_whitespace().next().unwrap().to_owned()
    }

    /// The passcode in the newest mail or text to an address.
    pub fn passcode_to(&self, address: &str) -> String {
        let text = self.newest_to(address).text;
        let runs = text.split(|c: char| !c.is_ascii_digit());
        runs.into_iter().find(|run| run.len() == 6).unwrap_or_else(|| panic!("no passcode in {text}")).to_owned()
    }

    /// Signs in by a link as a patient would; gives the patient's browser and the path of the message.
    pub async fn go_in(&self, link: &str, passcode_at: &str) -> (Actor, String) {
        let patient = self.anyone();
        let to = self.go_in_with(&patient, link, passcode_at).await;
        (patient, to)
    }

    /// Signs in by a link in this browser; gives the path of the message.
    pub async fn go_in_with(&self, patient: &Actor, link: &str, passcode_at: &str) -> String {
        let page = patient.get(link).await.ok();
        let again = page.has_text("Send me a new passcode");
        let button = if again { "Send me a new passcode" } else { "Send me my passcode" };
        patient.submit(&page, button, &[]).await.redirect();
        self.drain().await;
        let page = patient.get(link).await.ok();
        let fields = [
            ("passcode", self.passcode_to(passcode_at)),
            ("day", "4".into()),
            ("month", "3".into()),
            ("year", "1951".into()),
        ];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        patient.submit(&page, "Login", &fields).await.redirect()
    }
}
