//! The chart that a file belongs to: an id means one patient only within its source, and no id outweighs a different
//! name and birth date.

use crate::on_both;
use crate::support::app::App;
use diesel::prelude::*;
use postern::access::Operator;
use postern::chart::import::Summary;
use postern::db::PatientId;
use postern::db::schema::{chart_items, patient_identifiers, patient_sources, patients as table};
use postern::db::sealed::{self, Opened};
use postern::error::AppError;
use postern::patients::{self, Demographics, Method, NewPatient, SourceId, UNNAMED};
use postern::values::BirthDate;
use serde_json::{Value, json};

on_both!(
    the_same_id_of_two_servers_is_two_patients,
    the_same_id_with_another_name_and_birth_date_is_refused,
    a_name_of_the_source_is_as_good_as_an_address,
    one_person_of_two_sources_is_one_chart,
    a_key_of_before_is_taken_over_where_name_and_birth_date_agree,
    one_person_of_two_sources_at_once_is_one_chart,
);

const A: &str = "https://a.example/fhir";
const B: &str = "https://b.example/fhir";

fn person(family: &str, given: &str, born: &str) -> Value {
    json!({"resourceType": "Patient", "id": "1", "name": [{"family": family, "given": [given]}], "birthDate": born})
}

/// Patient/1 with a result and a licence number, as the server at `base` gives them; without addresses where `base` is
/// empty.
fn bundle(base: &str, patient: &Value, result: &str) -> Vec<u8> {
    let code = json!([{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "DL"}]);
    let mut patient = patient.clone();
    patient["identifier"] = json!([{"type": {"coding": code}, "value": format!("D-{result}")}]);
    let result = json!({"resourceType": "Observation", "id": "1", "status": "final", "code": {"text": result},
        "subject": {"reference": "Patient/1"}, "effectiveDateTime": "2026-02-01", "valueString": "found"});
    let entry = |resource: Value| match base {
        "" => json!({"resource": resource}),
        _ => {
            json!({"fullUrl": format!("{base}/{}/1", resource["resourceType"].as_str().unwrap()), "resource": resource})
        }
    };
    let entries = [entry(patient), entry(result)];
    json!({"resourceType": "Bundle", "type": "collection", "entry": entries}).to_string().into_bytes()
}

async fn import_as(app: &App, json: Vec<u8>, source: Option<&str>) -> Summary {
    app.import(json, source).await
}

async fn import(app: &App, json: Vec<u8>) -> Summary {
    import_as(app, json, None).await
}

/// Every chart: the family name, and the titles of its items.
async fn charts(app: &App) -> Vec<(String, Vec<String>)> {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        let people: Vec<(PatientId, String)> =
            table::table.order(table::id).select((table::id, table::family_name)).load(conn)?;
        let mut charts = Vec::new();
        for (id, name) in people {
            let items = chart_items::table.filter(chart_items::patient_id.eq(id)).order(chart_items::id);
            let titles: Vec<Opened> = items.select(chart_items::title).load(conn)?;
            charts.push((name, titles.into_iter().map(String::from).collect()));
        }
        Ok(charts)
    });
    read.await.unwrap()
}

fn chart(name: &str, items: &[&str]) -> (String, Vec<String>) {
    (name.to_owned(), items.iter().map(|item| (*item).to_owned()).collect())
}

async fn the_same_id_of_two_servers_is_two_patients(app: App) {
    import(&app, bundle(A, &person("Ash", "Anna", "1980-01-01"), "Glucose")).await;
    let second = import(&app, bundle(B, &person("Birch", "Bruno", "1950-05-05"), "HIV")).await;
    assert_eq!((second.patients, second.known_patients), (1, 0));
    assert_eq!(charts(&app).await, [chart("Ash", &["Glucose"]), chart("Birch", &["HIV"])]);
    // each is recognised when it comes again, also under a new name, or with a corrected birth date
    let married = import(&app, bundle(A, &person("Cedar", "Anna", "1980-01-01"), "Glucose")).await;
    let corrected = import(&app, bundle(B, &person("Birch", "Bruno", "1950-05-06"), "HIV")).await;
    assert_eq!((married.known_patients, corrected.known_patients), (1, 1));
    assert_eq!(charts(&app).await.len(), 2);
}

async fn the_same_id_with_another_name_and_birth_date_is_refused(app: App) {
    for base in ["", A] {
        import(&app, bundle(base, &person("Ash", "Anna", "1980-01-01"), "Glucose")).await;
        let before = charts(&app).await;
        let second = import(&app, bundle(base, &person("Birch", "Bruno", "1950-05-05"), "HIV")).await;
        assert_eq!((second.patients, second.known_patients, second.written()), (0, 0, 0));
        for what in ["Patient", "Observation"] {
            assert_eq!(second.skipped[&(what.to_owned(), "other_person")], 1, "{what}");
        }
        assert_eq!(charts(&app).await, before);
    }
    let numbers = app.state.db.read(|conn| -> Result<Vec<String>, AppError> {
        Ok(patient_identifiers::table.select(patient_identifiers::number).load(conn)?)
    });
    assert_eq!(numbers.await.unwrap(), ["D-Glucose"], "no number was added that way either");
}

