//! A later file adds and corrects only what it names itself; what its source withdraws is withdrawn; the order of
//! files, and how they are split, makes no difference.

use crate::on_both;
use crate::support::app::App;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::{chart_items, patients as table};
use postern::db::sealed::{Opened, OpenedIfAny};
use postern::db::{PatientId, Ts};
use postern::error::AppError;
use serde_json::{Value, json};
use std::io::Write;

on_both!(
    a_later_file_takes_nothing_away,
    what_the_source_takes_back_is_withdrawn_and_offered_no_more,
    a_part_that_is_taken_back_shows_in_its_item,
    a_withdrawal_of_somebody_elses_reaches_nobody,
    charts_that_were_merged_are_kept_up_by_both_their_records,
    any_order_and_any_pieces_give_the_same_charts,
    what_is_older_by_its_own_words_corrects_nothing,
    nothing_is_lost_without_being_counted,
    files_as_servers_write_them,
    programs_are_no_files_of_a_chart_and_files_have_names,
    what_was_taken_back_before_it_was_seen_is_not_missing,
    every_file_of_a_document_that_is_taken_back_is_withdrawn,
    parts_of_a_record_that_are_left_out_are_counted_once,
    what_came_before_sources_were_kept_stays,
);

pub const A: &str = "https://emr.example/fhir";

