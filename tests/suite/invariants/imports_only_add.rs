//! Imports never move, delete or hide anything: whatever comes in whatever order, each word stays in the chart into
//! which it came until its own source corrects or withdraws it, and nothing that users have done is changed.

use crate::on_both;
use crate::support::app::App;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::{attachments, chart_items, messages, patients};
use postern::db::sealed::{Held, MessageHtml, Opened};
use postern::db::{Conn, PatientId, Ts};
use postern::error::AppError;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

on_both!(whatever_comes_it_only_adds_and_corrects);

/// Deliveries in one random sequence.
const DELIVERIES: usize = 60;
const SOURCES: [&str; 2] = ["https://one.example/fhir", "https://two.example/fhir"];
const PEOPLE: usize = 3;

/// The same numbers for the same seed, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }

    fn one_in(&mut self, most: usize) -> bool {
        self.below(most) == 0
    }
}

/// A resource: its source, its patient, its kind and its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    source: usize,
    person: usize,
    kind: &'static str,
    number: usize,
}

impl Name {
    fn id(&self) -> String {
        format!("{}-{}", self.person, self.number)
    }
}

/// A word that occurs only in this version of this resource.
fn mark(name: &Name, version: usize) -> String {
    let Name { source, person, kind, number } = name;
    format!("word-{source}-{person}-{kind}-{number}-v{version}.")
}

fn patient(source: usize, person: usize) -> Value {
    json!({"resourceType": "Patient", "id": person.to_string(), "birthDate": format!("19{}{person}-02-28", 5 + source),
        "name": [{"family": format!("Family{source}{person}"), "given": ["Ann"]}],
        "telecom": [{"system": "email", "value": format!("ann{source}{person}@example.org")}]})
}

fn resource(name: &Name, version: usize, status: &str, dice: &mut Dice) -> Value {
    let subject = json!({"reference": format!("Patient/{}", name.person)});
    let word = mark(name, version);
    // several resources on each of a few days, some in a visit, some in a report
    let day = format!("2026-01-{:02}T0{}:00:00Z", 1 + name.number % 3, name.number % 9);
    let mut resource = match name.kind {
        "Observation" => {
            json!({"effectiveDateTime": day, "code": {"text": format!("n{}", name.number)}, "valueString": word,
            "category": [{"coding": [{"code": "laboratory"}]}]})
        }
        "DiagnosticReport" => json!({"effectiveDateTime": day, "code": {"text": "Panel"}, "conclusion": word,
            "result": [{"reference": format!("Observation/{}-{}", name.person, dice.below(6))}]}),
        "Encounter" => json!({"period": {"start": day}, "reasonCode": [{"text": word}]}),
        "Procedure" => json!({"performedDateTime": day, "code": {"text": word}}),
        "DocumentReference" => json!({"date": day, "description": word}),
        _ => json!({"sent": day, "payload": [{"contentString": word}]}),
    };
    let fields = resource.as_object_mut().unwrap();
    fields.insert("resourceType".into(), name.kind.into());
    fields.insert("id".into(), name.id().into());
    fields.insert("status".into(), status.into());
    fields.insert("subject".into(), subject);
    if name.kind == "Procedure" && dice.one_in(2) {
        fields.insert("encounter".into(), json!({"reference": format!("Encounter/{}-0", name.person)}));
    }
    resource
}

const KINDS: [&str; 6] =
    ["Observation", "DiagnosticReport", "Encounter", "Procedure", "DocumentReference", "Communication"];

/// What a delivery says of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Form(usize),
    Withdrawn,
}

/// The data that no import may change, or only add to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Snapshot {
    /// the patient and the state of each item
    items: BTreeMap<i64, (PatientId, String)>,
    /// the marks that each chart shows, by patient
    shown: BTreeMap<PatientId, BTreeSet<String>>,
    /// the name on each record, and when it was archived
    people: BTreeMap<PatientId, (String, Option<Ts>)>,
    /// messages and copies
    sent: Vec<String>,
}

