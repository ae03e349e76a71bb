//! A message that the patient has not opened is taken back completely; what was opened is corrected in sight of both. Of two who
//! come at one moment one wins, and the other's page says so.

use crate::files::samples;
use crate::files::uploads::upload;
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use diesel::prelude::*;
use futures_util::future::join;
use postern::access::session::{Holder, Lasts};
use postern::access::{self, PortalVisit, Role};
use postern::conversations;
use postern::db::schema::{audit_events, conversations as c, jobs, messages, notifications as n, participants as p};
use postern::db::schema::{plan_steps, portal_links};
use postern::db::{ConversationId, DbError, MessageId, NotificationId, PatientId, Ts};
use postern::error::AppError;
use postern::notifications::{self, Ending, State};
use time::Duration;

const EMAIL: &str = "maria@example.org";
const PHONE: &str = "+16135550121";

on_both!(
    what_is_taken_back_leaves_the_patient_nothing,
    who_had_a_notice_is_told_and_the_link_says_so,
    the_clinic_may_want_no_word_of_it,
    a_conversation_stands_as_before,
    what_was_planned_for_the_message_before_goes_on,
    what_was_opened_is_corrected,
    the_line_of_the_list_counts_as_opened,
    a_file_and_the_download_count_as_opened,
    what_shows_nothing_opens_nothing,
    a_reply_that_comes_back_opens_what_it_shows,
    the_list_is_read_while_it_is_taken_back,
    the_patient_looks_while_it_is_taken_back,
    of_two_at_one_moment_one_wins,
    a_worker_that_has_it_in_hand_sends_nothing,
    what_is_being_handed_over_counts_as_gone,
    only_the_writer_and_owners_take_back,
    a_correction_of_what_was_not_seen_is_not_sent,
);

fn id_of(path: &str) -> i64 {
    path.rsplit('/').next().unwrap().parse().unwrap()
}

/// The newest message of the clinic on its page.
async fn last(user: &Actor, conversation: &str) -> i64 {
    let page = user.get(conversation).await.ok();
    page.attrs_of(".msg.mine", "id").pop().unwrap().replace("message-", "").parse().unwrap()
}

async fn take_back(user: &Actor, conversation: &str) -> crate::support::app::Answer {
    let message = last(user, conversation).await;
    let page = user.get(&format!("{conversation}/messages/{message}/recall")).await.ok();
    assert!(page.has_text("Take this message back?"), "{}", page.text());
    user.submit(&page, "Take back", &[]).await
}

async fn reply(user: &Actor, conversation: &str, words: &str) {
    let page = user.get(conversation).await.ok();
    user.submit(&page, "Send", &[("body", words)]).await.redirect();
}

async fn notices(app: &App) -> Vec<(String, State)> {
    let read = app.state.db.read(|conn| -> Result<Vec<(String, State)>, AppError> {
        let made = n::table.filter(n::message_id.is_not_null()).order(n::id);
        Ok(made.select((n::kind, n::state)).load(conn)?)
    });
    read.await.unwrap()
}

fn visit(patient: PatientId) -> PortalVisit {
    let lasts = Lasts { idle: 1, all: 1, left: 1, left_in_all: 1 };
    access::portal_visit(&Holder::Patient { id: patient, carer: None, language: "en".into(), lasts }).unwrap()
}

