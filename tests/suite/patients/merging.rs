//! Two charts of one person become one; for a day the merge can be undone: what was moved moves back, and nothing else.

use crate::chart::items::{add, days_ago};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use diesel::prelude::*;
use diesel::sql_types::Text;
use postern::access::Role;
use postern::chart::ItemKind;
use postern::db::carry::PLACES;
use postern::db::{Conn, PatientId};
use postern::error::AppError;
use std::collections::BTreeSet;

on_both!(
    everything_moves_and_moves_back,
    what_came_since_stays_where_it_is,
    a_record_that_changed_meanwhile_asks,
    what_was_typed_for_the_other_record_is_kept,
    who_writes_at_that_moment_writes_to_the_one_that_is_left,
    a_merge_is_for_good_after_a_day,
    doubles_are_listed_and_told,
    a_patient_sees_who_looked_also_through_two_merges,
    two_people_who_look_alike_are_told_apart,
    every_place_of_a_patient_is_thought_of,
);

const OTHER: &str = "m.mejia@example.org";

async fn twins(app: &App) -> (PatientId, PatientId) {
    let one = app.patient(Like::default()).await;
    let other = Like { name: ("Maria", "Mejía"), email: Some(OTHER.into()), phone: None, ..Like::default() };
    (one, app.patient(other).await)
}

async fn merge(user: &Actor, kept: PatientId, merged: PatientId, fields: &[(&str, &str)]) -> u16 {
    let page = user.get(&format!("/patients/{kept}/merging?with={merged}")).await.ok();
    user.submit(&page, "Merge the charts", fields).await.status
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Rows as text, in order.
async fn lines(app: &App, sqlite: &'static str, postgres: &'static str) -> Vec<String> {
    let read = app.state.db.read(move |conn| -> Result<Vec<Line>, AppError> {
        let text = if matches!(conn, Conn::Sqlite(_)) { sqlite } else { postgres };
        Ok(diesel::sql_query(text).load(conn)?)
    });
    read.await.unwrap().into_iter().map(|row| row.line).collect()
}

/// The patient of every row, by identity.
async fn belongings(app: &App) -> Vec<String> {
    const ALL: &str = "
        SELECT 'item ' || id || ' ' || patient_id || ' ' || source_key AS line FROM chart_items
        UNION ALL SELECT 'conversation ' || id || ' ' || patient_id || ' ' || number FROM conversations
        UNION ALL SELECT 'notification ' || id || ' ' || patient_id FROM notifications
        UNION ALL SELECT 'source ' || id || ' ' || patient_id || ' ' || source_id FROM patient_sources
        UNION ALL SELECT 'upload ' || id || ' ' || patient_id FROM uploads
        UNION ALL SELECT 'word ' || item_id || ' ' || patient_id || ' ' || term FROM chart_item_terms
        UNION ALL SELECT 'tally ' || patient_id || ' ' || kind || ' ' || month || ' ' || items FROM chart_tallies
        UNION ALL SELECT 'draft ' || user_id || ' ' || patient_id || ' ' || form FROM drafts WHERE form IS NOT NULL
        UNION ALL SELECT 'number ' || patient_id || ' ' || kind || ' ' || number FROM patient_identifiers
        UNION ALL SELECT 'term ' || patient_id || ' ' || term FROM patient_terms
        UNION ALL SELECT 'record ' || id || ' ' || given_name || ' ' || COALESCE(email, '-') || ' ' || COALESCE(phone, '-')
            || ' ' || portal_access || ' ' || COALESCE(archive_reason, '-') || ' ' || COALESCE(merged_into, 0) FROM patients
        ORDER BY 1";
    lines(app, ALL, ALL).await
}

fn of<'a>(all: &'a [String], sort: &str, patient: PatientId) -> Vec<&'a String> {
    let place = if ["tally", "number", "term"].contains(&sort) { 1 } else { 2 };
    let owner = |line: &str| line.split(' ').nth(place).map(str::to_owned);
    all.iter().filter(|line| line.starts_with(sort) && owner(line) == Some(patient.to_string())).collect()
}

