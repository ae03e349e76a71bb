//! Opened from the EMR: who is signed in, which chart is open, and what is refused, with the EMR's own pages.

use crate::on_each;
use crate::support::app::{Actor, Answer, App, On};
use crate::support::emr::{APP, NAME, READS, RealEmr, Trouble, clinic};
use crate::support::oidc;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use postern::access::Role;
use postern::audit::Event;
use postern::config::{Config, Oidc};
use postern::db::schema::{audit_events, emr_links, emr_newcomers, users};
use postern::db::{PatientId, UserId};
use postern::delivery::Delivery;
use postern::error::AppError;
use postern::patients::{SourceId, put_source};
use time::Duration;

on_each!(
    who_is_linked_stands_on_the_chart,
    who_is_linked_signs_in_from_the_sign_in_page,
    who_is_not_signed_in_signs_in_and_is_asked_once,
    an_unknown_patient_is_told_and_never_guessed,
    an_answer_counts_once_in_the_browser_that_began,
    only_a_configured_emr_is_asked,
    an_owner_ends_the_link_and_who_is_deactivated_stays_out,
    where_the_provider_is_the_only_way_the_emr_signs_nobody_in,
);

/// A clinic that its EMR opens; `None` by `--without-emr`.
pub async fn opened_clinic(on: On) -> Option<(App, RealEmr)> {
    clinic(on, READS, |source| source.launch_client_id = Some(APP.to_owned())).await
}

/// Makes a source know a patient by this id.
pub async fn known_as(app: &App, patient: PatientId, source: &str, id: &str) {
    let (now, key) = (app.state.clock.now(), SourceId { source: source.to_owned(), id: id.to_owned() });
    let write = app.state.db.write(move |tx| -> Result<_, AppError> { Ok(put_source(tx, now, patient, &key)?) });
    write.await.unwrap();
}

/// The newest user, and their address.
async fn newest(app: &App) -> (UserId, String) {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        Ok(users::table.order(users::id.desc()).select((users::id, users::email)).first(conn)?)
    });
    read.await.unwrap()
}

/// The details of the rows of an event, in order.
async fn details(app: &App, event: Event) -> Vec<Option<String>> {
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        let of_it = audit_events::table.filter(audit_events::action.eq(event.as_str())).order(audit_events::id);
        Ok(of_it.select(audit_events::detail).load(conn)?)
    });
    read.await.unwrap()
}

/// Whether a mail to this address has these words in its subject.
fn was_told(app: &App, address: &str, words: &str) -> bool {
    app.mailbox.newest_first().into_iter().any(|mail| mail.to == address && mail.subject.contains(words))
}

/// How many users are linked, and how many persons came and are not.
async fn counted(app: &App) -> (i64, i64) {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        Ok((emr_links::table.count().get_result(conn)?, emr_newcomers::table.count().get_result(conn)?))
    });
    read.await.unwrap()
}

/// The EMR opens the clinic in this browser, and `name` signs in there; gives the path to which they are led back.
async fn come_back((app, emr): (&App, &RealEmr), browser: &Actor, launch: &str, name: &str) -> String {
    // the EMR's tokens have its own, real time
    app.at_present();
    let page = browser.get(&emr.opens(launch)).await.ok();
    let way = browser.submit(&page, "Go on", &[]).await.ok();
    assert!(way.has("meta[http-equiv=refresh]"), "it goes on without a script");
    emr.be(&way, name).await
}

/// The whole way; gives the clinic's last answer.
async fn open(both: (&App, &RealEmr), browser: &Actor, launch: &str, name: &str) -> Answer {
    let back = come_back(both, browser, launch, name).await;
    let page = browser.get(&back).await.ok();
    browser.submit(&page, "Go on", &[]).await
}

/// Sends the EMR's answer, with one field replaced, as the page in the browser would.
async fn answer_with(browser: &Actor, back: &str, name: &str, value: &str) -> Answer {
    let said = url::form_urlencoded::parse(back.split_once('?').unwrap().1.as_bytes()).into_owned();
    let said: Vec<(String, String)> =
        said.map(|(field, said)| if field == name { (field, value.to_owned()) } else { (field, said) }).collect();
    let fields: Vec<(&str, &str)> = said.iter().map(|(field, said)| (field.as_str(), said.as_str())).collect();
    browser.post("/sign-in/emr/answer", &fields).await
}