async fn what_is_taken_back_leaves_the_patient_nothing(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let first = app.message(&staff, maria, true).await;
    app.drain().await;
    let (patient, opened) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    patient.get(&opened).await.ok();
    app.state.clock.advance(Duration::minutes(1));
    let second = app.message(&staff, maria, true).await;
    let before = app.mailbox.newest_first().len();
    let (to, notice) = take_back(&staff, &second).await.says();
    assert_eq!((to.split('#').next(), notice.as_str()), (Some(second.as_str()), "message-recalled"));
    app.drain().await;
    assert_eq!(app.mailbox.newest_first().len(), before, "nothing goes out");
    assert!(notices(&app).await.ends_with(&[("message_waiting".into(), State::Cancelled)]));
    // the patient: nothing of it, and a page that says so
    let gone = patient.get("/portal/messages/2").await;
    assert_eq!(gone.status, 410);
    assert!(gone.page().has_text("The clinic took this message back") && !gone.body.contains("Your results"));
    assert_eq!(patient.get("/portal/messages").await.ok().texts_of(".list .title").len(), 1);
    let looks = patient.get("/portal/information/views").await.ok();
    assert!(!looks.links().iter().any(|link| link.href == "/portal/messages/2"), "{}", looks.text());
    assert_eq!(
        patient.post("/portal/messages/2/replies", &[("body", "x"), ("key", "0123456789abcdef")]).await.status,
        404
    );
    assert_eq!(patient.get("/portal/messages/2/attachments/1").await.status, 404);
    // users: the text, who took it back, and a conversation that stays closed
    let page = staff.get(&second).await.ok();
    assert!(page.has_text("Taken back by User clinician") && page.has_text("All is well"), "{}", page.text());
    assert!(page.has_text("All of this conversation was taken back") && !page.has_text("Undo closing"));
    staff.post(&format!("{second}/reopening"), &[]).await.redirect();
    assert!(staff.get(&second).await.ok().has_text("Closed by User clinician"));
    let inbox = staff.get("/inbox?filter=closed").await.ok();
    assert!(inbox.has_text("Taken back: All is well"), "{}", inbox.text());
    assert!(staff.get("/outbox").await.ok().has_text("the message was taken back"));
    // twice is once
    let again = staff.get(&format!("{second}/messages/{}/recall", last(&staff, &second).await)).await.ok();
    assert!(again.has_text("It is taken back already"));
    let rows = app.state.db.read(|conn| -> Result<i64, AppError> {
        Ok(audit_events::table.filter(audit_events::action.eq("message_recalled")).count().get_result(conn)?)
    });
    assert_eq!(rows.await.unwrap(), 1);
    assert!(staff.get(&first).await.ok().has_text("Correct…"));
}

async fn who_had_a_notice_is_told_and_the_link_says_so(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&staff, maria, true).await;
    app.drain().await;
    let link = app.link_to(EMAIL);
    // a passcode that is on its way opens nothing
    let visitor = app.anyone();
    let page = visitor.get(&link).await.ok();
    visitor.submit(&page, "Send me my passcode", &[]).await.redirect();
    app.drain().await;
    let page = visitor.get(&link).await.ok();
    assert_eq!(take_back(&staff, &conversation).await.says().1, "message-recalled-told");
    app.drain().await;
    let told = app.newest_to(EMAIL);
    assert!(told.subject.contains("took back a message"), "{}", told.subject);
    assert!(!told.text.contains("://") && !told.text.contains("results"), "{}", told.text);
    for path in [link.clone(), format!("{link}/")] {
        let over = app.anyone().get(&path).await;
        assert_eq!(over.status, 410);
        assert!(over.page().has_text("The clinic took this message back"), "{}", over.page().text());
    }
    let code = app.passcode_to(PHONE);
    let fields = [("passcode", code.as_str()), ("day", "4"), ("month", "3"), ("year", "1951")];
    assert_eq!(visitor.submit(&page, "Login", &fields).await.status, 410);
    assert_eq!(visitor.get("/portal/messages").await.status, 303, "nobody came in");
    assert_eq!(notices(&app).await, [("message_waiting".to_owned(), State::Sent), ("recall".to_owned(), State::Sent)]);
    let outbox = staff.get("/outbox").await.ok();
    assert!(outbox.has_text("Message taken back") && !outbox.has_text("Send again"), "{}", outbox.text());
    // and nothing about it can be sent again
    let message = last(&staff, &conversation).await.to_string();
    let again = staff.post(&format!("{conversation}/notifications"), &[("message", &message)]).await;
    assert_eq!(again.status, 404);
    let ended = app.state.db.read(|conn| -> Result<i64, AppError> {
        Ok(portal_links::table.filter(portal_links::ended_at.is_null()).count().get_result(conn)?)
    });
    assert_eq!(ended.await.unwrap(), 0);
    // the word of it is not marked as taken back itself
    let outbox = staff.get("/outbox").await.ok();
    let rows = outbox.texts_of("tbody tr");
    let of = |word: &str| rows.iter().filter(|row| row.contains(word)).count();
    assert!(of("Message taken back") > 0, "{rows:?}");
    let tags = outbox.texts_of(".tag");
    assert_eq!(tags.iter().filter(|tag| *tag == "Taken back").count(), of("Message waiting"), "{rows:?}");
}