fn snapshot(conn: &mut Conn) -> Result<Snapshot, AppError> {
    type Row = (i64, PatientId, String, Opened, Opened);
    let columns = (chart_items::id, chart_items::patient_id, chart_items::state, chart_items::title, chart_items::body);
    let rows: Vec<Row> = chart_items::table.order(chart_items::id).select(columns).load(conn)?;
    let mut shown: BTreeMap<PatientId, BTreeSet<String>> = BTreeMap::new();
    for (_, patient, state, Opened(title), Opened(body)) in &rows {
        if state == "current" || state == "partly_withdrawn" {
            let text = format!("{title} {body}");
            let words = text.split("word-").skip(1).filter_map(|rest| rest.split('.').next());
            shown.entry(*patient).or_default().extend(words.map(|word| format!("word-{word}.")));
        }
    }
    let items = rows.into_iter().map(|(id, patient, state, ..)| (id, (patient, state))).collect();
    let people: Vec<(PatientId, String, Option<Ts>)> =
        patients::table.select((patients::id, patients::family_name, patients::archived_at)).load(conn)?;
    let bodies = messages::table.order(messages::id).select((messages::conversation_id, messages::body_html));
    let bodies: Vec<(i64, Held<MessageHtml>)> = bodies.load(conn)?;
    let bodies: Vec<String> = bodies.into_iter().map(|(of, body)| body.of(of)).collect::<diesel::QueryResult<_>>()?;
    let copies: Vec<(Opened, i64, i64)> = attachments::table
        .order(attachments::id)
        .select((attachments::file_name, attachments::size, attachments::blob_id))
        .load(conn)?;
    let sent = bodies.into_iter().chain(copies.into_iter().map(|copy| format!("{copy:?}"))).collect();
    let people = people.into_iter().map(|(id, name, archived)| (id, (name, archived))).collect();
    Ok(Snapshot { items, shown, people, sent })
}