pub fn entry(base: &str, resource: &Value) -> Value {
    let (kind, id) = (resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
    json!({"fullUrl": format!("{base}/{kind}/{id}"), "resource": resource})
}

pub fn bundle(base: &str, resources: &[Value]) -> Vec<u8> {
    let entries: Vec<Value> = resources.iter().map(|resource| entry(base, resource)).collect();
    json!({"resourceType": "Bundle", "type": "collection", "entry": entries}).to_string().into_bytes()
}

pub fn ann() -> Value {
    json!({"resourceType": "Patient", "id": "p", "name": [{"family": "Ash", "given": ["Ann"]}], "birthDate": "1980-02-29",
        "telecom": [{"system": "email", "value": "ann@example.org"}]})
}

pub fn with(resource: &Value, fields: Value) -> Value {
    let mut resource = resource.clone();
    resource.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    resource
}

pub fn subject() -> Value {
    json!({"reference": "Patient/p"})
}

pub fn observation(id: &str, name: &str, at: &str) -> Value {
    json!({"resourceType": "Observation", "id": id, "status": "final", "subject": subject(), "code": {"text": name},
        "category": [{"coding": [{"code": "laboratory"}]}], "effectiveDateTime": at,
        "valueQuantity": {"value": 5.10, "unit": "mmol/L"}})
}

/// An item: kind, time, title, author, body, state, status.
type Item = (String, Ts, String, Option<String>, String, String, Option<String>);

/// The items of a patient that a reader sees.
async fn items(app: &App, family: &str) -> Vec<Item> {
    let family = family.to_owned();
    let read = app.state.db.read(move |conn| -> Result<Vec<Item>, AppError> {
        let patient: PatientId = table::table.filter(table::family_name.eq(family)).select(table::id).first(conn)?;
        let own = chart_items::table.filter(chart_items::patient_id.eq(patient)).filter(chart_items::state.ne("moved"));
        let columns = (
            chart_items::kind,
            chart_items::occurred_at,
            chart_items::title,
            chart_items::author,
            chart_items::body,
            chart_items::state,
            chart_items::status,
        );
        type Row = (String, Ts, Opened, OpenedIfAny, Opened, String, OpenedIfAny);
        let rows: Vec<Row> = own.select(columns).load(conn)?;
        let item = |(kind, at, title, author, body, state, status): Row| {
            (kind, at, title.into(), author.into(), body.into(), state, status.into())
        };
        let mut found: Vec<Item> = rows.into_iter().map(item).collect();
        found.sort();
        Ok(found)
    });
    read.await.unwrap()
}

async fn a_later_file_takes_nothing_away(app: App) {
    let day = "2026-02-01T09:00:00Z";
    let first = [ann(), observation("o1", "Glucose", day), observation("o2", "Sodium", day)];
    app.import(bundle(A, &first), None).await;
    let second = app.import(bundle(A, &[ann(), observation("o3", "Potassium", day)]), None).await;
    assert_eq!((second.patients, second.items.len(), second.changed["lab_result"]), (0, 0, 1));
    let day = items(&app, "Ash").await;
    assert_eq!(day.len(), 1);
    assert_eq!(day[0].2, "Laboratory results");
    for name in ["Glucose", "Sodium", "Potassium"] {
        assert!(day[0].4.contains(name), "{name}");
    }
    // an item that the file corrects is corrected, and the others stay
    let corrected = with(
        &observation("o2", "Sodium", "2026-02-01T09:00:00Z"),
        json!({"status": "corrected", "valueString": "139"}),
    );
    app.import(bundle(A, &[ann(), corrected]), None).await;
    let body = &items(&app, "Ash").await[0].4;
    assert!(body.contains("corrected") && body.contains("Glucose") && body.contains("Potassium"), "{body}");

    let visit = json!({"resourceType": "Encounter", "id": "e", "status": "finished", "subject": subject(),
        "period": {"start": "2026-01-05"}, "type": [{"text": "Visit"}]});
    let diagnosis = json!({"resourceType": "Condition", "id": "c", "subject": subject(), "code": {"text": "Melanoma"},
        "encounter": {"reference": "Encounter/e"}});
    app.import(bundle(A, &[ann(), visit.clone(), diagnosis]), None).await;
    let seen = with(&observation("o9", "Weight", "2026-01-05"), json!({"encounter": {"reference": "Encounter/e"}}));
    app.import(bundle(A, &[ann(), visit, seen]), None).await;
    let all = items(&app, "Ash").await;
    let visit = all.iter().find(|item| item.0 == "encounter").unwrap();
    assert!(visit.4.contains("Melanoma") && visit.4.contains("Weight"), "{}", visit.4);
}

async fn what_the_source_takes_back_is_withdrawn_and_offered_no_more(app: App) {
    let things = |status: &str, current: &str| {
        [
            ann(),
            with(&observation("o", "Potassium", "2026-02-01"), json!({"status": status})),
            json!({"resourceType": "DiagnosticReport", "id": "r", "status": status, "subject": subject(),
                "code": {"text": "Pathology"}, "effectiveDateTime": "2026-02-02", "conclusion": "Melanoma"}),
            json!({"resourceType": "DocumentReference", "id": "d", "status": current, "subject": subject(),
                "type": {"text": "Letter"}, "date": "2026-02-03T10:00:00Z",
                "content": [{"attachment": {"contentType": "text/plain", "data": "SGVsbG8="}}]}),
            json!({"resourceType": "Encounter", "id": "e", "status": if status == "final" { "finished" } else { status },
                "subject": subject(), "period": {"start": "2026-02-04"}, "type": [{"text": "Visit"}]}),
        ]
    };
    app.import(bundle(A, &things("final", "current")), None).await;
    let owner = app.user(Role::Owner).await;
    let offered = async || owner.get("/patients/1/chart-browser?all_dates=1").await.ok().texts_of(".item .title");
    assert_eq!(offered().await, ["Visit", "Letter", "Pathology", "Potassium"]);
    let taken_back = app.import(bundle(A, &things("entered-in-error", "entered-in-error")), None).await;
    assert_eq!(taken_back.withdrawn.values().sum::<usize>(), 4, "{taken_back:?}");
    assert_eq!(offered().await, [""; 0]);
    let chart = owner.get("/patients/1").await.ok();
    for title in ["Visit", "Letter", "Pathology", "Potassium"] {
        assert!(chart.has_text(title), "{title}");
    }
    assert!(chart.has_text("Withdrawn by the source on"));
    // an old file that comes again brings nothing back
    app.import(bundle(A, &things("final", "current")), None).await;
    assert_eq!(offered().await, [""; 0]);
    let states: Vec<String> = items(&app, "Ash").await.into_iter().map(|item| item.5).collect();
    assert_eq!(states, ["withdrawn"; 4]);
}

async fn a_part_that_is_taken_back_shows_in_its_item(app: App) {
    let day = "2026-02-01T09:00:00Z";
    app.import(bundle(A, &[ann(), observation("o1", "Glucose", day), observation("o2", "Sodium", day)]), None).await;
    // the withdrawn resource may hold nothing but its status
    let gone = json!({"resourceType": "Observation", "id": "o2", "status": "entered-in-error", "subject": subject()});
    app.import(bundle(A, &[ann(), gone]), None).await;
    let all = items(&app, "Ash").await;
    assert_eq!((all.len(), all[0].5.as_str()), (1, "partly_withdrawn"));
    assert!(all[0].4.contains("Glucose") && all[0].4.contains("entered-in-error"));
    assert_eq!(all[0].4.matches(r#""5.1""#).count(), 1, "its value is gone: {}", all[0].4);
}

/// In files without addresses an id does not say whose resource it is: a withdrawal reaches only its own patient's.
async fn a_withdrawal_of_somebody_elses_reaches_nobody(app: App) {
    let plain = |resources: [Value; 2]| {
        let entries: Vec<Value> = resources.iter().map(|resource| json!({"resource": resource})).collect();
        json!({"resourceType": "Bundle", "type": "collection", "entry": entries}).to_string().into_bytes()
    };
    let state = async || items(&app, "Ash").await.into_iter().map(|item| item.5).collect::<Vec<_>>();
    app.import(plain([ann(), observation("o", "Potassium", "2026-02-01")]), None).await;
    assert_eq!(state().await, ["current"]);
    let gone = json!({"resourceType": "Observation", "id": "o", "status": "entered-in-error"});
    let of_another = with(&gone, json!({"subject": {"reference": "Patient/q"}}));
    app.import(plain([ann(), of_another]), None).await;
    assert_eq!(state().await, ["current"], "it is another patient's");
    // a resource that names nobody belongs to the only patient of the file
    app.import(plain([ann(), gone]), None).await;
    assert_eq!(state().await, ["withdrawn"]);
}

async fn charts_that_were_merged_are_kept_up_by_both_their_records(app: App) {
    let day = "2026-02-01T09:00:00Z";
    let of = |resource: Value, id: &str| with(&resource, json!({"subject": {"reference": format!("Patient/{id}")}}));
    let twin = with(&ann(), json!({"id": "q", "birthDate": "1981-02-28"}));
    let first = of(observation("o1", "Glucose", day), "p");
    let second = of(observation("o2", "Sodium", day), "q");
    app.import(bundle(A, &[ann(), first, twin.clone(), second]), None).await;
    let user = app.user(Role::Staff).await;
    let page = user.get("/patients/1/merging?with=2").await.ok();
    user.submit(&page, "Merge the charts", &[]).await.redirect();
    let shown = async |patient: i64| {
        let page = user.get(&format!("/patients/{patient}")).await.ok();
        page.texts_of("section[aria-labelledby=items] .title")
    };
    assert_eq!(shown(1).await, ["Sodium", "Glucose"]);
    // after a merge the later file corrects the item of its own record, and adds to the chart that is left
    let corrected = with(&of(observation("o2", "Sodium", day), "q"), json!({"valueQuantity": {"value": 139}}));
    let new = of(observation("o3", "Iron", "2026-02-02"), "q");
    let summary = app.import(bundle(A, &[twin.clone(), corrected, new]), None).await;
    assert_eq!(
        (summary.patients, summary.changed["lab_result"], summary.items["lab_result"]),
        (0, 1, 1),
        "{summary:?}"
    );
    let all = items(&app, "Ash").await;
    let day: Vec<_> = all.iter().filter(|item| item.2 != "Iron").collect();
    assert_eq!((all.len(), day.len()), (3, 2), "{all:#?}");
    assert!(day.iter().any(|it| it.4.contains("Glucose") && !it.4.contains("Sodium")), "{day:#?}");
    assert!(day.iter().any(|it| it.4.contains("139") && !it.4.contains("Glucose")), "{day:#?}");
    // when the merge is undone, everything that the record brought goes back with it
    let page = user.get("/patients/1").await.ok();
    user.submit(&page, "Undo the merge", &[]).await.redirect();
    assert_eq!((shown(1).await.len(), shown(2).await), (1, vec!["Iron".to_owned(), "Sodium".to_owned()]));
    let again = app.import(bundle(A, &[twin, of(observation("o3", "Iron", "2026-02-02"), "q")]), None).await;
    assert_eq!((again.written(), again.known_items > 0), (0, true), "{again:?}");
}

/// A small random generator: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for n in (1..list.len()).rev() {
            list.swap(n, self.below(n + 1));
        }
    }
}

