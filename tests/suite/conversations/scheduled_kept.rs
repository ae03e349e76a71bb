//! What is to go out later is no draft, belongs to one place, and is in one state at a time: what is typed into its form goes there or
//! nowhere, and the page says so.

use super::scheduled::{back, count, go_to, rows, schedule};
use crate::files::uploads::post_form;
use crate::on_both;
use crate::support::app::{Actor, Answer, App};
use crate::support::html::Page;
use crate::support::world::Like;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::{clinic, conversations, jobs, scheduled_messages as s};
use postern::db::{Conn, PatientId};
use postern::error::AppError;
use reqwest::multipart::Form as Multipart;
use time::macros::datetime;

on_both!(
    a_draft_to_the_same_patient_stays,
    the_way_by_the_list_of_items_and_by_the_alert_leads_back,
    the_same_press_is_once_and_other_words_ask_first,
    what_went_out_meanwhile_is_told_and_not_doubled,
    a_page_that_saw_another_state_changes_nothing,
    what_cannot_be_read_is_told_and_removed,
    what_waits_comes_first_and_the_rest_is_paged,
    what_was_written_while_two_charts_were_one_goes_to_neither,
    a_file_of_another_patient_and_a_portal_that_is_off,
);

/// The form of a page with this button pressed, and some of its fields filled.
pub fn filled(page: &Page, button: &str, fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut form = page.form_with(button);
    for (name, value) in fields {
        match *name {
            "later" | "upload" | "chart_item" => form.forge(name, value),
            _ => form.set(name, value),
        };
    }
    form.fields()
}

pub async fn post(user: &Actor, path: &str, fields: &[(String, String)]) -> Answer {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    user.post(path, &fields).await
}

pub async fn reply_later(user: &Actor, conversation: &str, words: &str) {
    let page = user.get(conversation).await.ok();
    let fields = filled(&page, "Send", &[("body", words), ("later", "tomorrow")]);
    post(user, &format!("{conversation}/messages/scheduled"), &fields).await.redirect();
}

/// The patient of each, in the order in which they were written.
async fn whose(app: &App) -> Vec<PatientId> {
    let read = app
        .state
        .db
        .read(|conn| -> Result<_, AppError> { Ok(s::table.order(s::id).select(s::patient_id).load(conn)?) });
    read.await.unwrap()
}

pub async fn states(app: &App) -> Vec<String> {
    rows(app).await.into_iter().map(|row| row.2.unwrap_or(row.1)).collect()
}

/// Changes rows behind the program's back.
pub async fn sql(app: &App, statement: &'static str) {
    let write = app.state.db.write(move |tx| -> Result<(), AppError> {
        match tx.conn() {
            Conn::Sqlite(conn) => conn.batch_execute(statement)?,
            Conn::Pg(conn) => conn.batch_execute(statement)?,
        }
        Ok(())
    });
    write.await.unwrap();
}

