//! Which patient a person is, by one rule for forms, lists and imports.

use crate::on_both;
use crate::support::app::App;
use postern::access::{Operator, Role};
use postern::db::PatientId;
use postern::error::AppError;
use postern::patients::{self, Demographics, LISTS, Method, NewPatient, PersonDescription, SourceId, UNNAMED, Who};
use postern::values::BirthDate;

on_both!(
    the_same_number_and_birth_date_are_the_same_patient,
    the_same_name_and_birth_date_are_the_same_patient_unless_something_says_otherwise,
    a_source_s_id_is_theirs_unless_name_and_birth_date_both_differ,
    more_than_one_who_fits_is_a_question,
    who_had_a_chart_that_was_merged_is_the_one_who_has_it_now,
);

const A: &str = "https://a.example/fhir";
const B: &str = "https://b.example/fhir";

fn person(given: &str, family: &str, born: &str, number: &str) -> Demographics {
    Demographics {
        given_name: given.into(),
        family_name: family.into(),
        preferred_name: None,
        birth_date: BirthDate::parse(born).unwrap(),
        health_number: Some(number.to_owned()).filter(|number| !number.is_empty()),
        email: None,
        phone: None,
        language: "en".into(),
        method: Method::Both,
    }
}

fn id(source: &str, id: &str) -> SourceId {
    SourceId { source: source.into(), id: id.into() }
}

async fn add(app: &App, demographics: Demographics, source_key: Option<SourceId>) -> PatientId {
    let now = app.state.clock.now();
    let new = NewPatient { source_key, demographics, portal_access: true, archived: false };
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        Ok(patients::add(tx, now, &Operator::of_the_command_line(), &new)?)
    });
    write.await.unwrap()
}

/// The result for a person, in a word, and the patients who look like them.
async fn who(app: &App, demographics: Demographics, source: Option<SourceId>) -> (String, Vec<i64>) {
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        let told = PersonDescription { demographics: &demographics, source: source.as_ref() };
        Ok(patients::recognise(conn, &told)?)
    });
    let found = read.await.unwrap();
    let who = match found.who {
        Who::Known(known) => known.id.to_string(),
        Who::Unsure => "unsure".to_owned(),
        Who::New => "new".to_owned(),
        Who::Contradicts => "contradicts".to_owned(),
    };
    (who, found.alike.into_iter().map(|patient| patient.id.0).collect())
}

async fn the_same_number_and_birth_date_are_the_same_patient(app: App) {
    add(&app, person("Ann", "Ash", "1980-02-29", "1234-567-897-AB"), None).await;
    for (given, family, born, number, expected, alike) in [
        // the number in any grouping, with another version of the card, under another family name
        ("Ann", "Ash", "1980-02-29", "1234567897", "1", true),
        ("Ann", "Birch", "1980-02-29", "1234 567 897 XY", "1", true),
        // twins have the same birth date, and their cards may be mixed up
        ("Eve", "Ash", "1980-02-29", "1234567897", "unsure", true),
        // the number alone identifies nobody, and the user who adds the person is shown whose it is
        ("Ann", "Ash", "1990-01-01", "1234567897", "new", true),
        ("Eve", "Birch", "1990-01-01", "1234567897", "new", true),
        ("Eve", "Birch", "1990-01-01", "1234567898", "new", false),
    ] {
        let found = who(&app, person(given, family, born, number), None).await;
        let alike: Vec<i64> = if alike { vec![1] } else { Vec::new() };
        assert_eq!(found, (expected.to_owned(), alike), "{given} {family} {born} {number}");
    }
}

