//! Every change leaves an audit row, and the chain of hashes shows tampering.

use super::routes;
use crate::on_both;
use crate::support::app::{Actor, Answer, App};
use crate::support::world::{Like, PASSWORD};
use crate::users::second_factor::code;
use diesel::prelude::*;
use postern::access::Role;
use postern::audit::Broken;
use postern::clock::Token;
use postern::db::UserId;
use postern::db::schema::{audit_events, emr_writes as w, users as user_table};
use postern::db::sealed;
use postern::error::AppError;
use postern::users;
use std::collections::BTreeSet;

/// POST routes that change nothing that is stored permanently.
const NOTHING_KEPT: &[&str] = &[
    // a challenge opens nothing, and is removed after ten minutes
    "POST /sign-in/passkey/challenge",
    "POST /sign-in/second-step/challenge",
    "POST /account/confirmation/challenge",
    "POST /account/second-factor/passkeys/challenge",
    // nor does a visit at the provider: its answer leaves a row
    "POST /sign-in/provider",
    "POST /sign-in/emr",
    "POST /password/{token}/provider",
    "POST /account/provider",
    "POST /account/confirmation/provider",
    "POST /settings/notification-templates/{kind}/{channel}/{language}/preview",
    "POST /portal/language",
    "POST /patients/{patient}/messages/preview",
    "POST /patients/{patient}/messages/template",
    "POST /conversations/{conversation}/messages/template",
    "POST /broadcasts/template",
    "POST /broadcasts/recipients",
    // who is typing is held in memory for some seconds: what they send, and their draft, leave a row
    "POST /conversations/{conversation}/answering",
    // the page to which it leads leaves a row
    "POST /searches",
    // no EMR is configured: see the tests of the sync
    "POST /settings/sync",
    "POST /patients/{patient}/differences",
];

on_both!(every_post_leaves_a_row, tampering_shows, the_log_refuses_changes);

async fn rows(app: &App) -> i64 {
    let read = app.state.db.read(|conn| -> Result<i64, AppError> { Ok(audit_events::table.count().get_result(conn)?) });
    read.await.unwrap()
}

struct Script {
    app: App,
    seen: BTreeSet<String>,
    rows: i64,
}

impl Script {
    /// Asserts that the POST had this status and left an audit row.
    async fn check(&mut self, route: &str, status: u16, answer: &Answer) {
        assert_eq!(answer.status, status, "{route}: {}", answer.page().text());
        let rows = rows(&self.app).await;
        assert!(rows > self.rows, "{route} left no audit row");
        self.rows = rows;
        self.seen.insert(format!("POST {route}"));
    }
    async fn skip(&mut self) {
        self.rows = rows(&self.app).await;
    }
}

/// A message that an EMR has refused: none is configured here.
async fn not_in_record(app: &App, message: i64) {
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<usize, AppError> {
        let row = (
            (w::message_id.eq(message), w::is_paper.eq(false), w::source.eq("Harbour EMR"), w::state.eq("refused")),
            (w::reason.eq("refused"), w::words.eq(sealed::text("")), w::part_of.eq(""), w::documents.eq("")),
            (w::uid.eq("a"), w::resource.eq(""), w::created_at.eq(now), w::state_at.eq(now)),
        );
        Ok(diesel::insert_into(w::table).values(row).execute(tx.conn())?)
    });
    assert_eq!(write.await.unwrap(), 1);
}

/// Posts a form with a file.
async fn with_file(actor: &Actor, path: &str) -> Answer {
    let body = "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.txt\"\r\n\r\nwords\r\n--b--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=b"), ("origin", &*actor.origin)];
    actor.send("POST", path, &headers, body).await
}

