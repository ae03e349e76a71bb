//! The audit log: names, links, filters, export.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use postern::access::Role;

on_both!(
    it_says_who_and_whose,
    it_narrows,
    it_is_exported,
    a_long_log_is_paged,
    whoever_looks_through_records_leaves_a_row,
    who_has_left_is_found
);

/// The cells of the rows: who, what, whose.
async fn rows(owner: &Actor, query: &str) -> Vec<[String; 3]> {
    let page = owner.get(&format!("/settings/audit-log{query}")).await.ok();
    let cells: Vec<String> = page.texts_of("table tbody td");
    cells.chunks(5).map(|row| [row[1].clone(), row[2].clone(), row[3].clone()]).collect()
}

async fn it_says_who_and_whose(app: App) {
    let (owner, staff) = (app.user(Role::Owner).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&staff, maria, true).await;
    staff.get(&conversation).await.ok();
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    patient.get(&message).await.ok();
    let page = owner.get("/settings/audit-log").await.ok();
    assert!(page.has_text("viewed a conversation") && page.has_text("María Mejía"), "{}", page.text());
    assert_eq!(page.link("María Mejía"), format!("/patients/{maria}"));
    assert!(page.attrs_of("td a", "href").contains(&conversation), "a conversation has a link");
    let rows = rows(&owner, "?what=message_read").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0][0], "María Mejía (Patient)");
    // only owners may
    assert_eq!(staff.get("/settings/audit-log").await.status, 403);
    assert_eq!(staff.get("/settings/audit-log.csv").await.status, 403);
}

async fn it_narrows(app: App) {
    let (owner, staff) = (app.user(Role::Owner).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    let other = app.patient(Like { name: ("Ng", ""), email: Some("ng@example.org".into()), ..Like::default() }).await;
    for patient in [maria, other] {
        staff.get(&format!("/patients/{patient}")).await.ok();
        owner.get(&format!("/patients/{patient}")).await.ok();
    }
    let whose = |rows: Vec<[String; 3]>| rows.into_iter().map(|[who, ..]| who).collect::<Vec<_>>();
    // one press on the chart: who has looked at this record
    let chart = owner.get(&format!("/patients/{maria}")).await.ok();
    let press = chart.link("Who looked at this record");
    assert_eq!(press, format!("/settings/audit-log?patient={maria}&what=looks"));
    let looks = rows(&owner, press.strip_prefix("/settings/audit-log").unwrap()).await;
    assert_eq!(looks.len(), 3, "once by the member of staff, twice by the owner: {looks:?}");
    assert!(looks.iter().all(|[_, what, whose]| what == "viewed the chart" && whose == "María Mejía"), "{looks:?}");
    // not offered to who may not
    assert!(!staff.get(&format!("/patients/{maria}")).await.ok().has_text("Who looked at this record"));
    // the one who looked first is the member of staff
    let (first, page) = (&looks.last().unwrap()[0], owner.get("/settings/audit-log").await.ok());
    let names = page.texts_of("#user option");
    let staff_id = &page.attrs_of("#user option", "value")[names.iter().position(|name| name == first).unwrap()];
    let of_staff = whose(rows(&owner, &format!("?user={staff_id}&what=chart_viewed")).await);
    assert_eq!(of_staff, vec![first.clone(); 3], "both patients, and the look for the link");
    assert!(rows(&owner, "?from=2099-01-01").await.is_empty());
    assert!(!rows(&owner, "?until=2099-01-01").await.is_empty());
    // what means nothing narrows nothing
    assert!(!rows(&owner, "?what=x&user=y&from=z").await.is_empty());
}

async fn it_is_exported(app: App) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    owner.get(&format!("/patients/{maria}")).await.ok();
    let answer = owner.get(&format!("/settings/audit-log.csv?patient={maria}")).await;
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    assert!(answer.headers["content-disposition"].to_str().unwrap().contains("audit-log.csv"));
    let mut table = csv::Reader::from_reader(answer.body.trim_start_matches('\u{feff}').as_bytes());
    let lines: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert!(lines.iter().any(|line| &line[2] == "viewed the chart" && &line[3] == "María Mejía"), "{lines:?}");
    assert!(lines.iter().all(|line| line[7].len() == 64), "each line has its seal");
    assert_eq!(rows(&owner, "?what=audit_log_exported").await.len(), 1, "the export left a row");
}

async fn a_long_log_is_paged(app: App) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    for _ in 0..101 {
        owner.get(&format!("/patients/{maria}")).await.ok();
    }
    let path = format!("?patient={maria}&what=chart_viewed");
    assert_eq!(rows(&owner, &path).await.len(), 100);
    let older = owner.get(&format!("/settings/audit-log{path}")).await.ok().link("Older");
    assert!(older.contains(&format!("patient={maria}")), "{older}");
    assert_eq!(rows(&owner, older.strip_prefix("/settings/audit-log").unwrap()).await.len(), 1);
    // the export gives all, in pieces
    let whole = owner.get(&format!("/settings/audit-log.csv{path}")).await.body;
    assert_eq!(whole.lines().count(), 102);
}

/// Names, numbers and addresses are seen in lists and on forms as on the chart itself.
async fn whoever_looks_through_records_leaves_a_row(app: App) {
    let (owner, staff) = (app.user(Role::Owner).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    for path in ["/patients".to_owned(), "/patients?q=mej".into(), format!("/patients/{maria}/merging?q=ng")] {
        let before = rows(&owner, "?what=patients_searched").await.len();
        staff.get(&path).await.ok();
        assert_eq!(rows(&owner, "?what=patients_searched").await.len(), before + 1, "{path}");
    }
    staff.get(&format!("/patients/{maria}/information")).await.ok();
    assert_eq!(rows(&owner, &format!("?patient={maria}&what=looks")).await.len(), 1);
}

async fn who_has_left_is_found(app: App) {
    let (owner, staff) = (app.user(Role::Owner).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    staff.get(&format!("/patients/{maria}")).await.ok();
    let ids = async || owner.get("/settings/audit-log").await.ok().attrs_of("#user option", "value");
    let before = ids().await;
    let last = before.iter().filter_map(|id| id.parse::<i64>().ok()).max().unwrap();
    owner.post(&format!("/settings/users/{last}/deactivation"), &[]).await.redirect();
    let mut after = ids().await;
    after.sort_unstable();
    let mut same = before.clone();
    same.sort_unstable();
    assert_eq!(after, same, "nobody is missing");
    assert_eq!(rows(&owner, &format!("?user={last}&what=looks")).await.len(), 1);
}
