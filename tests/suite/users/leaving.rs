//! A deactivated user is signed out at once, and their work is handed over.

use super::{everybody, newest, noted, speak};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use postern::access::Role;
use postern::audit;
use postern::db::schema::{drafts, message_templates, participants, uploads, users};
use postern::db::{PatientId, UserId};
use postern::error::AppError;

on_both!(
    sessions_and_links_end_at_once,
    what_is_open_goes_to_whom_the_page_asks_for,
    what_was_assigned_is_assigned_to_whoever_takes_over,
    a_patient_answers_whoever_took_over,
    a_message_to_many_goes_on_in_the_name_of_whoever_takes_over,
    words_of_both_are_kept,
    only_those_who_can_work_take_over,
    nobody_is_given_work_who_leaves,
    who_comes_back_signs_in_again
);

async fn deactivate(owner: &Actor, user: UserId, to: Option<UserId>) {
    let page = owner.get(&format!("/settings/users/{user}/deactivation")).await.ok();
    let to = to.map(|to| to.to_string());
    let fields: Vec<(&str, &str)> = to.iter().map(|to| ("to", to.as_str())).collect();
    let (to, notice) = owner.submit(&page, "Deactivate", &fields).await.says();
    assert_eq!((to.as_str(), notice.as_str()), ("/settings/users", "user-deactivated"));
}

async fn sessions_and_links_end_at_once(app: App) {
    let owner = app.user(Role::Owner).await;
    let staff = app.user(Role::Staff).await;
    let id = newest(&app).await;
    let email = everybody(&app).await.pop().unwrap().email;
    let second = app.anyone();
    let sign_in = [("email", email.as_str()), ("password", PASSWORD)];
    second.post("/sign-in", &sign_in).await.redirect();
    let (now, token) = (app.state.clock.now(), app.state.random.token());
    let link = format!("/password/{}", token.reveal());
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        Ok(postern::users::make_password_link(tx, now, id, postern::users::Purpose::Invitation, &token)?)
    });
    write.await.unwrap();
    assert_eq!(app.anyone().get(&link).await.status, 200);
    deactivate(&owner, id, None).await;
    for browser in [&staff, &second] {
        assert!(browser.get("/inbox").await.redirect().starts_with("/sign-in"));
    }
    assert_eq!(app.anyone().post("/sign-in", &sign_in).await.status, 422);
    assert_eq!(app.anyone().get(&link).await.status, 404);
    let list = owner.get("/settings/users").await.ok();
    assert!(list.text_of("[aria-labelledby=deactivated]").contains("User staff"), "{}", list.text());
    assert_eq!(noted(&app, id, "user_deactivated").await.len(), 1);
    // a second request changes nothing
    owner.post(&format!("/settings/users/{id}/deactivation"), &[]).await.redirect();
    assert_eq!(noted(&app, id, "user_deactivated").await.len(), 1);
}

struct World {
    owner: Actor,
    leaver: Actor,
    leaver_id: UserId,
    heir: Actor,
    heir_id: UserId,
    maria: PatientId,
}

async fn world(app: &App) -> World {
    let owner = app.user(Role::Owner).await;
    let leaver = app.user(Role::Clinician).await;
    let leaver_id = newest(app).await;
    let heir = app.user(Role::Staff).await;
    let heir_id = newest(app).await;
    let maria = app.patient(Like::default()).await;
    World { owner, leaver, leaver_id, heir, heir_id, maria }
}

/// A user's marks on a conversation, unread and done; `None` where they take no part.
async fn marks(app: &App, conversation: &str, user: UserId) -> Option<(bool, bool)> {
    let id: i64 = conversation.rsplit('/').next().unwrap().parse().unwrap();
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        use participants as p;
        let row = p::table.filter(p::conversation_id.eq(postern::db::ConversationId(id))).filter(p::user_id.eq(user));
        Ok(row.select((p::unread, p::done_at.is_not_null())).first(conn).optional()?)
    });
    read.await.unwrap()
}