async fn everything_moves_and_moves_back(app: App) {
    let user = app.user(Role::Staff).await;
    let (one, other) = twins(&app).await;
    for patient in [one, other] {
        app.message(&user, patient, true).await;
        add(&app, patient, "k", ItemKind::Letter, days_ago(10), "A letter", "of that day").await;
        let draft = [("title", "T"), ("body", if patient == one { "first" } else { "second" })];
        let draft = [&draft[..], &[("key", "0123456789abcdef-1"), ("draft_version", "1")]].concat();
        user.post(&format!("/patients/{patient}/messages/draft"), &draft).await.redirect();
    }
    let page = user.get(&format!("/patients/{other}/information")).await.ok();
    user.submit(&page, "Save", &[("passport", "AB 123")]).await.redirect();
    app.drain().await;
    let link = app.link_to(OTHER);
    let (patient, message) = app.go_in(&link, OTHER).await;
    patient.get(&message).await.ok();
    let before = belongings(&app).await;

    assert_eq!(merge(&user, one, other, &[("email", "other")]).await, 303);
    let all = belongings(&app).await;
    for sort in ["item", "conversation", "notification", "word", "tally", "draft", "number", "term"] {
        assert!(of(&all, sort, other).is_empty(), "{sort} stayed: {all:#?}");
    }
    assert_eq!(of(&all, "conversation", one).len(), 2);
    let numbers: BTreeSet<_> = of(&all, "conversation", one).iter().map(|l| l.rsplit(' ').next().unwrap()).collect();
    assert_eq!(numbers, BTreeSet::from(["1", "2"]));
    assert!(of(&all, "tally", one)[0].ends_with(" 2"));
    assert!(of(&all, "draft", one)[0].contains("first") && of(&all, "draft", one)[0].contains("second"));
    let chart = user.get(&format!("/patients/{one}")).await.ok();
    assert!(chart.has_text(OTHER) && chart.has_text("AB 123"));
    assert_eq!(chart.texts_of("section[aria-labelledby=items] .title"), ["A letter", "A letter"]);
    // the old address leads to the chart that is left, with the rest of the path; the patient's session has ended
    assert_eq!(
        user.get(&format!("/patients/{other}/messages/new?x=1")).await.redirect(),
        format!("/patients/{one}/messages/new?x=1")
    );
    assert_eq!((patient.get(&message).await.status, app.anyone().get(&link).await.status), (303, 404));
    // a change that was made for the other record is not applied to this one
    let late = user.post(&format!("/patients/{other}/archiving"), &[("reason", "left")]).await.redirect();
    assert!(late == format!("/patients/{one}") && !user.get(&late).await.ok().has_text("Archived"));
    let told = lines(
        &app,
        "SELECT action || ' ' || patient_id || ' ' || subject_id AS line FROM audit_events WHERE action LIKE 'charts%' ORDER BY 1",
        "SELECT action || ' ' || patient_id || ' ' || subject_id AS line FROM audit_events WHERE action LIKE 'charts%' ORDER BY 1",
    );
    assert_eq!(told.await, [format!("charts_merged {one} {other}"), format!("charts_merged {other} {one}")]);

    let page = user.get(&format!("/patients/{one}")).await.ok();
    let back = user.submit(&page, "Undo the merge", &[]).await.redirect();
    assert_eq!(back, format!("/patients/{other}"));
    let after = belongings(&app).await;
    let but_drafts = |lines: &[String]| lines.iter().filter(|l| !l.starts_with("draft")).cloned().collect::<Vec<_>>();
    assert_eq!(but_drafts(&after), but_drafts(&before));
    assert_eq!(of(&after, "draft", other), of(&before, "draft", other), "no word is lost");
    assert_eq!(user.post(&format!("/patients/{one}/unmerging"), &[("merge", "1")]).await.status, 404);
    let held = app.state.db.read(|conn| Ok::<_, AppError>(postern::audit::verify(conn, None))).await.unwrap();
    assert!(held.is_ok(), "{held:?}");
}