async fn a_draft_to_the_same_patient_stays(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let new = format!("/patients/{maria}/messages/new");
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    let page = staff.get(&new).await.ok();
    assert!(page.has("form[data-autosave]"));
    staff.submit(&page, "Save draft", &[("title", "A draft"), ("body", "Of another matter")]).await.redirect();
    // its form is no draft: nothing saves it as one, by itself or with a button
    let edit = staff.get(&format!("{new}?scheduled=1")).await.ok();
    assert!(!edit.has("form[data-autosave]") && !edit.has_text("Save draft"), "{}", edit.text());
    assert_eq!(edit.form_with("Submit").value("draft_version").as_deref(), Some("-1"));
    let fields = filled(&edit, "Submit", &[("body", "Changed words"), ("later", "monday")]);
    // what an older page of it still saves is refused
    let saved = post(&staff, &format!("/patients/{maria}/messages/draft"), &fields).await;
    assert_eq!(saved.status, 409);
    let again = saved.page();
    assert_eq!(again.form_with("Submit").value("scheduled").as_deref(), Some("1"), "the link to it stays");
    assert_eq!(again.form_with("Submit").value("draft_version").as_deref(), Some("-1"));
    post(&staff, &format!("/patients/{maria}/messages/scheduled"), &fields).await.redirect();
    let draft = staff.get(&new).await.ok();
    assert_eq!(draft.form_with("Submit").value("body").as_deref().map(str::trim), Some("Of another matter"));
    assert_eq!(draft.form_with("Submit").value("scheduled"), None);
    let edit = staff.get(&format!("{new}?scheduled=1")).await.ok();
    staff.submit(&edit, "Submit", &[("body", "At once")]).await.redirect();
    let draft = staff.get(&new).await.ok();
    assert_eq!(draft.form_with("Submit").value("body").as_deref().map(str::trim), Some("Of another matter"));
    assert_eq!(states(&app).await, ["sent"]);
    // the same for a reply, whose form has no tab to a note meanwhile
    reply_later(&staff, "/conversations/1", "A reply for later").await;
    let page = staff.get("/conversations/1").await.ok();
    staff.submit(&page, "Save draft", &[("body", "A reply that is begun")]).await.redirect();
    let edit = staff.get("/conversations/1?scheduled=2").await.ok();
    assert!(!edit.has("form[data-autosave]") && !edit.has("button[name=write]"), "{}", edit.text());
    staff.submit(&edit, "Send", &[("body", "A reply at once")]).await.redirect();
    let page = staff.get("/conversations/1").await.ok();
    assert_eq!(page.form_with("Send").value("body").as_deref().map(str::trim), Some("A reply that is begun"));
    assert_eq!((states(&app).await, count(&app).await), (vec!["sent".to_owned(), "sent".to_owned()], 2));
}

async fn the_way_by_the_list_of_items_and_by_the_alert_leads_back(app: App) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    schedule(&owner, maria, &[("later", "tomorrow")]).await.redirect();
    let edit = format!("/patients/{maria}/messages/new?scheduled=1");
    let page = owner.get(&edit).await.ok();
    // without script the items are chosen in the form itself: the way to the chart browser would save a draft
    let mut form = Multipart::new().text("browse", "1");
    for (name, value) in filled(&page, "Submit", &[("body", "Typed words")]) {
        form = form.text(name, value);
    }
    let got = post_form(&owner, &format!("/patients/{maria}/messages/files"), form).await;
    assert_eq!(got.status, 200);
    let page = Page::parse(&got.text());
    assert!(page.has("#picker"));
    let form = page.form_with("Submit");
    assert_eq!(form.value("scheduled").as_deref(), Some("1"));
    assert_eq!(form.value("body").as_deref().map(str::trim), Some("Typed words"));
    // the patient cannot be told: what is missing is set in the Alert
    owner.post(&format!("/patients/{maria}/notification-method"), &[("method", "none")]).await.redirect();
    let opened = owner.get(&edit).await.ok().form("form[action$='/messages/repair']");
    assert_eq!(opened.value("scheduled").as_deref(), Some("1"));
    // with what was typed, which no draft keeps; also where the Alert itself is refused
    let pressed = post(&owner, &format!("/patients/{maria}/messages/new"), &form.fields()).await;
    assert_eq!(pressed.status, 409);
    let repair = format!("/patients/{maria}/messages/repair");
    let mut form = pressed.page().form("form[action$='/messages/repair']");
    form.set("email", "no address");
    let refused = post(&owner, &repair, &form.fields()).await;
    assert_eq!(refused.status, 422);
    let mut form = refused.page().form("form[action$='/messages/repair']");
    form.set("email", "maria@example.org").set("method", "email");
    let page = post(&owner, &repair, &form.fields()).await.ok();
    assert_eq!(page.form_with("Submit").value("body").as_deref().map(str::trim), Some("Typed words"));
    assert_eq!(page.form_with("Submit").value("scheduled").as_deref(), Some("1"));
    owner.submit(&page, "Submit", &[]).await.redirect();
    assert_eq!((states(&app).await, count(&app).await), (vec!["sent".to_owned()], 1));
    assert!(owner.get("/conversations/1").await.ok().has_text("Typed words"));
}

