//! Each view of the inbox holds what its name says, in its order, page by page; marks are made, undone and audited.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::audit::Event;
use postern::conversations::InboxFilter;
use postern::db::schema::audit_events;
use postern::db::{ConversationId, PatientId};
use postern::error::AppError;
use postern::notifications::{self, Ending, State};
use postern::threads::{self, Author};
use time::Duration;

on_both!(
    each_view_holds_what_it_says,
    what_waits_longest_comes_first,
    pages_follow_each_other_in_both_orders,
    several_are_marked_done_and_that_is_taken_back,
    what_cannot_be_marked_changes_nothing,
    a_viewer_marks_nothing,
    a_script_stays_and_gets_the_words,
    one_conversation_is_marked_on_its_own_page,
);

/// Adds a patient with this given name, and with an email address as the only contact.
pub async fn patient(app: &App, given: &'static str, email: &str) -> PatientId {
    let like = Like { name: (given, "Tremblay"), email: Some(email.to_owned()), phone: None, ..Like::default() };
    app.patient(like).await
}

/// The given names of the patients in a view, in its order.
async fn view(user: &Actor, query: &str) -> Vec<String> {
    let page = user.get(&format!("/inbox?{query}")).await.ok();
    page.texts_of(".work .who").into_iter().map(|who| who.replace("Unread: ", "").replace(" Tremblay", "")).collect()
}

/// The counts on the tabs of the views.
async fn counts(user: &Actor, scope: &str) -> Vec<String> {
    user.get(&format!("/inbox?scope={scope}")).await.ok().texts_of(".counts .badge")
}

fn id_of(conversation: &str) -> i64 {
    conversation.rsplit('/').next().unwrap().parse().unwrap()
}

/// The patient of a conversation writes, without the portal's pages.
pub async fn patient_writes(app: &App, conversation: &str) {
    let (now, id) = (app.state.clock.now(), ConversationId(id_of(conversation)));
    let write =
        app.state.db.write(move |tx| Ok::<_, AppError>(threads::message_came(tx, now, id, Author::Patient, None)?));
    write.await.unwrap();
}

pub struct Desk {
    pub me: Actor,
    pub other: Actor,
    /// the paths of the conversations, named after their patients
    pub told: String,
    pub answered: String,
    pub failed: String,
    pub noted: String,
    pub done: String,
    pub closed: String,
    pub others: String,
}

/// A desk with one conversation of each kind, made by the verbs.
pub async fn desk(app: &App) -> Desk {
    let me = app.user(Role::Clinician).await;
    let other = app.user(Role::Staff).await;
    let mut all = Vec::new();
    for (given, email, whose) in [
        ("Told", "told@example.org", &me),
        ("Answered", "answered@example.org", &me),
        ("Failed", "failed@example.org", &me),
        ("Noted", "noted@example.org", &me),
        ("Done", "done@example.org", &me),
        ("Closed", "closed@example.org", &me),
        ("Others", "others@example.org", &other),
    ] {
        let patient = patient(app, given, email).await;
        all.push(app.message(whose, patient, true).await);
        app.state.clock.advance(Duration::minutes(1));
    }
    app.drain().await;
    let [told, answered, failed, noted, done, closed, others] = <[_; 7]>::try_from(all).unwrap();
    patient_writes(app, &answered).await;
    patient_writes(app, &done).await;
    patient_writes(app, &others).await;
    let failing = ConversationId(id_of(&failed));
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<(), AppError> {
        for row in notifications::of_conversation(tx, failing)? {
            let ending = Ending { state: State::Bounced, reason: None };
            notifications::report(tx, now, row.id, ending)?;
        }
        Ok(())
    });
    write.await.unwrap();
    let page = other.get(&format!("{}/notes", noted)).await.ok();
    other.submit(&page, "Add note", &[("body", "Please look at this")]).await.redirect();
    me.post(&format!("{}/done", done), &[]).await.redirect();
    me.post(&format!("{}/closure", closed), &[]).await.redirect();
    Desk { me, other, told, answered, failed, noted, done, closed, others }
}