async fn what_came_since_stays_where_it_is(app: App) {
    let user = app.user(Role::Staff).await;
    let (one, other) = twins(&app).await;
    let moved = app.message(&user, other, true).await;
    app.drain().await;
    assert_eq!(merge(&user, one, other, &[]).await, 303);
    let new = app.message(&user, one, true).await;
    let page = user.get(&moved).await.ok();
    let mut form = page.form_with("Send");
    form.set("body", "one more word");
    let fields = form.fields();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    user.post(&form.action, &fields).await.redirect();
    let chart = user.get(&format!("/patients/{one}")).await.ok();
    user.submit(&chart, "Undo the merge", &[]).await.redirect();
    let all = belongings(&app).await;
    let only =
        |patient| of(&all, "conversation", patient).iter().map(|line| line.split(' ').nth(1)).collect::<Vec<_>>();
    assert_eq!(only(other), [moved.rsplit('/').next()]);
    assert_eq!(only(one), [new.rsplit('/').next()]);
    // notifications move with the conversation: two of its messages, one of the other chart's
    assert_eq!((of(&all, "notification", other).len(), of(&all, "notification", one).len()), (2, 1));
    assert!(user.get(&moved).await.ok().has_text("one more word"));
}

async fn a_record_that_changed_meanwhile_asks(app: App) {
    let user = app.user(Role::Staff).await;
    let (one, other) = twins(&app).await;
    let page = user.get(&format!("/patients/{one}/merging?with={other}")).await.ok();
    user.post(&format!("/patients/{other}/notification-method"), &[("method", "none")]).await.redirect();
    let refused = user.submit(&page, "Merge the charts", &[("email", "other")]).await;
    assert_eq!(refused.status, 409);
    let again = refused.page();
    assert!(again.has_text("Nothing was merged"));
    assert_eq!(again.form_with("Merge the charts").value("email").as_deref(), Some("other"), "the choice is kept");
    user.submit(&again, "Merge the charts", &[]).await.redirect();
    // neither with itself nor with a record that does not exist
    for with in [one.to_string(), other.to_string(), "999".into(), "-1".into()] {
        assert_eq!(user.get(&format!("/patients/{one}/merging?with={with}")).await.status, 404, "{with}");
        assert_eq!(user.post(&format!("/patients/{one}/merging"), &[("with", &with)]).await.status, 404, "{with}");
    }
}

/// "Update Information" of the merged record is open in another tab: the typed words come into the form of the record
/// that is left, which asks before they replace what is there.
async fn what_was_typed_for_the_other_record_is_kept(app: App) {
    let user = app.user(Role::Staff).await;
    let (one, other) = twins(&app).await;
    let open = user.get(&format!("/patients/{other}/information")).await.ok();
    assert_eq!(merge(&user, one, other, &[]).await, 303);
    // the browser follows the redirect, and the notice is shown once
    user.get(&format!("/patients/{one}")).await.ok();
    let (to, notice) =
        user.submit(&open, "Save", &[("preferred_name", "Mari"), ("phone", "613 555 0177")]).await.says();
    assert_eq!((to.as_str(), notice.as_str()), (&*format!("/patients/{one}/information?kept=1"), "chart-merged"));
    let page = user.get(&to).await.ok();
    assert!(page.has_text("What you typed is back on this page"), "{}", page.text());
    assert!(page.has_text("has taken the place of the one"), "{}", page.text());
    assert_eq!(page.form_with("Save").value("preferred_name").as_deref(), Some("Mari"));
    assert!(!user.get(&format!("/patients/{one}")).await.ok().has_text("Mari,"), "it was saved");
    let asks = user.submit(&page, "Save", &[]).await;
    assert_eq!(asks.status, 409);
    assert!(asks.page().has_text("Somebody else changed this meanwhile") && asks.page().has_text("613 555 0177"));
    user.submit(&asks.page(), "Save", &[]).await.redirect();
    // after saving, the words are not offered any more
    assert!(!user.get(&to).await.ok().has_text("What you typed is back"));
    // a button has no words to keep
    let late = user.post(&format!("/patients/{other}/bringing-back"), &[]).await.says();
    assert_eq!(late, (format!("/patients/{one}"), "chart-merged".to_owned()));
}