async fn the_clinic_may_want_no_word_of_it(app: App) {
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/notification-templates").await.ok();
    owner.submit(&page, "Save", &[("tell_of_recall", "off")]).await.redirect();
    let page = owner.get("/settings/notification-templates").await.ok();
    assert_eq!(page.form_with("Save").value("tell_of_recall").as_deref(), Some("off"));
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&owner, maria, true).await;
    app.drain().await;
    let before = app.mailbox.newest_first().len();
    assert_eq!(take_back(&owner, &conversation).await.says().1, "message-recalled");
    app.drain().await;
    assert_eq!(app.mailbox.newest_first().len(), before);
}

type Row = (Ts, String, Option<Ts>, Option<Ts>, Option<Ts>, Option<String>, Option<String>, Option<String>);

/// What the inbox is read from, without who has seen it: that it was taken back is news.
async fn stands(app: &App, conversation: &str) -> (Row, Vec<(Ts, Option<Ts>, Option<String>)>) {
    let id = ConversationId(id_of(conversation));
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        let row = c::table.find(id).select((
            c::last_message_at,
            c::last_author,
            c::waiting_since,
            c::read_by_patient_at,
            c::to_do_since,
            c::attention,
            c::notice_email,
            c::answer,
        ));
        let places = p::table.filter(p::conversation_id.eq(id)).order(p::user_id);
        Ok((row.first::<Row>(conn)?, places.select((p::last_message_at, p::waiting_since, p::attention)).load(conn)?))
    });
    read.await.unwrap()
}

async fn a_conversation_stands_as_before(app: App) {
    let (staff, other) = (app.user(Role::Clinician).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&staff, maria, true).await;
    reply_note(&other, &conversation).await;
    app.drain().await;
    let (patient, path) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    let page = patient.get(&path).await.ok();
    app.state.clock.advance(Duration::minutes(5));
    patient.submit(&page, "Send", &[("body", "When shall I come?")]).await.redirect();
    app.drain().await;
    let before = stands(&app, &conversation).await;
    app.state.clock.advance(Duration::minutes(5));
    reply(&staff, &conversation, "On the wrong day").await;
    assert_ne!(stands(&app, &conversation).await, before);
    app.state.clock.advance(Duration::minutes(1));
    take_back(&staff, &conversation).await.redirect();
    assert_eq!(stands(&app, &conversation).await, before);
    // the patient has nothing of it and may go on, the colleagues see what became of it
    let page = patient.get(&path).await.ok();
    assert!(!page.has_text("wrong day") && page.has_text("When shall I come?"), "{}", page.text());
    patient.submit(&page, "Send", &[("body", "Hello?")]).await.redirect();
    assert!(other.get("/inbox?filter=unread").await.ok().has_text("Your results"));
    let seen = other.get(&conversation).await.ok();
    assert!(seen.has_text("On the wrong day") && seen.has_text("Taken back by User clinician"));
}

async fn reply_note(user: &Actor, conversation: &str) {
    let page = user.get(&format!("{conversation}/notes")).await.ok();
    user.submit(&page, "Add note", &[("body", "I look after it")]).await.redirect();
}