async fn the_same_press_is_once_and_other_words_ask_first(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let goal = format!("/patients/{maria}/messages/scheduled");
    let pressed = async |dose: &str, later: &str| {
        let form = [("title", "T"), ("body", dose), ("key", "0123456789abcdef"), ("later", later)];
        staff.post(&goal, &form).await
    };
    let press = async |dose: &str, later: &str| {
        let status = pressed(dose, later).await.status;
        (status, rows(&app).await.len())
    };
    assert_eq!(press("Two tablets", "tomorrow").await, (303, 1));
    assert_eq!(press("Two tablets", "tomorrow").await, (303, 1), "twice is once");
    // who goes back and corrects the dose, or the moment, means the one message: the patient would read both
    assert_eq!(press("One tablet", "tomorrow").await, (409, 1), "other words");
    assert_eq!(press("Two tablets", "monday").await, (409, 1), "another moment");
    // whoever says so puts off another one
    let told = pressed("One tablet", "monday").await.page();
    assert!(told.has_text("is already to go out later"), "{}", told.text());
    post(&staff, &goal, &filled(&told, "Submit", &[("later", "monday")])).await.redirect();
    assert_eq!(states(&app).await, ["waiting", "waiting"]);
    staff.post("/scheduled/1/cancellation", &[("version", "1")]).await.redirect();
    assert_eq!(press("Two tablets", "tomorrow").await, (303, 3), "cancelled, and sent again from the same page");
    assert_eq!(press("Two tablets", "tomorrow").await, (303, 3));
    assert_eq!(states(&app).await, ["cancelled", "waiting", "waiting"]);
    go_to(&app, datetime!(2026-03-05 14:00 UTC)).await;
    assert_eq!((count(&app).await, states(&app).await[2].as_str()), (1, "sent"));
    back(&app, &staff, 1).await;
    assert_eq!(press("One tablet", "monday").await, (409, 3), "it went out since");
    let new = [("title", "T"), ("body", "One tablet"), ("key", "0123456789abcdef")];
    let told = staff.post(&format!("/patients/{maria}/messages/new"), &new).await;
    assert_eq!((told.status, count(&app).await), (409, 1), "nor is it sent at once");
    go_to(&app, datetime!(2026-03-09 13:00 UTC)).await;
    assert_eq!(states(&app).await, ["cancelled", "sent", "sent"]);
    back(&app, &staff, 1).await;
    let all = [staff.get("/conversations/1").await.ok(), staff.get("/conversations/2").await.ok()];
    assert!(all.iter().any(|page| page.has_text("One tablet")) && all.iter().any(|page| page.has_text("Two tablets")));
}

async fn what_went_out_meanwhile_is_told_and_not_doubled(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let fields = [("later", "at"), ("later_date", "2026-03-04"), ("later_time", "09:05")];
    schedule(&staff, maria, &fields).await.redirect();
    let page = staff.get(&format!("/patients/{maria}/messages/new?scheduled=1")).await.ok();
    go_to(&app, datetime!(2026-03-04 14:05 UTC)).await;
    assert_eq!(count(&app).await, 1);
    let goals = [format!("/patients/{maria}/messages/new"), format!("/patients/{maria}/messages/scheduled")];
    for goal in &goals {
        let fields = filled(&page, "Submit", &[("body", "Corrected words"), ("later", "tomorrow")]);
        let told = post(&staff, goal, &fields).await;
        assert_eq!(told.status, 409, "{goal}");
        assert!(told.body.contains("Corrected words"));
        let told = told.page();
        assert!(told.has_text("It went out on 4 March 2026, 9:05"), "{}", told.text());
        assert!(told.links().iter().any(|link| link.href == "/conversations/1"));
        // pressing again is no way around it
        let fields = filled(&told, "Submit", &[("later", "tomorrow")]);
        assert_eq!(post(&staff, goal, &fields).await.status, 409, "{goal}");
        assert_eq!((count(&app).await, rows(&app).await.len()), (1, 1));
    }
    let fields = filled(&page, "Submit", &[("body", "Corrected words")]);
    let told = post(&staff, &goals[0], &fields).await.page();
    let mut form = told.form_with("Submit");
    form.forge("another", "on");
    post(&staff, &goals[0], &form.fields()).await.redirect();
    assert_eq!(count(&app).await, 2, "as another message, because its writer says so");
    assert!(staff.get("/conversations/1").await.ok().has_text("All is well"));
    assert!(staff.get("/conversations/2").await.ok().has_text("Corrected words"));
}