async fn each_view_holds_what_it_says(app: App) {
    let desk = desk(&app).await;
    app.state.clock.advance(Duration::minutes(2));
    for (filter, mine, all) in [
        ("to_do", vec!["Failed", "Noted", "Answered"], vec!["Failed", "Answered", "Done", "Others"]),
        ("waiting_for_us", vec!["Answered", "Done"], vec!["Answered", "Done", "Others"]),
        ("unread", vec!["Answered", "Noted"], vec!["Answered", "Noted"]),
        ("needs_attention", vec!["Failed"], vec!["Failed"]),
        ("waiting_for_patient", vec!["Noted", "Failed", "Told"], vec!["Noted", "Failed", "Told"]),
        (
            "open",
            vec!["Answered", "Done", "Noted", "Failed", "Told"],
            vec!["Answered", "Done", "Others", "Noted", "Failed", "Told"],
        ),
        ("done", vec!["Done"], vec!["Done"]),
        ("closed", vec!["Closed"], vec!["Closed"]),
    ] {
        for (scope, expected) in [("mine", mine), ("all", all)] {
            let mut seen = view(&desk.me, &format!("scope={scope}&filter={filter}")).await;
            let mut expected = expected;
            seen.sort();
            expected.sort();
            assert_eq!(seen, expected, "{scope} {filter}");
            // the views that hold nothing for this reader are not on the page
            let mut shown = InboxFilter::ALL.iter().filter(|one| !one.is_for_some());
            let at = shown.position(|one| one.as_str() == filter).unwrap();
            assert_eq!(counts(&desk.me, scope).await[at], expected.len().to_string(), "{scope} {filter}");
            let mut other_order = view(&desk.me, &format!("scope={scope}&filter={filter}&order=newest")).await;
            other_order.sort();
            assert_eq!(other_order, expected, "{scope} {filter}, newest first");
        }
    }
    assert_eq!(view(&desk.me, "").await.first().map(String::as_str), Some("Failed"), "to do is what one begins with");
    // values that mean nothing are ignored
    assert_eq!(view(&desk.me, "scope=x&filter=%00&order=y&after=zzz&undo=a-b").await.len(), 3);
    // each line says whose turn it is, and shows the newest message
    let page = desk.me.get("/inbox?filter=any").await.ok();
    for words in
        ["Waiting for us ·", "Not reached", "Waiting for patient", "Notified", "Closed", "Note: Please look at this"]
    {
        assert!(page.has_text(words), "{words}: {}", page.text());
    }
    assert!(page.has_text("Clinic: All is well."), "{}", page.text());
    // the verbs keep the views right: an answer, a look, undoing a closing
    desk.me.get(&desk.noted).await.ok();
    assert!(!view(&desk.me, "filter=to_do").await.contains(&"Noted".to_owned()));
    let thread = desk.me.get(&desk.answered).await.ok();
    desk.me.submit(&thread, "Send", &[("body", "We will call")]).await.redirect();
    assert!(!view(&desk.me, "filter=waiting_for_us").await.contains(&"Answered".to_owned()));
    assert!(view(&desk.me, "filter=waiting_for_patient").await.contains(&"Answered".to_owned()));
    desk.me.post(&format!("{}/closure", desk.done), &[]).await.redirect();
    assert!(!view(&desk.me, "scope=all&filter=to_do").await.contains(&"Done".to_owned()));
    desk.me.post(&format!("{}/reopening", desk.done), &[]).await.redirect();
    assert!(view(&desk.me, "scope=all&filter=to_do").await.contains(&"Done".to_owned()));
    let page = desk.me.get(&desk.failed).await.ok();
    desk.me.submit(&page, "Dealt with", &[]).await.redirect();
    assert!(view(&desk.me, "filter=needs_attention").await.is_empty());
    assert!(view(&desk.me, "filter=to_do").await.is_empty());
    // a user who is added to a conversation has it in the views where it belongs
    desk.me.post(&format!("{}/participants", desk.others), &[("to", "1")]).await.redirect();
    assert!(view(&desk.me, "filter=to_do").await.contains(&"Others".to_owned()));
    assert_eq!(view(&desk.other, "filter=waiting_for_us").await, ["Others"]);
    assert!(view(&desk.me, "filter=open").await.contains(&"Told".to_owned()), "{}", desk.told);
    assert_eq!(view(&desk.me, "filter=closed").await, ["Closed"], "{}", desk.closed);
}

