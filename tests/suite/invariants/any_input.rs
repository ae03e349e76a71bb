//! No input breaks a page: any text in a field of a form or a parameter of a page, from a person, a broken program or
//! an attacker, is accepted or refused, and never makes the server fail.

use super::routes;
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::html::Form;
use crate::support::world::Like;
use postern::access::Role;
use std::collections::BTreeSet;

on_both!(no_input_breaks_a_form, no_input_breaks_an_address);

/// Texts, each of which has broken some program.
const ODD: [&str; 22] = [
    "",
    " ",
    "\0",
    "0",
    "-1",
    "9223372036854775807",
    "9223372036854775808",
    "1e999",
    "2026-02-30",
    "9999-12-31",
    "0000-01-01",
    "-9999-01-01",
    "+262142-12-31",
    "24:60",
    "true",
    "{{",
    "{link",
    "%00",
    "../../../etc/passwd",
    "<script>alert(1)</script>",
    "\u{feff}\u{202e}\u{1f3e5}\u{fffd}",
    "LONG",
];

/// Addresses that sign out, or that are slow or limited on purpose; these are left out.
const NOT_HERE: [&str; 7] =
    ["/logout", "/sign-out", "/sign-in", "/password", "/account/email", "/account/confirmation", "/entry"];

struct World {
    owner: Actor,
    patient: Actor,
    pages: Vec<(bool, String)>,
}

/// A clinic with one of everything, and the address of each of its pages.
async fn world(app: &App) -> World {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&owner, maria, true).await;
    app.caregiver(&owner, maria, "Ana Roy", ("ana@example.org", "+1 613-555-0155")).await;
    let template = [("name", "One"), ("category", ""), ("language", "en"), ("title", "T"), ("body", "B")];
    owner.post("/settings/message-templates", &template).await.redirect();
    owner.post("/settings/teams", &[("name", "Reception"), ("member", "1")]).await.redirect();
    owner.post("/account/views", &crate::conversations::saved_views::form("One")).await.redirect();
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let id = |path: &str| path.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    let values = [
        ("patient", maria.0.to_string()),
        ("conversation", id(&conversation)),
        ("number", id(&message)),
        ("token", "x".to_owned()),
        ("kind", "reminder".to_owned()),
        ("channel", "sms".to_owned()),
        ("language", "fr".to_owned()),
        ("name", "x".to_owned()),
        ("item", "1".to_owned()),
        ("scheduled", "1".to_owned()),
        ("message", "1".to_owned()),
        ("file", "1".to_owned()),
        ("template", "1".to_owned()),
        ("user", "1".to_owned()),
        ("team", "1".to_owned()),
        ("passkey", "1".to_owned()),
        ("broadcast", "1".to_owned()),
        ("view", "1".to_owned()),
        ("caregiver", "1".to_owned()),
    ];
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut pages = Vec::new();
    for (is_patients, table) in [(false, routes::clinic()), (true, routes::portal())] {
        let gets = table.into_iter().filter(|route| route.method == "GET");
        pages.extend(gets.map(|route| (is_patients, route.filled(&values))));
    }
    World { owner, patient, pages }
}

/// Sends the fields in the form's own way: in the address, as a form or as multipart; gives the status.
async fn send(who: &Actor, form: &Form, page: &str, fields: &[(String, String)]) -> u16 {
    let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let action = if form.action.is_empty() { page } else { &form.action };
    match form.method.as_str() {
        "get" => {
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            who.get(&format!("{}?{query}", action.split('?').next().unwrap())).await.status
        }
        _ if form.enctype.starts_with("multipart") => {
            let part = |(name, value): &(&str, &str)| {
                format!("--odd\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
            };
            let body = pairs.iter().map(part).collect::<String>() + "--odd--\r\n";
            let headers = [("content-type", "multipart/form-data; boundary=odd"), ("origin", &*who.origin)];
            who.send("POST", action, &headers, &body).await.status
        }
        _ => who.post(action, &pairs).await.status,
    }
}

async fn no_input_breaks_a_form(app: App) {
    let world = world(&app).await;
    let long = "é".repeat(5_000);
    let (mut broken, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for (is_patients, page) in &world.pages {
        let who = if *is_patients { &world.patient } else { &world.owner };
        let answer = who.get(page).await;
        let is_page = answer.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let forms = if is_page { answer.page().forms() } else { Vec::new() };
        for form in forms.iter().filter(|form| !NOT_HERE.iter().any(|end| form.action.ends_with(end))) {
            let fields = form.fields();
            let names: BTreeSet<&str> = form.names().collect();
            if !seen.insert(format!("{} {names:?}", form.action.replace(|c: char| c.is_ascii_digit(), "0"))) {
                continue;
            }
            for name in names {
                let others: Vec<_> = fields.iter().filter(|(n, _)| n != name).cloned().collect();
                for odd in ODD {
                    let odd = if odd == "LONG" { long.as_str() } else { odd };
                    let with = [&others[..], &[(name.to_owned(), odd.to_owned())]].concat();
                    let status = send(who, form, page, &with).await;
                    if status >= 500 || status == 429 {
                        let start: String = odd.chars().take(20).collect();
                        broken.insert(format!("{status} {} of {page}: {name}={start:?}", form.action));
                    }
                }
                for with in [others.clone(), [&fields[..], &fields[..]].concat()] {
                    let status = send(who, form, page, &with).await;
                    if status >= 500 {
                        broken.insert(format!("{status} {} of {page}: without {name}, or each twice", form.action));
                    }
                }
            }
        }
    }
    assert!(seen.len() > 20, "{} forms", seen.len());
    assert!(broken.is_empty(), "{} of {} forms: {broken:#?}", broken.len(), seen.len());
}

/// No value of a parameter breaks a page: pagers, filters, notices and ticks, which no form of the page has.
async fn no_input_breaks_an_address(app: App) {
    let world = world(&app).await;
    let names =
        ["after", "before", "q", "from", "until", "to", "kind", "text", "item", "show", "state", "patient", "user"];
    let mut broken = BTreeSet::new();
    for (is_patients, page) in world.pages.iter().filter(|(_, page)| !page.ends_with("/download")) {
        let who = if *is_patients { &world.patient } else { &world.owner };
        for odd in ODD {
            let odd = if odd == "LONG" { &*"é".repeat(500) } else { odd };
            for together in names.chunks(1).chain([&names[..]]) {
                let pairs = together.iter().map(|name| (*name, odd));
                let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
                let status = who.get(&format!("{page}?{query}")).await.status;
                if status >= 500 {
                    broken.insert(format!("{status} {page}?{query}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{} of them: {broken:#?}", broken.len());
}