async fn who_writes_at_that_moment_writes_to_the_one_that_is_left(app: App) {
    let user = app.user(Role::Staff).await;
    for round in 0..6 {
        let (one, other) = twins(&app).await;
        let page = user.get(&format!("/patients/{one}/merging?with={other}")).await.ok();
        let key = format!("0123456789abcdef-{round}");
        let message = [("title", "T"), ("body", "B"), ("key", key.as_str())];
        let path = format!("/patients/{other}/messages/new");
        let (merged, sent) =
            tokio::join!(user.submit(&page, "Merge the charts", &[("email", "own")]), user.post(&path, &message));
        assert_eq!((merged.status, sent.status), (303, 303), "{}", sent.body);
        let all = belongings(&app).await;
        assert_eq!((of(&all, "conversation", one).len(), of(&all, "notification", one).len()), (1, 1), "{all:#?}");
        assert!(of(&all, "conversation", other).is_empty() && of(&all, "notification", other).is_empty());
    }
    app.drain().await;
}

async fn a_merge_is_for_good_after_a_day(app: App) {
    let user = app.user(Role::Staff).await;
    let (one, other) = twins(&app).await;
    assert_eq!(merge(&user, one, other, &[]).await, 303);
    app.state.clock.advance(time::Duration::hours(25));
    let user = app.user(Role::Staff).await;
    assert!(!user.get(&format!("/patients/{one}")).await.ok().has_text("Undo the merge"));
    let late = user.post(&format!("/patients/{one}/unmerging"), &[("merge", "1")]).await.says();
    assert_eq!(late, (format!("/patients/{one}"), "merge-for-good".to_owned()));
    assert_eq!(user.get(&format!("/patients/{other}")).await.redirect(), format!("/patients/{one}"));
}

async fn doubles_are_listed_and_told(app: App) {
    let user = app.user(Role::Staff).await;
    let (one, other) = (app.patient(Like::default()).await, app.patient(Like::default()).await);
    let page = user.get("/patients/doubles").await.ok();
    assert!(page.has_text("The same health number"));
    let compare = page.links().into_iter().find(|link| link.text.starts_with("Compare")).unwrap().href;
    assert_eq!(compare, format!("/patients/{one}/merging?with={other}"));
    // a claim at the portal gets no passcode, because it fits two charts, and the chart says so
    let claim = async || {
        app.state.clock.advance(time::Duration::seconds(30));
        let who = app.anyone();
        let fields = [("number", "9434765919"), ("contact", "maria@example.org")];
        who.submit(&who.get("/portal").await.ok(), "Send me my passcode", &fields).await.redirect();
        app.drain().await;
        app.mailbox.newest_first().len()
    };
    assert_eq!(claim().await, 0);
    assert!(user.get(&format!("/patients/{one}")).await.ok().has_text("gets no passcode at the portal"));
    assert_eq!(merge(&user, one, other, &[]).await, 303);
    assert_eq!(claim().await, 1);
    assert!(user.get("/patients/doubles").await.ok().has_text("No two charts look alike."));
    assert!(!user.get(&format!("/patients/{one}")).await.ok().has_text("may belong to this patient"));
}

async fn a_patient_sees_who_looked_also_through_two_merges(app: App) {
    let user = app.user(Role::Staff).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(app.patient(Like::default()).await);
    }
    let [one, two, three] = all[..] else { unreachable!() };
    let conversation = app.message(&user, one, true).await;
    user.get(&conversation).await.ok();
    assert_eq!(merge(&user, two, one, &[]).await, 303);
    assert_eq!(merge(&user, three, two, &[]).await, 303);
    app.message(&user, three, true).await;
    app.drain().await;
    let (maria, _) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    // what she has seen nothing of can still be taken back: looks at it are told later
    assert_eq!(maria.get("/portal/information/views").await.ok().count("li.item"), 0);
    maria.get("/portal/messages").await.ok();
    let page = maria.get("/portal/information/views").await.ok();
    assert!(page.count("li.item") == 1, "{}", page.text());
}