async fn what_waits_longest_comes_first(app: App) {
    let me = app.user(Role::Clinician).await;
    let mut all = Vec::new();
    for (given, email) in [("First", "a@example.org"), ("Second", "b@example.org"), ("Third", "c@example.org")] {
        let patient = patient(&app, given, email).await;
        all.push(app.message(&me, patient, true).await);
    }
    for at in [1, 0, 2, 1] {
        app.state.clock.advance(Duration::minutes(5));
        patient_writes(&app, &all[at]).await;
    }
    // the second patient has waited since their first message, whatever came after
    for (query, expected) in [
        ("filter=waiting_for_us", ["Second", "First", "Third"]),
        ("filter=to_do", ["Second", "First", "Third"]),
        ("scope=all&filter=to_do", ["Second", "First", "Third"]),
        ("filter=waiting_for_us&order=newest", ["Third", "First", "Second"]),
        ("filter=open", ["Second", "Third", "First"]),
        ("filter=open&order=longest", ["First", "Third", "Second"]),
    ] {
        assert_eq!(view(&me, query).await, expected, "{query}");
    }
    let page = me.get("/inbox").await.ok();
    assert!(page.has_text("Waiting for us · 15\u{a0}min"), "{}", page.text());
    assert_eq!(page.texts_of(".work .age")[0], "now");
}

/// Many conversations of one patient, some at the same moment.
async fn many(app: &App, me: &Actor, count: i64) {
    let one = patient(app, "Many", "many@example.org").await;
    let first = ConversationId(id_of(&app.message(me, one, true).await));
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<(), AppError> {
        use postern::db::schema::conversations as c;
        let by: postern::db::UserId = c::table.find(first).select(c::started_by).first(tx.conn())?;
        let title = postern::values::Title::parse("Another").unwrap();
        for number in 1..count {
            let at = now.plus(Duration::seconds(number / 3));
            let new = threads::NewThread {
                patient: one,
                title: &title,
                replies_allowed: true,
                only_patient: false,
                writer: by,
            };
            let id = threads::insert(tx, at, &new)?;
            threads::begin_with(tx, id, by, number % 2 == 0, at)?;
            if number % 4 != 1 {
                threads::message_came(tx, at, id, Author::Patient, None)?;
            }
        }
        Ok(())
    });
    write.await.unwrap();
}

async fn pages_follow_each_other_in_both_orders(app: App) {
    let me = app.user(Role::Clinician).await;
    many(&app, &me, 120).await;
    for scope in ["mine", "all"] {
        for (filter, expected) in
            [("to_do", 89), ("waiting_for_us", 89), ("open", 120), ("waiting_for_patient", 31), ("any", 120)]
        {
            for order in ["longest", "newest"] {
                let (mut seen, mut path) = (Vec::new(), format!("/inbox?scope={scope}&filter={filter}&order={order}"));
                loop {
                    let page = me.get(&path).await.ok();
                    seen.extend(page.attrs_of(".work a.item", "href"));
                    match page.attrs_of(".pager a", "href").pop() {
                        Some(next) => path = next,
                        None => break,
                    }
                }
                let mut once = seen.clone();
                once.sort();
                once.dedup();
                assert_eq!((seen.len(), once.len()), (expected, expected), "{scope} {filter} {order}");
            }
        }
        let page = me.get(&format!("/inbox?scope={scope}")).await.ok();
        assert!(page.texts_of(".counts .badge").contains(&"99+".to_owned()), "{}", page.text());
    }
}