async fn what_was_planned_for_the_message_before_goes_on(app: App) {
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/notification-templates").await.ok();
    owner.submit(&page, "Save", &[("plan_remind_days", "3")]).await.redirect();
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&owner, maria, true).await;
    app.drain().await;
    app.state.clock.advance(Duration::minutes(10));
    reply(&owner, &conversation, "A second word").await;
    app.drain().await;
    take_back(&owner, &conversation).await.redirect();
    app.drain().await;
    let states = app.state.db.read(|conn| -> Result<Vec<(MessageId, String)>, AppError> {
        let steps = plan_steps::table.order((plan_steps::message_id, plan_steps::id));
        Ok(steps.select((plan_steps::message_id, plan_steps::state)).load(conn)?)
    });
    let states = states.await.unwrap();
    let (first, second): (Vec<_>, Vec<_>) = states.into_iter().partition(|(message, _)| message.0 == 1);
    assert!(!first.is_empty() && first.iter().all(|(_, state)| state == "waiting"), "{first:?}");
    assert!(!second.is_empty() && second.iter().all(|(_, state)| state == "recalled"), "{second:?}");
    let before = app.mailbox.newest_first().len();
    app.state.clock.advance(Duration::days(3));
    app.drain().await;
    let all = app.mailbox.newest_first();
    assert_eq!(all.len(), before + 1, "one reminder, of the message that is left");
    let (patient, path) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    assert!(!patient.get(&path).await.ok().has_text("A second word"));
}

async fn what_was_opened_is_corrected(app: App) {
    let (staff, other) = (app.user(Role::Clinician).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&staff, maria, true).await;
    app.drain().await;
    let message = last(&staff, &conversation).await;
    let ask = format!("{conversation}/messages/{message}/recall");
    let possible = staff.get(&ask).await.ok();
    let (patient, path) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    patient.get(&path).await.ok();
    // the page that is open still says that it can be taken back: the press says who was faster
    let late = staff.submit(&possible, "Take back", &[]).await;
    assert_eq!(late.status, 409);
    assert!(late.page().has_text("The patient was faster"), "{}", late.page().text());
    assert!(staff.get(&ask).await.ok().has_text("It cannot be taken back any more"));
    let page = staff.get(&conversation).await.ok();
    assert!(page.has_text("Correct…") && !page.has_text("Take back…"));
    // anybody who may write corrects
    let page = other.get(&format!("{conversation}?corrects={message}")).await.ok();
    assert!(page.has_text("This is a correction of the message of"), "{}", page.text());
    let empty = other.submit(&page, "Send", &[("body", "")]).await;
    assert_eq!(empty.status, 422);
    let page = empty.page();
    other.submit(&page, "Send", &[("body", "Take one tablet, not two")]).await.redirect();
    let sent = app.mailbox.newest_first().len();
    app.drain().await;
    assert_eq!(app.mailbox.newest_first().len(), sent + 1, "it goes out with a notice like any message");
    for page in [staff.get(&conversation).await.ok(), patient.get(&path).await.ok()] {
        assert!(page.has_text("All is well") && page.has_text("Take one tablet, not two"));
        assert!(
            page.has_text("Correction of the message of") && page.has_text("Corrected: see below"),
            "{}",
            page.text()
        );
        let places: Vec<String> = page.links().iter().map(|link| link.href.clone()).collect();
        let newer = page.attrs_of(".msg", "id").pop().unwrap();
        assert!(places.contains(&format!("#message-{message}")) && places.contains(&format!("#{newer}")), "{places:?}");
    }
    // one that is not ticked is a reply like any other
    let page = staff.get(&format!("{conversation}?corrects={message}")).await.ok();
    let mut form = page.form_with("Send");
    form.set("body", "By the way").clear("corrects");
    let pairs = form.fields();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    staff.post(&form.action, &pairs).await.redirect();
    let corrections = app.state.db.read(|conn| -> Result<i64, AppError> {
        Ok(messages::table.filter(messages::corrects_id.is_not_null()).count().get_result(conn)?)
    });
    assert_eq!(corrections.await.unwrap(), 1);
}

async fn the_line_of_the_list_counts_as_opened(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let first = app.message(&staff, maria, true).await;
    app.drain().await;
    let (patient, path) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    patient.get(&path).await.ok();
    let second = app.message(&staff, maria, true).await;
    let message = last(&staff, &second).await;
    let probe = patient.send("HEAD", "/portal/messages", &[], "").await;
    assert_eq!(probe.status, 200);
    assert!(staff.get(&second).await.ok().has_text("Take back…"), "a probe shows nothing to anybody");
    patient.get("/portal/messages").await.ok();
    let page = staff.get(&second).await.ok();
    assert!(
        page.has_text("its line was seen in the patient’s list") && !page.has_text("read by patient"),
        "{}",
        page.text()
    );
    assert!(page.has_text("Correct…") && !page.has_text("Take back…"));
    let late = staff.post(&format!("{second}/messages/{message}/recall"), &[]).await;
    assert_eq!(late.status, 409);
    assert!(patient.get("/portal/messages/2").await.ok().has_text("All is well"));
    assert!(staff.get(&first).await.ok().has_text("read by patient"));
}

