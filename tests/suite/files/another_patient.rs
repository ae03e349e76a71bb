//! A file that names another patient is asked about before it is sent.

use super::uploads::{get, post_form, upload};
use crate::chart::items::{add, days_ago};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::html::Page;
use diesel::prelude::*;
use postern::access::{Operator, Role};
use postern::chart::ItemKind;
use postern::db::PatientId;
use postern::db::schema::audit_events;
use postern::error::AppError;
use postern::patients::{self, Demographics, Method, NewPatient};
use postern::values::{BirthDate, EmailAddress, PhoneNumber};
use reqwest::multipart::{Form, Part};

on_both!(another_patients_file_is_confirmed_or_stays, what_names_whom);

/// Adds a patient: name, date of birth, health number.
pub async fn person(app: &App, name: (&str, &str), born: &str, number: &str, at: usize) -> PatientId {
    let now = app.state.clock.now();
    let new = NewPatient {
        source_key: None,
        demographics: Demographics {
            given_name: name.0.into(),
            family_name: name.1.into(),
            preferred_name: None,
            birth_date: BirthDate::parse(born).unwrap(),
            health_number: Some(number.into()),
            email: EmailAddress::parse(&format!("p{at}@example.org")),
            phone: PhoneNumber::parse(&format!("+1613555010{at}"), "1"),
            language: "en".into(),
            method: Method::Email,
        },
        portal_access: true,
        archived: false,
    };
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        Ok(patients::add(tx, now, &Operator::of_the_command_line(), &new)?)
    });
    write.await.unwrap()
}

async fn two(app: &App) -> (Actor, PatientId, PatientId) {
    let owner = app.user(Role::Owner).await;
    let maria = person(app, ("María Luisa", "Mejía"), "1951-03-04", "943 476 5919", 1).await;
    let otto = person(app, ("Otto", "Älder-Ng"), "1962-11-23", "1234-567-897-AB", 2).await;
    (owner, maria, otto)
}

/// The details of the audit rows that record an answer.
pub async fn details(app: &App) -> Vec<Option<String>> {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        let confirmed = audit_events::table.filter(audit_events::action.eq("other_patient_confirmed"));
        Ok(confirmed.order(audit_events::id).select(audit_events::detail).load(conn)?)
    });
    read.await.unwrap()
}

async fn another_patients_file_is_confirmed_or_stays(app: App) {
    let (owner, maria, otto) = two(&app).await;
    // a real PDF: the document of an item in the other patient's chart
    add(&app, otto, "1", ItemKind::LabResult, days_ago(3), "Lipid panel", "words").await;
    let pdf = get(&owner, &format!("/patients/{otto}/items/1/document.pdf"), &[]).await.bytes;
    let got = upload(&owner, maria, "results.pdf", pdf.clone()).await;
    assert_eq!(got.status, 200);
    let line = Page::parse(&got.text());
    assert!(line.has_text("another patient’s health number"), "{}", line.text());
    assert!(line.has_text("Otto Älder-Ng, born 23 November 1962"), "{}", line.text());
    assert!(line.has_text("María Luisa Mejía, born 4 March 1951"));
    let id = line.attr("input[name=upload]", "value").unwrap();
    let fields = [("title", "T"), ("body", "kept words"), ("key", "0123456789abcdef"), ("upload", &*id)];
    let path = format!("/patients/{maria}/messages/new");
    let answer = owner.post(&path, &fields).await;
    assert!(answer.status == 409 && answer.body.contains("kept words"), "{}", answer.status);
    let page = answer.page();
    assert!(page.has_text("A file names another patient") && page.has_text("Otto Älder-Ng"));
    assert!(details(&app).await.is_empty());
    // a confirmation for another patient does not count
    let answer = owner.post(&path, &[&fields[..], &[("for_this_patient", "999")]].concat()).await;
    assert_eq!(answer.status, 409);
    owner.post(&path, &[&fields[..], &[("for_this_patient", &*id)]].concat()).await.redirect();
    assert_eq!(details(&app).await, [Some(format!("number {otto}"))]);
    // for the patient whom it names, the same file asks nothing in the chart's own form without scripts
    let form = |files: Vec<u8>| {
        Form::new().text("title", "T").text("date", "2026-01-02").part("files", Part::bytes(files).file_name("r.pdf"))
    };
    assert_eq!(post_form(&owner, &format!("/patients/{otto}/files"), form(pdf.clone())).await.status, 303);
    let asked = post_form(&owner, &format!("/patients/{maria}/files"), form(pdf)).await;
    assert_eq!(asked.status, 409, "{}", asked.text());
    let page = Page::parse(&asked.text());
    let id = page.form_with("Add to the chart").value("upload").unwrap();
    let form = Form::new().text("title", "T").text("date", "2026-01-02").text("upload", id.clone());
    let added = post_form(&owner, &format!("/patients/{maria}/files"), form.text("for_this_patient", id)).await;
    assert_eq!(added.status, 303);
    assert_eq!(details(&app).await.len(), 2);
}

async fn what_names_whom(app: App) {
    let (owner, maria, _) = two(&app).await;
    for (name, words, by) in [
        ("a.txt", "HIN: 1234 567 897 AB", "health number"),
        ("b.txt", "HIN 1234567897ab.", "health number"),
        ("1234-567-897-AB results.txt", "words", "health number"),
        ("c.txt", "Patient: ÄLDER-NG, Otto\nborn 1962-11-23", "name and date of birth"),
        ("d.txt", "Otto Alder Ng, 23 nov. 1962", "name and date of birth"),
        ("e.txt", "Otto Älder-Ng né le 23 novembre 1962", "name and date of birth"),
        ("f.txt", "November 23, 1962: Otto Älder-Ng", "name and date of birth"),
        ("g.txt", "Otto Älder-Ng 23/11/1962", "name and date of birth"),
        ("otto_alder-ng_1962-11-23.csv", "a,b\n1,2\n", "name and date of birth"),
        // the patient's own data, and text that only looks like another patient's
        ("h.txt", "María Luisa Mejía, 4 March 1951, 943 476 5919", ""),
        ("i.txt", "Otto Älder-Ng writes to you", ""),
        ("j.txt", "On 23 November 1962 it rained in Ng", ""),
        ("k.txt", "Otto Älder-Ng, 24 November 1962", ""),
        ("l.txt", "Call 1234-567-8975", ""),
    ] {
        let got = upload(&owner, maria, name, words.as_bytes().to_vec()).await;
        assert_eq!(got.status, 200, "{name}");
        let text = got.text();
        match by {
            "" => assert!(!text.contains("another patient"), "{name}: {text}"),
            by => assert!(text.contains(by), "{name}: {text}"),
        }
    }
    // a broken PDF is neither refused nor an error
    for broken in [b"%PDF-1.7\n".to_vec(), b"%PDF-1.4\n1 0 obj<</Length 99999999999>>stream\nx".to_vec()] {
        assert_eq!(upload(&owner, maria, "broken.pdf", broken).await.status, 200);
    }
}