async fn a_page_that_saw_another_state_changes_nothing(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    let list = staff.get("/inbox/scheduled").await.ok();
    let describes = list.attr("form[action$=cancellation] button", "aria-describedby").unwrap();
    assert_eq!(list.text_of(&format!("#{describes}")), "María Mejía: Your results");
    let edit = staff.get(&format!("/patients/{maria}/messages/new?scheduled=1")).await.ok();
    let goal = format!("/patients/{maria}/messages/scheduled");
    post(&staff, &goal, &filled(&edit, "Submit", &[("body", "Other words"), ("later", "monday")])).await.redirect();
    for button in ["Cancel", "Send now"] {
        assert_eq!(staff.submit(&list, button, &[]).await.says().1, "scheduled-changed", "{button}");
    }
    assert_eq!(states(&app).await, ["waiting"]);
    // cancelled and put off again: a list that showed it as cancelled removes nothing
    let list = staff.get("/inbox/scheduled").await.ok();
    staff.submit(&list, "Cancel", &[]).await.redirect();
    let list = staff.get("/inbox/scheduled").await.ok();
    let edit = staff.get(&format!("/patients/{maria}/messages/new?scheduled=1")).await.ok();
    assert!(edit.has_text("does not go out by itself"), "{}", edit.text());
    // an editor that was open when it was cancelled says so as well
    post(&staff, &goal, &filled(&edit, "Submit", &[("later", "monday")])).await.redirect();
    assert_eq!(staff.submit(&list, "Remove", &[]).await.says().1, "scheduled-changed");
    let edit = staff.get(&format!("/patients/{maria}/messages/new?scheduled=1")).await.ok();
    let list = staff.get("/inbox/scheduled").await.ok();
    staff.submit(&list, "Cancel", &[]).await.redirect();
    let late = post(&staff, &goal, &filled(&edit, "Submit", &[("body", "Late words"), ("later", "tomorrow")])).await;
    assert_eq!(late.status, 409);
    assert!(late.page().has_text("does not go out by itself any more") && late.body.contains("Late words"));
    assert_eq!(states(&app).await, ["cancelled"]);
}

async fn what_cannot_be_read_is_told_and_removed(app: App) {
    let (owner, staff) = (app.user(Role::Owner).await, app.user(Role::Clinician).await);
    let maria = app.patient(Like::default()).await;
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    schedule(&staff, maria, &[("later", "tomorrow"), ("title", "The second")]).await.redirect();
    sql(&app, "UPDATE scheduled_messages SET form = 'not what a form is' WHERE id = 1").await;
    let list = staff.get("/inbox/scheduled").await.ok();
    assert!(list.has_text("cannot be read any more") && list.has_text("The second"), "{}", list.text());
    assert_eq!((list.count("form[action$=sending]"), list.count("form[action$=cancellation]")), (1, 2));
    let (to, notice) = staff.get(&format!("/patients/{maria}/messages/new?scheduled=1")).await.says();
    assert_eq!((to.as_str(), notice.as_str()), ("/inbox/scheduled", "scheduled-changed"), "no form without its words");
    go_to(&app, datetime!(2026-03-05 14:00 UTC)).await;
    assert_eq!((count(&app).await, states(&app).await), (1, vec!["broken".to_owned(), "sent".to_owned()]));
    let told =
        app.mailbox.newest_first().iter().filter(|mail| mail.subject.contains("will not go out by itself")).count();
    assert_eq!(told, 1);
    let left = app.state.db.read(|conn| -> Result<i64, AppError> {
        Ok(jobs::table.filter(jobs::kind.eq("send_scheduled")).count().get_result(conn)?)
    });
    assert_eq!(left.await.unwrap(), 0, "it is not tried for ever");
    back(&app, &staff, 2).await;
    let list = staff.get("/inbox/scheduled").await.ok();
    staff.submit(&list, "Remove", &[]).await.redirect();
    assert!(staff.get("/inbox/scheduled").await.ok().has_text("Nothing is to go out later"));
    // cancelled words are work too: somebody takes them over
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    let list = staff.get("/inbox/scheduled").await.ok();
    staff.submit(&list, "Cancel", &[]).await.redirect();
    back(&app, &owner, 1).await;
    let asks = owner.get("/settings/users/2/deactivation").await.ok();
    assert!(asks.has_text("1 message that is to go out later, or was not sent"), "{}", asks.text());
}

