//! FHIR R4 bundles become charts; nothing in a file can cause a panic or mix patients up.

use std::collections::BTreeMap;

use postern::chart::import::fhir::{
    FhirError, ImportOptions, ImportedBundle, ImportedChart, ImportedItem, SkipReason, read_bundle,
};
use postern::chart::item::{Block, Caption, Datum, Every, Fact, Flag, ItemBody, ItemKind, ItemSort, Label, ResultRow};
use postern::text::Lang;
use serde_json::{Value, json};
use time::macros::{date, datetime};

fn options() -> ImportOptions {
    ImportOptions { default_calling_code: "1".into(), today: date!(2025 - 06 - 01), source: None }
}

fn import_bytes(bytes: &[u8]) -> Result<ImportedBundle, FhirError> {
    read_bundle(bytes).map(|bundle| bundle.charts(&options()))
}

/// Reads a bundle of these entries.
fn import(entries: Value) -> ImportedBundle {
    let bundle = json!({ "resourceType": "Bundle", "type": "collection", "entry": entries });
    import_bytes(bundle.to_string().as_bytes()).unwrap()
}

/// The chart of patient "p" with these resources.
fn chart_of(resources: &[Value]) -> ImportedChart {
    let mut entries = vec![json!({ "resource": ann() })];
    entries.extend(resources.iter().map(|resource| json!({ "resource": resource })));
    let mut result = import(Value::Array(entries));
    assert_eq!(result.charts.len(), 1);
    result.charts.remove(0)
}

fn ann() -> Value {
    json!({ "resourceType": "Patient", "id": "p", "name": [{ "family": "Roy", "given": ["Ann"] }], "birthDate": "1980-02-29" })
}

/// The chart of a patient with these further fields.
fn patient(fields: Value) -> ImportedChart {
    let mut patient = ann();
    patient.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let mut result = import(json!([{ "resource": patient }]));
    assert_eq!(result.charts.len(), 1, "{:?}", result.skipped);
    result.charts.remove(0)
}

fn subject() -> Value {
    json!({ "reference": "Patient/p" })
}

fn only(chart: &ImportedChart) -> &ImportedItem {
    assert_eq!(chart.items.len(), 1, "{:#?} {:?}", chart.items, chart.skipped);
    &chart.items[0]
}

fn results(body: &ItemBody) -> Vec<&ResultRow> {
    body.blocks
        .iter()
        .flat_map(|block| if let Block::Results { rows } = block { rows.as_slice() } else { &[] })
        .collect()
}

fn facts(body: &ItemBody) -> Vec<&Fact> {
    body.blocks.iter().flat_map(|block| if let Block::Facts { rows } = block { rows.as_slice() } else { &[] }).collect()
}

fn fact(body: &ItemBody, label: Label) -> Option<&Datum> {
    facts(body).into_iter().find(|fact| fact.label == Caption::Label(label)).map(|fact| &fact.value)
}

fn every(times: &str, period: &str, unit: &str) -> Datum {
    Datum::Every(Every { amount: None, times: times.into(), period: period.into(), unit: unit.into() })
}

fn text(text: &str) -> Datum {
    Datum::Text(text.into())
}

/// The charts of the demo: the name of each file, and its JSON.
fn demo_charts() -> Vec<(String, Vec<u8>)> {
    let charts = crate::support::demo::charts();
    assert!(charts.len() >= 14);
    charts
}