/// The resources of two patients: some belong together, some are named by several others, some are several of one day.
fn world(round: usize) -> Vec<Value> {
    let mut all = vec![
        json!({"resourceType": "Practitioner", "id": "d", "name": [{"family": "Lee", "given": ["Sam"]}]}),
        json!({"resourceType": "PractitionerRole", "id": "role", "practitioner": {"reference": "Practitioner/d"}}),
        json!({"resourceType": "Organization", "id": "lab", "name": "The Lab"}),
    ];
    for (id, family, born) in [("a", "First", "1980-02-29"), ("b", "Second", "1950-01-01")] {
        let whose = json!({"reference": format!("Patient/{id}")});
        let own = |name: &str| format!("{id}-{name}");
        all.push(json!({"resourceType": "Patient", "id": id, "birthDate": born,
            "name": [{"family": format!("{family}{round}"), "given": ["Ann"]}]}));
        all.push(json!({"resourceType": "Encounter", "id": own("e"), "status": "finished", "subject": whose,
            "period": {"start": "2026-01-05T10:00:00Z"}, "type": [{"text": "Visit"}],
            "participant": [{"individual": {"reference": "PractitionerRole/role"}}]}));
        for (n, name) in ["Flu", "Cold", "Asthma"].into_iter().enumerate() {
            all.push(json!({"resourceType": "Condition", "id": own(&format!("c{n}")), "subject": whose, "code": {"text": name},
                "encounter": {"reference": format!("Encounter/{}", own("e"))}}));
        }
        for (n, name) in ["Glucose", "Sodium", "Potassium", "Iron"].into_iter().enumerate() {
            all.push(
                json!({"resourceType": "Observation", "id": own(&format!("o{n}")), "status": "final", "subject": whose,
                "code": {"text": name}, "category": [{"coding": [{"code": "laboratory"}]}], "valueInteger": n,
                "performer": [{"reference": "Organization/lab"}],
                "effectiveDateTime": format!("2026-01-06T0{}:00:00Z", 9 - n)}),
            );
        }
        // one version is corrected and one withdrawn, by the source's own dates
        for (day, value) in [("2026-01-10", "first"), ("2026-01-11", "second")] {
            all.push(
                json!({"resourceType": "Observation", "id": own("corrected"), "status": "final", "subject": whose,
                "code": {"text": "Zinc"}, "category": [{"coding": [{"code": "laboratory"}]}], "valueString": value,
                "effectiveDateTime": "2026-01-06T12:00:00Z", "meta": {"lastUpdated": format!("{day}T00:00:00Z")}}),
            );
        }
        for (day, status) in [("2026-01-10", "final"), ("2026-01-11", "entered-in-error")] {
            all.push(json!({"resourceType": "Observation", "id": own("gone"), "status": status, "subject": whose,
                "code": {"text": "Lead"}, "category": [{"coding": [{"code": "laboratory"}]}], "valueString": "wrong",
                "effectiveDateTime": "2026-01-06T13:00:00Z", "meta": {"lastUpdated": format!("{day}T00:00:00Z")}}));
        }
        all.push(json!({"resourceType": "DiagnosticReport", "id": own("r"), "status": "final", "subject": whose,
            "code": {"text": "Panel"}, "effectiveDateTime": "2026-01-06", "performer": [{"reference": "Organization/lab"}],
            "result": [{"reference": format!("Observation/{}", own("o1"))}, {"reference": format!("Observation/{}", own("o3"))}]}));
        all.push(json!({"resourceType": "MedicationRequest", "id": own("m"), "status": "active", "subject": whose,
            "authoredOn": "2026-01-05", "requester": {"reference": "Practitioner/d"},
            "medicationCodeableConcept": {"text": "Iron"}, "dosageInstruction": [{"text": "one a day"}]}));
    }
    all
}