async fn what_waits_comes_first_and_the_rest_is_paged(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    schedule(&staff, maria, &[("later", "monday"), ("title", "It waits")]).await.redirect();
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<(), AppError> {
        use postern::db::sealed;
        for number in 0..60_i64 {
            let at = now.plus(-time::Duration::hours(number + 1));
            let form = format!("[[\"title\",\"Late {number}.\"]]");
            let row = (
                (s::user_id.eq(1_i64), s::patient_id.eq(maria), s::form.eq(sealed::text(&form)), s::send_at.eq(at)),
                (s::state.eq("not_sent"), s::reason.eq("late"), s::state_at.eq(at), s::version.eq(2_i64)),
                (s::form_key.eq(format!("k{number}")), s::created_at.eq(at)),
            );
            diesel::insert_into(s::table).values(row).execute(tx.conn())?;
        }
        Ok(())
    });
    write.await.unwrap();
    let page = staff.get("/inbox/scheduled").await.ok();
    let titles = page.texts_of("main li h2");
    assert_eq!((titles.len(), titles[0].as_str()), (51, "María Mejía: It waits"));
    assert_eq!((titles[1].as_str(), titles[50].as_str()), ("María Mejía: Late 0.", "María Mejía: Late 49."));
    let more = staff.get(&page.link("More")).await.ok();
    let titles = more.texts_of("main li h2");
    assert_eq!((titles.len(), titles[0].as_str()), (10, "María Mejía: Late 50."));
    assert_eq!(more.link("Back to the beginning"), "/inbox/scheduled");
    assert!(!more.links().iter().any(|link| link.text == "More"));
    for odd in ["after=x", "rest=1-", "after=99999999999999999999-1"] {
        assert_eq!(staff.get(&format!("/inbox/scheduled?{odd}")).await.status, 200, "{odd}");
    }
}