async fn a_name_of_the_source_is_as_good_as_an_address(app: App) {
    import_as(&app, bundle("", &person("Ash", "Anna", "1980-01-01"), "Glucose"), Some("lab one")).await;
    import_as(&app, bundle("", &person("Birch", "Bruno", "1950-05-05"), "HIV"), Some("lab two")).await;
    import_as(&app, bundle("", &person("Ash", "Anna", "1980-01-01"), "Sodium"), Some("lab one")).await;
    assert_eq!(charts(&app).await, [chart("Ash", &["Sodium"]), chart("Birch", &["HIV"])]);
}

async fn one_person_of_two_sources_is_one_chart(app: App) {
    import(&app, bundle(A, &person("Ash", "Anna", "1980-01-01"), "Glucose")).await;
    let second = import(&app, bundle(B, &person("Ash", "Anna", "1980-01-01"), "HIV")).await;
    assert_eq!((second.patients, second.known_patients), (0, 1));
    // the same id from another source is another result
    assert_eq!(charts(&app).await, [chart("Ash", &["Glucose", "HIV"])]);
    let keys = app.state.db.read(|conn| -> Result<Vec<(String, String)>, AppError> {
        let keys = patient_sources::table.order(patient_sources::id);
        Ok(keys.select((patient_sources::source, patient_sources::source_id)).load(conn)?)
    });
    assert_eq!(keys.await.unwrap(), [(A.to_owned(), "1".to_owned()), (B.to_owned(), "1".to_owned())]);
}

/// A patient as imports stored them before sources were told apart.
async fn before(app: &App, family: &str, given: &str, born: &str) {
    let new = NewPatient {
        source_key: Some(SourceId { source: UNNAMED.to_owned(), id: "1".into() }),
        demographics: Demographics {
            given_name: given.into(),
            family_name: family.into(),
            preferred_name: None,
            birth_date: BirthDate::parse(born).unwrap(),
            health_number: None,
            email: None,
            phone: None,
            language: "en".into(),
            method: Method::Both,
        },
        portal_access: true,
        archived: false,
    };
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        let patient = patients::add(tx, now, &Operator::of_the_command_line(), &new)?;
        // an item of the chart that was stored under the bare id
        let row = (
            (chart_items::patient_id.eq(patient), chart_items::source_key.eq("Observation:2026-02-01:")),
            (
                chart_items::kind.eq("lab_result"),
                chart_items::occurred_at.eq(now),
                chart_items::title.eq(sealed::text("Glucose")),
            ),
            (chart_items::body.eq(sealed::text(r#"{"blocks":[]}"#)), chart_items::created_at.eq(now)),
        );
        diesel::insert_into(chart_items::table).values(row).execute(tx.conn())?;
        Ok(())
    });
    write.await.unwrap();
}

async fn a_key_of_before_is_taken_over_where_name_and_birth_date_agree(app: App) {
    before(&app, "Ash", "Anna", "1980-01-01").await;
    // only the birth date differs: a user has to decide
    let unsure = import(&app, bundle(A, &person("Ash", "Anna", "1981-01-01"), "HIV")).await;
    assert_eq!(unsure.skipped[&("Patient".to_owned(), "unsure_person")], 1);
    // name and birth date differ: this is another patient
    let other = import(&app, bundle(B, &person("Birch", "Bruno", "1950-05-05"), "HIV")).await;
    assert_eq!((other.patients, other.known_patients), (1, 0));
    let same = import(&app, bundle(A, &person("Ash", "Anna", "1980-01-01"), "Glucose")).await;
    assert_eq!((same.patients, same.known_patients), (0, 1));
    assert_eq!(charts(&app).await, [chart("Ash", &["Glucose"]), chart("Birch", &["HIV"])]);
}

async fn one_person_of_two_sources_at_once_is_one_chart(app: App) {
    for round in 1..=6 {
        let anna = person(&format!("Ash{round}"), "Anna", "1980-01-01");
        let of = |base: &str| bundle(&format!("{base}/{round}"), &anna, base);
        tokio::join!(import(&app, of(A)), import(&app, of(B)));
        let charts = charts(&app).await;
        assert_eq!(charts.len(), round, "{charts:?}");
        assert_eq!(charts.last().map(|(_, items)| items.len()), Some(2), "{charts:?}");
    }
}