const LINK: &str = "Link my account and go on";

/// Links the user who is signed in in this browser with the person of this name at the EMR.
async fn link(both: (&App, &RealEmr), user: &Actor, name: &str) {
    let to = open(both, user, "nothing", name).await.redirect();
    assert_eq!(to, "/account/emr?next=%2Finbox");
    let page = user.get(&to).await.ok();
    assert_eq!(user.submit(&page, LINK, &[]).await.says(), ("/inbox".to_owned(), "provider-linked".to_owned()));
}

async fn who_is_linked_stands_on_the_chart(on: On) {
    let Some((app, emr)) = opened_clinic(on).await else { return };
    let patient = app.patient(Like::default()).await;
    known_as(&app, patient, NAME, "p1").await;
    let staff = app.user(Role::Staff).await;
    let email = newest(&app).await.1;
    let chart = format!("/patients/{patient}");
    let to = open((&app, &emr), &staff, "chart:p1", "anna").await.redirect();
    assert_eq!(to, format!("/account/emr?next=%2Fpatients%2F{patient}"));
    let page = staff.get(&to).await.ok();
    assert!(page.has_text("You came from Harbour EMR"), "{}", page.text());
    assert!(page.has_text("will be signed in as User staff"), "{}", page.text());
    assert_eq!(staff.submit(&page, LINK, &[]).await.says(), (chart.clone(), "provider-linked".to_owned()));
    assert_eq!(details(&app, Event::ProviderLinked).await, [Some("emr".to_owned())]);
    assert_eq!(counted(&app).await, (1, 0));
    app.drain().await;
    assert!(was_told(&app, &email, "single sign-on was linked"), "a new way in is told");
    // the page that is left open asks for nothing more
    assert_eq!(staff.submit(&page, LINK, &[]).await.redirect(), to);
    assert!(staff.get(&to).await.ok().has_text("There is nothing to link"));

    let browser = app.anyone();
    assert_eq!(open((&app, &emr), &browser, "chart:p1", "anna").await.redirect(), chart);
    assert!(browser.get(&chart).await.ok().text_of("details.me").contains("User staff"));
    let asked = browser.get("/account/emr").await.redirect();
    assert!(
        asked.starts_with("/account/confirmation?next="),
        "the EMR's word proves nothing of the last minutes: {asked}"
    );
    let message = format!("{chart}/messages/new");
    assert_eq!(open((&app, &emr), &browser, "message:p1", "anna").await.redirect(), message);
    assert_eq!(browser.get(&message).await.status, 200);
    assert_eq!(open((&app, &emr), &browser, "nothing", "anna").await.redirect(), "/inbox");
    // by password, and once from the EMR: who is here already is not signed in again
    assert_eq!(details(&app, Event::SignedIn).await.len(), 2);
    assert_eq!(counted(&app).await, (1, 0));
}

async fn who_is_linked_signs_in_from_the_sign_in_page(on: On) {
    let Some((app, emr)) = opened_clinic(on).await else { return };
    let staff = app.user(Role::Staff).await;
    link((&app, &emr), &staff, "anna").await;
    app.at_present();
    for (name, to) in [("anna", "/patients"), ("zoe", "/account/emr?next=%2Fpatients")] {
        let browser = app.anyone();
        let page = browser.get("/sign-in?next=/patients").await.ok();
        let way = browser.submit(&page, "Sign in with Harbour EMR", &[]).await.ok();
        let there = way.attr("main a.btn", "href").unwrap();
        assert!(there.contains("scope=openid+fhirUser&") && !there.contains("launch="), "{there}");
        let back = emr.be(&way, name).await;
        let page = browser.get(&back).await.ok();
        assert_eq!(browser.submit(&page, "Go on", &[]).await.redirect(), to, "{name}");
    }
    let elsewhere = [("iss", "https://evil.example/fhir"), ("alone", "1")];
    assert_eq!(app.anyone().post("/sign-in/emr", &elsewhere).await.status, 400);
}