async fn a_file_and_the_download_count_as_opened(app: App) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    app.message(&owner, maria, true).await;
    app.drain().await;
    let (patient, path) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    patient.get(&path).await.ok();
    let with_file = async |key: &str| {
        let added = upload(&owner, maria, "a.pdf", samples::pdf()).await.text();
        let file = added.split("name=\"upload\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let fields = [("title", "T"), ("body", "B"), ("key", key), ("upload", &*file)];
        let sent = owner.post(&format!("/patients/{maria}/messages/new"), &fields).await.redirect();
        sent.split('?').next().unwrap().to_owned()
    };
    let by_file = with_file("0123456789abcdef-1").await;
    assert_eq!(patient.get("/portal/messages/2/attachments/1").await.status, 200);
    assert!(owner.get(&by_file).await.ok().has_text("read by patient"));
    let in_all = with_file("0123456789abcdef-2").await;
    assert_eq!(
        patient.http.get(format!("{}/portal/information/download", app.origin)).send().await.unwrap().status(),
        200
    );
    let message = last(&owner, &in_all).await;
    assert_eq!(owner.post(&format!("{in_all}/messages/{message}/recall"), &[]).await.status, 409);
    // of what was taken back there is no file, and the download goes without it
    let gone = with_file("0123456789abcdef-3").await;
    take_back(&owner, &gone).await.redirect();
    assert_eq!(patient.get("/portal/messages/4/attachments/1").await.status, 404);
    let all = patient.http.get(format!("{}/portal/information/download", app.origin)).send().await.unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(all.bytes().await.unwrap())).unwrap();
    let names: Vec<String> = (0..zip.len()).map(|at| zip.by_index(at).unwrap().name().unwrap().into_owned()).collect();
    assert!(names.iter().any(|name| name == "conversation-3.html"), "{names:?}");
    assert!(!names.iter().any(|name| name.contains('4')), "{names:?}");
    let mut index = String::new();
    std::io::Read::read_to_string(&mut zip.by_name("index.html").unwrap(), &mut index).unwrap();
    assert!(index.contains("conversation-3.html") && !index.contains("conversation-4.html"), "{index}");
}

/// A probe, a part that is not there, and a list of who looked show nothing of a message: it can still be taken back.
async fn what_shows_nothing_opens_nothing(app: App) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    app.message(&owner, maria, true).await;
    app.drain().await;
    let (patient, path) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    patient.get(&path).await.ok();
    let added = upload(&owner, maria, "a.pdf", samples::pdf()).await.text();
    let file = added.split("name=\"upload\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields = [("title", "Unseen"), ("body", "B"), ("key", "0123456789abcdef-1"), ("upload", &*file)];
    let sent = owner.post(&format!("/patients/{maria}/messages/new"), &fields).await.redirect();
    let second = sent.split('?').next().unwrap().to_owned();
    owner.get(&second).await.ok();
    for path in ["/portal/information/download", "/portal/messages/2/attachments/1", "/portal/messages/2"] {
        assert_eq!(patient.send("HEAD", path, &[], "").await.status, 200, "{path}");
    }
    let beyond = patient.send("GET", "/portal/messages/2/attachments/1", &[("range", "bytes=99999999-")], "").await;
    assert_eq!(beyond.status, 416);
    let looks = patient.get("/portal/information/views").await.ok();
    assert!(!looks.has_text("Unseen"), "{}", looks.text());
    assert!(owner.get(&second).await.ok().has_text("Take back…"));
    assert_eq!(take_back(&owner, &second).await.status, 303);
}