async fn what_is_open_goes_to_whom_the_page_asks_for(app: App) {
    let world = world(&app).await;
    let (owner, leaver) = (&world.owner, &world.leaver);
    let open = app.message(leaver, world.maria, true).await;
    let done = app.message(leaver, world.maria, true).await;
    let closed = app.message(leaver, world.maria, true).await;
    let just_closed = app.message(leaver, world.maria, true).await;
    leaver.post(&format!("{done}/done"), &[]).await.redirect();
    leaver.post(&format!("{closed}/closure"), &[]).await.redirect();
    app.state.clock.advance(time::Duration::minutes(11));
    leaver.post(&format!("{just_closed}/closure"), &[]).await.redirect();
    owner.post("/account/confirmation", &[("password", PASSWORD)]).await.redirect();
    let template = [("name", "Mine"), ("category", ""), ("language", "en"), ("title", "T"), ("body", "B")];
    leaver.post("/settings/message-templates", &template).await.redirect();
    let draft = [("title", "Iron"), ("body", "half"), ("key", "0123456789abcdef"), ("draft_version", "4")];
    leaver.post(&format!("/patients/{}/messages/draft", world.maria), &draft).await.redirect();
    let ask = owner.get(&format!("/settings/users/{}/deactivation", world.leaver_id)).await.ok();
    for words in ["3 open conversations", "1 draft", "1 message template of their own", "Who takes over?"] {
        assert!(ask.has_text(words), "{words}: {}", ask.text());
    }
    // nobody was chosen to take over: nothing changes
    let refused = owner.submit(&ask, "Deactivate", &[]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.page().has_text("Choose who takes over"));
    assert!(everybody(&app).await[1].active);
    deactivate(owner, world.leaver_id, Some(world.heir_id)).await;
    assert_eq!(marks(&app, &open, world.heir_id).await, Some((false, false)));
    assert_eq!(marks(&app, &done, world.heir_id).await, Some((false, true)));
    assert!(marks(&app, &just_closed, world.heir_id).await.is_some());
    for handed in [&open, &done, &just_closed] {
        assert_eq!(marks(&app, handed, world.leaver_id).await, None, "{handed}");
    }
    // a conversation that is closed permanently still shows who took part
    assert!(marks(&app, &closed, world.leaver_id).await.is_some());
    assert_eq!(marks(&app, &closed, world.heir_id).await, None);
    let page = world.heir.get(&format!("/patients/{}/messages/new", world.maria)).await.ok();
    assert_eq!(page.form_with("Submit").value("title").as_deref(), Some("Iron"));
    assert!(world.heir.get("/settings/message-templates").await.ok().has_text("Mine"));
    // everything is audited, and nothing is left with the user
    let (leaver, patient) = (world.leaver_id, world.maria);
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        use postern::db::schema::audit_events as a;
        let handed = a::table.filter(a::action.eq("work_handed_over")).filter(a::patient_id.eq(patient));
        let words: Vec<Option<String>> = handed.order(a::id).select(a::detail).load(conn)?;
        let begun: i64 = drafts::table
            .filter(drafts::user_id.eq(leaver))
            .filter(drafts::form.is_not_null())
            .count()
            .get_result(conn)?;
        let own: i64 =
            message_templates::table.filter(message_templates::owner_id.eq(leaver)).count().get_result(conn)?;
        let files: i64 = uploads::table.filter(uploads::user_id.eq(leaver)).count().get_result(conn)?;
        Ok((words, begun + own + files))
    });
    let (words, left) = read.await.unwrap();
    let conversations = words.iter().filter(|word| word.as_deref() == Some("conversation")).count();
    assert_eq!((conversations, words.len(), left), (3, 4, 0));
    let held = app.state.db.read(|conn| Ok::<_, AppError>(audit::verify(conn, None))).await.unwrap();
    held.unwrap();
}

async fn what_was_assigned_is_assigned_to_whoever_takes_over(app: App) {
    let world = world(&app).await;
    let conversation = app.message(&world.leaver, world.maria, true).await;
    let leaver = world.leaver_id.to_string();
    let due = [("user", leaver.as_str()), ("due_date", "2026-03-06"), ("due_time", "17:00")];
    world.leaver.post(&format!("{conversation}/assignment"), &due).await.redirect();
    let ask = world.owner.get(&format!("/settings/users/{leaver}/deactivation")).await.ok();
    assert!(ask.has_text("1 of them assigned to them"), "{}", ask.text());
    deactivate(&world.owner, world.leaver_id, Some(world.heir_id)).await;
    assert_eq!(marks(&app, &conversation, world.leaver_id).await, None);
    assert_eq!(marks(&app, &conversation, world.heir_id).await, Some((true, false)));
    let list = world.heir.get("/inbox?filter=assigned").await.ok();
    assert!(list.text_of(".work li").contains("User staff · due Friday, 17:00"), "{}", list.text());
    let events = world.heir.get(&conversation).await.ok().texts_of(".thread > .event");
    for said in ["User clinician left the conversation", "User owner added User staff"] {
        assert!(events.iter().any(|event| event.starts_with(said)), "{said}: {events:?}");
    }
    let said = "User owner assigned the conversation to User staff · due 6 March 2026, 17:00";
    assert!(events.last().unwrap().starts_with(said), "{events:?}");
}