async fn traces(app: &App, event: Event) -> i64 {
    let read = app.state.db.read(move |conn| -> Result<i64, AppError> {
        Ok(audit_events::table.filter(audit_events::action.eq(event.as_str())).count().get_result(conn)?)
    });
    read.await.unwrap()
}

async fn several_are_marked_done_and_that_is_taken_back(app: App) {
    let desk = desk(&app).await;
    let before = traces(&app, Event::MarkedDone).await;
    let (one, two) = (id_of(&desk.answered).to_string(), id_of(&desk.noted).to_string());
    let place = [("scope", "mine"), ("filter", "to_do"), ("order", "longest"), ("after", "")];
    let mut form = place.to_vec();
    form.extend([("conversation", two.as_str()), ("conversation", one.as_str())]);
    let to = desk.me.post("/inbox/done", &form).await.redirect();
    assert_eq!(to, format!("/inbox?scope=mine&filter=to_do&undo={one}-{two}"));
    let page = desk.me.get(&to).await.ok();
    assert!(page.has_text("2 conversations are marked as done"), "{}", page.text());
    assert_eq!(view(&desk.me, "").await, ["Failed"]);
    assert_eq!(traces(&app, Event::MarkedDone).await, before + 2);
    // the same mark again changes nothing, and leaves no audit row
    desk.me.post("/inbox/done", &form).await.redirect();
    assert_eq!(traces(&app, Event::MarkedDone).await, before + 2);
    // for others nothing has changed
    assert!(view(&desk.other, "scope=all").await.contains(&"Answered".to_owned()));
    desk.me.submit(&page, "Undo", &[]).await.redirect();
    assert_eq!(traces(&app, Event::MarkedNotDone).await, 2);
    assert!(view(&desk.me, "").await.contains(&"Answered".to_owned()));
    assert!(!desk.me.get(&to).await.ok().has_text("marked as done"), "nothing is left to take back");
    // marking as unread takes the done mark away
    desk.me.post("/inbox/done", &form).await.redirect();
    let to = desk.me.post("/inbox/unread", &form).await.says();
    assert_eq!(to.1, "marked-unread");
    assert_eq!(traces(&app, Event::MarkedUnread).await, 2);
    assert!(view(&desk.me, "filter=unread").await.contains(&"Noted".to_owned()));
    assert!(!view(&desk.me, "filter=done").await.contains(&"Noted".to_owned()));
}

async fn what_cannot_be_marked_changes_nothing(app: App) {
    let desk = desk(&app).await;
    let one = id_of(&desk.answered).to_string();
    let marked = async |form: &[(&str, &str)]| desk.me.post("/inbox/done", form).await;
    let says = marked(&[("filter", "open")]).await.says();
    assert_eq!(says.1, "nothing-chosen");
    assert_eq!(marked(&[("conversation", &one), ("conversation", "x")]).await.status, 400);
    assert_eq!(marked(&[("conversation", &one), ("conversation", "999999")]).await.status, 404);
    let numbers: Vec<String> = (1..=51).map(|id: i64| id.to_string()).collect();
    let many: Vec<(&str, &str)> = numbers.iter().map(|id| ("conversation", id.as_str())).collect();
    assert_eq!(marked(&many).await.status, 400);
    assert!(view(&desk.me, "").await.contains(&"Answered".to_owned()), "all or nothing");
    // a user cannot mark a conversation in which they take no part
    let others = id_of(&desk.others).to_string();
    let before = traces(&app, Event::MarkedDone).await;
    for path in ["/inbox/done", "/inbox/done/removal", "/inbox/unread"] {
        desk.me.post(path, &[("conversation", others.as_str())]).await.redirect();
    }
    assert_eq!(traces(&app, Event::MarkedDone).await, before);
    assert_eq!(traces(&app, Event::MarkedUnread).await, 0);
    let page = desk.me.get("/inbox?scope=all&filter=waiting_for_us").await.ok();
    assert_eq!((page.count(".work li"), page.count(".work input[type=checkbox]")), (3, 2), "{}", page.text());
}