#[test]
fn every_demo_chart_is_one_patient_with_all_of_the_record() {
    for (file, bytes) in demo_charts() {
        let raw: Value = serde_json::from_slice(&bytes).unwrap();
        let mut of_type: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in raw["entry"].as_array().unwrap() {
            *of_type.entry(entry["resource"]["resourceType"].as_str().unwrap()).or_default() += 1;
        }
        let count = |kind: &str| of_type.get(kind).copied().unwrap_or(0);
        let result = import_bytes(&bytes).unwrap();
        assert_eq!(result.charts.len(), 1, "{file:?}");
        assert!(result.skipped.is_empty(), "{file:?} {:?}", result.skipped);
        let chart = &result.charts[0];
        let items = |kind: ItemKind| chart.items.iter().filter(|item| item.kind == kind).count();
        assert_eq!(items(ItemKind::Encounter), count("Encounter"), "{file:?}");
        assert_eq!(items(ItemKind::LabResult), count("DiagnosticReport"), "{file:?}");
        assert_eq!(items(ItemKind::Requisition), count("MedicationRequest"), "{file:?}");
        assert_eq!(items(ItemKind::Education), count("CarePlan"), "{file:?}");
        // each observation is shown once: by its value, or by its components
        let rows: usize = chart.items.iter().map(|item| results(&item.body).len()).sum();
        let expected: usize = (raw["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]))
            .filter(|resource| resource["resourceType"] == "Observation")
            .map(|resource| resource["component"].as_array().map_or(1, Vec::len))
            .sum();
        assert_eq!(rows, expected, "{file:?}");
        for unmapped in ["Claim", "ExplanationOfBenefit", "ImagingStudy", "AllergyIntolerance"] {
            let skipped = chart.skipped.get(&(unmapped.to_owned(), SkipReason::NotMapped)).copied().unwrap_or(0);
            assert_eq!(skipped, count(unmapped), "{file:?} {unmapped}");
        }
        let others: Vec<_> = (chart.skipped.keys()).filter(|(_, reason)| *reason != SkipReason::NotMapped).collect();
        // these charts give every patient a phone number of the area code 555, which does not exist
        let mut expected = vec![
            ("Patient.identifier".to_owned(), SkipReason::PrivateNumber),
            ("Patient.telecom".to_owned(), SkipReason::Phone),
        ];
        // and one of them an address without a postal code, to which no letter can go
        let mut entries = raw["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
        let record = entries.find(|resource| resource["resourceType"] == "Patient").unwrap();
        if record["address"][0]["postalCode"].is_null() {
            expected.insert(0, ("Patient.address".to_owned(), SkipReason::PostalAddress));
        }
        assert_eq!(others, expected.iter().collect::<Vec<_>>(), "{file:?}");
        let patient = &chart.patient;
        assert!(!patient.given.is_empty() && !patient.family.is_empty());
        // a hospital's own number is not a health number
        assert_eq!(patient.health_number, None, "{file:?}");
        assert!(patient.other_identifiers.iter().any(|(kind, _)| kind == "MR"), "{file:?}");
        assert_eq!(patient.phone, None, "{file:?}");
        assert!(patient.other_identifiers.iter().all(|(kind, _)| kind != "SS"));
        assert!(chart.items.is_sorted_by_key(|item| item.occurred_at));
        for item in &chart.items {
            assert!(!item.title.is_empty() && !item.body.blocks.is_empty(), "{file:?} {}", item.source_id);
            let stored = serde_json::to_string(&item.body).unwrap();
            assert_eq!(serde_json::from_str::<ItemBody>(&stored).unwrap(), item.body);
        }
        let mut ids: Vec<&str> = chart.items.iter().map(|item| item.source_id.as_str()).collect();
        ids.sort_unstable();
        assert!(ids.is_sorted_by(|a, b| a < b), "{file:?}: ids are not unique");
        assert_eq!(import_bytes(&bytes).unwrap(), result, "{file:?}: not the same twice");
    }
}

#[test]
fn a_file_that_is_no_bundle_is_refused_with_its_place_and_without_its_content() {
    let message = |text: &str| import_bytes(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(message("{\n  \"resourceType\": Smith}"), "not valid JSON: line 2, column 19");
    assert!(message("").starts_with("not valid JSON"));
    assert!(message(r#"{"resourceType":"Bundle","entry":[{"#).starts_with("not valid JSON"));
    assert!(matches!(import_bytes(b"\xff\xfe"), Err(FhirError::Json { .. })));
    assert_eq!(
        message(r#"{"resourceType":"Bundle","entry":"Smith"}"#),
        "not the form of a FHIR bundle: line 1, column 40"
    );
    assert!(message("[1]").starts_with("not "));
    for other in ["{}", r#"{"resourceType":7}"#] {
        assert_eq!(message(other), "not FHIR: it has no resourceType");
    }
    assert_eq!(message(r#"{"resourceType":"Bundle"}"#), "the bundle holds no patient");
    let text = format!("\u{feff}{}", json!({ "resourceType": "Bundle", "entry": [{ "resource": ann() }] }));
    assert_eq!(import_bytes(text.as_bytes()).unwrap().charts.len(), 1, "a byte order mark does no harm");
}

#[test]
fn a_wrong_type_skips_only_its_resource() {
    let result = import(json!([
        7, null, {}, { "resource": null }, { "resource": [] }, { "resource": {} }, { "fullUrl": 3 },
        { "resource": { "resourceType": "Encounter", "subject": subject(), "period": "yesterday" } },
        { "resource": { "resourceType": "Observation", "subject": "Patient/p" } },
        { "resource": { "resourceType": "Smith, John", "id": "1" } },
        { "resource": ann() },
        { "resource": { "resourceType": "Encounter", "id": "e", "subject": subject(), "period": { "start": "2020" } } },
    ]));
    assert_eq!(result.charts[0].items.len(), 1);
    assert_eq!(result.charts[0].skipped, BTreeMap::from([(("Encounter".to_owned(), SkipReason::Malformed), 1)]));
    assert_eq!(result.skipped[&("Observation".to_owned(), SkipReason::Malformed)], 1);
    assert!(result.skipped.keys().all(|(kind, _)| !kind.contains("Smith")));
}

#[test]
fn the_name_in_force_is_taken() {
    let names = patient(json!({ "name": [
        { "use": "maiden", "family": "Old", "given": ["Ann"] },
        { "use": "official", "family": "Gone", "given": ["Ann"], "period": { "end": "2020-01-01" } },
        { "use": "nickname", "given": ["Nan"] },
        { "use": "usual", "family": "Usual", "given": ["Annie"] },
        { "use": "official", "family": "Roy", "given": ["Ann", null, "May"], "period": { "end": "2025-06" } },
    ] }));
    let patient_ = &names.patient;
    assert_eq!((patient_.given.as_str(), patient_.family.as_str()), ("Ann May", "Roy"));
    assert_eq!(patient_.preferred.as_deref(), Some("Nan"));
    let text_only = patient(json!({ "name": [{ "text": "Ann\u{0} Roy" }] })).patient;
    assert_eq!((text_only.given.as_str(), text_only.family.as_str()), ("", "Ann Roy"));
    let none = import(json!([{ "resource": { "resourceType": "Patient", "id": "p", "birthDate": "1980-01-01" } }]));
    assert!(none.charts.is_empty());
    assert_eq!(none.skipped[&("Patient".to_owned(), SkipReason::NoName)], 1);
}

#[test]
fn the_health_number_goes_by_its_type_and_private_numbers_are_not_kept() {
    let typed = |code: &str, value: &str| {
        json!({
            "type": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": code }] }, "value": value
        })
    };
    let chart = patient(json!({ "identifier": [
        { "system": "urn:x", "value": "0" }, typed("SS", "1"), typed("MR", "2"), typed("NI", "3"), typed("JHN", "4"),
        { "system": "http://hl7.org/fhir/sid/us-ssn", "value": "5" }, typed("PPN", "6"),
    ] }));
    assert_eq!(chart.patient.health_number.as_deref(), Some("4"));
    let pair = |kind: &str, value: &str| (kind.to_owned(), value.to_owned());
    assert_eq!(
        chart.patient.other_identifiers,
        [pair("urn:x", "0"), pair("MR", "2"), pair("NI", "3"), pair("PPN", "6")]
    );
    assert_eq!(chart.skipped[&("Patient.identifier".to_owned(), SkipReason::PrivateNumber)], 2);
    for none in [typed("DL", "2"), typed("MR", "2"), json!({ "system": "urn:x", "value": "2" })] {
        assert_eq!(patient(json!({ "identifier": [typed("SS", "1"), none] })).patient.health_number, None);
    }
    // the system marks a health number as well as the type does
    for system in [
        "https://fhir.infoway-inforoute.ca/NamingSystem/ca-on-patient-hcn",
        "https://fhir.nhs.uk/Id/nhs-number",
        "http://fhir.de/sid/gkv/kvid-10",
        "urn:oid:1.2.250.1.213.1.4.8",
        "http://hl7.org/fhir/sid/us-mbi",
    ] {
        let of_system = json!({ "system": system, "value": "7" });
        let chart = patient(json!({ "identifier": [typed("MR", "2"), of_system, typed("NI", "3")] }));
        assert_eq!(chart.patient.health_number.as_deref(), Some("7"), "{system}");
    }
}

#[test]
fn contacts_language_and_death() {
    let chart = patient(json!({
        "telecom": [
            { "system": "phone", "use": "home", "value": "416-555-0101" },
            { "system": "phone", "use": "mobile", "value": "not a number" },
            { "system": "phone", "use": "mobile", "value": "(416) 555-0199" },
            { "system": "phone", "use": "old", "value": "416-555-0100" },
            { "system": "email", "use": "work", "value": "work@example.org" },
            { "system": "email", "value": "mailto:ann@example.org" },
            { "system": "email", "value": "nobody" },
        ],
        "communication": [
            { "language": { "coding": [{ "code": "en-CA" }] } },
            { "language": { "coding": [{ "code": "FR-CA" }] }, "preferred": true },
        ],
        "deceasedDateTime": "2020-01-01",
    }));
    assert_eq!(chart.patient.phone.as_deref(), Some("+14165550199"));
    assert_eq!(chart.patient.email.as_deref(), Some("ann@example.org"));
    assert_eq!(chart.patient.language.as_deref(), Some("fr"));
    assert_eq!(chart.patient.deceased, Some(true));
    assert_eq!(chart.skipped[&("Patient.telecom".to_owned(), SkipReason::Phone)], 1);
    assert_eq!(chart.skipped[&("Patient.telecom".to_owned(), SkipReason::Email)], 1);
    assert_eq!(patient(json!({ "deceasedBoolean": false })).patient.deceased, Some(false));
}

#[test]
fn a_partial_birth_date_skips_the_patient_with_the_chart() {
    for born in ["1980", "1980-02", "1980-02-30", "29.02.1980", "", "1980-02-29T00:00:00Z"] {
        let mut patient = ann();
        patient["birthDate"] = json!(born);
        let encounter = json!({ "resourceType": "Encounter", "subject": subject(), "period": { "start": "2020" } });
        let result = import(json!([{ "resource": patient }, { "resource": encounter }]));
        assert!(result.charts.is_empty(), "{born}");
        assert_eq!(result.skipped[&("Patient".to_owned(), SkipReason::BirthDate)], 1);
        assert_eq!(result.skipped[&("Encounter".to_owned(), SkipReason::NoPatient)], 1);
    }
}

#[test]
fn dates_of_any_precision_and_offset() {
    for (written, expected) in [
        ("2020", Some(datetime!(2020-01-01 12:00 UTC))),
        ("2020-03", Some(datetime!(2020-03-01 12:00 UTC))),
        ("2020-02-29", Some(datetime!(2020-02-29 12:00 UTC))),
        ("2020-03-04T23:30:00-05:00", Some(datetime!(2020-03-05 04:30 UTC))),
        ("2020-03-04T01:30:00+05:30", Some(datetime!(2020-03-03 20:00 UTC))),
        ("2020-03-04T01:30:00.1234567Z", Some(datetime!(2020-03-04 01:30:00.123456 UTC))),
        ("2020-03-04T01:30:00", Some(datetime!(2020-03-04 01:30 UTC))),
        ("2020-03-04T01:30Z", Some(datetime!(2020-03-04 01:30 UTC))),
        ("2016-12-31T23:59:60Z", Some(datetime!(2016-12-31 23:59:59 UTC))),
        ("9999-12-31T23:59:59-14:00", None),
        ("2021-02-29", None),
        ("2020-13", None),
        ("2020-1-1", None),
        ("0000", None),
        ("2020-03-04T25:00:00Z", None),
        ("2020-03-04T01:30:00+15:00", None),
        ("2020-03-04T01:30:00+é1:00", None),
        ("é020", None),
        ("T", None),
    ] {
        let encounter = json!({ "resourceType": "Encounter", "subject": subject(), "period": { "start": written } });
        let chart = chart_of(&[encounter]);
        assert_eq!(chart.items.first().map(|item| item.occurred_at), expected, "{written}");
        if expected.is_none() {
            assert_eq!(chart.skipped[&("Encounter".to_owned(), SkipReason::NoDate)], 1, "{written}");
        }
    }
}

/// An encounter of the patient whom `reference` names.
fn visit(id: &str, reference: &str) -> Value {
    json!({ "resourceType": "Encounter", "id": id, "subject": { "reference": reference }, "period": { "start": "2020" } })
}

fn someone(id: &str) -> Value {
    json!({ "resourceType": "Patient", "id": id, "name": [{ "family": id }], "birthDate": "1980-01-01" })
}

#[test]
fn references_of_each_form_find_their_patient_among_several() {
    let result = import(json!([
        { "fullUrl": "urn:uuid:aaa", "resource": someone("a") },
        { "fullUrl": "https://one.example/fhir/Patient/b", "resource": someone("b") },
        { "resource": someone("c") },
        { "resource": visit("1", "urn:uuid:aaa") },
        { "resource": visit("2", "Patient/a") },
        { "resource": visit("3", "https://one.example/fhir/Patient/b") },
        { "resource": visit("4", "https://one.example/fhir/Patient/b/_history/7") },
        { "fullUrl": "https://one.example/fhir/Encounter/5", "resource": visit("5", "Patient/b") },
        { "resource": visit("6", "Patient/c") },
        { "resource": visit("7", "urn:uuid:c") },
        { "resource": visit("8", "https://any.example/fhir/Patient/c") },
        { "resource": visit("x1", "https://two.example/fhir/Patient/b") },
        { "resource": visit("x2", "https://two.example/fhir/Patient/a") },
        { "resource": visit("x3", "Patient/nobody") },
        { "resource": visit("x4", "#a") },
        { "resource": visit("x5", "") },
        { "resource": visit("x6", "Group/a") },
        { "resource": visit("x7", "Encounter/1") },
        { "resource": { "resourceType": "Encounter", "id": "x8", "period": { "start": "2020" } } },
    ]));
    let ids: Vec<Vec<&str>> =
        result.charts.iter().map(|chart| chart.items.iter().map(|item| item.source_id.as_str()).collect()).collect();
    let expected: [&[&str]; 3] = [
        &["Encounter/1", "Encounter/2"],
        &["Encounter/3", "Encounter/4", "Encounter/5"],
        &["Encounter/6", "Encounter/7", "Encounter/8"],
    ];
    assert_eq!(ids, expected);
    assert_eq!(result.skipped, BTreeMap::from([(("Encounter".to_owned(), SkipReason::NoPatient), 8)]));
}

#[test]
fn the_same_id_on_two_servers_is_resolved_by_the_base_or_not_at_all() {
    let result = import(json!([
        { "fullUrl": "https://one.example/Patient/a", "resource": someone("a") },
        { "fullUrl": "https://two.example/Patient/a", "resource": someone("a") },
        { "fullUrl": "https://two.example/Encounter/1", "resource": visit("1", "Patient/a") },
        { "resource": visit("2", "Patient/a") },
        { "fullUrl": "https://two.example/Patient/a", "resource": someone("z") },
    ]));
    assert_eq!(result.charts.iter().map(|chart| chart.items.len()).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(result.skipped[&("Encounter".to_owned(), SkipReason::NoPatient)], 1);
    assert_eq!(result.skipped[&("Patient".to_owned(), SkipReason::Duplicate)], 1);
}

#[test]
fn nothing_of_another_patient_is_shown() {
    let of = |patient: &str| json!({ "reference": format!("Patient/{patient}") });
    let secret = json!({ "resourceType": "Observation", "id": "o", "subject": of("b"), "code": { "text": "SECRET" },
        "valueString": "SECRET", "effectiveDateTime": "2020", "encounter": { "reference": "Encounter/e" } });
    let result = import(json!([
        { "resource": someone("a") }, { "resource": someone("b") }, { "resource": secret }, { "resource": visit("e", "Patient/a") },
        { "resource": { "resourceType": "Condition", "id": "c", "subject": of("b"), "code": { "text": "SECRET" } } },
        { "resource": { "resourceType": "DiagnosticReport", "subject": of("a"), "effectiveDateTime": "2020",
            "result": [{ "reference": "Observation/o" }], "performer": [{ "reference": "Patient/b" }] } },
        { "resource": { "resourceType": "CarePlan", "subject": of("a"), "created": "2020",
            "addresses": [{ "reference": "Condition/c" }] } },
    ]));
    assert_eq!(result.charts[0].items.len(), 3);
    assert!(!format!("{:?}", result.charts[0]).contains("SECRET"));
    assert!(result.charts[0].items.iter().all(|item| item.author.is_none()));
    assert_eq!(result.charts[1].items.len(), 1, "and its owner still has it");
}

#[test]
fn an_encounter_shows_what_was_made_during_it() {
    let inside = json!({ "reference": "Encounter/e" });
    let chart = chart_of(&[
        json!({ "resourceType": "Practitioner", "id": "d", "name": [{ "family": "Lee", "given": ["Sam"], "prefix": ["Dr."] }] }),
        json!({ "resourceType": "PractitionerRole", "id": "r", "practitioner": { "reference": "Practitioner/d" } }),
        json!({ "resourceType": "Encounter", "id": "e", "subject": subject(), "status": "finished",
            "class": { "code": "AMB" }, "type": [{ "text": "Check-up" }], "reasonCode": [{ "coding": [{ "display": "Cough" }] }],
            "participant": [{ "individual": { "reference": "PractitionerRole/r", "display": "other" } }],
            "period": { "start": "2020-01-02T10:00:00-05:00", "end": "2020-01-02" },
            "diagnosis": [{ "condition": { "reference": "Condition/c2" } }] }),
        json!({ "resourceType": "Condition", "id": "c1", "subject": subject(), "encounter": inside, "code": { "text": "Cold" },
            "clinicalStatus": { "coding": [{ "code": "resolved" }] }, "verificationStatus": { "coding": [{ "code": "confirmed" }] } }),
        json!({ "resourceType": "Condition", "id": "c2", "subject": subject(), "code": { "text": "Flu" },
            "clinicalStatus": { "coding": [{ "code": "active" }] }, "verificationStatus": { "coding": [{ "code": "refuted" }] } }),
        json!({ "resourceType": "Condition", "id": "c3", "subject": subject(), "code": { "text": "Lone" } }),
        json!({ "resourceType": "Procedure", "subject": subject(), "encounter": inside, "status": "not-done", "code": { "text": "X-ray" } }),
        json!({ "resourceType": "Immunization", "patient": subject(), "encounter": inside, "status": "completed", "vaccineCode": { "text": "Tetanus" } }),
        json!({ "resourceType": "Observation", "subject": subject(), "encounter": inside, "code": { "text": "Weight" }, "valueQuantity": { "value": 70.10, "unit": "kg" } }),
    ]);
    let item = only(&chart);
    assert_eq!((item.title.as_str(), item.author.as_deref()), ("Check-up", Some("Dr. Sam Lee")));
    assert_eq!(item.occurred_at, datetime!(2020-01-02 15:00 UTC));
    assert_eq!(fact(&item.body, Label::Reason), Some(&text("Cough")));
    assert_eq!(fact(&item.body, Label::Class), Some(&Datum::Code("AMB".into())));
    assert_eq!(
        fact(&item.body, Label::Period),
        Some(&Datum::Period(Some("2020-01-02T15:00:00Z".into()), Some("2020-01-02".into())))
    );
    let row = |name: &str| {
        facts(&item.body).into_iter().find(|fact| fact.label == Caption::Text(name.into())).map(|fact| &fact.value)
    };
    assert_eq!(row("Cold"), Some(&Datum::Code("resolved".into())));
    assert_eq!(
        row("Flu"),
        Some(&Datum::Code("refuted".into())),
        "a refuted condition never looks like one that is there"
    );
    assert_eq!(row("X-ray"), Some(&Datum::Code("not-done".into())));
    assert_eq!(row("Tetanus"), Some(&Datum::Code("completed".into())));
    assert_eq!(results(&item.body)[0].unit.as_deref(), Some("kg"));
    assert_eq!(chart.skipped, BTreeMap::from([(("Condition".to_owned(), SkipReason::NoEncounter), 1)]));
    let words = item.body.plain_text();
    assert!(
        words.contains("Weight") && words.contains("Cough") && !words.contains("2020") && !words.contains("reason")
    );
}

/// The row of an observation with these fields, as a report shows it.
fn observed(fields: Value) -> ResultRow {
    let mut observation =
        json!({ "resourceType": "Observation", "id": "o", "subject": subject(), "code": { "text": "K" } });
    observation.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let report = json!({ "resourceType": "DiagnosticReport", "subject": subject(), "issued": "2020-01-01T00:00:00Z",
        "code": { "text": "Panel" }, "result": [{ "reference": "Observation/o" }, { "reference": "Observation/o" }] });
    let chart = chart_of(&[observation, report]);
    let rows = results(&only(&chart).body);
    assert_eq!(rows.len(), 1);
    rows[0].clone()
}

#[test]
fn values_of_every_type() {
    for (value, expected, unit) in [
        (json!({ "valueQuantity": { "value": 4, "unit": "mmol/L" } }), Some(Datum::Number("4".into())), Some("mmol/L")),
        (json!({ "valueQuantity": { "value": 4, "comparator": "<", "code": "mg" } }), Some(text("<4")), Some("mg")),
        (json!({ "valueCodeableConcept": { "coding": [{ "display": "Never" }] } }), Some(text("Never")), None),
        (json!({ "valueString": "clear" }), Some(text("clear")), None),
        (json!({ "valueBoolean": true }), Some(Datum::Bool(true)), None),
        (json!({ "valueInteger": 3 }), Some(Datum::Number("3".into())), None),
        (
            json!({ "valueRange": { "low": { "value": 1, "unit": "d" }, "high": { "value": 2 } } }),
            Some(text("1–2")),
            Some("d"),
        ),
        (
            json!({ "valueRatio": { "numerator": { "value": 1 }, "denominator": { "value": 128 } } }),
            Some(text("1:128")),
            None,
        ),
        (json!({ "valueTime": "10:00:00" }), Some(text("10:00:00")), None),
        (json!({ "valueDateTime": "2020-01" }), Some(Datum::When("2020-01".into())), None),
        (json!({ "valuePeriod": { "start": "2020" } }), Some(Datum::Period(Some("2020".into()), None)), None),
        (json!({ "dataAbsentReason": { "text": "not done" } }), Some(text("not done")), None),
        (json!({}), None, None),
    ] {
        let row = observed(value.clone());
        assert_eq!((row.value, row.unit.as_deref()), (expected, unit), "{value}");
    }
}

#[test]
fn a_decimal_keeps_its_digits() {
    let bundle = format!(
        r#"{{"resourceType":"Bundle","entry":[{{"resource":{}}},{{"resource":{{"resourceType":"Observation","id":"o",
        "subject":{{"reference":"Patient/p"}},"effectiveDateTime":"2020","valueQuantity":{{"value":4.10}}}}}}]}}"#,
        ann()
    );
    let result = import_bytes(bundle.as_bytes()).unwrap();
    assert_eq!(results(&only(&result.charts[0]).body)[0].value, Some(Datum::Number("4.10".into())));
}

#[test]
fn flags_by_interpretation_else_by_range() {
    for (code, flag) in [
        ("L", Some(Flag::Low)),
        ("H", Some(Flag::High)),
        ("LL", Some(Flag::CriticalLow)),
        ("HH", Some(Flag::CriticalHigh)),
        ("A", Some(Flag::Abnormal)),
        ("AA", Some(Flag::Abnormal)),
        ("N", Some(Flag::Normal)),
        ("R", None),
    ] {
        let row =
            observed(json!({ "valueQuantity": { "value": 1 }, "interpretation": [{ "coding": [{ "code": code }] }],
            "referenceRange": [{ "high": { "value": 0 } }] }));
        assert_eq!(row.flag, flag, "{code}");
    }
    let range = |value: f64, range: Value| {
        observed(json!({ "valueQuantity": { "value": value, "unit": "g" }, "referenceRange": range }))
    };
    let usual = json!([{ "low": { "value": 3.5, "unit": "g" }, "high": { "value": 5, "unit": "g" } }]);
    assert_eq!(range(3.4, usual.clone()).flag, Some(Flag::Low));
    assert_eq!(range(3.5, usual.clone()).flag, Some(Flag::Normal));
    assert_eq!(range(5.0, usual.clone()).flag, Some(Flag::Normal));
    assert_eq!(range(5.1, usual.clone()).flag, Some(Flag::High));
    assert_eq!(range(5.1, usual).reference.as_deref(), Some("3.5–5"));
    assert_eq!(range(9.0, json!([{ "high": { "value": 5 } }])).flag, Some(Flag::High));
    for undecided in [
        json!([]),
        json!([{ "text": "see note" }]),
        json!([{ "high": { "value": 5, "unit": "mg" } }]),
        json!([{ "high": { "value": 5 }, "appliesTo": [{ "text": "women" }] }]),
        json!([{ "high": { "value": 5 } }, { "high": { "value": 7 } }]),
        json!([{ "high": { "value": 5 }, "type": { "coding": [{ "code": "treatment" }] } }]),
    ] {
        assert_eq!(range(9.0, undecided.clone()).flag, None, "{undecided}");
    }
}

#[test]
fn components_are_rows_of_their_own() {
    let chart = chart_of(&[
        json!({ "resourceType": "Observation", "id": "bp", "subject": subject(), "effectiveDateTime": "2020-01-01",
        "code": { "text": "Blood pressure" }, "component": [
            { "code": { "text": "Systolic" }, "valueQuantity": { "value": 150 }, "referenceRange": [{ "high": { "value": 140 } }] },
            { "code": { "text": "Diastolic" }, "valueQuantity": { "value": 80 } },
        ] }),
    ]);
    let item = only(&chart);
    assert_eq!((item.kind, item.title.as_str()), (ItemKind::LabResult, "Blood pressure"));
    let rows: Vec<_> = results(&item.body).into_iter().map(|row| (row.name.as_str(), row.flag)).collect();
    assert_eq!(rows, [("Systolic", Some(Flag::High)), ("Diastolic", None)]);
}

#[test]
fn loose_observations_are_grouped_by_day_and_category() {
    let seen = |id: &str, when: &str, category: &str| {
        json!({ "resourceType": "Observation", "id": id, "subject": subject(),
        "category": [{ "coding": [{ "code": category, "display": category.to_uppercase() }] }], "code": { "text": id },
        "effectiveDateTime": when, "valueInteger": 1 })
    };
    let chart = chart_of(&[
        seen("a", "2020-01-01T23:00:00-05:00", "vital-signs"),
        seen("b", "2020-01-01T10:00:00-05:00", "vital-signs"),
        seen("c", "2020-01-01T10:00:00-05:00", "survey"),
        seen("d", "2020-01-02", "survey"),
        seen("e", "soon", "survey"),
    ]);
    let ids: Vec<_> = chart.items.iter().map(|item| (item.source_id.as_str(), item.title.as_str())).collect();
    let expected = [
        ("Observation:2020-01-01:vital-signs", "VITAL-SIGNS"),
        ("Observation:2020-01-01:survey", "c"),
        ("Observation:2020-01-02:survey", "d"),
    ];
    assert_eq!(ids, expected);
    assert_eq!(chart.skipped[&("Observation".to_owned(), SkipReason::NoDate)], 1);
}

#[test]
fn groups_of_observations_that_go_round_in_circles_end() {
    let group = |id: &str, next: &str| {
        json!({ "resourceType": "Observation", "id": id, "subject": subject(), "code": { "text": id },
        "valueInteger": 1, "hasMember": [{ "reference": format!("Observation/{next}") }] })
    };
    let report = json!({ "resourceType": "DiagnosticReport", "subject": subject(), "effectiveDateTime": "2020",
        "result": [{ "reference": "Observation/a" }] });
    let chart = chart_of(&[group("a", "b"), group("b", "a"), report]);
    assert_eq!(results(&only(&chart).body).len(), 2);
}

#[test]
fn retracted_and_modified_resources_are_left_out() {
    let chart = chart_of(&[
        json!({ "resourceType": "Encounter", "subject": subject(), "status": "entered-in-error", "period": { "start": "2020" } }),
        json!({ "resourceType": "DocumentReference", "subject": subject(), "docStatus": "entered-in-error", "date": "2020" }),
        json!({ "resourceType": "Condition", "subject": subject(), "verificationStatus": { "coding": [{ "code": "entered-in-error" }] } }),
        json!({ "resourceType": "ServiceRequest", "subject": subject(), "authoredOn": "2020", "modifierExtension": [{ "url": "urn:not" }] }),
    ]);
    assert!(chart.items.is_empty());
    for kind in ["Encounter", "DocumentReference", "Condition"] {
        assert_eq!(chart.skipped[&(kind.to_owned(), SkipReason::EnteredInError)], 1);
    }
    assert_eq!(chart.skipped[&("ServiceRequest".to_owned(), SkipReason::UnknownModifier)], 1);
}

#[test]
fn documents_are_letters_or_files_with_their_data() {
    let document = |id: &str, kind: Value, content: Value| {
        json!({ "resourceType": "DocumentReference", "id": id, "subject": subject(),
        "date": "2020-01-01T00:00:00Z", "type": kind, "content": content })
    };
    let data = |data: &str| json!([{ "attachment": { "contentType": "application/PDF; x=y", "data": data, "title": "../a/b" } }]);
    let chart = chart_of(&[
        json!({ "resourceType": "Binary", "id": "bin", "contentType": "text/plain", "data": "aGVs\nbG8=" }),
        document("1", json!({ "coding": [{ "system": "http://loinc.org", "code": "18842-5" }] }), data("aGVsbG8=")),
        document(
            "2",
            json!({ "text": "Scan" }),
            json!([{ "attachment": { "url": "Binary/bin" } }, { "attachment": { "data": "aGk" } }]),
        ),
        document("3", json!({ "text": "Lettre au patient" }), data("%%%")),
        document("4", json!({ "text": "Scan" }), json!([{ "attachment": { "url": "https://elsewhere.example/x" } }])),
    ]);
    let list: Vec<_> = (chart.items.iter())
        .map(|item| {
            (
                item.source_id.as_str(),
                item.kind,
                item.attachment
                    .as_ref()
                    .map(|file| (file.name.as_str(), file.content_type.as_str(), file.data.as_slice())),
            )
        })
        .collect();
    type File<'a> = (&'a str, &'a str, &'a [u8]);
    let expected: [(&str, ItemKind, Option<File>); 5] = [
        ("DocumentReference/1", ItemKind::Letter, Some(("-a-b.pdf", "application/pdf", b"hello"))),
        ("DocumentReference/2", ItemKind::File, Some(("Scan.txt", "text/plain", b"hello"))),
        ("DocumentReference/2:2", ItemKind::File, Some(("Scan", "application/octet-stream", b"hi"))),
        ("DocumentReference/3", ItemKind::Letter, None),
        ("DocumentReference/4", ItemKind::File, None),
    ];
    assert_eq!(list, expected);
    assert_eq!(chart.skipped[&("DocumentReference".to_owned(), SkipReason::FileBroken)], 1);
    assert_eq!(chart.skipped[&("DocumentReference".to_owned(), SkipReason::FileElsewhere)], 1);
}

#[test]
fn orders_forms_messages_invoices_and_plans() {
    let chart = chart_of(&[
        json!({ "resourceType": "ServiceRequest", "subject": subject(), "authoredOn": "2020-01-01", "code": { "text": "MRI" },
            "doNotPerform": true, "requester": { "display": "Dr. Lee" } }),
        json!({ "resourceType": "MedicationRequest", "subject": subject(), "authoredOn": "2020-01-02",
            "contained": [{ "resourceType": "Medication", "id": "m", "code": { "text": "Ibuprofen" } }],
            "medicationReference": { "reference": "#m" },
            "dosageInstruction": [{ "doseAndRate": [{ "doseQuantity": { "value": 1, "unit": "tablet" } }],
                "timing": { "repeat": { "frequency": 2, "period": 1, "periodUnit": "d" } } }] }),
        json!({ "resourceType": "Questionnaire", "url": "http://q.example/phq", "title": "PHQ-9" }),
        json!({ "resourceType": "QuestionnaireResponse", "subject": subject(), "authored": "2020-01-03", "questionnaire": "http://q.example/phq|2",
            "item": [{ "text": "Mood", "item": [
                { "text": "Sad?", "answer": [{ "valueBoolean": true, "item": [{ "text": "Since", "answer": [{ "valueDate": "2019" }] }] }] },
                { "linkId": "2", "answer": [{ "valueCoding": { "display": "A" } }, { "valueDecimal": 1.5 }] }] }] }),
        json!({ "resourceType": "Communication", "sent": "2020-01-04", "sender": { "reference": "Patient/p" }, "topic": { "text": "Question" },
            "payload": [{ "contentString": "Hello\u{7}" }, { "contentAttachment": { "data": "aGk=", "contentType": "text/plain" } }] }),
        json!({ "resourceType": "Invoice", "subject": subject(), "date": "2020-01-05", "identifier": [{ "value": "INV-1" }],
            "lineItem": [{ "chargeItemCodeableConcept": { "text": "Visit" }, "priceComponent": [
                { "type": "base", "factor": 2, "amount": { "value": 12.5, "currency": "CAD" } },
                { "type": "tax", "amount": { "value": 1, "currency": "CAD" } }] }],
            "totalGross": { "value": 26, "currency": "CAD" } }),
        json!({ "resourceType": "Goal", "id": "g", "subject": subject(), "description": { "text": "Walk" } }),
        json!({ "resourceType": "CarePlan", "subject": subject(), "created": "2020-01-06", "title": "Knee", "goal": [{ "reference": "Goal/g" }],
            "activity": [{ "detail": { "code": { "text": "Stretch" }, "status": "in-progress" } }, { "detail": { "description": "Running", "doNotPerform": true } }] }),
        json!({ "resourceType": "Procedure", "subject": subject(), "performedDateTime": "2020-01-07", "code": { "text": "Stitches" } }),
        json!({ "resourceType": "Claim", "patient": subject() }),
    ]);
    let list: Vec<_> = chart.items.iter().map(|item| (item.kind, item.title.as_str())).collect();
    let expected = [
        (ItemKind::Requisition, "MRI"),
        (ItemKind::Requisition, "Ibuprofen"),
        (ItemKind::Form, "PHQ-9"),
        (ItemKind::InboxItem, "Question"),
        (ItemKind::Invoice, "INV-1"),
        (ItemKind::Education, "Knee"),
        (ItemKind::Encounter, "Stitches"),
    ];
    assert_eq!(list, expected);
    let body = |number: usize| &chart.items[number].body;
    assert_eq!(fact(body(0), Label::DoNotPerform), Some(&Datum::Bool(true)));
    assert_eq!(fact(body(1), Label::Dosage), Some(&Datum::Parts(vec![text("1 tablet"), every("2", "1", "d")])));
    let sorts: Vec<_> = chart.items.iter().filter_map(|item| item.sort).collect();
    assert_eq!(sorts, [ItemSort::Prescription, ItemSort::Procedure]);
    let answers: Vec<_> = facts(body(2)).into_iter().map(|fact| (&fact.label, &fact.value)).collect();
    let caption = |text: &str| Caption::Text(text.into());
    assert_eq!(
        answers,
        [
            (&caption("Sad?"), &Datum::Bool(true)),
            (&caption("Since"), &Datum::When("2019".into())),
            (&caption("2"), &Datum::Parts(vec![text("A"), Datum::Number("1.5".into())])),
        ]
    );
    assert!(body(3).blocks.contains(&Block::Paragraph { text: "Hello".into() }));
    assert_eq!(chart.items[3].attachment.as_ref().unwrap().data, b"hi");
    assert_eq!(chart.items[3].author.as_deref(), Some("Ann Roy"));
    assert!(body(4).plain_text().contains("Visit\n2 × 12.5 CAD; tax: 1 CAD"));
    assert_eq!(fact(body(4), Label::TotalGross), Some(&text("26 CAD")));
    assert!(facts(body(5)).iter().any(|fact| fact.label == caption("Walk")));
    assert!(
        body(5).blocks.contains(&Block::List { items: vec!["Running".into()] }),
        "under the heading of what not to do"
    );
    assert_eq!(chart.skipped, BTreeMap::from([(("Claim".to_owned(), SkipReason::NotMapped), 1)]));
}

#[test]
fn deep_nesting_costs_only_its_resource() {
    let nest = |depth: usize| {
        let item = (0..depth).fold(
            json!({ "text": "end", "answer": [{ "valueInteger": 1 }] }),
            |inner, _| json!({ "text": "g", "item": [inner] }),
        );
        let form = json!({ "resourceType": "QuestionnaireResponse", "subject": subject(), "authored": "2020", "item": [item] });
        chart_of(&[form, visit("e", "Patient/p")])
    };
    assert_eq!(nest(10).items.len(), 2);
    assert_eq!(nest(30).skipped[&("QuestionnaireResponse".to_owned(), SkipReason::TooDeep)], 1);
    let text = format!(
        r#"{{"resourceType":"Bundle","entry":[{{"resource":{}}},{{"resource":{{"resourceType":"Encounter","x":{}{}}}}}]}}"#,
        ann(),
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    // it may be read or refused, but must not panic
    let _ = import_bytes(text.as_bytes());
    let form = format!("{}{}", r#"{"item":["#.repeat(50_000), "]}".repeat(50_000));
    let text = format!(
        r#"{{"resourceType":"Bundle","entry":[{{"resource":{}}},{{"resource":{{"resourceType":"QuestionnaireResponse","item":[{form}]}}}}]}}"#,
        ann()
    );
    let result = import_bytes(text.as_bytes()).unwrap();
    assert_eq!(result.skipped[&("QuestionnaireResponse".to_owned(), SkipReason::Malformed)], 1);
}

/// xorshift64*: the same numbers in each run, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % limit.max(1)
    }
}

fn odd_value(dice: &mut Dice) -> Value {
    let odd = [
        "",
        "é",
        "2020-13-45T99:99:99+99:99",
        "-",
        "T",
        "urn:uuid:",
        "#",
        "/",
        "://",
        "Patient/",
        "\u{0}",
        "+",
        "====",
        "9999-12-31T23:59:59-14:00",
    ];
    match dice.below(8) {
        0 => Value::Null,
        1 => json!(-1e300),
        2 => json!([]),
        3 => json!({}),
        4 => json!(true),
        5 => json!([{ "reference": "Patient/x" }]),
        _ => json!(odd[dice.below(odd.len())]),
    }
}

fn mutate(value: &mut Value, dice: &mut Dice) {
    match value {
        Value::Array(list) if !list.is_empty() && dice.below(12) != 0 => {
            let (at, other) = (dice.below(list.len()), dice.below(list.len()));
            match dice.below(10) {
                0 => drop(list.remove(at)),
                1 => list.push(list[at].clone()),
                2 => list.swap(at, other),
                _ => mutate(&mut list[at], dice),
            }
        }
        Value::Object(map) if !map.is_empty() && dice.below(12) != 0 => {
            let at = dice.below(map.len());
            let key = map.keys().nth(at).unwrap().clone();
            match dice.below(10) {
                0 => drop(map.remove(&key)),
                _ => mutate(map.get_mut(&key).unwrap(), dice),
            }
        }
        Value::String(text) if dice.below(2) == 0 => {
            let at = text.char_indices().map(|(at, _)| at).nth(dice.below(text.chars().count())).unwrap_or(0);
            match dice.below(3) {
                0 => text.truncate(at),
                1 => text.insert(at, 'é'),
                _ => text.insert_str(at, &text.clone()),
            }
        }
        value => *value = odd_value(dice),
    }
}

#[test]
fn no_mutation_of_a_real_bundle_panics() {
    let bytes = demo_charts().into_iter().map(|(_, bytes)| bytes).min_by_key(Vec::len).unwrap();
    let mut start: Value = serde_json::from_slice(&bytes).unwrap();
    // without the resources that are only counted, more mutations hit something that is read
    start["entry"].as_array_mut().unwrap().retain(|entry| {
        !matches!(entry["resource"]["resourceType"].as_str(), Some("Claim" | "ExplanationOfBenefit" | "Organization"))
    });
    start["entry"].as_array_mut().unwrap().truncate(60);
    let mut dice = Dice(0x5eed);
    let mut items = 0;
    for _ in 0..150 {
        let mut bundle = start.clone();
        for _ in 0..40 {
            // each round changes one entry: changes of the whole list would mostly end as an empty bundle
            let entries = bundle["entry"].as_array_mut().unwrap();
            let at = dice.below(entries.len());
            mutate(&mut entries[at]["resource"], &mut dice);
        }
        if let Ok(result) = import_bytes(bundle.to_string().as_bytes()) {
            for item in result.charts.iter().flat_map(|chart| &chart.items) {
                items += 1;
                assert!(!item.body.plain_text().contains('\0'));
            }
        }
    }
    assert!(items > 500, "the mutations must leave something to read: {items}");
    // then bytes are cut off or flipped anywhere
    let small = start.to_string().into_bytes();
    for _ in 0..150 {
        let mut bytes = small.clone();
        let at = dice.below(bytes.len());
        match dice.below(3) {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << dice.below(8),
            _ => bytes[at] = b"\"{}[],:0\\"[dice.below(9)],
        }
        let _ = import_bytes(&bytes);
    }
}

#[test]
fn stored_names_are_stable() {
    for kind in ItemKind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(*kind));
    }
    assert!("Encounter".parse::<ItemKind>().is_err());
    for label in Label::ALL {
        assert_eq!(serde_json::to_value(label).unwrap(), label.as_str());
    }
    let body = ItemBody {
        blocks: vec![
            Block::Facts { rows: vec![Fact { label: Caption::Label(Label::Reason), value: text("Cough") }] },
            Block::Results {
                rows: vec![ResultRow { name: "K".into(), flag: Some(Flag::CriticalHigh), ..ResultRow::default() }],
            },
        ],
    };
    let stored = r#"{"blocks":[{"is":"facts","rows":[{"label":{"k":"reason"},"value":{"t":"Cough"}}]},{"is":"results","rows":[{"name":"K","flag":"critical_high"}]}]}"#;
    assert_eq!(serde_json::to_string(&body).unwrap(), stored);
}