async fn every_post_leaves_a_row(app: App) {
    let owner = app.user(Role::Owner).await;
    let colleague = app.user(Role::Staff).await;
    let key = |n: u32| format!("0123456789abcdef-{n}");
    let users: Vec<i64> = app
        .state
        .db
        .read(|conn| -> Result<Vec<i64>, AppError> {
            Ok(user_table::table.order(user_table::id).select(user_table::id).load(conn)?)
        })
        .await
        .unwrap();
    let mut script = Script { rows: rows(&app).await, app, seen: BTreeSet::new() };

    let answer =
        script.app.anyone().post("/sign-in", &[("email", "nobody@x.example"), ("password", "wrong wrong")]).await;
    script.check("/sign-in", 422, &answer).await;
    let (now, token) = (script.app.state.clock.now(), Token::received("a-token-of-a-test-0123456789"));
    let (made, id) = (token.clone(), UserId(users[1]));
    let write = script.app.state.db.write(move |tx| -> Result<_, AppError> {
        Ok(users::make_password_link(tx, now, id, postern::users::Purpose::Invitation, &made)?)
    });
    write.await.unwrap();
    script.skip().await;
    let new_password = [("password", PASSWORD), ("again", PASSWORD)];
    let answer = script.app.anyone().post(&format!("/password/{}", token.reveal()), &new_password).await;
    script.check("/password/{token}", 303, &answer).await;
    let forgotten = [("email", "nobody@x.example")];
    let answer = script.app.anyone().post("/forgotten-password", &forgotten).await;
    script.check("/forgotten-password", 303, &answer).await;
    let invited = [("name", "New"), ("email", "new@x.example"), ("role", "viewer"), ("language", "en")];
    let answer = owner.post("/settings/users", &invited).await;
    script.check("/settings/users", 303, &answer).await;
    let by_hand = [("how", "shown")];
    let answer = owner.post(&format!("/settings/users/{}/password-links", users[1]), &by_hand).await;
    script.check("/settings/users/{user}/password-links", 200, &answer).await;
    let second = script.app.user(Role::Viewer).await;
    script.skip().await;
    let moved = [("email", "moved@x.example"), ("password", PASSWORD)];
    let answer = second.post("/account/email", &moved).await;
    script.check("/account/email", 303, &answer).await;
    let another = script.app.anyone();
    another.post("/sign-in", &moved).await.redirect();
    script.skip().await;
    let answer = another.post("/account/sessions", &[("session", "others")]).await;
    script.check("/account/sessions", 303, &answer).await;
    let answer = another.post("/account/confirmation", &[("password", PASSWORD)]).await;
    script.check("/account/confirmation", 303, &answer).await;
    let answer = another.post("/account/second-factor/app", &[]).await;
    script.check("/account/second-factor/app", 303, &answer).await;
    let secret = another.get("/account/second-factor/app").await.ok().text_of(".secret");
    let typed = code(&script.app, &secret);
    let answer = another.post("/account/second-factor/app/code", &[("code", &typed)]).await;
    script.check("/account/second-factor/app/code", 200, &answer).await;
    let answer = another.post("/account/second-factor/recovery-codes", &[]).await;
    script.check("/account/second-factor/recovery-codes", 200, &answer).await;
    let visitor = script.app.anyone();
    let answer = visitor.post("/sign-in", &moved).await;
    script.check("/sign-in", 303, &answer).await;
    let answer = visitor.post("/sign-in/second-step", &[("code", "x")]).await;
    script.check("/sign-in/second-step", 422, &answer).await;
    let answer = another.post("/account/second-factor/app/removal", &[]).await;
    script.check("/account/second-factor/app/removal", 303, &answer).await;
    let answer = owner.post("/settings/users/2/sessions", &[]).await;
    script.check("/settings/users/{user}/sessions", 303, &answer).await;
    let answer = owner.post("/settings/users/1/second-factor", &[]).await;
    script.check("/settings/users/{user}/second-factor", 303, &answer).await;
    let answer = owner.post("/settings/users/1/provider/removal", &[]).await;
    script.check("/settings/users/{user}/provider/removal", 303, &answer).await;
    let answer = owner.post("/settings/users/1/emr/removal", &[]).await;
    script.check("/settings/users/{user}/emr/removal", 303, &answer).await;
    // this test has no identity provider and no EMR: users::single_sign_on and emr::launch check their rows
    for provider in ["/sign-in/provider/answer", "/account/provider/removal", "/sign-in/emr/answer", "/account/emr"] {
        script.seen.insert(format!("POST {provider}"));
    }
    // browsers have no passkeys for an IP address: users::passkeys checks their rows
    for passkeys in
        ["/sign-in/passkey", "/account/second-factor/passkeys", "/account/second-factor/passkeys/{passkey}/removal"]
    {
        script.seen.insert(format!("POST {passkeys}"));
    }
    let answer = owner.post("/settings/sign-in", &[]).await;
    script.check("/settings/sign-in", 303, &answer).await;
    let new = "a green kettle sings at noon";
    let answer = another.post("/account/password", &[("current", PASSWORD), ("new", new), ("again", new)]).await;
    script.check("/account/password", 303, &answer).await;
    let answer = colleague.post("/sign-out", &[]).await;
    // setting a password has ended that user's sessions, so signing out may find no session
    if rows(&script.app).await == script.rows {
        let staff = script.app.user(Role::Staff).await;
        script.skip().await;
        let answer = staff.post("/sign-out", &[]).await;
        script.check("/sign-out", 303, &answer).await;
    } else {
        script.check("/sign-out", 303, &answer).await;
    }
    let clinic =
        [("name", "A Clinic"), ("phone", "613 555 0100"), ("time_zone", "America/Toronto"), ("language", "en")];
    let answer = owner.post("/settings/clinic", &clinic).await;
    script.check("/settings/clinic", 303, &answer).await;
    let on = [
        ("portal_on", "on"),
        ("portal_for_new_patients", "on"),
        ("replies_by_default", "on"),
        ("portal_idle_minutes", "15"),
        ("portal_longest_hours", "12"),
        ("passcodes_a_day", "20"),
        ("portal_stay_days", "0"),
    ];
    let answer = owner.post("/settings/patient-portal", &on).await;
    script.check("/settings/patient-portal", 303, &answer).await;

    let staff = users[1];
    let account = [("name", "Sam Roy"), ("email", "sam@clinic.example"), ("role", "staff")];
    let answer = owner.post(&format!("/settings/users/{staff}"), &account).await;
    script.check("/settings/users/{user}", 303, &answer).await;
    let answer = owner.post(&format!("/settings/users/{staff}/deactivation"), &[]).await;
    script.check("/settings/users/{user}/deactivation", 303, &answer).await;
    let answer = owner.post(&format!("/settings/users/{staff}/reactivation"), &[]).await;
    script.check("/settings/users/{user}/reactivation", 303, &answer).await;
    let answer = owner.post("/account/notifications", &[("told", "hourly")]).await;
    script.check("/account/notifications", 303, &answer).await;
    let answer = owner.post("/account/keys", &[("keys", "off")]).await;
    script.check("/account/keys", 303, &answer).await;
    let away = [("away_from", "2026-03-04"), ("away_until", "2026-03-06"), ("cover", "sam@clinic.example")];
    let answer = owner.post("/account/away", &away).await;
    script.check("/account/away", 303, &answer).await;
    let answer = owner.post("/settings/users/1/away", &away).await;
    script.check("/settings/users/{user}/away", 303, &answer).await;
    let answer = owner.post("/account/session", &[]).await;
    script.check("/account/session", 303, &answer).await;
    let wordings = "/settings/notification-templates";
    let place = format!("{wordings}/reminder/email/en");
    let words = [("subject", "S"), ("body", "{link}")];
    let answer = owner.post(wordings, &[("tell_of_access", "off")]).await;
    script.check(wordings, 303, &answer).await;
    let answer = owner.post(&place, &words).await;
    script.check("/settings/notification-templates/{kind}/{channel}/{language}", 303, &answer).await;
    let answer = owner.post(&format!("{place}/test"), &words).await;
    script.check("/settings/notification-templates/{kind}/{channel}/{language}/test", 200, &answer).await;
    let answer = owner.post(&format!("{place}/default"), &[]).await;
    script.check("/settings/notification-templates/{kind}/{channel}/{language}/default", 303, &answer).await;
    let quiet = [("quiet", "on"), ("quiet_from", "21:00"), ("quiet_until", "21:01")];
    let answer = owner.post("/settings/gateways", &quiet).await;
    script.check("/settings/gateways", 303, &answer).await;
    let template = [("name", "N"), ("language", "en"), ("title", "T"), ("body", "B"), ("scope", "clinic")];
    let answer = owner.post("/settings/message-templates", &template).await;
    script.check("/settings/message-templates", 303, &answer).await;
    let answer = owner.post("/settings/message-templates/1", &[&template[..], &[("version", "1")]].concat()).await;
    script.check("/settings/message-templates/{template}", 303, &answer).await;
    let answer = owner.post("/settings/message-templates/1/copies", &[]).await;
    script.check("/settings/message-templates/{template}/copies", 303, &answer).await;
    let answer = owner.post("/settings/message-templates/1/retirement", &[("retired", "on")]).await;
    script.check("/settings/message-templates/{template}/retirement", 303, &answer).await;

    let person = [
        ("given_name", "Ada"),
        ("family_name", "Ng"),
        ("day", "4"),
        ("month", "3"),
        ("year", "1951"),
        ("email", "ada@example.org"),
        ("phone", "613 555 0123"),
        ("language", "en"),
        ("method", "email"),
        ("portal_access", "on"),
    ];
    let list = [("list", "nom,dob\nRoy,1980-02-29\n"), ("confirmed", "1")];
    let answer = owner.post("/patients/import", &list).await;
    script.check("/patients/import", 303, &answer).await;
    let answer = owner.post("/patients", &person).await;
    script.check("/patients", 303, &answer).await;
    let patient = answer.location.split('?').next().unwrap().to_owned();
    let answer = owner
        .post(&format!("{patient}/information"), &[&person[..], &[("health_number", "1234 567 890")]].concat())
        .await;
    script.check("/patients/{patient}/information", 303, &answer).await;
    let answer = owner.post(&format!("{patient}/notification-method"), &[("method", "both")]).await;
    script.check("/patients/{patient}/notification-method", 303, &answer).await;
    owner.post(&format!("{patient}/notification-method"), &[("method", "email")]).await.redirect();
    script.skip().await;
    let answer = owner.post(&format!("{patient}/addresses"), &[("channel", "email")]).await;
    script.check("/patients/{patient}/addresses", 303, &answer).await;
    let answer = owner.post(&format!("{patient}/archiving"), &[("reason", "left")]).await;
    script.check("/patients/{patient}/archiving", 303, &answer).await;
    let answer = owner.post(&format!("{patient}/bringing-back"), &[]).await;
    script.check("/patients/{patient}/bringing-back", 303, &answer).await;
    let answer = owner.post(&format!("{patient}/hold"), &[("note", "A claim")]).await;
    script.check("/patients/{patient}/hold", 303, &answer).await;
    let answer = owner.post(&format!("{patient}/hold/removal"), &[]).await;
    script.check("/patients/{patient}/hold/removal", 303, &answer).await;
    let periods = ["keep_deceased_years", "keep_left_years", "keep_mistake_years", "keep_until_age"];
    let answer = owner.post("/settings/records", &periods.map(|period| (period, "9"))).await;
    script.check("/settings/records", 303, &answer).await;
    let answer = owner.post("/settings/hours", &[("from_1", "09:00"), ("until_1", "17:00")]).await;
    script.check("/settings/hours", 303, &answer).await;
    let member = users[0].to_string();
    let answer = owner.post("/settings/teams", &[("name", "Reception"), ("member", &member)]).await;
    script.check("/settings/teams", 303, &answer).await;
    let answer = owner.post("/settings/teams/1", &[("name", "Front desk"), ("member", &member)]).await;
    script.check("/settings/teams/{team}", 303, &answer).await;
    for archived in ["on", "off"] {
        let answer = owner.post("/settings/teams/1/archiving", &[("archived", archived)]).await;
        script.check("/settings/teams/{team}/archiving", 303, &answer).await;
    }
    let leaver = script.app.patient(Like::default()).await;
    owner.post(&format!("/patients/{leaver}/archiving"), &[("reason", "left")]).await.redirect();
    script.skip().await;
    let answer = owner.post(&format!("/patients/{leaver}/deletion"), &[("name", "María Mejía")]).await;
    script.check("/patients/{patient}/deletion", 303, &answer).await;
    // records are due only after years: patients::records checks the rows
    script.seen.insert("POST /settings/records/deletion".to_owned());
    // no EMR is configured here: emr::connection checks the rows
    for path in ["{number}", "{number}/test", "keys"] {
        script.seen.insert(format!("POST /settings/emr/{path}"));
    }
    let twin = script.app.patient(Like::default()).await;
    for path in ["distinctions", "distinctions/removal"] {
        let answer = owner.post(&format!("{patient}/{path}"), &[("with", &*twin.to_string())]).await;
        script.check(&format!("/patients/{{patient}}/{path}"), 303, &answer).await;
    }
    let page = owner.get(&format!("{patient}/merging?with={twin}")).await.ok();
    script.skip().await;
    let answer = owner.submit(&page, "Merge the charts", &[]).await;
    script.check("/patients/{patient}/merging", 303, &answer).await;
    let page = owner.get(&patient).await.ok();
    script.skip().await;
    let answer = owner.submit(&page, "Undo the merge", &[]).await;
    script.check("/patients/{patient}/unmerging", 303, &answer).await;
    let gone = [("reason", "mistake")];
    let answer = owner.post(&format!("/patients/{twin}/archiving"), &gone).await;
    script.check("/patients/{patient}/archiving", 303, &answer).await;
    let draft = [("title", "T"), ("body", "B"), ("key", &key(1)), ("draft_version", "0")];
    let answer = owner.post(&format!("{patient}/messages/draft"), &draft).await;
    script.check("/patients/{patient}/messages/draft", 303, &answer).await;
    let answer = owner.post(&format!("{patient}/messages/draft/removal"), &[("draft_version", "1")]).await;
    script.check("/patients/{patient}/messages/draft/removal", 303, &answer).await;
    let repair = [("portal_access", "on"), ("email", "ada@example.org"), ("phone", "613 555 0123"), ("method", "both")];
    let answer = owner.post(&format!("{patient}/messages/repair"), &repair).await;
    script.check("/patients/{patient}/messages/repair", 303, &answer).await;
    let answer =
        owner.post(&format!("{patient}/messages/repair"), &[&repair[..3], &[("method", "email")]].concat()).await;
    script.check("/patients/{patient}/messages/repair", 303, &answer).await;
    let answer = owner
        .post(
            &format!("{patient}/messages/new"),
            &[("title", "T"), ("body", "B"), ("key", &key(1)), ("replies_allowed", "on"), ("offer", "read")],
        )
        .await;
    script.check("/patients/{patient}/messages/new", 303, &answer).await;
    let conversation = answer.location.split('?').next().unwrap().to_owned();
    script.app.drain().await;
    script.skip().await;

    for path in [
        &format!("{patient}/uploads"),
        &format!("{patient}/messages/files"),
        &format!("{conversation}/messages/files"),
        &format!("{conversation}/notes/files"),
    ] {
        let got = with_file(&owner, path).await;
        let route = match path.rsplit('/').next() {
            Some("uploads") => "/patients/{patient}/uploads",
            _ if path.starts_with("/patients") => "/patients/{patient}/messages/files",
            _ if path.contains("/notes/") => "/conversations/{conversation}/notes/files",
            _ => "/conversations/{conversation}/messages/files",
        };
        script.check(route, 200, &got).await;
    }
    let field =
        |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let file = "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.txt\"\r\n\r\nwords\r\n--b--\r\n";
    let body = [&field("title", "A letter"), &field("date", "2026-01-02"), file].concat();
    let headers = [("content-type", "multipart/form-data; boundary=b"), ("origin", &*owner.origin)];
    let answer = owner.send("POST", &format!("{patient}/files"), &headers, &body).await;
    script.check("/patients/{patient}/files", 303, &answer).await;
    let answer = owner.post(&format!("{patient}/uploads/1/removal"), &[]).await;
    script.check("/patients/{patient}/uploads/{upload}/removal", 204, &answer).await;

    let to = users[1].to_string();
    let answer = owner.post(&format!("{conversation}/attention"), &[]).await;
    script.check("/conversations/{conversation}/attention", 303, &answer).await;
    let answer = owner.post(&format!("{conversation}/participants"), &[("to", &to)]).await;
    script.check("/conversations/{conversation}/participants", 303, &answer).await;
    let answer = owner.post(&format!("{conversation}/assignment"), &[("user", &to)]).await;
    script.check("/conversations/{conversation}/assignment", 303, &answer).await;
    let answer = owner.post(&format!("{conversation}/assignment"), &[("user", "")]).await;
    script.check("/conversations/{conversation}/assignment", 303, &answer).await;
    let number = conversation.rsplit('/').next().unwrap().to_owned();
    let ticked = [("conversation", number.as_str()), ("shown", "-"), ("user", to.as_str())];
    let answer = owner.post("/inbox/assignment", &ticked).await;
    script.check("/inbox/assignment", 303, &answer).await;
    let now = format!("{to}~0");
    let back = [("conversation", number.as_str()), ("shown", "-"), ("now", now.as_str())];
    let answer = owner.post("/inbox/assignment/removal", &back).await;
    script.check("/inbox/assignment/removal", 303, &answer).await;
    let answer = owner.post(&format!("{conversation}/participants/removal"), &[("user", &to)]).await;
    script.check("/conversations/{conversation}/participants/removal", 303, &answer).await;
    let answer = owner.post(&format!("{conversation}/replies"), &[("allowed", "off")]).await;
    script.check("/conversations/{conversation}/replies", 303, &answer).await;
    let answer = owner.post(&format!("{conversation}/replies"), &[("allowed", "on")]).await;
    script.check("/conversations/{conversation}/replies", 303, &answer).await;
    for writing in ["messages", "notes"] {
        let draft = [("body", "half"), ("key", &*key(9)), ("draft_version", "0")];
        let route = format!("/conversations/{{conversation}}/{writing}/draft");
        let answer = owner.post(&format!("{conversation}/{writing}/draft"), &draft).await;
        script.check(&route, 303, &answer).await;
        let answer = owner.post(&format!("{conversation}/{writing}/draft/removal"), &[("draft_version", "1")]).await;
        script.check(&format!("{route}/removal"), 303, &answer).await;
    }
    let answer = owner.post(&format!("{conversation}/notes"), &[("body", "note"), ("key", &key(2))]).await;
    script.check("/conversations/{conversation}/notes", 303, &answer).await;
    let answer = owner.post(&format!("{conversation}/messages"), &[("body", "more"), ("key", &key(3))]).await;
    script.check("/conversations/{conversation}/messages", 303, &answer).await;
    let message = answer.location.rsplit('-').next().unwrap().to_owned();
    let answer = owner.post(&format!("{conversation}/cancellations"), &[("notification", "2")]).await;
    script.check("/conversations/{conversation}/cancellations", 303, &answer).await;
    script.app.drain().await;
    script.skip().await;
    let answer = owner.post(&format!("{conversation}/notifications"), &[("message", &message)]).await;
    script.check("/conversations/{conversation}/notifications", 303, &answer).await;
    not_in_record(&script.app, message.parse().unwrap()).await;
    let answer = owner.post(&format!("{conversation}/record"), &[("message", &message)]).await;
    script.check("/conversations/{conversation}/record", 303, &answer).await;
    script.app.drain().await;
    script.skip().await;
    let answer = owner.post(&format!("{patient}/notifications"), &[]).await;
    script.check("/patients/{patient}/notifications", 303, &answer).await;
    let outbox = owner.get("/outbox?kind=portal_access").await.ok();
    let answer = owner.submit(&outbox, "Cancel", &[]).await;
    script.check("/patients/{patient}/cancellations", 303, &answer).await;

    let link = script.app.link_to("ada@example.org");
    script.skip().await;
    let browser = script.app.anyone();
    let answer = browser.post(&format!("{link}/passcode"), &[]).await;
    script.check("/portal/link/{token}/passcode", 303, &answer).await;
    script.app.drain().await;
    script.skip().await;
    let code = script.app.passcode_to("+16135550123");
    let born = [("day", "4"), ("month", "3"), ("year", "1951")];
    let answer = browser.post(&format!("{link}/session"), &[&[("passcode", "1")], &born[..]].concat()).await;
    script.check("/portal/link/{token}/session", 422, &answer).await;
    let answer = browser.post(&format!("{link}/session"), &[&[("passcode", code.as_str())], &born[..]].concat()).await;
    script.check("/portal/link/{token}/session", 303, &answer).await;
    for page in ["/portal/messages", "/portal/messages/1"] {
        browser.get(page).await.ok();
        let answer = browser.get(page).await;
        assert!(rows(&script.app).await > script.rows && answer.status == 200, "{page} left no audit row");
        script.skip().await;
    }
    let answer = browser.post("/portal/messages/1/replies", &[("body", "thanks"), ("key", &key(4))]).await;
    script.check("/portal/messages/{number}/replies", 303, &answer).await;
    let answer = browser.post("/portal/messages/1/draft", &[("body", "and")]).await;
    script.check("/portal/messages/{number}/draft", 303, &answer).await;
    let answer = browser.post("/portal/messages/1/answers", &[("message", "1"), ("answer", "read")]).await;
    script.check("/portal/messages/{number}/answers", 303, &answer).await;
    let answer = browser.post("/portal/session", &[]).await;
    script.check("/portal/session", 303, &answer).await;
    let answer = browser.post("/portal/information", &[("language", "en"), ("method", "email")]).await;
    script.check("/portal/information", 303, &answer).await;
    for page in ["/portal/information", "/portal/information/views", "/portal/information/download"] {
        assert_eq!(browser.get(page).await.status, 200, "{page}");
        assert!(rows(&script.app).await > script.rows, "{page} left no audit row");
        script.skip().await;
    }
    let answer = browser.post("/portal/logout", &[]).await;
    script.check("/portal/logout", 303, &answer).await;
    script.app.state.clock.advance(time::Duration::minutes(1));
    let (browser, _) = script.app.go_in(&link, "+16135550123").await;
    script.skip().await;
    let answer = browser.post("/portal/sessions/end", &[]).await;
    script.check("/portal/sessions/end", 303, &answer).await;
    let remove = reqwest::multipart::Form::new().text("remove", "on");
    let address = format!("{}/settings/images/logo", script.app.origin);
    let removed = owner.http.post(address).header("origin", &script.app.origin).multipart(remove);
    let removed = removed.header("x-whose", owner.whose("/settings").await).send().await.unwrap();
    assert_eq!(removed.status().as_u16(), 303);
    assert!(rows(&script.app).await > script.rows);
    script.skip().await;
    script.seen.insert("POST /settings/images/{kind}".into());
    let claim = [("kind", "health_number"), ("number", "1234567"), ("contact", "nobody@example.org")];
    let answer = browser.post("/portal/entry", &claim).await;
    script.check("/portal/entry", 303, &answer).await;
    let answer = owner.post(&format!("{patient}/portal-unlocking"), &[]).await;
    script.check("/patients/{patient}/portal-unlocking", 303, &answer).await;

    let answer = owner.post("/account/views", &crate::conversations::saved_views::form("Mine")).await;
    script.check("/account/views", 303, &answer).await;
    let answer = owner.post("/account/views/1", &[("name", "Ours"), ("opens_first", "on")]).await;
    script.check("/account/views/{view}", 303, &answer).await;
    let answer = owner.post("/account/views/1/removal", &[]).await;
    script.check("/account/views/{view}/removal", 303, &answer).await;
    let answer = owner.post("/language", &[("language", "en"), ("back", "/inbox")]).await;
    script.check("/language", 303, &answer).await;
    let answer = owner.post(&format!("{conversation}/done"), &[]).await;
    script.check("/conversations/{conversation}/done", 303, &answer).await;
    let answer = owner.post(&format!("{conversation}/done/removal"), &[]).await;
    script.check("/conversations/{conversation}/done/removal", 303, &answer).await;
    let answer = owner.post(&format!("{conversation}/unread"), &[]).await;
    script.check("/conversations/{conversation}/unread", 303, &answer).await;
    let id = conversation.rsplit('/').next().unwrap();
    for path in ["/inbox/done", "/inbox/done/removal", "/inbox/unread"] {
        let answer = owner.post(path, &[("conversation", id)]).await;
        script.check(path, 303, &answer).await;
    }
    let later = [("title", "T"), ("body", "B"), ("key", &*key(90)), ("later", "tomorrow")];
    let many_key = key(91);
    let many = [("key", &*many_key), ("title", "To many"), ("body", "Words"), ("recipients", &*patient)];
    let begun = [&many[..], &[("draft_version", "0")]].concat();
    let answer = owner.post("/broadcasts/draft", &begun).await;
    script.check("/broadcasts/draft", 303, &answer).await;
    let answer = owner.post("/broadcasts/draft/removal", &[("draft_version", "1")]).await;
    script.check("/broadcasts/draft/removal", 303, &answer).await;
    let answer = with_file(&owner, "/broadcasts/files").await;
    script.check("/broadcasts/files", 200, &answer).await;
    let answer = with_file(&owner, "/broadcasts/files/added").await;
    script.check("/broadcasts/files/added", 200, &answer).await;
    let file = crate::files::uploads::id_of(&answer.body);
    let answer = owner.post(&format!("/broadcasts/files/added/{file}/removal"), &[]).await;
    script.check("/broadcasts/files/added/{upload}/removal", 204, &answer).await;
    for (at, change) in [(1, "sending"), (1, "stopping"), (2, "removal")] {
        if change != "stopping" {
            let language = if at == 1 { "en" } else { "fr" };
            let answer = owner.post("/broadcasts", &[&many[..], &[("language", language)]].concat()).await;
            script.check("/broadcasts", 303, &answer).await;
        }
        let answer = owner.post(&format!("/broadcasts/{at}/{change}"), &[]).await;
        script.check(&format!("/broadcasts/{{broadcast}}/{change}"), 303, &answer).await;
    }
    let answer = owner.post(&format!("{patient}/messages/scheduled"), &later).await;
    script.check("/patients/{patient}/messages/scheduled", 303, &answer).await;
    let later = [("body", "B"), ("key", &*key(91)), ("later", "tomorrow")];
    let answer = owner.post(&format!("{conversation}/messages/scheduled"), &later).await;
    script.check("/conversations/{conversation}/messages/scheduled", 303, &answer).await;
    for (id, change, version) in [(1, "cancellation", "1"), (1, "removal", "2"), (2, "sending", "1")] {
        let answer = owner.post(&format!("/scheduled/{id}/{change}"), &[("version", version)]).await;
        script.check(&format!("/scheduled/{{scheduled}}/{change}"), 303, &answer).await;
    }
    owner.post("/scheduled/2/cancellation", &[("version", "2")]).await.redirect();
    let answer = owner.post("/settings/reach", &[("phone_days", "3"), ("letter_days", "7")]).await;
    script.check("/settings/reach", 303, &answer).await;
    let answer = owner.post("/settings/sync/rules", &[("email", "emr")]).await;
    script.check("/settings/sync/rules", 303, &answer).await;
    let page = owner.get(&conversation).await.ok();
    owner.submit(&page, "Send", &[("body", "A word too much")]).await.redirect();
    script.skip().await;
    let page = owner.get(&format!("{conversation}/call")).await.ok();
    let answer =
        owner.submit(&page, "Save the call", &[("outcome", "voicemail"), ("note", "Her sister's voice")]).await;
    script.check("/conversations/{conversation}/call", 303, &answer).await;
    let address = [("street", "12 Elm Street"), ("city", "Ottawa"), ("postal_code", "K1A 0B1")];
    let answer = owner.post(&format!("{patient}/postal-address"), &address).await;
    script.check("/patients/{patient}/postal-address", 303, &answer).await;
    let answer = owner.post("/settings/own-word", &[("shown", "on")]).await;
    script.check("/settings/own-word", 303, &answer).await;
    let answer = owner.post(&format!("{patient}/own-word"), &[("word", "Marigold")]).await;
    script.check("/patients/{patient}/own-word", 303, &answer).await;
    let answer = owner.post("/settings/caregivers", &[("look_age", "14"), ("end_age", "")]).await;
    script.check("/settings/caregivers", 303, &answer).await;
    let page = owner.get(&format!("{patient}/caregivers")).await.ok();
    script.skip().await;
    let fields = [("name", "Ana Roy"), ("relation", "parent"), ("day", "1"), ("month", "2"), ("year", "1980")];
    let fields = [&fields[..], &[("email", "ana@example.org")]].concat();
    let answer = owner.submit(&page, "Add a caregiver", &fields).await;
    script.check("/patients/{patient}/caregivers", 303, &answer).await;
    let page = owner.get(&format!("{patient}/caregivers/1")).await.ok();
    script.skip().await;
    let answer = owner.submit(&page, "Save", &[("relation", "guardian")]).await;
    script.check("/patients/{patient}/caregivers/{caregiver}", 303, &answer).await;
    let answer = owner.post(&format!("{patient}/caregivers/1/addresses"), &[("channel", "email")]).await;
    script.check("/patients/{patient}/caregivers/{caregiver}/addresses", 303, &answer).await;
    let answer = owner.post(&format!("{patient}/caregivers/1/ending"), &[]).await;
    script.check("/patients/{patient}/caregivers/{caregiver}/ending", 303, &answer).await;
    let page = owner.get(&format!("{conversation}/letter")).await.ok();
    let answer = owner.submit(&page, "Make the letter", &[]).await;
    script.check("/conversations/{conversation}/letter", 303, &answer).await;
    owner.get(&format!("{conversation}/letters/1")).await;
    assert!(rows(&script.app).await > script.rows, "a letter that is opened left no audit row");
    script.skip().await;
    let page = owner.get(&conversation).await.ok();
    let last = page.attrs_of(".msg.mine", "id").pop().unwrap().replace("message-", "");
    script.skip().await;
    let answer = owner.post(&format!("{conversation}/messages/{last}/recall"), &[]).await;
    script.check("/conversations/{conversation}/messages/{message}/recall", 303, &answer).await;
    let answer = owner.post(&format!("{conversation}/closure"), &[]).await;
    script.check("/conversations/{conversation}/closure", 303, &answer).await;
    let answer = owner.post(&format!("{conversation}/reopening"), &[]).await;
    script.check("/conversations/{conversation}/reopening", 303, &answer).await;
    for page in [&patient, &conversation, &"/patients?q=ada".to_owned()] {
        owner.get(page).await.ok();
        assert!(rows(&script.app).await > script.rows, "{page} left no audit row");
        script.skip().await;
    }

    let all = routes::clinic().into_iter().chain(routes::portal()).filter(|r| r.method == "POST").map(|r| r.name());
    let missed: Vec<_> = all.filter(|n| !script.seen.contains(n) && !NOTHING_KEPT.contains(&n.as_str())).collect();
    assert!(missed.is_empty(), "not in this test: {missed:?}");
    let held = script.app.state.db.read(|conn| Ok::<_, AppError>(postern::audit::verify(conn, None))).await.unwrap();
    assert_eq!(held.unwrap().rows as i64, script.rows);
}

