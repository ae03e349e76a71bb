//! The two channels report in any order, and the clinic reads the same.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::{conversations, notifications};
use postern::db::{ConversationId, NotificationId, PatientId};
use postern::delivery::Reason;
use postern::error::AppError;
use postern::notifications::{Ending, RoadStates, State, report};
use postern::patients::Method;

on_both!(
    every_order_of_reports_ends_alike,
    both_roads_are_said_in_words,
    a_late_report_of_an_earlier_message_is_none_of_this_one,
    what_is_dealt_with_stays_so
);

#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Email,
    Text,
}

/// A report on the notification by this channel.
type Report = (By, State);

async fn reported(app: &App, id: NotificationId, state: State) -> bool {
    let now = app.state.clock.now();
    let reason = matches!(state, State::Failed).then_some(Reason::NotDelivered);
    let write =
        app.state.db.write(move |tx| -> Result<_, AppError> { Ok(report(tx, now, id, Ending { state, reason })?) });
    write.await.unwrap()
}

/// Sends a message by both channels; gives the conversation, and the notifications by email and by text.
async fn message(app: &App, user: &Actor, patient: PatientId) -> (ConversationId, NotificationId, NotificationId) {
    let path = app.message(user, patient, true).await;
    let id = ConversationId(path.rsplit('/').next().unwrap().parse().unwrap());
    let read = app.state.db.read(move |conn| -> Result<Vec<NotificationId>, AppError> {
        let mine = notifications::table.filter(notifications::conversation_id.eq(id)).order(notifications::id);
        Ok(mine.select(notifications::id).load(conn)?)
    });
    let ids = read.await.unwrap();
    assert_eq!(ids.len(), 2);
    (id, ids[0], ids[1])
}

async fn line(app: &App, id: ConversationId) -> (RoadStates, Option<String>) {
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        use conversations as c;
        let columns = (c::notice_email, c::notice_text, c::attention);
        let found: (Option<State>, Option<State>, Option<String>) = c::table.find(id).select(columns).first(conn)?;
        Ok((RoadStates { email: found.0, text: found.1 }, found.2))
    });
    read.await.unwrap()
}

fn orders<T: Copy>(all: &[T]) -> Vec<Vec<T>> {
    if all.is_empty() {
        return vec![Vec::new()];
    }
    let first = |at: usize| {
        let rest: Vec<T> = all.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, one)| *one).collect();
        orders(&rest).into_iter().map(move |tail| std::iter::once(all[at]).chain(tail).collect::<Vec<T>>())
    };
    (0..all.len()).flat_map(first).collect()
}

async fn every_order_of_reports_ends_alike(app: App) {
    use By::{Email, Text};
    use State::*;
    let user = app.user(Role::Staff).await;
    let patient = app.patient(Like { method: Method::Both, ..Like::default() }).await;
    // the reports, and the state of each channel after all of them
    let stories: [(&[Report], (State, State)); 6] = [
        (&[(Email, Sent), (Email, Bounced), (Text, Sent), (Text, Delivered)], (Bounced, Delivered)),
        (&[(Email, Sent), (Email, Bounced), (Text, Sent), (Text, Failed)], (Bounced, Failed)),
        (&[(Email, Sent), (Text, Sent), (Text, Delivered), (Text, Delivered)], (Sent, Delivered)),
        (&[(Email, Sent), (Text, Sent), (Text, Failed), (Text, Failed)], (Sent, Failed)),
        (&[(Email, Failed), (Text, Sent), (Text, Delivered)], (Failed, Delivered)),
        (&[(Email, Sent), (Text, Stopped), (Email, Bounced)], (Bounced, Stopped)),
    ];
    for (story, (email, text)) in stories {
        for order in orders(story) {
            let (id, by_email, by_text) = message(&app, &user, patient).await;
            for (by, state) in &order {
                reported(&app, if *by == Email { by_email } else { by_text }, *state).await;
                // after each report the rule holds for what is known
                let (told, attention) = line(&app, id).await;
                assert_eq!(attention.is_some(), told.needs_attention(), "{order:?} at {by:?} {state:?}: {told:?}");
            }
            let (told, _) = line(&app, id).await;
            assert_eq!(told, RoadStates { email: Some(email), text: Some(text) }, "{order:?}");
            // an address that returned mail is blocked, so the block is removed before the next case
            let write = app.state.db.write(|tx| -> Result<_, AppError> {
                Ok(diesel::delete(postern::db::schema::address_blocks::table).execute(tx.conn())?)
            });
            write.await.unwrap();
        }
    }
}