async fn any_order_and_any_pieces_give_the_same_charts(app: App) {
    let mut expected: Option<[Vec<Item>; 2]> = None;
    for round in 0..8 {
        let (mut dice, base) = (Dice(round as u64 + 7), format!("https://s{round}.example/fhir"));
        let mut resources = world(round);
        let mut pieces: Vec<Vec<Value>> = Vec::new();
        if round > 0 {
            dice.shuffle(&mut resources);
            (0..=dice.below(6)).for_each(|_| pieces.push(Vec::new()));
            for resource in resources {
                let at = dice.below(pieces.len());
                pieces[at].push(resource);
            }
            pieces.retain(|piece| !piece.is_empty());
        } else {
            pieces.push(resources);
        }
        // in the second round each file comes twice
        let times = if round % 2 == 0 { 1 } else { 2 };
        for piece in pieces.iter().cycle().take(pieces.len() * times) {
            match round % 3 {
                // one resource on each line, with a named source
                2 => {
                    let lines: String = piece.iter().map(|resource| format!("{resource}\n")).collect();
                    app.import_files(vec![lines.into_bytes()], Some(&base)).await.unwrap();
                }
                _ => drop(app.import(bundle(&base, piece), None).await),
            }
        }
        let charts = [items(&app, &format!("First{round}")).await, items(&app, &format!("Second{round}")).await];
        assert!(charts.iter().all(|chart| chart.len() == 4), "{charts:#?}");
        assert!(!format!("{charts:?}").contains("wrong") && format!("{charts:?}").contains("second"), "{charts:#?}");
        match &expected {
            Some(expected) => assert_eq!(&charts, expected, "round {round}"),
            None => expected = Some(charts),
        }
    }
}

