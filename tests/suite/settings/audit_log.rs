//! The audit log: names, links, filters, export.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use postern::access::Role;
use postern::audit::{self, ActorKind, Event, Filter, What};
use postern::db::UserId;
use postern::error::AppError;

on_both!(
    it_says_who_and_whose,
    it_narrows,
    it_is_exported,
    a_long_log_is_paged,
    whoever_looks_through_records_leaves_a_row,
    who_has_left_is_found,
    each_combination_holds_what_it_says_in_its_order
);

/// Three cells of each row: who, what, whose.
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
    // only owners may read it
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
    // a link on the chart shows who has looked at this record
    let chart = owner.get(&format!("/patients/{maria}")).await.ok();
    let press = chart.link("Who looked at this record");
    assert_eq!(press, format!("/settings/audit-log?patient={maria}&what=looks"));
    let looks = rows(&owner, press.strip_prefix("/settings/audit-log").unwrap()).await;
    assert_eq!(looks.len(), 3, "once by the member of staff, twice by the owner: {looks:?}");
    assert!(looks.iter().all(|[_, what, whose]| what == "viewed the chart" && whose == "María Mejía"), "{looks:?}");
    // the link is not shown to users without the right
    assert!(!staff.get(&format!("/patients/{maria}")).await.ok().has_text("Who looked at this record"));
    // the member of staff looked first
    let (first, page) = (&looks.last().unwrap()[0], owner.get("/settings/audit-log").await.ok());
    let names = page.texts_of("#user option");
    let staff_id = &page.attrs_of("#user option", "value")[names.iter().position(|name| name == first).unwrap()];
    let of_staff = whose(rows(&owner, &format!("?user={staff_id}&what=chart_viewed")).await);
    assert_eq!(of_staff, vec![first.clone(); 3], "both patients, and the look for the link");
    assert!(rows(&owner, "?from=2099-01-01").await.is_empty());
    assert!(!rows(&owner, "?until=2099-01-01").await.is_empty());
    // a value that means nothing filters nothing
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
    // the export gives all rows, read in pieces
    let whole = owner.get(&format!("/settings/audit-log.csv{path}")).await.body;
    assert_eq!(whole.lines().count(), 102);
}

/// Looking through lists and forms, which show names, numbers and addresses like the chart, leaves an audit row.
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

/// Each combination of filters gives, page by page and in order, the rows that a filter over all rows gives.
async fn each_combination_holds_what_it_says_in_its_order(app: App) {
    let (owner, staff) = (app.user(Role::Owner).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    let ng = app.patient(Like { name: ("Ng", "Ada"), email: Some("ng@example.org".into()), ..Like::default() }).await;
    let conversation = app.message(&staff, maria, true).await;
    for _ in 0..3 {
        for path in [format!("/patients/{maria}"), format!("/patients/{ng}"), conversation.clone(), "/patients".into()]
        {
            owner.get(&path).await.ok();
            staff.get(&path).await.ok();
        }
        // some rows at the same moment, some later
        app.state.clock.advance(time::Duration::minutes(7));
    }
    let middle = app.state.clock.now().plus(-time::Duration::minutes(10));
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        let all = audit::newest(conn, &Filter::default(), None, 10_000)?;
        let mut in_order: Vec<_> = all.iter().map(|row| (row.at, row.id)).collect();
        in_order.sort_by(|a, b| b.cmp(a));
        assert_eq!(all.iter().map(|row| (row.at, row.id)).collect::<Vec<_>>(), in_order);
        let mut looked_at = 0;
        for user in [None, Some(UserId(1)), Some(UserId(2)), Some(UserId(9))] {
            for patient in [None, Some(maria), Some(ng)] {
                for what in [None, Some(What::Looks), Some(What::Event(Event::ChartViewed))] {
                    for (from, until) in [(None, None), (Some(middle), None), (None, Some(middle))] {
                        let filter = Filter { user, patient, what, from, until };
                        let is_wanted = |row: &audit::Row| {
                            let by =
                                user.is_none_or(|user| row.actor == ActorKind::User && row.actor_id == Some(user.0));
                            let of = patient.is_none_or(|patient| row.patient_id == Some(patient));
                            let done = match what {
                                None => true,
                                Some(What::Event(event)) => row.action == event.as_str(),
                                Some(What::Looks) => Event::LOOKS.iter().any(|look| row.action == look.as_str()),
                            };
                            let within =
                                from.is_none_or(|from| row.at >= from) && until.is_none_or(|until| row.at < until);
                            by && of && done && within
                        };
                        let wanted: Vec<i64> = all.iter().filter(|row| is_wanted(row)).map(|row| row.id).collect();
                        let (mut found, mut before) = (Vec::new(), None);
                        loop {
                            let page = audit::newest(conn, &filter, before, 4)?;
                            found.extend(page.iter().map(|row| row.id));
                            match page.last().filter(|_| page.len() == 4) {
                                Some(last) => before = Some((last.at, last.id)),
                                None => break,
                            }
                        }
                        assert_eq!(found, wanted, "{filter:?}");
                        looked_at += found.len();
                    }
                }
            }
        }
        Ok(looked_at)
    });
    assert!(read.await.unwrap() > 100);
}