async fn both_roads_are_said_in_words(app: App) {
    let user = app.user(Role::Staff).await;
    let patient = app.patient(Like { method: Method::Both, ..Like::default() }).await;
    let (id, by_email, by_text) = message(&app, &user, patient).await;
    assert!(user.get("/inbox?filter=any").await.ok().has_text("Being sent"));
    app.drain().await;
    assert!(user.get("/inbox?filter=any").await.ok().has_text("Notified"));
    reported(&app, by_email, State::Bounced).await;
    let page = user.get("/inbox?filter=any").await.ok();
    // a text that was only sent does not prove that the patient was notified
    assert!(page.has_text("Needs attention") && page.has_text("Notified"), "{}", page.text());
    assert!(page.has_text("Email: Bounced · Text message: Sent"), "{}", page.text());
    let page = user.get(&format!("/conversations/{id}")).await.ok();
    assert!(page.has_text("Email: Bounced · Text message: Sent"), "{}", page.text());
    reported(&app, by_text, State::Delivered).await;
    let page = user.get("/inbox?filter=any").await.ok();
    assert!(!page.has_text("attention-tag") && page.count("li .tag.danger") == 0, "{}", page.text());
    assert!(page.has_text("Email: Bounced · Text message: Delivered"), "{}", page.text());
    // where neither channel delivers, the state says so too
    let (_, by_email, by_text) = message(&app, &user, patient).await;
    for id in [by_email, by_text] {
        reported(&app, id, State::Failed).await;
    }
    let page = user.get("/inbox?filter=needs_attention").await.ok();
    assert!(page.has_text("Not reached") && page.has_text("Email: Failed · Text message: Failed"), "{}", page.text());
}

async fn a_late_report_of_an_earlier_message_is_none_of_this_one(app: App) {
    let user = app.user(Role::Staff).await;
    let patient = app.patient(Like { method: Method::Both, ..Like::default() }).await;
    let (id, _, earlier) = message(&app, &user, patient).await;
    app.drain().await;
    let page = user.get(&format!("/conversations/{id}")).await.ok();
    user.submit(&page, "Send", &[("body", "One thing more")]).await.redirect();
    assert_eq!(line(&app, id).await.0, RoadStates { email: Some(State::Queued), text: Some(State::Queued) });
    assert!(reported(&app, earlier, State::Failed).await);
    assert_eq!(line(&app, id).await, (RoadStates { email: Some(State::Queued), text: Some(State::Queued) }, None));
}

async fn what_is_dealt_with_stays_so(app: App) {
    let user = app.user(Role::Staff).await;
    let patient = app.patient(Like { method: Method::Both, ..Like::default() }).await;
    let (id, by_email, by_text) = message(&app, &user, patient).await;
    reported(&app, by_email, State::Failed).await;
    assert_eq!(line(&app, id).await.1.as_deref(), Some("failed"));
    user.post(&format!("/conversations/{id}/attention"), &[]).await.redirect();
    // a good report of the other channel does not bring the mark back; a bad one does
    reported(&app, by_text, State::Sent).await;
    assert_eq!(line(&app, id).await.1, None);
    reported(&app, by_text, State::Failed).await;
    assert_eq!(line(&app, id).await.1.as_deref(), Some("failed"));
}