async fn what_is_older_by_its_own_words_corrects_nothing(app: App) {
    let of = |at: &str, text: &str| {
        with(
            &observation("o", "Glucose", "2026-02-01"),
            json!({"meta": {"lastUpdated": at}, "valueString": text, "valueQuantity": null}),
        )
    };
    app.import(bundle(A, &[ann(), of("2026-02-03T00:00:00Z", "newer")]), None).await;
    let older = app.import(bundle(A, &[ann(), of("2026-02-02T00:00:00Z", "older")]), None).await;
    assert_eq!(older.skipped[&("Observation".to_owned(), "outdated")], 1);
    assert!(items(&app, "Ash").await[0].4.contains("newer"));
}

async fn nothing_is_lost_without_being_counted(app: App) {
    let report = |id: &str, fields: Value| {
        let report = json!({"resourceType": "DiagnosticReport", "id": id, "status": "final", "subject": subject(),
            "code": {"text": id}, "effectiveDateTime": "2026-02-02"});
        with(&report, fields)
    };
    let resources = [
        ann(),
        report(
            "contained",
            json!({"result": [{"reference": "#o"}], "contained": [{"resourceType": "Observation", "id": "o",
            "status": "preliminary", "code": {"text": "Potassium"}, "valueQuantity": {"value": 6.9, "unit": "mmol/L"}}]}),
        ),
        report("elsewhere", json!({"result": [{"reference": "Observation/none", "display": "Troponin"}]})),
        report(
            "narrative",
            json!({"text": {"status": "generated",
            "div": "<div><script>alert(1)</script><p>Right upper lobe, 12&#160;mm</p><table><tr><td>a</td><td>b</td></tr></table></div>"}}),
        ),
        with(
            &observation("s", "ECG", "2026-02-03"),
            json!({"valueQuantity": null,
            "valueSampledData": {"origin": {"value": 0}, "period": 10, "dimensions": 1, "data": "1 2 3"}}),
        ),
        with(
            &observation("t", "Culture", "2026-02-04"),
            json!({"valueQuantity": null,
            "valueString": "E. coli", "interpretation": [{"coding": [{"code": "R"}]}]}),
        ),
    ];
    let summary = app.import(bundle(A, &resources), None).await;
    assert_eq!(summary.skipped[&("DiagnosticReport.result".to_owned(), "result_elsewhere")], 1);
    assert_eq!(summary.skipped[&("DiagnosticReport".to_owned(), "narrative_only")], 1);
    let user = app.user(Role::Viewer).await;
    let mut words = String::new();
    let paths = user.get("/patients/1").await.ok().links().into_iter().map(|link| link.href);
    for path in paths.filter(|path| path.contains("/items/")) {
        words.push_str(&user.get(&path).await.ok().text());
    }
    for wanted in [
        "6.9",
        "Preliminary",
        "Troponin",
        "The source has not sent it",
        "Right upper lobe, 12",
        "a · b",
        "A recording",
        "Resistant",
    ] {
        assert!(words.contains(wanted), "{wanted}: {words}");
    }
    assert!(!words.contains("alert(1)"));
}