/// Tampers by this statement, verifies the log, and undoes the tampering.
async fn verified_after(app: &App, sql: &'static str) -> Result<postern::audit::Verified, Broken> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let unlock: &[&str] = match app.state.db.is_postgres() {
        true => &["ALTER TABLE audit_events DISABLE TRIGGER USER"],
        false => &["DROP TRIGGER audit_events_stay", "DROP TRIGGER audit_events_remain"],
    };
    let write = app.state.db.write(move |tx| -> Result<(), AppError> {
        for step in unlock {
            diesel::sql_query(*step).execute(tx.conn())?;
        }
        let count = diesel::sql_query(sql).execute(tx.conn())?;
        assert!(count > 0, "{sql} did nothing");
        sender.send(postern::audit::verify(tx, None)).unwrap();
        Err(AppError::BadRequest)
    });
    assert!(write.await.is_err());
    receiver.recv().unwrap()
}

/// The database itself refuses to change the log, whatever statement the program might run.
async fn the_log_refuses_changes(app: App) {
    let patient = app.patient(Like::default()).await;
    for sql in ["UPDATE audit_events SET detail = 'x'", "DELETE FROM audit_events"] {
        let write =
            app.state.db.write(move |tx| -> Result<usize, AppError> { Ok(diesel::sql_query(sql).execute(tx.conn())?) });
        let refused = write.await.unwrap_err().to_string();
        assert!(refused.contains("rows of the audit log do not"), "{sql}: {refused}");
    }
    assert!(rows(&app).await > 0, "{patient}");
}