async fn two_people_who_look_alike_are_told_apart(app: App) {
    let (user, colleague) = (app.user(Role::Staff).await, app.user(Role::Clinician).await);
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(app.patient(Like::default()).await);
    }
    let [one, two, three] = all[..] else { unreachable!() };
    let compared = async || {
        let links = user.get("/patients/doubles").await.ok().links();
        let compare = links.into_iter().filter(|link| link.text.starts_with("Compare"));
        compare.map(|link| link.href).collect::<Vec<_>>()
    };
    let path = |one: PatientId, other: PatientId| format!("/patients/{one}/merging?with={other}");
    assert_eq!(compared().await, [path(one, two), path(one, three)]);
    // told apart from either side, and twice, by the page that shows both
    let page = user.get(&path(two, one)).await.ok();
    for _ in 0..2 {
        let said = user.submit(&page, "These are two people", &[]).await.says();
        assert_eq!(said, ("/patients/doubles".to_owned(), "told-apart".to_owned()));
    }
    assert!(user.get(&path(one, two)).await.ok().has_text("These are two people, a user has said"));
    // the third chart may still be either of them
    assert_eq!(compared().await, [path(one, three)]);
    user.submit(&user.get(&path(one, three)).await.ok(), "These are two people", &[]).await.redirect();
    assert_eq!(compared().await, [path(two, three)]);
    let chart = user.get(&format!("/patients/{one}")).await.ok();
    assert!(!chart.has_text("may belong to this patient") && chart.has_text("cannot tell this patient from another"));
    assert!(user.get(&format!("/patients/{two}")).await.ok().has_text("may belong to this patient"));
    user.submit(&user.get(&path(two, three)).await.ok(), "These are two people", &[]).await.redirect();
    let page = user.get("/patients/doubles").await.ok();
    assert!(page.has_text("No two charts look alike.") && page.has_text("said so on 4 March 2026"), "{}", page.text());
    assert_eq!(page.count("form[action$=\"/distinctions/removal\"]"), 3);
    // undone by another user who may edit records
    let (undo, with) = (format!("/patients/{two}/distinctions/removal"), three.to_string());
    let undone = colleague.post(&undo, &[("with", &*with)]).await.says();
    assert_eq!(undone, ("/patients/doubles".to_owned(), "not-told-apart".to_owned()));
    assert_eq!(compared().await, [path(two, three)]);
    assert_eq!(colleague.post(&undo, &[("with", &*with)]).await.status, 404);
    let here = format!("/patients/{one}/distinctions");
    for other in [one.to_string(), "999".to_owned()] {
        assert_eq!(user.post(&here, &[("with", &*other)]).await.status, 404);
    }
    assert_eq!(user.post(&here, &[("with", "x")]).await.status, 400);
    const TOLD: &str = "SELECT action || ' ' || patient_id || ' ' || subject_id AS line FROM audit_events \
                        WHERE action LIKE '%told_apart' ORDER BY id";
    let told = lines(&app, TOLD, TOLD).await;
    assert_eq!(told.len(), 8);
    assert_eq!(&told[..2], [format!("charts_told_apart {two} {one}"), format!("charts_told_apart {one} {two}")]);
    assert_eq!(told[7], format!("charts_not_told_apart {three} {two}"));
    // such charts can still be merged, and undoing the merge leaves them told apart
    assert_eq!(merge(&user, one, two, &[]).await, 303);
    user.submit(&user.get(&format!("/patients/{one}")).await.ok(), "Undo the merge", &[]).await.redirect();
    assert!(user.get(&path(one, two)).await.ok().has_text("These are two people, a user has said"));
}

/// Every table that names patients has a place in the merge. The rows of one without would stay with a chart that
/// nobody opens.
async fn every_place_of_a_patient_is_thought_of(app: App) {
    let found = lines(
        &app,
        "SELECT m.name || '.' || f.\"from\" AS line FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
         WHERE m.type = 'table' AND f.\"table\" = 'patients'
         UNION SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND c.name = 'patient_id' ORDER BY 1",
        "SELECT c.table_name || '.' || c.column_name AS line FROM information_schema.columns c
         WHERE c.table_schema = 'public' AND c.column_name = 'patient_id'
         UNION SELECT t.relname || '.' || a.attname FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (k.conkey)
         WHERE k.contype = 'f' AND k.confrelid = 'patients'::regclass ORDER BY 1",
    );
    let found: BTreeSet<String> = found.await.into_iter().collect();
    let known: BTreeSet<String> = PLACES.iter().map(|(table, column, _)| format!("{table}.{column}")).collect();
    assert_eq!(found, known);
}