async fn what_was_written_while_two_charts_were_one_goes_to_neither(app: App) {
    let staff = app.user(Role::Staff).await;
    let one = app.patient(Like::default()).await;
    let like =
        Like { name: ("Maria", "Mejía"), email: Some("m.mejia@example.org".into()), phone: None, ..Like::default() };
    let other = app.patient(like).await;
    let moved = app.message(&staff, other, true).await;
    app.drain().await;
    schedule(&staff, other, &[("later", "tomorrow"), ("title", "Quartz results")]).await.redirect();
    app.state.clock.advance(time::Duration::minutes(1));
    let page = staff.get(&format!("/patients/{one}/merging?with={other}")).await.ok();
    staff.submit(&page, "Merge the charts", &[]).await.redirect();
    app.state.clock.advance(time::Duration::minutes(1));
    reply_later(&staff, &moved, "A reply to whom?").await;
    schedule(&staff, one, &[("later", "tomorrow"), ("title", "Basalt results")]).await.redirect();
    let open = staff.get(&format!("/patients/{one}/messages/new?scheduled=1")).await.ok();
    assert_eq!(open.form_with("Submit").value("title").as_deref(), Some("Quartz results"));
    let chart = staff.get(&format!("/patients/{one}")).await.ok();
    staff.submit(&chart, "Undo the merge", &[]).await.redirect();
    assert_eq!(states(&app).await, ["waiting", "taken_apart", "taken_apart"]);
    assert_eq!(whose(&app).await, [other, other, one]);
    let left = app.state.db.read(|conn| -> Result<i64, AppError> {
        Ok(jobs::table.filter(jobs::kind.eq("send_scheduled")).count().get_result(conn)?)
    });
    assert_eq!(left.await.unwrap(), 1);
    // what is typed for the one is not written into what belongs to the other
    for goal in ["new", "scheduled"] {
        let fields = filled(&open, "Submit", &[("body", "Meant for one"), ("later", "tomorrow")]);
        let late = post(&staff, &format!("/patients/{one}/messages/{goal}"), &fields).await;
        assert_eq!(late.status, 409, "{goal}");
        assert!(late.body.contains("Meant for one") && !late.page().has_text("Its text as it is stored"));
    }
    assert_eq!((rows(&app).await.len(), count(&app).await), (3, 1));
    let list = staff.get("/inbox/scheduled").await.ok();
    assert!(list.has_text("The merge of two charts was undone"), "{}", list.text());
    app.drain().await;
    let mails = app.mailbox.newest_first();
    assert_eq!(mails.iter().filter(|mail| mail.subject.contains("will not go out by itself")).count(), 2);
    go_to(&app, datetime!(2026-03-05 14:00 UTC)).await;
    assert_eq!(
        (states(&app).await, count(&app).await),
        (["sent", "taken_apart", "taken_apart"].map(str::to_owned).to_vec(), 2)
    );
    let to = app.state.db.read(|conn| -> Result<PatientId, AppError> {
        Ok(conversations::table.order(conversations::id.desc()).select(conversations::patient_id).first(conn)?)
    });
    assert_eq!(to.await.unwrap(), other);
}

async fn a_file_of_another_patient_and_a_portal_that_is_off(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let otto =
        app.patient(Like { name: ("Otto", "Other"), email: Some("o@example.org".into()), ..Like::default() }).await;
    let upload = crate::files::uploads::upload(&staff, maria, "a.pdf", crate::files::samples::pdf()).await;
    let file = crate::files::uploads::id_in(&upload);
    let write = app.state.db.write(move |tx| -> Result<(), AppError> {
        use postern::db::schema::uploads as u;
        let named = (u::suspect_id.eq(otto), u::suspect_by.eq("number"));
        diesel::update(u::table).set(named).execute(tx.conn())?;
        Ok(())
    });
    write.await.unwrap();
    // as for what is sent at once: it is asked first, and the answer is kept with it
    let asked = schedule(&staff, maria, &[("later", "tomorrow"), ("upload", &file)]).await;
    assert_eq!(asked.status, 409);
    let page = asked.page();
    assert!(page.has_text("A file names another patient"), "{}", page.text());
    let fields = filled(&page, "Submit", &[("for_this_patient", file.as_str()), ("later", "tomorrow")]);
    post(&staff, &format!("/patients/{maria}/messages/scheduled"), &fields).await.redirect();
    schedule(&staff, maria, &[("later", "monday")]).await.redirect();
    go_to(&app, datetime!(2026-03-05 14:00 UTC)).await;
    assert_eq!((states(&app).await, count(&app).await), (vec!["sent".to_owned(), "waiting".to_owned()], 1));
    // the whole portal is off by then
    let write = app.state.db.write(|tx| -> Result<usize, AppError> {
        Ok(diesel::update(clinic::table).set(clinic::portal_on.eq(false)).execute(tx.conn())?)
    });
    write.await.unwrap();
    go_to(&app, datetime!(2026-03-09 13:00 UTC)).await;
    assert_eq!((states(&app).await, count(&app).await), (vec!["sent".to_owned(), "cannot_be_told".to_owned()], 1));
}
