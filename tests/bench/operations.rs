//! The operations that are measured: what people do, one request for each.

use super::client::Client;
use super::server::PASSWORD;
use super::stage::{FILE, Stage};

/// The limit that an operation is compared with, in the same run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// writing the same rows by prepared statements
    Rows,
    /// the same bytes from memory, by the same web framework
    Static,
    /// an empty answer by the same web framework
    Empty,
    /// nothing
    None,
}

type Act = Box<dyn Fn(&Stage, &mut Client, u64) + Send + Sync>;

pub struct Operation {
    pub name: String,
    /// how many callers there are at once
    pub connections: usize,
    pub limit: Limit,
    /// the path, where the operation is a page
    pub path: Option<String>,
    /// the request; its number is different each time
    pub act: Act,
}

fn doing(
    name: &str,
    connections: usize,
    limit: Limit,
    act: impl Fn(&Stage, &mut Client, u64) + Send + Sync + 'static,
) -> Operation {
    Operation { name: name.to_owned(), connections, limit, path: None, act: Box::new(act) }
}

fn page(name: &str, path: String) -> Operation {
    let limit = if name == "inbox count" { Limit::Empty } else { Limit::Static };
    let asked = path.clone();
    let act = move |_: &Stage, client: &mut Client, _: u64| shows(client, &asked);
    Operation { path: Some(path), ..doing(name, 4, limit, act) }
}

fn patients_page(name: &str, path: &str, who: fn(&Stage) -> &super::server::SignedIn) -> Operation {
    let asked = path.to_owned();
    doing(name, 4, Limit::None, move |stage, client, _| {
        client.who = who(stage).clone();
        shows(client, &asked);
    })
}

fn shows(client: &mut Client, path: &str) {
    let answer = client.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
}

fn sends(client: &mut Client, path: &str, form: &str) {
    let answer = client.post(path, form);
    assert_eq!(answer.status, 303, "{path}: {}", String::from_utf8_lossy(&answer.body));
}

fn nth(stage: &Stage, number: u64) -> i64 {
    i64::try_from(number % stage.patients.len() as u64).unwrap_or_default()
}

/// Every operation.
pub fn all(stage: &Stage) -> Vec<Operation> {
    let places = &stage.places;
    let mut all = vec![
        doing("send", 32, Limit::Rows, |stage, client, number| {
            let patient = stage.places.answering.start + nth(stage, number);
            sends(client, &format!("/patients/{patient}/messages/new"), &stage.message(number, ""));
        }),
        doing("reply", 32, Limit::None, |stage, client, number| {
            let conversation = stage.places.answered + nth(stage, number);
            sends(client, &format!("/conversations/{conversation}/messages"), &stage.message(number, ""));
        }),
        doing("patient's reply", 32, Limit::None, |stage, client, number| {
            client.who = stage.patients[usize::try_from(nth(stage, number)).unwrap_or_default()].clone();
            let form = format!("key=bench-{:016x}-{number:016x}&body=Thank+you%2C+I+shall+come+on+Monday", stage.run);
            sends(client, "/portal/messages/1/replies", &form);
        }),
        page("inbox", "/inbox?filter=any".into()),
        page("inbox count", "/inbox/count".into()),
        page("inbox of all", "/inbox?scope=all&filter=any".into()),
    ];
    for scope in ["mine", "all"] {
        for filter in
            ["to_do", "unread", "open", "waiting_for_patient", "waiting_for_us", "needs_attention", "done", "closed"]
        {
            all.push(page(&format!("inbox, {scope}, {filter}"), format!("/inbox?scope={scope}&filter={filter}")));
        }
    }
    all.extend([
        page("conversation of 20", format!("/conversations/{}", places.twenty.0)),
        page("conversation of many", format!("/conversations/{}", places.long)),
        page("chart of many", format!("/patients/{}", places.chart)),
        page("chart browser", format!("/patients/{}/chart-browser", places.chart)),
        page("chart browser, a word", format!("/patients/{}/chart-browser?q=blood", places.chart)),
        page("patients", "/patients".into()),
        page("search, a digit", "/patients?q=4".into()),
        page("search, a beginning", "/patients?q=gag".into()),
        page("search, two words", "/patients?q=gagnon+anna".into()),
        page("search, a number", "/patients?q=4000000700".into()),
        page("search of messages, three words", "/search?q=normal+laboratory+evening".into()),
        page("Outbox", "/outbox".into()),
        page("Outbox, by state", "/outbox?state=failed".into()),
        page("Outbox, by kind", "/outbox?kind=reminder".into()),
        page("Outbox, by road", "/outbox?channel=sms".into()),
        page("Outbox, by user", "/outbox?user=1".into()),
        page("Outbox, by user and state", "/outbox?user=1&state=stopped".into()),
        page("Outbox, by a rare kind and road", "/outbox?kind=passcode&channel=sms".into()),
        page("Outbox, by words", "/outbox?q=gagnon+anna".into()),
        patients_page("portal list", "/portal/messages", |stage| &stage.many),
        patients_page("portal message", "/portal/messages/1", |stage| &stage.twenty),
        doing("link to message", 4, Limit::None, |stage, client, number| {
            (client.who, client.from) = (Default::default(), somewhere(number));
            shows(
                client,
                &format!("/portal/link/{}", stage.links[usize::try_from(nth(stage, number)).unwrap_or_default()]),
            );
        }),
        doing("upload of 1 MB", 4, Limit::None, |stage, client, number| {
            let patient = stage.places.answering.start + nth(stage, number);
            let seed = usize::try_from((stage.run ^ number) >> 16).unwrap_or_default();
            client.upload(&format!("/patients/{patient}/uploads"), FILE, seed.wrapping_add(number as usize));
        }),
        doing("download of 1 MB", 4, Limit::None, |stage, client, _| {
            assert_eq!(client.drain(&stage.file), FILE);
        }),
        doing("sign-in", 2, Limit::None, |_, client, number| {
            (client.who, client.from) = (Default::default(), somewhere(number));
            sends(client, "/sign-in", &format!("email=owner%40example.org&password={PASSWORD}"));
        }),
    ]);
    all
}

/// An address that no other request has come from lately, because the limits count by address.
fn somewhere(number: u64) -> String {
    let [.., a, b, c] = number.to_be_bytes();
    format!("10.{a}.{b}.{c}")
}