/// A random delivery: its source, its resources with what it says of each, and the file.
fn delivery(dice: &mut Dice, versions: &mut BTreeMap<Name, usize>) -> (usize, Vec<(Name, Said)>, Vec<u8>) {
    let source = dice.below(SOURCES.len());
    let mut said: Vec<(Name, Said)> = Vec::new();
    let mut entries: Vec<Value> = Vec::new();
    let mut people = BTreeSet::new();
    for _ in 0..=dice.below(8) {
        let name =
            Name { source, person: dice.below(PEOPLE), kind: KINDS[dice.below(KINDS.len())], number: dice.below(6) };
        if said.iter().any(|(other, _)| *other == name) {
            continue;
        }
        people.insert(name.person);
        let status = ["final", "preliminary", "amended", "completed", "cancelled"][dice.below(5)];
        if dice.one_in(9) {
            entries.push(resource(&name, 0, "entered-in-error", dice));
            said.push((name, Said::Withdrawn));
        } else {
            let version = versions.entry(name.clone()).or_default();
            // the same version again, or a newer one
            *version += usize::from(dice.one_in(3));
            let version = *version;
            entries.push(resource(&name, version, status, dice));
            said.push((name, Said::Form(version)));
        }
    }
    // with all, some or none of the patients
    entries.extend(people.iter().filter(|_| !dice.one_in(4)).map(|person| patient(source, *person)));
    // another person under a known id, and a resource that now names another patient
    if let Some(person) = (0..PEOPLE).find(|person| !people.contains(person)).filter(|_| dice.one_in(3)) {
        entries.push(json!({"resourceType": "Patient", "id": person.to_string(), "birthDate": "2001-01-01",
            "name": [{"family": "Stranger", "given": ["Zed"]}]}));
    }
    if dice.one_in(4) {
        let name = Name { source, person: 0, kind: "Observation", number: dice.below(6) };
        if versions.contains_key(&name) && said.iter().all(|(other, _)| *other != name) {
            let mut moved = resource(&name, 99, "final", dice);
            moved["subject"] = json!({"reference": "Patient/1"});
            entries.push(moved);
        }
    }
    for n in (1..entries.len()).rev() {
        entries.swap(n, dice.below(n + 1));
    }
    let base = SOURCES[source];
    let wrapped = entries.iter().map(|resource| {
        let (kind, id) = (resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        json!({"fullUrl": format!("{base}/{kind}/{id}"), "resource": resource})
    });
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": wrapped.collect::<Vec<_>>()});
    (source, said, bundle.to_string().into_bytes())
}

async fn whatever_comes_it_only_adds_and_corrects(app: App) {
    let user = app.user(Role::Staff).await;
    let all = (0..SOURCES.len()).flat_map(|source| (0..PEOPLE).map(move |person| (source, person)));
    for (source, person) in all {
        let base = SOURCES[source];
        let name = Name { source, person, kind: "Communication", number: 9 };
        let first = [patient(source, person), resource(&name, 1, "completed", &mut Dice(1))];
        let entries = first.map(|resource| {
            let (kind, id) =
                (resource["resourceType"].as_str().unwrap().to_owned(), resource["id"].as_str().unwrap().to_owned());
            json!({"fullUrl": format!("{base}/{kind}/{id}"), "resource": resource})
        });
        let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": entries});
        app.import(bundle.to_string().into_bytes(), None).await;
    }
    // users have written messages and sent copies
    let (id, key) = ("1", "0123456789abcdef");
    let message = [("title", "T"), ("body", "B"), ("key", key), ("replies_allowed", "on"), ("chart_item", id)];
    user.post("/patients/1/messages/new", &message).await.redirect();
    let look = async || app.state.db.read(snapshot).await.unwrap();
    let (mut dice, mut versions) = (Dice(20_261_129), BTreeMap::new());
    let mut withdrawn: BTreeSet<Name> = BTreeSet::new();
    let mut before = look().await;
    let owners: BTreeMap<String, PatientId> = before.people.iter().map(|(id, (name, _))| (name.clone(), *id)).collect();
    for round in 0..DELIVERIES {
        let (source, said, file) = delivery(&mut dice, &mut versions);
        app.import(file, None).await;
        let after = look().await;
        assert_eq!(before.sent, after.sent, "{round}: what was sent changed");
        assert_eq!(before.people, after.people, "{round}: a record changed, or a stranger was let in");
        for (id, (patient, state)) in &before.items {
            let (now, state_now) = after.items.get(id).unwrap_or_else(|| panic!("{round}: item {id} is gone"));
            assert_eq!(patient, now, "{round}: item {id} went to another chart");
            let may_be_withdrawn = said.iter().any(|(_, said)| *said == Said::Withdrawn);
            assert!(
                state_now != "withdrawn" || state == "withdrawn" || may_be_withdrawn,
                "{round}: item {id} was taken back, and not by its source"
            );
        }
        // what the file does not mention is shown as before
        let corrected: Vec<String> =
            said.iter().map(|(name, _)| mark(name, 0).rsplit_once("-v").unwrap().0.to_owned() + "-v").collect();
        for (patient, words) in &before.shown {
            for word in words.iter().filter(|word| !corrected.iter().any(|own| word.starts_with(own))) {
                assert!(after.shown[patient].contains(word), "{round}: {word} is hidden now");
            }
        }
        // what the file says is shown, and only in the chart of its patient
        for (name, said) in &said {
            let owner = owners[&format!("Family{source}{}", name.person)];
            match said {
                Said::Withdrawn => drop(withdrawn.insert(name.clone())),
                // a withdrawn resource stays withdrawn unless the file has a newer date
                Said::Form(_) if withdrawn.contains(name) => {}
                Said::Form(version) => {
                    let word = mark(name, *version);
                    assert!(after.shown[&owner].contains(&word), "{round}: {word} is not shown");
                }
            }
        }
        for (patient, words) in &after.shown {
            let mut family = after.people[patient].0.chars().skip("Family".len());
            let own = format!("word-{}-{}-", family.next().unwrap(), family.next().unwrap());
            assert!(words.iter().all(|word| word.starts_with(&own)), "{round}: another's words in a chart: {words:?}");
        }
        for name in &withdrawn {
            let own = mark(name, 0).rsplit_once("-v").unwrap().0.to_owned() + "-v";
            let shown = after.shown.values().flatten().any(|word| word.starts_with(&own));
            assert!(!shown, "{round}: {own} was taken back and is shown");
        }
        before = after;
    }
    assert!(versions.len() > 40 && withdrawn.len() > 5, "the walk must meet something");
}