async fn who_is_not_signed_in_signs_in_and_is_asked_once(on: On) {
    let Some((app, emr)) = opened_clinic(on).await else { return };
    let patient = app.patient(Like::default()).await;
    known_as(&app, patient, NAME, "p1").await;
    app.user(Role::Staff).await;
    let (id, email) = newest(&app).await;
    let (browser, another) = (app.anyone(), app.anyone());
    let ask = open((&app, &emr), &browser, "chart:p1", "anna").await.redirect();
    open((&app, &emr), &another, "chart:p1", "anna").await.redirect();
    assert_eq!(counted(&app).await, (0, 2));
    assert!(browser.get(&ask).await.redirect().starts_with("/sign-in?next="));
    let typed = [("email", email.as_str()), ("password", PASSWORD), ("next", ask.as_str())];
    assert_eq!(browser.post("/sign-in", &typed).await.redirect(), ask);
    let page = browser.get(&ask).await.ok();
    assert_eq!(page.link("Not now, only go on"), format!("/patients/{patient}"));
    browser.submit(&page, LINK, &[]).await.redirect();
    assert_eq!(counted(&app).await, (1, 1));
    assert_eq!(open((&app, &emr), &app.anyone(), "chart:p1", "anna").await.redirect(), format!("/patients/{patient}"));

    // who came before the link was made cannot make the same person somebody else
    app.user(Role::Clinician).await;
    let other = newest(&app).await.1;
    another.post("/sign-in", &[("email", &other), ("password", PASSWORD)]).await.redirect();
    let page = another.get(&ask).await.ok();
    let refused = another.submit(&page, LINK, &[]).await;
    assert_eq!(refused.status, 409);
    assert!(refused.page().has_text("is linked with another user"), "{}", refused.page().text());
    let read = app
        .state
        .db
        .read(|conn| -> Result<UserId, AppError> { Ok(emr_links::table.select(emr_links::user_id).get_result(conn)?) });
    assert_eq!(read.await.unwrap(), id);
    // the clinician is another person there; and who came too long ago is asked nothing
    link((&app, &emr), &another, "bea").await;
    let late = app.user(Role::Viewer).await;
    open((&app, &emr), &late, "chart:p1", "vera").await.redirect();
    app.state.clock.advance(Duration::minutes(31));
    late.post("/account/confirmation", &[("password", PASSWORD), ("next", "/inbox")]).await.redirect();
    assert!(late.get(&ask).await.ok().has_text("There is nothing to link"));
    let now = app.state.clock.now();
    let swept = app.state.db.write(move |tx| -> Result<_, AppError> { Ok(postern::users::sweep_newcomers(tx, now)?) });
    assert_eq!(swept.await.unwrap(), 1);
}

async fn an_unknown_patient_is_told_and_never_guessed(on: On) {
    let Some((app, emr)) = opened_clinic(on).await else { return };
    let patient = app.patient(Like::default()).await;
    // another source calls somebody p2
    known_as(&app, patient, "Another EMR", "p2").await;
    known_as(&app, patient, NAME, "p1").await;
    let staff = app.user(Role::Staff).await;
    link((&app, &emr), &staff, "anna").await;
    for launch in ["chart:p2", "chart:P1", "message:p", "chart:../p1", "chart:*"] {
        assert_eq!(open((&app, &emr), &staff, launch, "anna").await.redirect(), "/emr/unknown-patient", "{launch}");
    }
    let page = staff.get("/emr/unknown-patient").await.ok();
    assert!(page.has_text("This patient is not in Postern yet"), "{}", page.text());
    // nobody learns of patients before they are signed in
    let browser = app.anyone();
    let to = open((&app, &emr), &browser, "chart:p2", "zoe").await.redirect();
    assert!(browser.get(&to).await.redirect().starts_with("/sign-in?next="));
}