async fn files_as_servers_write_them(app: App) {
    // single resources, one resource on each line, packed, and in several files that come together
    let lines = |resources: &[Value]| resources.iter().map(|it| format!("{it}\n")).collect::<String>().into_bytes();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&lines(&[ann()])).unwrap();
    let observations = lines(&[observation("o1", "Glucose", "2026-02-01"), observation("o2", "Iron", "2026-02-02")]);
    let summary = app.import_files(vec![observations, packed.finish().unwrap()], Some("export")).await.unwrap();
    assert_eq!((summary.patients, summary.items["lab_result"]), (1, 2), "{summary:?}");
    let bare = app.import(ann().to_string().into_bytes(), Some("export")).await;
    assert_eq!((bare.patients, bare.known_patients), (0, 1));
    // one page of several is reported as such
    let page = json!({"resourceType": "Bundle", "type": "searchset", "entry": [entry(A, &ann())],
        "link": [{"relation": "next", "url": "https://emr.example/next"}]});
    assert_eq!(app.import(page.to_string().into_bytes(), None).await.further_pages, 1);
    // other releases, and XML, are refused by name
    for (text, name) in [
        (json!({"resourceType": "MedicationOrder", "id": "x"}).to_string(), "DSTU2"),
        (
            json!({"resourceType": "Observation", "id": "x", "context": {"reference": "Encounter/1"}}).to_string(),
            "STU3",
        ),
        (json!({"resourceType": "MedicationRequest", "id": "x", "medication": {"concept": {}}}).to_string(), "R5"),
        (json!({"resourceType": "Procedure", "id": "x", "status": "completed", "notDone": true}).to_string(), "STU3"),
        (json!({"resourceType": "Immunization", "id": "x", "wasNotGiven": true}).to_string(), "DSTU2"),
        (json!({"resourceType": "Condition", "id": "x", "clinicalStatus": "active"}).to_string(), "STU3"),
        (json!({"resourceType": "Encounter", "id": "x", "class": [{"coding": []}]}).to_string(), "R5"),
        (json!({"resourceType": "ServiceRequest", "id": "x", "code": {"concept": {"text": "MRI"}}}).to_string(), "R5"),
        ("<Bundle xmlns=\"http://hl7.org/fhir\"/>".to_owned(), "XML"),
    ] {
        let refused = app.import_files(vec![text.into_bytes()], None).await.unwrap_err();
        assert!(refused.to_string().contains(name), "{refused}");
    }
    for message in [b"\r\nMSH|^~\\&|LAB|".to_vec(), b"\x0bMSH|^~\\&|LAB|".to_vec(), b"FHS|^~\\&|".to_vec()] {
        let refused = app.import_files(vec![message], None).await.unwrap_err();
        assert!(refused.to_string().contains("HL7 version 2"), "{refused}");
    }
    // bundles inside a bundle, as in the answer to a batch
    let inner: Value = serde_json::from_slice(&bundle(A, &[ann(), observation("o7", "Zinc", "2026-02-07")])).unwrap();
    let batch = json!({"resourceType": "Bundle", "type": "batch-response", "entry": [{"resource": inner}, {"response": {"status": "404"}}]});
    let answered = app.import(batch.to_string().into_bytes(), None).await;
    assert_eq!(
        (answered.known_patients, answered.items["lab_result"], answered.skipped.len()),
        (1, 1, 0),
        "{answered:?}"
    );
    // a broken file leaves nothing behind
    let mut broken = bundle("https://other.example", &[with(&ann(), json!({"name": [{"family": "Broken"}]}))]);
    broken.truncate(broken.len() - 3);
    assert!(app.import_files(vec![broken], None).await.is_err());
    let people = app.state.db.read(|conn| -> Result<i64, AppError> { Ok(table::table.count().get_result(conn)?) });
    assert_eq!(people.await.unwrap(), 1);
}