/// The clinic wrote while the patient was writing: the page that asks shows the new message, so it was seen.
async fn a_reply_that_comes_back_opens_what_it_shows(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&staff, maria, true).await;
    app.drain().await;
    let (patient, path) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    let page = patient.get(&path).await.ok();
    reply(&staff, &conversation, "Words that came meanwhile").await;
    let refused = patient.submit(&page, "Send", &[("body", "An answer")]).await;
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("Words that came meanwhile"));
    let message = last(&staff, &conversation).await;
    assert_eq!(staff.post(&format!("{conversation}/messages/{message}/recall"), &[]).await.status, 409);
    assert!(!staff.get(&conversation).await.ok().has_text("Take back…"));
}

/// Lines of the patient's list were read, then the newest message is taken back, then they are marked: the caller reads them
/// anew, whether anything was marked or not, and of two at one moment the page tells the truth.
async fn the_list_is_read_while_it_is_taken_back(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    let (patient, first) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    patient.get(&first).await.ok();
    for round in 2..8 {
        let conversation = app.message(&staff, maria, true).await;
        let recall = format!("{conversation}/messages/{}/recall", last(&staff, &conversation).await);
        let (answer, list) = join(staff.post(&recall, &[]), patient.get("/portal/messages")).await;
        let is_listed = list.ok().links().iter().any(|link| link.href == format!("/portal/messages/{round}"));
        assert_eq!(is_listed, answer.status == 409, "round {round}: {}", answer.status);
    }
}

/// The patient's page was read, then the message is taken back, then the look is marked: nothing of it may be shown.
async fn the_patient_looks_while_it_is_taken_back(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&staff, maria, true).await;
    let read = app
        .state
        .db
        .read(move |conn| -> Result<_, AppError> { Ok(conversations::patient_thread(conn, &visit(maria), 1, None)?) });
    let seen = read.await.unwrap().unwrap();
    assert_eq!(seen.messages.len(), 1);
    take_back(&staff, &conversation).await.redirect();
    let now = app.state.clock.now();
    let mark = app.state.db.write(move |tx| -> Result<_, DbError> { Ok(seen.mark_read(tx, now, &visit(maria))?) });
    assert!(!mark.await.unwrap(), "the page is read anew");
    let read = app.state.db.read(|conn| -> Result<Option<Ts>, AppError> {
        Ok(messages::table.select(messages::read_by_patient_at).first(conn)?)
    });
    assert_eq!(read.await.unwrap(), None);
    assert!(staff.get(&conversation).await.ok().has_text("the patient never opened it"));
}

async fn of_two_at_one_moment_one_wins(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    let (patient, first) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    patient.get(&first).await.ok();
    for round in 2..8 {
        let conversation = app.message(&staff, maria, true).await;
        let message = last(&staff, &conversation).await;
        let recall = format!("{conversation}/messages/{message}/recall");
        let path = format!("/portal/messages/{round}");
        let (answer, page) = join(staff.post(&recall, &[]), patient.get(&path)).await;
        let (after, seen) = (patient.get(&path).await, staff.get(&recall).await.ok());
        match answer.status {
            303 => {
                assert_eq!((page.status, after.status), (410, 410), "round {round}");
                assert!(seen.has_text("It is taken back already"));
            }
            409 => {
                assert_eq!((page.status, after.status), (200, 200), "round {round}");
                assert!(answer.page().has_text("The patient was faster") && page.body.contains("All is"));
            }
            other => panic!("{other}: {}", answer.page().text()),
        }
    }
}

/// The notification's job, as a worker claims it.
async fn claimed(app: &App) {
    let (now, random) = (app.state.clock.now(), app.state.random.clone());
    let write = app.state.db.write(move |tx| -> Result<_, DbError> {
        Ok(postern::outbox::claim(tx, now, &random, postern::outbox::Lane::Email, 9, &[])?)
    });
    assert_eq!(write.await.unwrap().len(), 1);
}