async fn a_patient_answers_whoever_took_over(app: App) {
    let world = world(&app).await;
    let conversation = app.message(&world.leaver, world.maria, true).await;
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    world.heir.post("/account/notifications", &[("told", "at_once")]).await.redirect();
    world.leaver.post("/account/notifications", &[("told", "at_once")]).await.redirect();
    deactivate(&world.owner, world.leaver_id, Some(world.heir_id)).await;
    let page = patient.get(&message).await.ok();
    patient.submit(&page, "Send", &[("body", "Thank you, and one question")]).await.redirect();
    app.drain().await;
    let all = everybody(&app).await;
    let told = app.newest_to(all[2].email.as_str());
    assert!(told.text.contains("/inbox"), "{}", told.text);
    for part in [&told.text, &told.html] {
        assert!(part.contains("because you have an account") && part.contains("To know that it is real"), "{part}");
    }
    assert!(app.mailbox.newest_first().iter().all(|mail| mail.to != all[1].email.as_str()));
    assert_eq!(marks(&app, &conversation, world.heir_id).await, Some((true, false)));
    assert!(world.heir.get("/inbox").await.ok().has_text("Your results"));
    // an earlier answer is unread for a user who is added to the conversation
    let second = app.user(Role::Clinician).await;
    let third = newest(&app).await;
    world.heir.get(&conversation).await.ok();
    assert_eq!(marks(&app, &conversation, world.heir_id).await, Some((false, false)));
    deactivate(&world.owner, world.heir_id, Some(third)).await;
    assert_eq!(marks(&app, &conversation, third).await, Some((true, false)));
    second.get(&conversation).await.ok();
    // what would be told to the writer of the message is told to those who take part now
    let id = conversation.rsplit('/').next().unwrap().parse().map(postern::db::ConversationId).unwrap();
    let writer = world.leaver_id;
    let write = app.state.db.write(move |tx| Ok::<_, AppError>(postern::threads::is_news_to(tx, id, writer)?));
    write.await.unwrap();
    assert_eq!(marks(&app, &conversation, third).await, Some((true, false)));
}

async fn a_message_to_many_goes_on_in_the_name_of_whoever_takes_over(app: App) {
    let world = world(&app).await;
    let prepared = app.broadcast(&world.leaver, &[world.maria]).await;
    let going = app.broadcast(&world.leaver, &[world.maria]).await;
    let going = going.split('?').next().unwrap().to_owned();
    world.leaver.post(&format!("{going}/sending"), &[]).await.redirect();
    let path = format!("/settings/users/{}/deactivation", world.leaver_id);
    let ask = world.owner.get(&path).await.ok();
    assert!(ask.has_text("2 messages to many that are prepared or go out"), "{}", ask.text());
    let refused = world.owner.submit(&ask, "Deactivate", &[]).await;
    assert_eq!(refused.status, 422);
    // whoever may not send to many does not go on with it
    let staff = world.heir_id.to_string();
    let refused = world.owner.submit(&ask, "Deactivate", &[("to", &staff)]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.page().has_text("This user may not send messages to many"), "{}", refused.page().text());
    assert!(everybody(&app).await[1].active);
    deactivate(&world.owner, world.leaver_id, Some(UserId(1))).await;
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        use postern::db::schema::{audit_events as a, broadcasts as b, conversations as c};
        let theirs: Vec<UserId> = b::table.order(b::id).select(b::user_id).load(conn)?;
        let handed = a::table.filter(a::action.eq("work_handed_over")).filter(a::subject.eq("broadcast"));
        let handed: i64 = handed.count().get_result(conn)?;
        let begun: i64 = c::table.count().get_result(conn)?;
        Ok((theirs, handed, begun))
    });
    assert_eq!(read.await.unwrap(), (vec![UserId(1), UserId(1)], 2, 0));
    // it goes out all the same, in the name of whoever took over
    app.drain().await;
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        use postern::db::schema::conversations as c;
        Ok(c::table.select(c::started_by).load::<UserId>(conn)?)
    });
    assert_eq!(read.await.unwrap(), [UserId(1)]);
    assert_eq!(world.owner.get(prepared.split('?').next().unwrap()).await.status, 200);
}

async fn words_of_both_are_kept(app: App) {
    let world = world(&app).await;
    let conversation = app.message(&world.owner, world.maria, true).await;
    for (who, words) in [(&world.leaver, "words of the leaver"), (&world.heir, "words of the heir")] {
        for place in [format!("/patients/{}/messages", world.maria), format!("{conversation}/messages")] {
            let draft = [("body", words), ("title", words), ("key", "0123456789abcdef"), ("draft_version", "0")];
            who.post(&format!("{place}/draft"), &draft).await.redirect();
        }
    }
    deactivate(&world.owner, world.leaver_id, Some(world.heir_id)).await;
    for place in [format!("/patients/{}/messages/new", world.maria), conversation] {
        let page = world.heir.get(&place).await.ok();
        let button = if place.starts_with("/patients") { "Submit" } else { "Send" };
        let body = page.form_with(button).value("body").unwrap();
        assert!(body.contains("words of the heir") && body.contains("words of the leaver"), "{place}: {body}");
    }
}

