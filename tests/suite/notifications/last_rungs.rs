//! A patient whom no email and no text reaches is written to all the same: users phone, or send a letter, from the start.

use crate::on_both;
use crate::support::app::{Actor, App, start_of_time};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::{address_blocks, conversations as c, messages, notifications, plan_steps as p};
use postern::db::{PatientId, Ts};
use postern::error::AppError;
use postern::patients::Method;
use time::Duration;

on_both!(
    a_letter_is_asked_for_at_once,
    a_call_comes_at_once_and_the_letter_after_it,
    it_is_offered_only_where_it_helps,
    a_reply_is_asked_about_too,
    it_can_go_out_later,
    a_call_tells_and_only_the_letter_brings_the_message,
);

const OFFER: &str = "No email and no text reaches this patient.";

async fn reach(app: &App, days: [&str; 2]) -> Actor {
    let owner = app.user(Role::Owner).await;
    owner.post("/settings/reach", &[("phone_days", days[0]), ("letter_days", days[1])]).await.redirect();
    owner
}

fn nobody() -> Like {
    Like { email: None, phone: None, ..Like::default() }
}

/// The steps of the newest conversation: what, when, state; and what it needs attention for.
async fn stands(app: &App) -> (Vec<(String, Ts, String)>, Option<String>) {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        let of: i64 = c::table.order(c::id.desc()).select(c::id).first(conn)?;
        let steps = p::table.filter(p::conversation_id.eq(of)).filter(p::state.ne("replaced")).order(p::id);
        let steps = steps.select((p::step, p::due_at, p::state)).load(conn)?;
        Ok((steps, c::table.find(of).select(c::attention).first(conn)?))
    });
    read.await.unwrap()
}

async fn counts(app: &App) -> (i64, i64) {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        Ok((messages::table.count().get_result(conn)?, notifications::table.count().get_result(conn)?))
    });
    read.await.unwrap()
}

fn new(patient: PatientId) -> String {
    format!("/patients/{patient}/messages/new")
}

const WORDS: [(&str, &str); 2] = [("title", "Your results"), ("body", "All is well")];

async fn a_letter_is_asked_for_at_once(app: App) {
    let owner = reach(&app, ["0", "5"]).await;
    let maria = app.patient(nobody()).await;
    let alert = owner.get(&new(maria)).await.ok();
    assert!(alert.has_text("There is no email and no cellphone number"), "{}", alert.text());
    assert!(alert.has_text(OFFER) && alert.has_text("your team is asked at once to send a letter"), "{}", alert.text());
    // nothing is sent unless it is said, and what was typed is not lost on the way
    let typed = [WORDS[0], WORDS[1], ("key", "0123456789abcdef-anyway"), ("replies_allowed", "on")];
    let answer = owner.post(&new(maria), &typed).await;
    assert_eq!((answer.status, counts(&app).await), (409, (0, 0)));
    let page = owner.submit(&answer.page(), "Write anyway", &[]).await.ok();
    let form = page.form_with("Submit");
    assert_eq!(form.value("title").as_deref(), Some("Your results"));
    assert_eq!(form.value("body").unwrap().trim(), "All is well");
    assert!(page.has_text("your team is asked at once to send a letter") && !page.has("#plan_remind_days"));
    let to = owner.submit(&page, "Submit", &[]).await.redirect();
    app.drain().await;
    let (steps, attention) = stands(&app).await;
    let kinds: Vec<&str> = steps.iter().map(|(kind, ..)| kind.as_str()).collect();
    assert_eq!(kinds, ["letter", "tell"], "nobody is reminded by a road that there is not");
    assert_eq!((steps[0].0.as_str(), steps[0].2.as_str(), attention.as_deref()), ("letter", "to_do", Some("letter")));
    assert_eq!(counts(&app).await, (1, 0), "there is nowhere to send a notification to");
    let conversation = to.split('?').next().unwrap();
    let page = owner.get(conversation).await.ok();
    assert!(page.has_text("Letter: to do"), "{}", page.text());
    assert_eq!(owner.get("/inbox").await.ok().texts_of(".tags .tag.warn"), ["Letter to print"]);
    assert!(owner.get(&format!("{conversation}/letter")).await.ok().has_text("There is no postal address"));
}

async fn a_call_comes_at_once_and_the_letter_after_it(app: App) {
    let owner = reach(&app, ["3", "5"]).await;
    let maria = app.patient(Like { method: Method::None, ..Like::default() }).await;
    let alert = owner.get(&new(maria)).await.ok();
    assert!(alert.has_text("to phone the patient, and 2 days later to send a letter"), "{}", alert.text());
    let page = owner.submit(&alert, "Write anyway", &[]).await.ok();
    let to = owner.submit(&page, "Submit", &WORDS).await.redirect();
    app.drain().await;
    let now = app.state.clock.now();
    let (steps, attention) = stands(&app).await;
    let of = |kind: &str| steps.iter().find(|(step, ..)| step == kind).unwrap_or_else(|| panic!("{kind}: {steps:?}"));
    assert_eq!((of("phone").2.as_str(), of("letter").2.as_str()), ("to_do", "waiting"));
    assert_eq!(attention.as_deref(), Some("phone"));
    let after = of("letter").1.since(now);
    assert!(after > Duration::hours(47) && after <= Duration::days(2), "{after}");
    assert_eq!(counts(&app).await, (1, 0), "a patient who wants no notifications gets none");
    // whoever is told on the telephone gets no letter
    let conversation = to.split('?').next().unwrap();
    let page = owner.get(&format!("{conversation}/call")).await.ok();
    owner.submit(&page, "Save the call", &[("outcome", "reached")]).await.redirect();
    let (steps, attention) = stands(&app).await;
    assert!(steps.iter().filter(|(step, ..)| step != "tell").all(|(.., state)| state == "told"), "{steps:?}");
    assert_eq!(attention, None);
}