/// The item of one resource, and what was left out of it.
fn item_of(resource: Value) -> (ImportedItem, BTreeMap<(String, SkipReason), usize>) {
    let chart = chart_of(&[resource]);
    (only(&chart).clone(), chart.skipped.clone())
}

fn prescription(dosage: Value) -> (ImportedItem, BTreeMap<(String, SkipReason), usize>) {
    item_of(json!({ "resourceType": "MedicationRequest", "id": "m", "status": "active", "subject": subject(),
        "authoredOn": "2020-01-02", "medicationCodeableConcept": { "text": "Iron" }, "dosageInstruction": dosage }))
}

#[test]
fn a_dosage_is_told_whole_with_its_limits_or_not_at_all() {
    let dose = json!([{ "doseQuantity": { "value": 500, "unit": "mg" } }]);
    let told = |timing: Value| {
        let (item, skipped) = prescription(json!([{ "timing": timing, "doseAndRate": dose }]));
        (item.body, skipped)
    };
    let (body, skipped) = told(json!({ "repeat": { "frequency": 1, "period": 4, "periodMax": 6, "periodUnit": "h",
        "boundsDuration": { "value": 10, "unit": "days" }, "when": ["ACM", "HS"], "dayOfWeek": ["mon"], "timeOfDay": ["08:00:00"] } }));
    assert!(skipped.is_empty(), "{skipped:?}");
    assert_eq!(fact(&body, Label::Dosage), Some(&Datum::Parts(vec![text("500 mg"), every("1", "4–6", "h")])));
    assert_eq!(fact(&body, Label::Course), Some(&text("10 days")));
    assert_eq!(fact(&body, Label::Days), Some(&Datum::Codes(vec!["mon".into()])));
    assert_eq!(fact(&body, Label::TimesOfDay), Some(&text("08:00")));
    let (body, _) =
        told(json!({ "repeat": { "frequency": 1, "frequencyMax": 2, "period": 1, "periodUnit": "d", "count": 10 } }));
    assert_eq!(fact(&body, Label::Dosage), Some(&Datum::Parts(vec![text("500 mg"), every("1–2", "1", "d")])));
    assert_eq!(fact(&body, Label::Course), Some(&text("10×")));
    for unknown in [
        json!({ "repeat": { "frequency": 1, "period": 1, "periodUnit": "d", "offset": 30, "when": ["AC"] } }),
        json!({ "repeat": { "frequency": 1, "period": 1, "periodUnit": "d", "duration": 2, "durationUnit": "h" } }),
        json!({ "repeat": { "frequency": 1, "period": 1, "periodUnit": "fortnight" } }),
        json!({ "repeat": { "frequency": 0, "period": 1, "periodUnit": "d" } }),
        json!({ "repeat": { "when": ["PHS"] } }),
        json!({ "repeat": { "timeOfDay": ["8 o'clock"] } }),
        json!({ "repeat": { "frequency": 1, "periodUnit": "d" } }),
        json!({ "event": ["2020-01-02"] }),
    ] {
        let (body, skipped) = told(unknown.clone());
        assert_eq!(fact(&body, Label::Dosage), Some(&Datum::Code("see-prescription".into())), "{unknown}");
        let key = ("MedicationRequest.dosageInstruction".to_owned(), SkipReason::Timing);
        assert_eq!(skipped, BTreeMap::from([(key, 1)]), "{unknown}");
        assert!(!body.plain_text().contains("500"), "told in part: {unknown}");
    }
    // the prescriber's own words are kept whole, and limits are shown beside them
    let limit =
        json!({ "numerator": { "value": 4, "unit": "g" }, "denominator": { "value": 1, "unit": "day", "code": "d" } });
    let (item, _) = prescription(json!([{ "text": "as told", "maxDosePerPeriod": limit, "asNeededBoolean": true,
        "timing": { "event": ["2020-01-02"] } }]));
    assert_eq!(fact(&item.body, Label::Dosage), Some(&text("as told")));
    let most =
        Datum::Every(Every { amount: Some("4 g".into()), times: "1".into(), period: "1".into(), unit: "d".into() });
    assert_eq!(fact(&item.body, Label::MaxDose), Some(&most));
    assert_eq!(fact(&item.body, Label::AsNeeded), Some(&Datum::Bool(true)));
    // successive dosages are numbered, in their order
    let (item, _) =
        prescription(json!([{ "sequence": 2, "text": "then one" }, { "sequence": 1, "text": "first two" }]));
    let rows: Vec<_> = facts(&item.body).into_iter().take(4).map(|fact| fact.value.clone()).collect();
    assert_eq!(rows, [text("1"), text("first two"), text("2"), text("then one")]);
}

