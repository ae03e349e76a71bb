//! Deaths, inactive records, and records that another one replaces, as a source reports them.

use super::later_files::{A, ann, bundle, observation, with};
use crate::on_both;
use crate::support::app::App;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::{audit_events, patients as table};
use postern::db::{PatientId, Ts};
use postern::error::AppError;
use serde_json::json;

on_both!(
    a_death_ends_it_and_only_the_source_s_own_word_brings_it_back,
    what_a_user_has_archived_is_not_the_source_s_to_bring_back,
    what_a_source_says_again_undoes_nothing,
    a_record_that_another_one_replaces_is_only_kept,
    one_of_several_records_may_end_and_the_chart_goes_on,
);

async fn archived(app: &App) -> Option<String> {
    let read = app.state.db.read(|conn| -> Result<(Option<Ts>, Option<String>), AppError> {
        Ok(table::table.select((table::archived_at, table::archive_reason)).first(conn)?)
    });
    let (at, reason) = read.await.unwrap();
    assert_eq!(at.is_some(), reason.is_some());
    reason
}

async fn a_death_ends_it_and_only_the_source_s_own_word_brings_it_back(app: App) {
    app.import(bundle(A, &[ann()]), None).await;
    assert_eq!(archived(&app).await, None);
    let user = app.user(Role::Staff).await;
    app.message(&user, PatientId(1), true).await;
    app.drain().await;
    app.link_to("ann@example.org");
    let steps = [
        (json!({"deceasedDateTime": "2026-01-20"}), Some("deceased")),
        (json!({}), Some("deceased")),
        (json!({"deceasedBoolean": false}), None),
        (json!({"active": false}), Some("inactive")),
        (json!({"active": true}), None),
        (json!({"link": [{"type": "replaced-by", "other": {"reference": "Patient/q"}}]}), Some("replaced")),
        (json!({"active": true}), None),
    ];
    for (fields, expected) in steps {
        app.import(bundle(A, &[with(&ann(), fields.clone())]), None).await;
        assert_eq!(archived(&app).await.as_deref(), expected, "{fields}");
    }
    // the earlier links are permanently closed
    let open = app.state.db.read(|conn| -> Result<i64, AppError> {
        use postern::db::schema::portal_links;
        Ok(portal_links::table.filter(portal_links::ended_at.is_null()).count().get_result(conn)?)
    });
    assert_eq!(open.await.unwrap(), 0);
    let actions = app.state.db.read(|conn| -> Result<Vec<String>, AppError> {
        let both = ["patient_archived", "patient_brought_back"].map(str::to_owned).to_vec();
        Ok(audit_events::table.filter(audit_events::action.eq_any(both)).select(audit_events::action).load(conn)?)
    });
    assert_eq!(actions.await.unwrap().len(), 6);
}

async fn what_a_user_has_archived_is_not_the_source_s_to_bring_back(app: App) {
    app.import(bundle(A, &[ann()]), None).await;
    let user = app.user(Role::Staff).await;
    let page = user.get("/patients/1/archiving").await.ok();
    user.submit(&page, "Archive the record", &[("reason", "deceased")]).await.redirect();
    for fields in [json!({"deceasedBoolean": false, "active": true}), json!({"active": false}), json!({"active": true})]
    {
        app.import(bundle(A, &[with(&ann(), fields.clone())]), None).await;
        assert_eq!(archived(&app).await.as_deref(), Some("deceased"), "{fields}");
    }
}

async fn what_a_source_says_again_undoes_nothing(app: App) {
    let died = with(&ann(), json!({"deceasedBoolean": true}));
    app.import(bundle(A, std::slice::from_ref(&died)), None).await;
    let user = app.user(Role::Staff).await;
    let page = user.get("/patients/1").await.ok();
    user.submit(&page, "Bring the record back", &[]).await.redirect();
    // the same file again, and the same patient beside something else
    app.import(bundle(A, std::slice::from_ref(&died)), None).await;
    app.import(bundle(A, &[died, observation("o", "Iron", "2026-02-02")]), None).await;
    assert_eq!(archived(&app).await, None);
    // a new statement of the source is followed
    app.import(bundle(A, &[with(&ann(), json!({"active": false}))]), None).await;
    assert_eq!(archived(&app).await.as_deref(), Some("inactive"));
}

/// The reason why each patient's record is archived, by identity; `None` for records in use.
async fn standings(app: &App) -> Vec<Option<String>> {
    let read = app.state.db.read(|conn| -> Result<Vec<Option<String>>, AppError> {
        Ok(table::table.order(table::id).select(table::archive_reason).load(conn)?)
    });
    read.await.unwrap()
}

async fn a_record_that_another_one_replaces_is_only_kept(app: App) {
    let old = |n: usize| json!({"resourceType": "Patient", "id": format!("old{n}"), "name": [{"family": format!("Old{n}")}], "birthDate": "1950-01-01"});
    let new = |n: usize, old: &str| {
        json!({"resourceType": "Patient", "id": format!("new{n}"), "name": [{"family": format!("New{n}")}], "birthDate": "1960-01-01",
            "link": [{"type": "replaces", "other": {"reference": old}}]})
    };
    // in any order, together or apart, and with any form of reference
    app.import(bundle(A, &[old(1), new(1, "Patient/old1")]), None).await;
    app.import(bundle(A, &[new(2, &format!("{A}/Patient/old2"))]), None).await;
    app.import(bundle(A, &[old(2)]), None).await;
    app.import(bundle(A, &[old(3)]), None).await;
    app.import(bundle(A, &[new(3, "Patient/old3/_history/2")]), None).await;
    // a reference to another server does not mean this source's record
    app.import(bundle(A, &[old(4), new(4, "https://other.example/Patient/old4")]), None).await;
    let replaced = standings(&app).await.iter().filter(|reason| reason.as_deref() == Some("replaced")).count();
    assert_eq!((replaced, standings(&app).await.len()), (3, 8), "{:?}", standings(&app).await);
}

async fn one_of_several_records_may_end_and_the_chart_goes_on(app: App) {
    let twin = with(&ann(), json!({"id": "q", "birthDate": "1981-02-28"}));
    app.import(bundle(A, &[ann(), twin.clone()]), None).await;
    let user = app.user(Role::Staff).await;
    let page = user.get("/patients/1/merging?with=2").await.ok();
    user.submit(&page, "Merge the charts", &[]).await.redirect();
    app.import(bundle(A, &[with(&twin, json!({"active": false}))]), None).await;
    assert_eq!(standings(&app).await[0], None);
    app.import(bundle(A, &[with(&twin, json!({"deceasedBoolean": true}))]), None).await;
    assert_eq!(standings(&app).await[0].as_deref(), Some("deceased"), "a death is the patient's");
}