async fn only_those_who_can_work_take_over(app: App) {
    let world = world(&app).await;
    app.message(&world.leaver, world.maria, true).await;
    app.user(Role::Viewer).await;
    let viewer = newest(&app).await;
    app.user(Role::Staff).await;
    let invited = newest(&app).await;
    app.user(Role::Staff).await;
    let gone = newest(&app).await;
    deactivate(&world.owner, gone, None).await;
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        let row = diesel::update(users::table.find(invited));
        Ok(row.set(users::password_hash.eq(None::<String>)).execute(tx.conn())?)
    });
    write.await.unwrap();
    let path = format!("/settings/users/{}/deactivation", world.leaver_id);
    let page = world.owner.get(&path).await.ok();
    assert_eq!(page.attrs_of("#to option", "value").len(), 3, "nobody, the owner and the heir");
    for to in [viewer, invited, gone, world.leaver_id, UserId(99), UserId(0)] {
        let answer = world.owner.post(&path, &[("to", &to.to_string())]).await;
        assert_eq!(answer.status, 422, "{to}");
        assert!(answer.page().has_text("This user cannot take over"), "{to}");
    }
    assert!(everybody(&app).await[1].active);
}

/// A user is added to a conversation, or writes, while they are being deactivated: either it happens before and is
/// handed over, or it does not happen.
async fn nobody_is_given_work_who_leaves(app: App) {
    let world = world(&app).await;
    let conversation = app.message(&world.owner, world.maria, true).await;
    let leaver = world.leaver_id.to_string();
    for round in 0..8 {
        let path = format!("/settings/users/{leaver}/deactivation");
        let heir = world.heir_id.to_string();
        let new =
            [("title", "T"), ("body", "B"), ("key", &*format!("0123456789abcdef-{round}")), ("replies_allowed", "on")];
        let draft = [("body", "half"), ("title", "T"), ("key", "0123456789abcdef"), ("draft_version", "0")];
        let messages = format!("/patients/{}/messages", world.maria);
        let (write, save, add) =
            (format!("{messages}/new"), format!("{messages}/draft"), format!("{conversation}/participants"));
        let (to, named) = ([("to", heir.as_str())], [("to", leaver.as_str())]);
        let (gone, written, _, added) = tokio::join!(
            world.owner.post(&path, &to),
            world.leaver.post(&write, &new),
            world.leaver.post(&save, &draft),
            world.heir.post(&add, &named),
        );
        assert_eq!((gone.status, added.status), (303, 303), "{}", gone.page().text());
        assert!([303].contains(&written.status), "{}", written.status);
        let id = world.leaver_id;
        let read = app.state.db.read(move |conn| -> Result<_, AppError> {
            let open = postern::threads::count_open(conn, id, postern::clock::Clock::system().now())?;
            Ok((open, postern::conversations::count_drafts(conn, id)?))
        });
        assert_eq!(read.await.unwrap(), (0, 0), "round {round}");
        let nobody = app.state.db.read(|conn| -> Result<i64, AppError> {
            use postern::db::schema::conversations as c;
            let with: Vec<postern::db::ConversationId> =
                participants::table.select(participants::conversation_id).distinct().load(conn)?;
            Ok(c::table.filter(c::id.ne_all(with)).count().get_result(conn)?)
        });
        assert_eq!(nobody.await.unwrap(), 0, "round {round}: a conversation without anybody");
        world.owner.post(&format!("/settings/users/{leaver}/reactivation"), &[]).await.redirect();
        let email = everybody(&app).await[1].email.to_string();
        world.leaver.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
    }
}

async fn who_comes_back_signs_in_again(app: App) {
    let owner = app.user(Role::Owner).await;
    app.user(Role::Staff).await;
    let staff = newest(&app).await;
    speak(&app, "fr").await;
    let page = owner.get(&format!("/settings/users/{staff}/deactivation")).await.ok();
    owner.submit(&page, "Désactiver", &[]).await.redirect();
    let page = owner.get(&format!("/settings/users/{staff}")).await.ok();
    assert!(page.has_text("Désactivé"));
    let answer = owner.submit(&page, "Réactiver", &[]).await;
    assert_eq!(answer.says().1, "user-reactivated");
    let email = everybody(&app).await.pop().unwrap().email;
    let sign_in = [("email", email.as_str()), ("password", PASSWORD)];
    app.anyone().post("/sign-in", &sign_in).await.redirect();
    assert_eq!(noted(&app, staff, "user_reactivated").await.len(), 1);
}