#[test]
fn how_often_is_told_in_words() {
    use postern::chart::document::{Part, parts_for};
    let said = |datum: Datum, code: &str| {
        let rows = vec![Fact { label: Caption::Label(Label::Dosage), value: datum }];
        let item = super::document::item("x", vec![Block::Facts { rows }]);
        match parts_for(&item, Lang::find(code).unwrap(), &super::document::clinic()).remove(0) {
            Part::Facts(rows) => rows[0].value.clone(),
            other => panic!("{other:?}"),
        }
    };
    let amount =
        Datum::Every(Every { amount: Some("4 g".into()), times: "1".into(), period: "1".into(), unit: "d".into() });
    for (datum, english, french) in [
        (every("1", "1", "d"), "once a day", "une fois par jour"),
        (every("2", "1", "d"), "2 times a day", "2 fois par jour"),
        (every("1–2", "1", "wk"), "1–2 times a week", "1–2 fois par semaine"),
        (every("1", "4–6", "h"), "every 4–6 hours", "toutes les 4–6 heures"),
        (every("3", "2", "wk"), "3 times every 2 weeks", "3 fois toutes les 2 semaines"),
        (amount, "4 g a day", "4 g par jour"),
        (Datum::Parts(vec![text("a"), Datum::Bool(true)]), "a; Yes", "a; Oui"),
    ] {
        assert_eq!((said(datum.clone(), "en").as_str(), said(datum, "fr").as_str()), (english, french));
    }
}

