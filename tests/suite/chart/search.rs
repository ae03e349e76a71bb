//! What a receptionist types finds the patient, the best match first.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::html::Page;
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::{key_renewals, patient_terms, patients};
use postern::error::AppError;

on_both!(
    what_is_typed_finds_the_patient,
    whole_words_come_first_and_pages_go_on,
    what_is_looked_for_stands_in_no_address,
    keys_of_an_older_rule_are_made_anew_once,
);

/// Adds a patient by the form; gives the address of the chart.
async fn add(user: &Actor, fields: &[(&str, &str)]) -> String {
    let mut all = vec![("day", "4"), ("month", "3"), ("year", "1951"), ("method", "none"), ("language", "en")];
    all.retain(|(name, _)| fields.iter().all(|(other, _)| other != name));
    all.extend_from_slice(fields);
    let to = user.post("/patients", &all).await.redirect();
    to.split('?').next().unwrap().to_owned()
}

/// The addresses of the charts that a search finds.
async fn found(user: &Actor, typed: &str) -> Vec<String> {
    let q: String = url_encoded(typed);
    shown(&user.get(&format!("/patients?q={q}")).await.ok())
}

/// The addresses of the charts on a page, in order.
fn shown(page: &Page) -> Vec<String> {
    let of_patient = |path: &String| path.rsplit('/').next().is_some_and(|id| id.parse::<i64>().is_ok());
    page.links().into_iter().map(|link| link.href).filter(of_patient).collect()
}

fn url_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn what_is_typed_finds_the_patient(app: App) {
    let user = app.user(Role::Staff).await;
    app.patient(Like::default()).await; // María Mejía, somebody else
    let siobhan = add(
        &user,
        &[
            ("given_name", "Siobhán"),
            ("family_name", "O’Brien"),
            ("phone", "514-555-0777"),
            ("email", "S.Obrien@example.com"),
        ],
    )
    .await;
    let marie = add(
        &user,
        &[
            ("given_name", "Marie"),
            ("family_name", "Bélanger"),
            ("health_number", "BELM 8310 1471"),
            ("day", "5"),
            ("month", "6"),
            ("year", "1983"),
        ],
    )
    .await;
    let jean = add(
        &user,
        &[
            ("given_name", "Jean-Luc"),
            ("family_name", "St-Pierre"),
            ("health_number", "1234-567-897-AB"),
            ("day", "13"),
        ],
    )
    .await;
    let kim = add(
        &user,
        &[("given_name", "Kim"), ("family_name", "Van der Berg"), ("phone", "+44 7700 900123"), ("day", "14")],
    )
    .await;
    let wang = add(&user, &[("given_name", "小明"), ("family_name", "王"), ("day", "15")]).await;
    let soren = add(&user, &[("given_name", ""), ("family_name", "Sørensen"), ("day", "16")]).await;
    for (who, typed) in [
        (&siobhan, "obrien"),
        (&siobhan, "O'Brien"),
        (&siobhan, "OBRIEN siobhan"),
        (&siobhan, "siobhan o brien"),
        (&siobhan, "O’Brien, Siobhán"),
        (&siobhan, "siobhan 1951-03-04"),
        (&siobhan, "obr 4 March 1951"),
        (&siobhan, "4 mars 1951 siob"),
        (&siobhan, "March 4, 1951 obrien"),
        (&siobhan, "04/03/1951 obrien"),
        (&siobhan, "514\u{2011}555\u{2011}0777"),
        (&siobhan, "0777"),
        (&siobhan, "555-0777"),
        (&siobhan, "+1 (514) 555 0777"),
        (&siobhan, "s.obrien@EXAMPLE.com"),
        (&siobhan, "<s.obrien@example.com>"),
        (&siobhan, "obrien 777"),
        (&marie, "BELM 8310 1471"),
        (&marie, "belm-8310-1471"),
        (&marie, "belm83101471"),
        (&marie, "Belanger marie BELM 8310 1471"),
        (&marie, "1983-06-05"),
        (&marie, "5/6/1983"),
        (&marie, "19830605"),
        (&marie, "1983-06"),
        (&marie, "5 juin 1983"),
        (&jean, "stpierre"),
        (&jean, "st pierre"),
        (&jean, "1234567897"),
        (&jean, "1234 567 897 AB"),
        (&jean, "1234567897ZZ"),
        (&jean, "jean luc"),
        (&jean, "pierre jean"),
        (&kim, "vanderberg"),
        (&kim, "van der berg kim"),
        (&kim, "berg, kim"),
        (&kim, "07700 900123"),
        (&kim, "+44 (0)7700 900123"),
        (&wang, "王小明"),
        (&wang, "小明"),
        (&wang, "小明 王"),
        (&soren, "sorensen"),
        (&soren, "SØREN"),
    ] {
        assert_eq!(found(&user, typed).await, std::slice::from_ref(who), "{typed}");
    }
    for typed in ["obrien marie", "brien 1983-06-05", "nobody", "@", "'", "-", "777 0142"] {
        assert!(!found(&user, typed).await.contains(&siobhan), "{typed}");
    }
}