async fn the_same_name_and_birth_date_are_the_same_patient_unless_something_says_otherwise(app: App) {
    add(&app, person("Zoë", "O'Brien-Ash", "1980-02-29", "1"), Some(id(A, "p"))).await;
    let same = |number: &str| person("Zoe", "OBrien Ash", "1980-02-29", number);
    assert_eq!(who(&app, same(""), None).await, ("1".to_owned(), vec![1]));
    assert_eq!(who(&app, same(""), Some(id(B, "p"))).await.0, "1");
    // different numbers are different people, and so are two ids of one source; ids of lists prove nothing
    assert_eq!(who(&app, same("2"), None).await, ("new".to_owned(), vec![1]));
    assert_eq!(who(&app, same(""), Some(id(A, "q"))).await, ("new".to_owned(), vec![1]));
    add(&app, person("Bob", "Elm", "1970-01-01", ""), Some(id(LISTS, "7"))).await;
    assert_eq!(who(&app, person("Bob", "Elm", "1970-01-01", "5"), Some(id(LISTS, "8"))).await.0, "2");
    // the name or the birth date alone is not enough
    assert_eq!(who(&app, person("Zoe", "OBrien Ash", "1980-02-28", ""), None).await, ("new".to_owned(), Vec::new()));
    assert_eq!(who(&app, person("Joe", "OBrien Ash", "1980-02-29", ""), None).await, ("new".to_owned(), Vec::new()));
}

async fn a_source_s_id_is_theirs_unless_name_and_birth_date_both_differ(app: App) {
    add(&app, person("Ann", "Ash", "1980-02-29", "1"), Some(id(A, "p"))).await;
    add(&app, person("Bob", "Elm", "1970-01-01", "2"), Some(id(UNNAMED, "p"))).await;
    add(&app, person("Cy", "Fir", "1960-01-01", "3"), Some(id(LISTS, "p"))).await;
    let found = async |who_is: Demographics, source: &str| who(&app, who_is, Some(id(source, "p"))).await.0;
    assert_eq!(found(person("Ann", "Ash", "1990-01-01", ""), A).await, "1");
    assert_eq!(found(person("Eve", "Birch", "1980-02-29", ""), A).await, "1");
    assert_eq!(found(person("Eve", "Birch", "1990-01-01", ""), A).await, "contradicts");
    // for an id that was stored without a source, name and birth date must both agree
    assert_eq!(found(person("Bob", "Elm", "1970-01-01", ""), B).await, "2");
    assert_eq!(found(person("Bob", "Elm", "1971-01-01", ""), B).await, "unsure");
    assert_eq!(found(person("Eve", "Birch", "1990-01-01", ""), B).await, "new");
    // the same number in two lists may come from two systems
    assert_eq!(found(person("Cy", "Fir", "1961-01-01", ""), LISTS).await, "3");
    assert_eq!(found(person("Eve", "Birch", "1990-01-01", ""), LISTS).await, "new");
    assert_eq!(found(person("Ann", "Ash", "1980-02-29", "1"), LISTS).await, "1");
}

async fn more_than_one_who_fits_is_a_question(app: App) {
    add(&app, person("Ann", "Ash", "1980-02-29", ""), Some(id(A, "1"))).await;
    let same = |number: &str| person("Ann", "Ash", "1980-02-29", number);
    add(&app, same("2"), Some(id(A, "2"))).await;
    assert_eq!(who(&app, same(""), None).await, ("unsure".to_owned(), vec![1, 2]));
    // the health number decides which of them it is
    assert_eq!(who(&app, same("2"), Some(id(B, "1"))).await, ("2".to_owned(), vec![1, 2]));
    // and only one of them has no number
    assert_eq!(who(&app, same("3"), Some(id(B, "1"))).await.0, "1");
    assert_eq!(who(&app, same("3"), Some(id(A, "3"))).await.0, "new");
    add(&app, person("Ann", "Elm", "1980-02-29", "2"), None).await;
    assert_eq!(who(&app, same("2"), None).await.0, "unsure");
}

async fn who_had_a_chart_that_was_merged_is_the_one_who_has_it_now(app: App) {
    add(&app, person("Ann", "Ash", "1980-02-29", ""), None).await;
    add(&app, person("Ann", "Elm", "1980-02-28", "4"), None).await;
    let user = app.user(Role::Staff).await;
    let page = user.get("/patients/1/merging?with=2").await.ok();
    user.submit(&page, "Merge the charts", &[]).await.redirect();
    for (family, born, number) in [("Elm", "1980-02-28", ""), ("Elm", "1980-02-28", "4"), ("Ash", "1980-02-29", "")] {
        let found = who(&app, person("Ann", family, born, number), Some(id(B, "1"))).await;
        assert_eq!(found, ("1".to_owned(), vec![1]), "{family}");
    }
}