async fn a_call_tells_and_only_the_letter_brings_the_message(app: App) {
    let owner = reach(&app, ["3", "5"]).await;
    let maria = app.patient(Like { email: None, method: Method::Sms, ..Like::default() }).await;
    let write = app.state.db.write(|tx| -> Result<_, AppError> {
        let row = (address_blocks::channel.eq("sms"), address_blocks::address_key.eq("+16135550121"));
        let row = (row, address_blocks::kind.eq("stopped"), address_blocks::created_at.eq(start_of_time()));
        Ok(diesel::insert_into(address_blocks::table).values(row).execute(tx.conn())?)
    });
    write.await.unwrap();
    let page = owner.submit(&owner.get(&new(maria)).await.ok(), "Write anyway", &[]).await.ok();
    let to = owner.submit(&page, "Submit", &WORDS).await.redirect();
    app.drain().await;
    let page = owner.get(&format!("{}/call", to.split('?').next().unwrap())).await.ok();
    owner.submit(&page, "Save the call", &[("outcome", "reached")]).await.redirect();
    let (steps, _) = stands(&app).await;
    let has = |kind: &str, state: &str| steps.iter().any(|(step, _, is)| step == kind && is == state);
    assert!(has("phone", "told") && has("letter", "waiting"), "{steps:?}");
}

async fn it_is_offered_only_where_it_helps(app: App) {
    let owner = reach(&app, ["0", "0"]).await;
    let maria = app.patient(nobody()).await;
    assert!(!owner.get(&new(maria)).await.ok().has_text(OFFER), "the clinic neither phones nor writes letters");
    let typed = [WORDS[0], WORDS[1], ("key", "0123456789abcdef-anyway"), ("anyway", "on")];
    assert_eq!((owner.post(&new(maria), &typed).await.status, counts(&app).await.0), (409, 0));
    owner.post("/settings/reach", &[("phone_days", "3")]).await.redirect();
    assert!(!owner.get(&new(maria)).await.ok().has_text(OFFER), "there is no number to call");
    owner.post("/settings/reach", &[("letter_days", "5")]).await.redirect();
    assert!(owner.get(&new(maria)).await.ok().has_text(OFFER));
    let other = Like { email: None, method: Method::Email, ..Like::default() };
    let other = app.patient(other).await;
    let alert = owner.get(&new(other)).await.ok();
    assert!(alert.has_text("but there is no email") && !alert.has_text(OFFER), "a text would reach them");
    let shut = app.patient(Like { portal_access: false, ..nobody() }).await;
    assert!(!owner.get(&new(shut)).await.ok().has_text(OFFER), "they could not read it");
    assert_eq!((owner.post(&new(shut), &typed).await.status, counts(&app).await.0), (409, 0));
    // whoever is reached by email is never asked, and gets the usual plan
    let ann = app.patient(Like::default()).await;
    let to = owner.post(&new(ann), &typed).await.redirect();
    assert!(owner.get(to.split('?').next().unwrap()).await.ok().has_text("Letter: planned for"));
}

async fn a_reply_is_asked_about_too(app: App) {
    let owner = reach(&app, ["0", "5"]).await;
    let maria = app.patient(nobody()).await;
    let page = owner.submit(&owner.get(&new(maria)).await.ok(), "Write anyway", &[]).await.ok();
    let to = owner.submit(&page, "Submit", &WORDS).await.redirect();
    let conversation = to.split('?').next().unwrap();
    let page = owner.get(conversation).await.ok();
    assert!(page.has_text(OFFER), "{}", page.text());
    let answer = owner.submit(&page, "Send", &[("body", "One more word")]).await;
    assert_eq!((answer.status, counts(&app).await), (409, (1, 0)));
    let page = answer.page();
    assert_eq!(page.form_with("Send").value("body").unwrap().trim(), "One more word");
    owner.submit(&page, "Send", &[("anyway", "on")]).await.redirect();
    app.drain().await;
    assert_eq!(counts(&app).await, (2, 0));
    let (steps, attention) = stands(&app).await;
    assert_eq!((steps[0].2.as_str(), attention.as_deref()), ("to_do", Some("letter")), "{steps:?}");
    // a note asks nothing
    assert!(!owner.get(&format!("{conversation}/notes")).await.ok().has_text(OFFER));
}

async fn it_can_go_out_later(app: App) {
    let owner = reach(&app, ["0", "5"]).await;
    let maria = app.patient(nobody()).await;
    let page = owner.submit(&owner.get(&new(maria)).await.ok(), "Write anyway", &[]).await.ok();
    let mut form = page.form_with("Submit");
    form.set("title", "Your results").set("body", "All is well").forge("later", "tomorrow");
    let pairs = form.fields();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    owner.post(&format!("/patients/{maria}/messages/scheduled"), &pairs).await.redirect();
    assert_eq!(counts(&app).await, (0, 0));
    app.state.clock.advance(Duration::days(1));
    app.drain().await;
    assert_eq!(counts(&app).await, (1, 0));
    assert_eq!(stands(&app).await.1.as_deref(), Some("letter"));
}