async fn whole_words_come_first_and_pages_go_on(app: App) {
    let user = app.user(Role::Staff).await;
    for n in 0..55 {
        let name = format!("Annabelle{n:02}");
        add(&user, &[("given_name", &name), ("family_name", "Aaa")]).await;
    }
    let ann = add(&user, &[("given_name", "Zoe"), ("family_name", "Anna")]).await;
    let first = user.get("/patients?q=anna").await.ok();
    assert_eq!(shown(&first).first(), Some(&ann), "the whole word before its beginnings");
    assert_eq!(first.count("a.item"), 50);
    let next = first.attr(".pager a", "href").unwrap();
    let second = user.get(&next).await.ok();
    assert_eq!((second.count("a.item"), second.count(".pager")), (6, 0));
    let (mut all, rest) = (shown(&first), shown(&second));
    all.extend(rest);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 56, "nobody twice, nobody left out");
}

/// No address holds words of a search about patients: neither the one to which a form leads, nor a link of that page.
async fn what_is_looked_for_stands_in_no_address(app: App) {
    let (user, other) = (app.user(Role::Staff).await, app.user(Role::Staff).await);
    let mut annas = Vec::new();
    for n in 0..55 {
        annas.push(add(&user, &[("given_name", &format!("Annabelle{n:02}")), ("family_name", "Okafor")]).await);
    }
    let merging = format!("{}/merging", annas[0]);
    for page in ["/patients", &merging, "/outbox", &annas[0], &format!("{}/chart-browser", annas[0])] {
        let asked = [("page", page), ("q", "okafor annabelle")];
        let to = user.post("/searches", &asked).await.redirect();
        assert!(to.starts_with(&format!("{page}?sought=")) && !to.to_lowercase().contains("oka"), "{to}");
        let found = user.get(&to).await.ok();
        assert_eq!(found.attr("main [name=q]", "value").unwrap(), "okafor annabelle", "{page}");
        for link in found.links() {
            assert!(!link.href.to_lowercase().contains("oka"), "{page}: {}", link.href);
        }
        // the words are shown only to the user who searched, and for a day at most
        assert_eq!(other.get(&to).await.ok().attr("main [name=q]", "value").unwrap(), "");
        assert_eq!(user.get(&to.replace("sought=", "sought=x")).await.ok().attr("main [name=q]", "value").unwrap(), "");
    }
    // the next page of a search, and of the list, whose place in the list is a name
    let to = user.post("/searches", &[("page", "/patients"), ("q", "annabelle")]).await.redirect();
    for first in [to.as_str(), "/patients"] {
        let next = user.get(first).await.ok().attr(".pager a", "href").unwrap();
        assert!(!next.to_lowercase().contains("oka") && !next.to_lowercase().contains("anna"), "{next}");
        assert_eq!(user.get(&next).await.ok().count("a.item"), 5, "{first}");
    }
    // other addresses are not pages that can be searched
    for page in ["", "/inbox", "//example.org", "https://example.org", "/patients/1/../2", "/patients/x", "/patients#x"]
    {
        assert_eq!(user.post("/searches", &[("page", page), ("q", "ann")]).await.status, 400, "{page}");
    }
}

async fn keys_of_an_older_rule_are_made_anew_once(app: App) {
    let id = app.patient(Like { name: ("Søren", "Mejía"), ..Like::default() }).await;
    let spoil = app.state.db.write(move |tx| -> Result<_, AppError> {
        diesel::update(patients::table.find(id)).set(patients::name_key.eq("old")).execute(tx.conn())?;
        diesel::delete(patient_terms::table.filter(patient_terms::patient_id.eq(id))).execute(tx.conn())?;
        diesel::delete(key_renewals::table).execute(tx.conn())?;
        Ok(())
    });
    spoil.await.unwrap();
    let user = app.user(Role::Staff).await;
    assert!(found(&user, "soren").await.is_empty());
    let again = || postern::app::open(&app.state.config.database, app.state.config.keys(), &app.state.random);
    drop(again().await.unwrap());
    assert_eq!(found(&user, "soren").await.len(), 1);
    // the keys are not made a second time
    let spoil = app.state.db.write(move |tx| -> Result<_, AppError> {
        diesel::delete(patient_terms::table.filter(patient_terms::patient_id.eq(id))).execute(tx.conn())?;
        Ok(())
    });
    spoil.await.unwrap();
    drop(again().await.unwrap());
    assert!(found(&user, "soren").await.is_empty(), "what is done is written down");
}