/// The states of R4's value sets that can occur in a chart.
const CODES: [&str; 63] = [
    "registered",
    "preliminary",
    "final",
    "amended",
    "corrected",
    "cancelled",
    "entered-in-error",
    "unknown",
    "partial",
    "appended",
    "planned",
    "arrived",
    "triaged",
    "in-progress",
    "onleave",
    "finished",
    "preparation",
    "not-done",
    "on-hold",
    "stopped",
    "completed",
    "draft",
    "active",
    "revoked",
    "current",
    "superseded",
    "issued",
    "balanced",
    "recurrence",
    "relapse",
    "inactive",
    "remission",
    "resolved",
    "unconfirmed",
    "provisional",
    "differential",
    "confirmed",
    "refuted",
    "proposed",
    "accepted",
    "rejected",
    "not-started",
    "scheduled",
    "proposal",
    "plan",
    "order",
    "original-order",
    "reflex-order",
    "filler-order",
    "instance-order",
    "option",
    "directive",
    "routine",
    "urgent",
    "asap",
    "stat",
    "do-not-perform",
    "subpotent",
    "not-all-final",
    "status-unknown",
    "not-in-file",
    "see-prescription",
    "sampled-data",
];

#[test]
fn every_state_and_every_gap_has_words_in_every_language() {
    use postern::chart::import::fhir::{MISSED, OTHER};
    let reasons = [
        "file_elsewhere",
        "file_broken",
        "file_unsafe",
        "file_program",
        "too_deep",
        "not_mapped",
        "timing",
        "elsewhere",
    ];
    let lacks = reasons.map(|reason| format!("lacks-{reason}"));
    let fields = MISSED.iter().chain([&OTHER]).map(|field| format!("field-{field}"));
    let all: Vec<String> = CODES.map(str::to_owned).into_iter().chain(lacks).chain(fields).collect();
    for code in ["en", "fr"] {
        let lang = Lang::find(code).unwrap();
        let bare: Vec<_> = all.iter().filter(|word| lang.t_of("code", word).is_empty()).collect();
        assert!(bare.is_empty(), "{code}: {bare:?}");
        let labels: Vec<_> = Label::ALL.iter().filter(|label| lang.t_of("label", label.as_str()).is_empty()).collect();
        assert!(labels.is_empty(), "{code}: {labels:?}");
    }
}