async fn what_came_before_sources_were_kept_stays(app: App) {
    let day = "2026-02-01T09:00:00Z";
    app.import(bundle(A, &[ann(), observation("o1", "Glucose", day)]), None).await;
    // the rows as a version left them that stored no resources
    let write = app.state.db.write(|tx| -> Result<_, AppError> {
        use postern::db::schema::{source_mentions, source_resources};
        diesel::delete(source_mentions::table).execute(tx.conn())?;
        diesel::delete(source_resources::table).execute(tx.conn())?;
        let bare =
            (chart_items::source_key.eq("Observation:2026-02-01:laboratory"), chart_items::origin_id.eq(None::<i64>));
        diesel::update(chart_items::table).set(bare).execute(tx.conn())?;
        Ok(())
    });
    write.await.unwrap();
    for _ in 0..2 {
        app.import(bundle(A, &[ann(), observation("o2", "Sodium", day)]), None).await;
        let all = items(&app, "Ash").await;
        assert_eq!(all.len(), 1, "{all:#?}");
        assert!(all[0].4.contains("Glucose") && all[0].4.contains("Sodium"), "{}", all[0].4);
    }
}

async fn programs_are_no_files_of_a_chart_and_files_have_names(app: App) {
    let document = |id: &str, attachment: Value| {
        json!({"resourceType": "DocumentReference", "id": id, "status": "current", "subject": subject(),
            "date": "2026-02-03T10:00:00Z", "content": [{"attachment": attachment}]})
    };
    let base64 = |bytes: &[u8]| data_encoding::BASE64.encode(bytes);
    let resources = [
        ann(),
        document(
            "exe",
            json!({"title": "Viewer", "contentType": "application/pdf", "data": base64(b"MZ\x90\0\x03\0")}),
        ),
        document("js", json!({"title": "letter.pdf.js", "contentType": "text/plain", "data": base64(b"run()")})),
        document("sh", json!({"contentType": "application/x-sh", "data": base64(b"rm -r /")})),
        document("txt", json!({"contentType": "text/plain", "data": base64(b"Hello")})),
        with(
            &document("letter", json!({"data": base64(b"Dear Ann")})),
            json!({"type": {"coding": [{"system": "http://loinc.org", "code": "51852-2"}]}}),
        ),
    ];
    let summary = app.import(bundle(A, &resources), None).await;
    assert_eq!(summary.skipped[&("DocumentReference".to_owned(), "file_program")], 3, "{summary:?}");
    let read = app.state.db.read(|conn| -> Result<Vec<(String, String)>, AppError> {
        use postern::db::schema::chart_files;
        let named = chart_files::table
            .select((chart_files::file_name, chart_files::media_type))
            .load::<(Opened, String)>(conn)?;
        let mut named: Vec<(String, String)> = named.into_iter().map(|(name, kind)| (name.into(), kind)).collect();
        named.sort();
        Ok(named)
    });
    let pair = |name: &str| (name.to_owned(), "text/plain".to_owned());
    assert_eq!(read.await.unwrap(), [pair("File.txt"), pair("Letter.txt")]);
    let user = app.user(Role::Viewer).await;
    let page = user.get("/patients/1").await.ok();
    let mut told = 0;
    for link in page.links().into_iter().filter(|link| link.href.contains("/items/")) {
        told += usize::from(user.get(&link.href).await.ok().has_text("It is a program"));
    }
    assert_eq!(told, 3, "each says what it does not show");
}