async fn tampering_shows(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    app.message(&owner, patient, true).await;
    owner.get(&format!("/patients/{patient}")).await.ok();
    app.drain().await;
    let held =
        |result: Result<postern::audit::Verified, Broken>| matches!(result, Ok(v) if v.rows > 5 && v.chains == 2);
    assert!(held(verified_after(&app, "UPDATE clinic SET name = 'x'").await));
    for sql in [
        "UPDATE audit_events SET action = 'signed_in' WHERE chain > 0 AND position = 2",
        "UPDATE audit_events SET actor_id = 99 WHERE chain = 0 AND position = 1",
        "UPDATE audit_events SET detail = 'x' WHERE chain > 0 AND position = 1",
        "UPDATE audit_events SET patient_id = 99 WHERE chain > 0 AND position = 1",
        "DELETE FROM audit_events WHERE chain > 0 AND position = 1",
        "DELETE FROM audit_events WHERE chain > 0 AND position = 2",
        "DELETE FROM audit_events WHERE chain > 0 AND position = (SELECT max(position) FROM audit_events WHERE chain > 0)",
        "DELETE FROM audit_events WHERE chain > 0",
        "DELETE FROM audit_events",
        "DELETE FROM audit_heads WHERE chain > 0",
        "UPDATE audit_heads SET position = position + 1 WHERE chain = 0",
    ] {
        let broken = verified_after(&app, sql).await;
        assert!(matches!(broken, Err(Broken::Changed { .. } | Broken::Missing { .. })), "{sql}: {broken:?}");
    }
    assert!(held(verified_after(&app, "UPDATE clinic SET name = 'x'").await));
}