#[test]
fn every_kind_tells_the_state_that_matters() {
    let base = |kind: &str, fields: Value| {
        let mut resource = json!({ "resourceType": kind, "id": "x", "subject": subject() });
        resource.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        item_of(resource).0.status
    };
    let day = "2020-01-01";
    for (kind, fields, expected) in [
        ("Observation", json!({ "status": "preliminary", "effectiveDateTime": day }), Some("preliminary")),
        ("Observation", json!({ "status": "unknown", "effectiveDateTime": day }), Some("status-unknown")),
        ("Observation", json!({ "status": "final", "effectiveDateTime": day }), None),
        ("DiagnosticReport", json!({ "status": "cancelled", "issued": "2020-01-01T00:00:00Z" }), Some("cancelled")),
        ("DiagnosticReport", json!({ "status": "partial", "effectiveDateTime": day }), Some("partial")),
        (
            "DocumentReference",
            json!({ "status": "superseded", "docStatus": "preliminary", "date": day }),
            Some("superseded preliminary"),
        ),
        ("Encounter", json!({ "status": "cancelled", "period": { "start": day } }), Some("cancelled")),
        ("Procedure", json!({ "status": "not-done", "performedDateTime": day }), Some("not-done")),
        (
            "Immunization",
            json!({ "status": "completed", "isSubpotent": true, "occurrenceDateTime": day }),
            Some("subpotent"),
        ),
        ("MedicationRequest", json!({ "status": "stopped", "authoredOn": day }), Some("stopped")),
        (
            "MedicationRequest",
            json!({ "status": "active", "doNotPerform": true, "authoredOn": day }),
            Some("do-not-perform"),
        ),
        (
            "MedicationRequest",
            json!({ "status": "draft", "intent": "proposal", "authoredOn": day }),
            Some("draft proposal"),
        ),
        ("ServiceRequest", json!({ "status": "revoked", "authoredOn": day }), Some("revoked")),
        ("Communication", json!({ "status": "not-done", "sent": day }), Some("not-done")),
        ("CarePlan", json!({ "status": "revoked", "intent": "plan", "created": day }), Some("revoked")),
        ("QuestionnaireResponse", json!({ "status": "in-progress", "authored": day }), Some("in-progress")),
        ("Invoice", json!({ "status": "cancelled", "date": day }), Some("cancelled")),
    ] {
        assert_eq!(base(kind, fields.clone()).as_deref(), expected, "{kind} {fields}");
    }
    // results of different states in one item
    let seen = |id: &str, status: &str| {
        json!({ "resourceType": "Observation", "id": id, "subject": subject(), "status": status, "code": { "text": id },
            "effectiveDateTime": day, "valueInteger": 1 })
    };
    let chart = chart_of(&[seen("a", "final"), seen("b", "preliminary")]);
    assert_eq!(only(&chart).status.as_deref(), Some("not-all-final"));
    let both = chart_of(&[seen("a", "corrected"), seen("b", "corrected")]);
    assert_eq!(only(&both).status.as_deref(), Some("corrected"));
    let report = json!({ "resourceType": "DiagnosticReport", "id": "r", "subject": subject(), "status": "final",
        "effectiveDateTime": day, "result": [{ "reference": "Observation/a" }, { "reference": "Observation/b" }] });
    let chart = chart_of(&[seen("a", "final"), seen("b", "preliminary"), report]);
    assert_eq!(only(&chart).status.as_deref(), Some("not-all-final"));
}