async fn what_was_taken_back_before_it_was_seen_is_not_missing(app: App) {
    let report = json!({"resourceType": "DiagnosticReport", "id": "r", "status": "final", "subject": subject(),
        "code": {"text": "Panel"}, "effectiveDateTime": "2026-02-02", "result": [{"reference": "Observation/o", "display": "Troponin"}]});
    let gone = |at: &str| {
        json!({"resourceType": "Observation", "id": "o", "status": "entered-in-error", "subject": subject(),
            "meta": {"lastUpdated": at}})
    };
    let summary = app.import(bundle(A, &[ann(), report, gone("2026-02-03T00:00:00Z")]), None).await;
    assert!(!summary.skipped.contains_key(&("DiagnosticReport.result".to_owned(), "result_elsewhere")), "{summary:?}");
    let of_day = async || items(&app, "Ash").await.remove(0).4;
    assert!(of_day().await.contains("Troponin") && of_day().await.contains("entered-in-error"));
    // an older version comes after the withdrawal: its name is shown, and its value is not
    let late =
        with(&observation("o", "Troponin T", "2026-02-01"), json!({"meta": {"lastUpdated": "2026-02-01T00:00:00Z"}}));
    app.import(bundle(A, &[ann(), late]), None).await;
    assert!(of_day().await.contains("Troponin T") && !of_day().await.contains("5.1"), "{}", of_day().await);
    assert_eq!(items(&app, "Ash").await.len(), 1);
}

async fn every_file_of_a_document_that_is_taken_back_is_withdrawn(app: App) {
    let document = |status: &str| {
        json!({"resourceType": "DocumentReference", "id": "d", "status": status, "subject": subject(), "date": "2026-02-03T10:00:00Z",
            "description": "Scan", "content": [{"attachment": {"contentType": "text/plain", "data": "SGVsbG8="}},
            {"attachment": {"contentType": "text/plain", "data": "V29ybGQ="}}]})
    };
    app.import(bundle(A, &[ann(), document("current")]), None).await;
    assert_eq!(items(&app, "Ash").await.len(), 2);
    app.import(bundle(A, &[ann(), document("entered-in-error")]), None).await;
    let states: Vec<String> = items(&app, "Ash").await.into_iter().map(|item| item.5).collect();
    assert_eq!(states, ["withdrawn"; 2]);
}

async fn parts_of_a_record_that_are_left_out_are_counted_once(app: App) {
    let fields = json!({"gender": "female", "address": [{"city": "Ottawa"}], "photo": [{"data": "AAAA"}], "secret": 1,
        "telecom": [{"system": "phone", "value": "12"}]});
    let key = |what: &str, why: &'static str| (format!("Patient.{what}"), why);
    for _ in 0..2 {
        let summary = app.import(bundle(A, &[with(&ann(), fields.clone())]), None).await;
        let expected = std::collections::BTreeMap::from([
            (key("address", "postal_address"), 1),
            (key("gender", "not_mapped"), 1),
            (key("other", "not_mapped"), 1),
            (key("photo", "not_mapped"), 1),
            (key("telecom", "phone"), 1),
        ]);
        assert_eq!(summary.skipped, expected);
    }
    // the summary counts only what is in the file
    let other = app.import(bundle(A, &[observation("o", "Iron", "2026-02-02")]), None).await;
    assert!(other.skipped.is_empty(), "{other:?}");
}