async fn a_script_stays_and_gets_the_words(app: App) {
    let desk = desk(&app).await;
    let (one, two) = (id_of(&desk.answered), id_of(&desk.noted));
    let headers = [("x-fragment", "1"), ("content-type", "application/x-www-form-urlencoded")];
    let marked = async |path: &str, body: &str| {
        let answer = desk.me.send("POST", path, &headers, body).await;
        assert_eq!((answer.status, answer.notice()), (200, None), "{path} {body}: {}", answer.body);
        answer.page()
    };
    let nothing = marked("/inbox/done", "filter=open").await;
    assert_eq!((nothing.has_text("tick conversations first"), nothing.count("form")), (true, 0), "{}", nothing.text());
    let both = format!("filter=to_do&conversation={one}&conversation={two}");
    let done = marked("/inbox/done", &both).await;
    assert!(done.has_text("2 conversations are marked as done"), "{}", done.text());
    assert_eq!(view(&desk.me, "").await, ["Failed"]);
    // done already: nothing that could be taken back
    let again = marked("/inbox/done", &both).await;
    assert_eq!((again.has_text("Marked as done for you"), again.count("form")), (true, 0), "{}", again.text());
    let undo = done.form_with("Undo");
    let back = marked(&undo.action, &undo.urlencoded()).await;
    assert!(back.has_text("Not marked as done any more"), "{}", back.text());
    assert!(view(&desk.me, "").await.contains(&"Answered".to_owned()));
    let unread = marked("/inbox/unread", &format!("conversation={two}")).await;
    assert!(unread.has_text("Marked as unread for you"), "{}", unread.text());
    assert_eq!(desk.me.send("POST", "/inbox/done", &headers, "conversation=999999").await.status, 404);
}

async fn a_viewer_marks_nothing(app: App) {
    let desk = desk(&app).await;
    let viewer = app.user(Role::Viewer).await;
    let page = viewer.get("/inbox?scope=all").await.ok();
    assert_eq!((page.count(".work li"), page.count(".work input"), page.count(".bulk button")), (4, 0, 0));
    let one = id_of(&desk.answered).to_string();
    for path in ["/inbox/done", "/inbox/done/removal", "/inbox/unread"] {
        assert_eq!(viewer.post(path, &[("conversation", one.as_str())]).await.status, 403);
    }
}

async fn one_conversation_is_marked_on_its_own_page(app: App) {
    let desk = desk(&app).await;
    let page = desk.me.get(&desk.done).await.ok();
    desk.me.submit(&page, "Not done after all", &[]).await.redirect();
    assert!(view(&desk.me, "").await.contains(&"Done".to_owned()));
    let page = desk.me.get(&desk.told).await.ok();
    let to = desk.me.submit(&page, "Mark unread", &[]).await.says();
    assert_eq!(to.1, "marked-unread");
    assert!(view(&desk.me, "filter=unread").await.contains(&"Told".to_owned()));
    assert!(view(&desk.me, "").await.contains(&"Told".to_owned()), "what is unread is to do");
    desk.me.get(&desk.told).await.ok();
    assert!(!view(&desk.me, "").await.contains(&"Told".to_owned()));
    // done again, by the same button
    let page = desk.me.get(&desk.told).await.ok();
    desk.me.submit(&page, "Mark done", &[]).await.redirect();
    assert!(view(&desk.me, "filter=done").await.contains(&"Told".to_owned()));
}