#[test]
fn a_date_is_as_precise_as_the_record_for_every_kind() {
    for (kind, fields) in [
        ("Encounter", json!({ "period": { "start": "2019-05" } })),
        ("DiagnosticReport", json!({ "effectivePeriod": { "start": "2019-05" }, "issued": "2020-01-01T00:00:00Z" })),
        ("Observation", json!({ "effectiveDateTime": "2019-05" })),
        ("Procedure", json!({ "performedPeriod": { "end": "2019-05" } })),
        ("Immunization", json!({ "occurrenceDateTime": "2019-05" })),
        ("MedicationRequest", json!({ "authoredOn": "2019-05" })),
        ("ServiceRequest", json!({ "occurrencePeriod": { "start": "2019-05" } })),
        ("Communication", json!({ "received": "2019-05" })),
        ("CarePlan", json!({ "period": { "start": "2019-05" } })),
        ("QuestionnaireResponse", json!({ "authored": "2019-05" })),
        ("Invoice", json!({ "date": "2019-05" })),
        ("DocumentReference", json!({ "context": { "period": { "start": "2019-05" } } })),
    ] {
        let mut resource = json!({ "resourceType": kind, "id": "x", "subject": subject() });
        resource.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        assert_eq!(item_of(resource).0.date_only, Some("month"), "{kind}");
    }
    // a resource without a date has the date of its visit
    let chart = chart_of(&[
        json!({ "resourceType": "Encounter", "id": "e", "subject": subject(), "period": { "start": "2019" } }),
        json!({ "resourceType": "ServiceRequest", "id": "s", "subject": subject(), "encounter": { "reference": "Encounter/e" } }),
    ]);
    assert_eq!(chart.items.iter().map(|item| item.date_only).collect::<Vec<_>>(), [Some("year"); 2]);
    // a result dated to a month is not shown among those of its first day
    let seen = |id: &str, day: &str| {
        json!({ "resourceType": "Observation", "id": id, "subject": subject(), "code": { "text": id },
            "effectiveDateTime": day, "valueInteger": 1 })
    };
    let chart = chart_of(&[seen("a", "2019-05"), seen("b", "2019-05-01"), seen("c", "2019")]);
    assert_eq!(chart.items.len(), 3);
}