async fn a_worker_that_has_it_in_hand_sends_nothing(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&staff, maria, true).await;
    claimed(&app).await;
    assert_eq!(take_back(&staff, &conversation).await.says().1, "message-recalled");
    // the worker that claimed it died, and another finds it
    app.state.clock.advance(Duration::minutes(2));
    app.drain().await;
    assert!(app.mailbox.newest_first().is_empty());
    assert_eq!(notices(&app).await, [("message_waiting".to_owned(), State::Cancelled)]);
    let left = app.state.db.read(|conn| -> Result<i64, AppError> {
        let mail = jobs::table.filter(jobs::kind.eq("send_notification"));
        Ok(mail.count().get_result(conn)?)
    });
    assert_eq!(left.await.unwrap(), 0);
}

async fn what_is_being_handed_over_counts_as_gone(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&staff, maria, true).await;
    claimed(&app).await;
    let (now, id) = (app.state.clock.now(), ConversationId(id_of(&conversation)));
    let write = app.state.db.write(move |tx| -> Result<NotificationId, DbError> {
        let row = notifications::of_conversation(tx, id)?.remove(0);
        Ok(notifications::hand_over(tx, now, row, 1, None)?.id)
    });
    let going = write.await.unwrap();
    assert_eq!(take_back(&staff, &conversation).await.says().1, "message-recalled-told");
    // the mail server's answer comes after that
    let write = app.state.db.write(move |tx| -> Result<(), DbError> {
        let row = notifications::of_conversation(tx, id)?.into_iter().find(|row| row.id == going).unwrap();
        let sent = Ending { state: State::Sent, reason: None };
        notifications::set_state(tx, now, &row, 1, sent)?;
        diesel::delete(jobs::table.filter(jobs::subject_id.eq(going.0))).execute(tx.conn())?;
        Ok(())
    });
    write.await.unwrap();
    app.drain().await;
    let kinds: Vec<String> = notices(&app).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["message_waiting", "recall"], "one of each");
    assert!(app.newest_to(EMAIL).subject.contains("took back a message"));
}

async fn only_the_writer_and_owners_take_back(app: App) {
    let (staff, other) = (app.user(Role::Clinician).await, app.user(Role::Staff).await);
    let (owner, viewer) = (app.user(Role::Owner).await, app.user(Role::Viewer).await);
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&staff, maria, true).await;
    reply_note(&other, &conversation).await;
    let message = last(&staff, &conversation).await;
    let recall = format!("{conversation}/messages/{message}/recall");
    assert!(other.get(&recall).await.ok().has_text("You cannot take this message back"));
    assert_eq!(other.post(&recall, &[]).await.status, 403);
    assert_eq!(viewer.get(&recall).await.status, 403);
    assert_eq!(viewer.post(&recall, &[]).await.status, 403);
    assert!(!viewer.get(&conversation).await.ok().has_text("Take back…"));
    // a note is nobody's to take back, and neither is what stands in another conversation
    let elsewhere = app.message(&staff, maria, true).await;
    for path in
        [format!("{conversation}/messages/{}/recall", message + 1), format!("{elsewhere}/messages/{message}/recall")]
    {
        assert_eq!(staff.post(&path, &[]).await.status, 404, "{path}");
    }
    assert!(owner.get(&conversation).await.ok().has_text("Take back…"));
    owner.post(&recall, &[]).await.redirect();
    assert!(staff.get(&conversation).await.ok().has_text("Taken back by User owner"));
}

/// What the patient has seen nothing of is taken back, and needs no correction.
async fn a_correction_of_what_was_not_seen_is_not_sent(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&staff, maria, true).await;
    let message = last(&staff, &conversation).await.to_string();
    let page = staff.get(&format!("{conversation}?corrects={message}")).await.ok();
    assert!(!page.has_text("This is a correction"), "nothing to correct yet");
    let mut form = page.form_with("Send");
    form.set("body", "The right word");
    let mut fields = form.fields();
    fields.push(("corrects".into(), message));
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = staff.post(&form.action, &fields).await;
    assert_eq!(answer.status, 409);
    let page = answer.page();
    assert!(page.has_text("nothing was sent") && page.form_with("Send").value("body").unwrap().contains("right"));
    staff.submit(&page, "Send", &[]).await.redirect();
}