async fn an_answer_counts_once_in_the_browser_that_began(on: On) {
    let Some((app, emr)) = opened_clinic(on).await else { return };
    let (one, two) = (app.patient(Like::default()).await, app.patient(second()).await);
    known_as(&app, one, NAME, "p1").await;
    known_as(&app, two, NAME, "p2").await;
    let staff = app.user(Role::Staff).await;
    link((&app, &emr), &staff, "anna").await;
    let refused = async |answer: Answer, words: &str| {
        assert_eq!(answer.status, 400, "{words}");
        assert!(answer.page().has_text(words), "{words}: {}", answer.page().text());
    };

    // two tabs, the later one first: each has its own chart
    let first = come_back((&app, &emr), &staff, "chart:p1", "anna").await;
    let later = come_back((&app, &emr), &staff, "chart:p2", "anna").await;
    let page = staff.get(&later).await.ok();
    assert_eq!(staff.submit(&page, "Go on", &[]).await.redirect(), format!("/patients/{two}"));
    // in another browser it counts for nothing, and is not used up
    let other = app.anyone();
    let page = other.get(&first).await.ok();
    refused(other.submit(&page, "Go on", &[]).await, "You began to sign in in another browser").await;
    let first = staff.get(&first).await.ok();
    assert_eq!(staff.submit(&first, "Go on", &[]).await.redirect(), format!("/patients/{one}"));
    refused(staff.submit(&first, "Go on", &[]).await, "was used already").await;
    assert_eq!(details(&app, Event::SignInFailed).await.len(), 2);

    let page = staff.get(&come_back((&app, &emr), &staff, "chart:p1", "anna").await).await.ok();
    app.state.clock.advance(Duration::minutes(11));
    refused(staff.submit(&page, "Go on", &[]).await, "took too long").await;
    app.state.clock.advance(-Duration::minutes(11));
    // a code that is none, and an answer that another issuer gives
    let back = come_back((&app, &emr), &staff, "chart:p1", "anna").await;
    assert_eq!(answer_with(&staff, &back, "code", "made-up").await.status, 502);
    let back = come_back((&app, &emr), &staff, "chart:p1", "anna").await;
    let answer = answer_with(&staff, &back, "iss", "https://evil.example").await;
    assert_eq!(answer.status, 502);
    assert!(answer.page().has_text("could not be trusted"), "{}", answer.page().text());
    assert_eq!(staff.get("/emr/answer").await.status, 400);
    assert_eq!(staff.get("/emr/answer?state=x").await.status, 400);
}

/// Another patient than the usual one.
fn second() -> Like {
    Like {
        name: ("Paula", "Roy"),
        email: Some("paula@example.org".into()),
        phone: Some("+16135550199".into()),
        ..Like::default()
    }
}

async fn only_a_configured_emr_is_asked(on: On) {
    let Some((app, emr)) = opened_clinic(on).await else { return };
    let browser = app.anyone();
    let told = async |answer: Answer, status: u16, words: &str| {
        assert_eq!(answer.status, status, "{words}");
        assert!(answer.page().has_text(words), "{words}: {}", answer.page().text());
    };
    let elsewhere = "is not one of this clinic";
    for iss in ["https%3A%2F%2Fevil.example%2Ffhir", "", "x", "http%3A%2F%2F127.0.0.1%3A9"] {
        told(browser.get(&format!("/emr/launch?iss={iss}&launch=chart:p1")).await, 400, elsewhere).await;
    }
    let fields = [("iss", "https://evil.example/fhir"), ("launch", "chart:p1")];
    told(browser.post("/sign-in/emr", &fields).await, 400, elsewhere).await;
    told(browser.get("/emr/launch").await, 400, elsewhere).await;
    let nothing = emr.opens("");
    told(browser.get(&nothing).await, 400, "without saying for what").await;
    assert_eq!(emr.asked("smart-configuration"), 0);
    // a slash at the end is the same address
    let slash = browser.post("/sign-in/emr", &[("iss", &format!("{}/", emr.base)), ("launch", "nothing")]).await.ok();
    let way: url::Url = slash.attr("main a.btn", "href").unwrap().parse().unwrap();
    let asked: std::collections::BTreeMap<String, String> = way.query_pairs().into_owned().collect();
    let about = |name: &str| asked.get(name).map(String::as_str);
    assert_eq!((about("aud"), about("launch")), (Some(emr.base.as_str()), Some("nothing")));
    assert_eq!((about("client_id"), about("code_challenge_method")), (Some(APP), Some("S256")));
    assert_eq!(about("scope"), Some("openid launch fhirUser"));
    assert_eq!(about("redirect_uri"), Some(format!("{}/emr/answer", app.origin).as_str()));

    // one that is away is told
    let Some((fresh, away)) = opened_clinic(on).await else { return };
    away.trouble("smart-configuration", Trouble::Status(503));
    let page = fresh.anyone().get(&away.opens("nothing")).await.ok();
    told(fresh.anyone().submit(&page, "Go on", &[]).await, 503, "cannot be reached").await;
}