#[test]
fn what_an_item_does_not_show_it_names() {
    let lacking = |resource: Value| {
        let (item, skipped) = item_of(resource);
        let at = item
            .body
            .blocks
            .iter()
            .position(|block| matches!(block, Block::Heading { text: Caption::Label(Label::NotShown) }));
        let rows = at.and_then(|at| item.body.blocks.get(at + 1)).map(|block| match block {
            Block::Facts { rows } => rows.iter().map(|row| (row.label.clone(), row.value.clone())).collect(),
            other => panic!("{other:?}"),
        });
        (
            rows.unwrap_or_else(Vec::new),
            skipped.into_iter().map(|((what, why), n)| (what, why.as_str(), n)).collect::<Vec<_>>(),
        )
    };
    let of = |kind: &str, fields: Value| {
        let mut resource = json!({ "resourceType": kind, "id": "x", "subject": subject() });
        resource.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        lacking(resource)
    };
    let caption = |text: &str| Caption::Text(text.into());
    let code = |code: &str| Datum::Code(code.into());
    // files that are not included
    let content = json!([{ "attachment": { "title": "Scan of May", "url": "https://elsewhere.example/x" } }, { "attachment": { "data": "%%%" } }]);
    assert_eq!(
        of("DocumentReference", json!({ "date": "2020", "content": content })),
        (
            vec![
                (caption("Scan of May"), code("lacks-file_elsewhere")),
                (Caption::Label(Label::File), code("lacks-file_broken"))
            ],
            vec![
                ("DocumentReference".to_owned(), "file_elsewhere", 1),
                ("DocumentReference".to_owned(), "file_broken", 1)
            ]
        )
    );
    // references to resources that are not there
    let plan = json!({ "created": "2020", "goal": [{ "reference": "Goal/none" }], "addresses": [{ "reference": "Condition/none" }],
        "activity": [{ "reference": { "reference": "Task/none" } }] });
    let (rows, skipped) = of("CarePlan", plan);
    assert_eq!(rows.len(), 3);
    assert_eq!(
        skipped.iter().map(|(what, ..)| what.as_str()).collect::<Vec<_>>(),
        ["CarePlan.activity", "CarePlan.addresses", "CarePlan.goal"]
    );
    // fields that the chart cannot show are named; a name that is not in the standard is not printed
    let (rows, skipped) = of(
        "Observation",
        json!({ "effectiveDateTime": "2020-01-01", "valueInteger": 1, "focus": [{ "display": "the donor" }],
        "JohnSmith": 1, "_status": {}, "derivedFrom": [] }),
    );
    assert_eq!(
        rows,
        [(Caption::Label(Label::AlsoAtSource), Datum::Codes(vec!["field-focus".into(), "field-other".into()]))]
    );
    assert_eq!(
        skipped,
        [("Observation.focus".to_owned(), "not_mapped", 1), ("Observation.other".to_owned(), "not_mapped", 1)]
    );
    // members of a group, and a report's images
    let (_, skipped) = of(
        "Observation",
        json!({ "effectiveDateTime": "2020-01-01", "hasMember": [{ "reference": "Observation/none" }] }),
    );
    assert_eq!(skipped, [("Observation.hasMember".to_owned(), "result_elsewhere", 1)]);
    let (rows, _) = of(
        "DiagnosticReport",
        json!({ "issued": "2020-01-01T00:00:00Z", "media": [{}], "imagingStudy": [{}], "conclusion": "c" }),
    );
    assert_eq!(
        rows,
        [(Caption::Label(Label::AlsoAtSource), Datum::Codes(vec!["field-imagingStudy".into(), "field-media".into()]))]
    );
    // an answer of a type that the import does not read
    let (rows, _) = of(
        "QuestionnaireResponse",
        json!({ "authored": "2020", "item": [{ "text": "Where?", "answer": [{ "valueThing": 1 }] }] }),
    );
    assert_eq!(rows, [(caption("Where?"), code("lacks-not_mapped"))]);
}

#[test]
fn what_was_done_in_a_visit_keeps_its_details() {
    let inside = json!({ "reference": "Encounter/e" });
    let chart = chart_of(&[
        json!({ "resourceType": "Encounter", "id": "e", "subject": subject(), "period": { "start": "2020-01-02" } }),
        json!({ "resourceType": "Condition", "id": "c", "subject": subject(), "encounter": inside, "code": { "text": "Fracture" },
            "bodySite": [{ "text": "left radius" }], "severity": { "text": "severe" }, "onsetDateTime": "2019-12" }),
        json!({ "resourceType": "Procedure", "id": "p", "subject": subject(), "encounter": inside, "status": "completed",
            "code": { "text": "Cast" }, "bodySite": [{ "text": "left arm" }], "complication": [{ "text": "none seen" }],
            "followUp": [{ "text": "in 6 weeks" }], "note": [{ "text": "kept dry" }] }),
        json!({ "resourceType": "Immunization", "id": "i", "patient": subject(), "encounter": inside, "status": "completed",
            "vaccineCode": { "text": "Tetanus" }, "lotNumber": "L-7", "isSubpotent": true,
            "protocolApplied": [{ "doseNumberPositiveInt": 2, "seriesDosesPositiveInt": 3 }] }),
        json!({ "resourceType": "MedicationRequest", "id": "m", "subject": subject(), "encounter": inside, "status": "active",
            "doNotPerform": true, "authoredOn": "2020-01-02", "medicationCodeableConcept": { "text": "Aspirin" } }),
        json!({ "resourceType": "Observation", "id": "o1", "subject": subject(), "encounter": inside, "code": { "text": "BP" },
            "bodySite": { "text": "left arm" }, "valueString": "120/80", "effectiveDateTime": "2020-01-02T10:00:00Z" }),
        json!({ "resourceType": "Observation", "id": "o2", "subject": subject(), "encounter": inside, "code": { "text": "BP" },
            "valueString": "110/70", "effectiveDateTime": "2020-01-02T11:00:00Z" }),
    ]);
    let body = &chart.items.iter().find(|item| item.kind == ItemKind::Encounter).unwrap().body;
    let words = body.plain_text();
    for said in
        ["Fracture (left radius; severe)", "Cast (left arm)", "none seen", "in 6 weeks", "kept dry", "L-7", "2 / 3"]
    {
        assert!(words.contains(said), "{said}: {words}");
    }
    assert_eq!(fact(body, Label::Onset), Some(&Datum::When("2019-12".into())));
    let aspirin = facts(body).into_iter().find(|fact| fact.label == Caption::Text("Aspirin".into())).unwrap();
    assert_eq!(aspirin.value, Datum::Codes(vec!["do-not-perform".into(), "active".into()]));
    let times: Vec<_> = results(body).into_iter().map(|row| (row.name.as_str(), row.at.as_deref())).collect();
    assert_eq!(times, [("BP (left arm)", Some("2020-01-02T10:00:00Z")), ("BP", Some("2020-01-02T11:00:00Z"))]);
}

#[test]
fn the_page_of_the_source_is_the_last_resort_of_every_kind() {
    for (kind, fields) in [
        ("Encounter", json!({ "period": { "start": "2019-05" } })),
        ("DiagnosticReport", json!({ "effectiveDateTime": "2019-05" })),
        ("Procedure", json!({ "performedDateTime": "2019-05" })),
        ("Immunization", json!({ "occurrenceDateTime": "2019-05" })),
        ("MedicationRequest", json!({ "authoredOn": "2019-05" })),
        ("ServiceRequest", json!({ "authoredOn": "2019-05" })),
        ("Communication", json!({ "received": "2019-05" })),
        ("CarePlan", json!({ "created": "2019-05" })),
        ("QuestionnaireResponse", json!({ "authored": "2019-05" })),
        ("Invoice", json!({ "date": "2019-05" })),
        ("DocumentReference", json!({ "date": "2019-05" })),
    ] {
        let mut resource = json!({ "resourceType": kind, "id": "x", "subject": subject(),
            "text": { "status": "generated", "div": "<div><p onclick=\"x()\">Said <script>no</script>here</p></div>" } });
        resource.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let (item, skipped) = item_of(resource);
        assert!(item.body.blocks.contains(&Block::Paragraph { text: "Said here".into() }), "{kind}: {:?}", item.body);
        assert_eq!(skipped, BTreeMap::from([((kind.to_owned(), SkipReason::NarrativeOnly), 1)]), "{kind}");
    }
}

#[test]
fn what_is_contained_and_in_error_is_told_as_that() {
    let (item, _) = item_of(
        json!({ "resourceType": "DiagnosticReport", "id": "r", "subject": subject(), "status": "final",
        "effectiveDateTime": "2020-01-01", "result": [{ "reference": "#o" }], "contained": [{ "resourceType": "Observation", "id": "o",
        "status": "entered-in-error", "code": { "text": "K" }, "valueInteger": 9 }] }),
    );
    let rows = results(&item.body);
    assert_eq!((rows[0].status.as_deref(), &rows[0].value), (Some("entered-in-error"), &None));
    assert_eq!(item.partly_withdrawn, None);
    // implicit rules and modifier extensions may reverse the meaning, so the resource is left out
    for fields in
        [json!({ "implicitRules": "http://x.example/rules" }), json!({ "modifierExtension": [{ "url": "urn:not" }] })]
    {
        let mut resource = json!({ "resourceType": "ServiceRequest", "subject": subject(), "authoredOn": "2020" });
        resource.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        assert!(chart_of(&[resource]).items.is_empty());
    }
}

#[test]
fn an_interpretation_is_in_words_or_as_the_record_has_it() {
    let said = |concept: Value| observed(json!({ "valueString": "x", "interpretation": [concept] })).interpretation;
    assert_eq!(said(json!({ "coding": [{ "code": "R" }] })), Some(Datum::Code("result-R".into())));
    assert_eq!(
        said(json!({ "coding": [{ "code": "AC" }] })),
        Some(Datum::Code("result-AC".into())),
        "not: before a meal"
    );
    assert_eq!(said(json!({ "coding": [{ "code": "ZZ9" }] })), Some(text("ZZ9")));
    assert_eq!(said(json!({ "coding": [{ "code": "R", "display": "Resists" }] })), Some(text("Resists")));
    assert_eq!(said(json!({ "coding": [{ "code": "H" }] })), None);
    let both = observed(
        json!({ "valueString": "x", "interpretation": [{ "coding": [{ "code": "POS" }] }, { "coding": [{ "code": "A" }] }] }),
    );
    assert_eq!((both.flag, both.interpretation), (Some(Flag::Abnormal), Some(Datum::Code("result-POS".into()))));
}