async fn an_owner_ends_the_link_and_who_is_deactivated_stays_out(on: On) {
    let Some((app, emr)) = opened_clinic(on).await else { return };
    let owner = app.user(Role::Owner).await;
    let staff = app.user(Role::Staff).await;
    let (id, email) = newest(&app).await;
    link((&app, &emr), &staff, "anna").await;
    let path = format!("/settings/users/{id}");
    let page = owner.get(&path).await.ok();
    assert!(page.has_text("Linked with Harbour EMR since"), "{}", page.text());
    let (to, notice) = owner.submit(&page, "End the links with EMRs", &[]).await.says();
    assert_eq!((to, notice.as_str()), (path.clone(), "provider-unlinked"));
    assert_eq!(details(&app, Event::ProviderUnlinked).await, [Some("emr".to_owned())]);
    assert!(!owner.get(&path).await.ok().has_text("Linked with Harbour EMR"));
    assert!(staff.get("/inbox").await.redirect().starts_with("/sign-in"), "they are signed out");
    assert_eq!(open((&app, &emr), &staff, "nothing", "anna").await.redirect(), "/account/emr?next=%2Finbox");
    app.drain().await;
    assert!(was_told(&app, &email, "unlinked"));

    staff.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
    link((&app, &emr), &staff, "anna").await;
    owner.post(&format!("{path}/deactivation"), &[]).await.redirect();
    let answer = open((&app, &emr), &app.anyone(), "nothing", "anna").await;
    assert_eq!(answer.status, 403);
    assert!(answer.page().has_text("was deactivated"), "{}", answer.page().text());
    assert_eq!(details(&app, Event::SignInFailed).await.len(), 1);
}

async fn where_the_provider_is_the_only_way_the_emr_signs_nobody_in(on: On) {
    let Some(emr) = RealEmr::start(READS, 300) else { return };
    let mut source = emr.source();
    source.launch_client_id = Some(APP.to_owned());
    let only = Oidc { only: true, ..oidc::settings("http://127.0.0.1:9") };
    let set = |config: &mut Config| (config.emr, config.oidc) = (vec![source], Some(only));
    let app = App::start_with_config(on, set, Delivery::mailbox).await;
    emr.knows(&app.origin);
    app.at_present();
    let patient = app.patient(Like::default()).await;
    known_as(&app, patient, NAME, "p1").await;
    let browser = app.anyone();
    let to = open((&app, &emr), &browser, "chart:p1", "anna").await.redirect();
    assert_eq!(to, format!("/patients/{patient}"));
    let page = browser.get(&to).await.redirect();
    assert!(page.starts_with("/sign-in?next="), "{page}");
    assert!(!browser.get(&page).await.ok().has_text("Sign in with Harbour EMR"));
    assert_eq!(counted(&app).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_client_for_it_nothing_is_opened() {
    let app = App::start(On::Sqlite).await;
    for path in ["/emr/launch?iss=https://emr.example.org/fhir&launch=x", "/emr/answer?state=x&code=y"] {
        assert_eq!(app.anyone().get(path).await.status, 404, "{path}");
    }
}
