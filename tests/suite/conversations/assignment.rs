//! A conversation is assigned to one user, with a time or without; who takes part may leave, but somebody always stays.

use super::work_list::patient;
use crate::on_both;
use crate::support::app::{Actor, App};
use diesel::prelude::*;
use postern::access::Role;
use postern::audit::Event;
use postern::db::schema::{audit_events, participants as p, users};
use postern::db::{ConversationId, UserId};
use postern::error::AppError;
use time::Duration;

on_both!(
    it_is_assigned_changed_and_taken_back,
    a_button_takes_it_on,
    what_cannot_be_is_refused_and_kept,
    of_two_who_assign_at_once_one_is_asked,
    what_is_due_first_comes_first,
    one_leaves_and_one_is_removed,
    an_older_page_ends_no_newer_assignment,
    whoever_writes_in_it_joins,
    the_last_one_stays,
    of_two_who_leave_at_once_one_stays,
    words_of_a_lapsed_session_come_back
);

struct World {
    me: Actor,
    other: Actor,
    conversation: String,
}

/// A conversation of the first user; the second takes no part in it.
async fn world(app: &App) -> World {
    let me = app.user(Role::Clinician).await;
    let other = app.user(Role::Staff).await;
    let ada = patient(app, "Ada", "ada@example.org").await;
    let conversation = app.message(&me, ada, true).await;
    World { me, other, conversation }
}

impl World {
    fn assignment(&self) -> String {
        format!("{}/assignment", self.conversation)
    }

    async fn assign(&self, fields: &[(&str, &str)]) -> (String, String) {
        let page = self.me.get(&self.assignment()).await.ok();
        self.me.submit(&page, "Save", fields).await.says()
    }

    async fn leave(&self, who: &Actor, user: &str) -> (String, String) {
        who.post(&format!("{}/participants/removal", self.conversation), &[("user", user)]).await.says()
    }

    /// What happened beside the messages, as the page says it.
    async fn events(&self) -> Vec<String> {
        self.me.get(&self.conversation).await.ok().texts_of(".thread > .event")
    }
}

async fn view(user: &Actor, query: &str) -> Vec<String> {
    let page = user.get(&format!("/inbox?{query}")).await.ok();
    page.texts_of(".work .who").into_iter().map(|who| who.replace("Unread: ", "").replace(" Tremblay", "")).collect()
}

/// Who takes part, and whether it is assigned to them.
async fn places(app: &App, conversation: &str) -> Vec<(i64, bool)> {
    let id = ConversationId(conversation.rsplit('/').next().unwrap().parse().unwrap());
    let read = app.state.db.read(move |conn| -> Result<Vec<(UserId, bool)>, AppError> {
        let rows = p::table.filter(p::conversation_id.eq(id)).order(p::user_id);
        Ok(rows.select((p::user_id, p::assigned_until.is_not_null())).load(conn)?)
    });
    read.await.unwrap().into_iter().map(|(user, is)| (user.0, is)).collect()
}

async fn details(app: &App, event: Event) -> Vec<Option<String>> {
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        let rows = audit_events::table.filter(audit_events::action.eq(event.as_str())).order(audit_events::id);
        Ok(rows.select(audit_events::detail).load(conn)?)
    });
    read.await.unwrap()
}

async fn it_is_assigned_changed_and_taken_back(app: App) {
    let world = world(&app).await;
    let due = [("user", "2"), ("due_date", "2026-03-06"), ("due_time", "17:00")];
    assert_eq!(world.assign(&due).await, (world.conversation.clone(), "assigned".into()));
    let page = world.me.get(&world.conversation).await.ok();
    let card = page.text_of("[aria-labelledby=assigned]");
    assert!(card.contains("User staff · due Friday, 17:00"), "{card}");
    let said = "User clinician assigned the conversation to User staff · due 6 March 2026, 17:00";
    assert!(world.events().await[0].starts_with(said), "{:?}", world.events().await);
    // they take part, it is news to them, and theirs to do until they are done
    assert_eq!(view(&world.other, "filter=unread").await, ["Ada"]);
    let list = world.other.get("/inbox?filter=assigned").await.ok();
    assert!(list.text_of(".work li").contains("Assigned to User staff · due Friday, 17:00"), "{}", list.text());
    world.other.get(&world.conversation).await.ok();
    assert!(view(&world.other, "filter=unread").await.is_empty());
    assert_eq!(view(&world.other, "filter=to_do").await, ["Ada"]);
    assert!(view(&world.me, "filter=assigned").await.is_empty());
    // the time passes
    assert_eq!(world.assign(&[("due_date", "2026-03-04"), ("due_time", "09:30")]).await.1, "assigned");
    let page = world.me.get(&world.conversation).await.ok();
    assert!(page.text_of("[aria-labelledby=assigned]").contains("due today, 9:30"), "{}", page.text());
    app.state.clock.advance(Duration::minutes(40));
    let page = world.me.get(&world.conversation).await.ok();
    assert!(page.text_of("[aria-labelledby=assigned]").contains("overdue since today, 9:30"), "{}", page.text());
    assert!(view(&world.me, "scope=all&filter=open").await.contains(&"Ada".to_owned()));
    let line = world.me.get("/inbox?scope=all&filter=open").await.ok().text_of(".work li");
    assert!(line.contains("overdue since"), "{line}");
    world.other.post(&format!("{}/done", world.conversation), &[]).await.redirect();
    assert!(view(&world.other, "filter=assigned").await.is_empty());
    assert!(view(&world.other, "filter=to_do").await.is_empty());
    assert!(!world.me.get(&world.conversation).await.ok().has_text("overdue"), "what is done is not late");
    // a new time makes it theirs to do again, and a time that was set may stay
    let later = [("due_time", "10:00")];
    assert_eq!(world.assign(&later).await.1, "assigned");
    assert_eq!(view(&world.other, "filter=assigned").await, ["Ada"]);
    app.state.clock.advance(Duration::minutes(30));
    assert_eq!(world.assign(&[("user", "1")]).await.1, "assigned");
    assert_eq!(places(&app, &world.conversation).await, [(1, true), (2, false)]);
    assert_eq!(details(&app, Event::ConversationAssigned).await.len(), 4);
    // the same again writes nothing
    assert_eq!(world.assign(&[]).await.1, "assigned");
    assert_eq!(details(&app, Event::ConversationAssigned).await[3].as_deref(), Some("user 1"));
    let page = world.me.get(&world.conversation).await.ok();
    let to = world.me.submit(&page, "Take back the assignment", &[]).await.says();
    assert_eq!(to, (world.conversation.clone(), "unassigned".into()));
    assert_eq!(details(&app, Event::AssignmentEnded).await, [Some("user 1".to_owned())]);
    assert_eq!(places(&app, &world.conversation).await, [(1, false), (2, false)]);
    let last = world.events().await.pop().unwrap();
    assert!(last.starts_with("The conversation is not assigned to User clinician any more"), "{last}");
    assert!(world.me.get(&world.conversation).await.ok().text_of("[aria-labelledby=assigned]").contains("Nobody"));
}

async fn a_button_takes_it_on(app: App) {
    let world = world(&app).await;
    let older = world.me.get(&world.conversation).await.ok();
    let page = world.other.get(&world.conversation).await.ok();
    world.other.submit(&page, "Assign to me", &[]).await.redirect();
    // a second press finds it done
    world.other.submit(&page, "Assign to me", &[]).await.redirect();
    assert_eq!(places(&app, &world.conversation).await, [(1, false), (2, true)]);
    assert!(view(&world.other, "filter=unread").await.is_empty(), "it is no news to whoever did it");
    assert_eq!(view(&world.other, "filter=assigned").await, ["Ada"]);
    assert!(world.events().await[0].starts_with("User staff took on the conversation"));
    // a page that was made before asks, and keeps what was chosen
    let answer = world.me.submit(&older, "Assign to me", &[]).await;
    assert_eq!(answer.status, 409);
    let asked = answer.page();
    assert!(asked.has_text("Somebody else changed this meanwhile"), "{}", asked.text());
    assert!(asked.text_of("#newer").contains("User staff") && asked.text_of("#newer").contains("User clinician"));
    world.me.submit(&asked, "Save", &[]).await.redirect();
    assert_eq!(places(&app, &world.conversation).await, [(1, true), (2, false)]);
}

async fn what_cannot_be_is_refused_and_kept(app: App) {
    let world = world(&app).await;
    app.user(Role::Viewer).await;
    app.user(Role::Staff).await;
    let write = app.state.db.write(|tx| -> Result<_, AppError> {
        Ok(diesel::update(users::table.find(UserId(4))).set(users::active.eq(false)).execute(tx.conn())?)
    });
    write.await.unwrap();
    let page = world.me.get(&world.assignment()).await.ok();
    assert_eq!(page.attrs_of("#user option", "value"), ["", "1", "2"]);
    for (user, date, time, why) in [
        ("3", "", "", "Choose somebody who can sign in and write to patients"),
        ("4", "", "", "Choose somebody who can sign in and write to patients"),
        ("99", "", "", "Choose somebody who can sign in and write to patients"),
        ("2", "2026-03-04", "09:02", "This moment is over: choose a later one"),
        ("2", "2028-03-04", "09:02", "Choose a moment at most a year from now"),
        ("2", "2026-03-06", "", "Choose a time"),
        ("2", "", "09:00", "Choose a date"),
        ("2", "2026-03-08", "02:30", "This time does not exist on that day"),
    ] {
        let fields = [("user", user), ("due_date", date), ("due_time", time)];
        let answer = world.me.post(&world.assignment(), &fields).await;
        assert_eq!(answer.status, 422, "{fields:?}");
        let page = answer.page();
        assert!(page.has_text(why), "{fields:?}: {}", page.text());
        let form = page.form_with("Save");
        assert_eq!((form.value("due_date").as_deref(), form.value("due_time").as_deref()), (Some(date), Some(time)));
    }
    assert_eq!(places(&app, &world.conversation).await, [(1, false)]);
    world.me.post(&format!("{}/closure", world.conversation), &[]).await.redirect();
    let answer = world.me.post(&world.assignment(), &[("user", "2")]).await;
    assert_eq!(answer.status, 422);
    assert!(answer.page().has_text("The conversation was closed meanwhile"));
    assert!(!world.me.get(&world.conversation).await.ok().has("[aria-labelledby=assigned]"));
}

async fn of_two_who_assign_at_once_one_is_asked(app: App) {
    let world = world(&app).await;
    for round in 0..8 {
        let (one, two) =
            (world.me.get(&world.assignment()).await.ok(), world.other.get(&world.assignment()).await.ok());
        let date = format!("2026-04-{:02}", round + 10);
        let fields = |user| [("user", user), ("due_date", date.as_str()), ("due_time", "10:00")];
        let (first, second) = (fields("1"), fields("2"));
        let (a, b) = tokio::join!(world.me.submit(&one, "Save", &first), world.other.submit(&two, "Save", &second));
        let mut statuses = [a.status, b.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 409], "round {round}");
        let assigned = places(&app, &world.conversation).await.into_iter().filter(|(_, is)| *is);
        assert_eq!(assigned.map(|(user, _)| user).collect::<Vec<_>>(), [if a.status == 303 { 1 } else { 2 }]);
    }
}

async fn what_is_due_first_comes_first(app: App) {
    let me = app.user(Role::Clinician).await;
    for (given, email, date) in [
        ("Never", "a@example.org", ""),
        ("Second", "b@example.org", "2026-03-20"),
        ("First", "c@example.org", "2026-03-10"),
        ("Third", "d@example.org", "2026-04-01"),
    ] {
        let conversation = app.message(&me, patient(&app, given, email).await, true).await;
        let time = if date.is_empty() { "" } else { "12:00" };
        let fields = [("user", "1"), ("due_date", date), ("due_time", time)];
        me.post(&format!("{conversation}/assignment"), &fields).await.redirect();
    }
    let expected = ["First", "Second", "Third", "Never"];
    assert_eq!(view(&me, "filter=assigned").await, expected);
    assert_eq!(view(&me, "scope=all&filter=assigned&order=newest").await, expected);
    let first = me.get("/inbox?filter=assigned").await.ok();
    assert!(first.text_of(".counts [aria-current=page]").starts_with("Assigned to me 4"), "{}", first.text());
    // the next page begins after the last line, also within those without a time
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        use postern::conversations::{InboxCursor, InboxView};
        let view = InboxView::asked("mine", "assigned", "");
        let user = postern::access::ordered::<postern::access::rights::Read>(conn, UserId(1))?.unwrap();
        let (mut names, mut after): (Vec<String>, Option<InboxCursor>) = (Vec::new(), None);
        loop {
            let (rows, next) = postern::conversations::inbox(conn, &user, view, after, 1)?;
            names.extend(rows.into_iter().map(|row| row.patient_name.replace(" Tremblay", "")));
            let Some(next) = next else { return Ok(names) };
            after = Some(next);
        }
    });
    assert_eq!(read.await.unwrap(), expected);
}

async fn one_leaves_and_one_is_removed(app: App) {
    let world = world(&app).await;
    world.me.post(&format!("{}/participants", world.conversation), &[("to", "2")]).await.redirect();
    world.other.post(&format!("{}/done", world.conversation), &[]).await.redirect();
    let page = world.me.get(&world.conversation).await.ok();
    let to = world.me.submit(&page, "Remove: User staff", &[]).await.says();
    assert_eq!(to, (world.conversation.clone(), "participant-removed".into()));
    assert_eq!(places(&app, &world.conversation).await, [(1, false)]);
    assert_eq!(details(&app, Event::ParticipantRemoved).await, [Some("user 2".to_owned())]);
    // nothing of it is in their lists, and they read it as their role says
    for filter in ["any", "done", "unread", "to_do", "assigned"] {
        assert!(view(&world.other, &format!("filter={filter}")).await.is_empty(), "{filter}");
    }
    assert_eq!(view(&world.other, "scope=all&filter=open").await, ["Ada"]);
    world.other.get(&world.conversation).await.ok();
    // removing once more changes nothing
    world.leave(&world.me, "2").await;
    assert_eq!(details(&app, Event::ParticipantRemoved).await.len(), 1);
    // whoever leaves ends what was assigned to them, and the thread says so
    world.assign(&[("user", "2"), ("due_date", "2026-03-06"), ("due_time", "17:00")]).await;
    let page = world.other.get(&world.conversation).await.ok();
    let to = world.other.submit(&page, "Leave conversation", &[]).await.says();
    assert_eq!(to, (world.conversation.clone(), "participant-left".into()));
    assert_eq!(details(&app, Event::ParticipantLeft).await, [Some("user 2".to_owned())]);
    let events = world.events().await;
    let expected = [
        "User clinician added User staff",
        "User clinician removed User staff from the conversation",
        "User clinician assigned the conversation to User staff · due 6 March 2026, 17:00",
        "User staff left the conversation",
        "The conversation is not assigned to User staff any more",
    ];
    assert_eq!(events.len(), expected.len(), "{events:?}");
    for (event, words) in events.iter().zip(expected) {
        assert!(event.starts_with(words), "{event}");
    }
    assert_eq!(places(&app, &world.conversation).await, [(1, false)]);
    // what happened stands between the messages where it happened
    app.state.clock.advance(Duration::minutes(5));
    let page = world.me.get(&world.conversation).await.ok();
    world.me.submit(&page, "Send", &[("body", "One more thing")]).await.redirect();
    let page = world.me.get(&world.conversation).await.ok();
    let order = page.attrs_of(".thread > li", "class");
    let at = |class: &str| order.iter().rposition(|one| one.contains(class)).unwrap();
    assert!(at("event") < at("msg"), "{order:?}");
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("ada@example.org"), "ada@example.org").await;
    assert!(!patient.get(&message).await.ok().has_text("left the conversation"));
}

async fn an_older_page_ends_no_newer_assignment(app: App) {
    let world = world(&app).await;
    world.me.post(&format!("{}/participants", world.conversation), &[("to", "2")]).await.redirect();
    let (older, theirs) =
        (world.me.get(&world.conversation).await.ok(), world.other.get(&world.conversation).await.ok());
    world.assign(&[("user", "2"), ("due_date", "2026-03-06"), ("due_time", "17:00")]).await;
    let changed = (world.conversation.clone(), "participant-changed".to_owned());
    assert_eq!(world.me.submit(&older, "Remove: User staff", &[]).await.says(), changed);
    assert_eq!(world.other.submit(&theirs, "Leave conversation", &[]).await.says(), changed);
    assert_eq!(world.leave(&world.me, "2").await, changed, "what says nothing has seen nothing");
    assert_eq!(view(&world.other, "filter=assigned").await, ["Ada"]);
    // whoever it is not assigned to may go
    assert_eq!(world.leave(&world.me, "1").await.1, "participant-left");
}

async fn whoever_writes_in_it_joins(app: App) {
    let world = world(&app).await;
    for words in ["I see to it", "Done"] {
        let page = world.other.get(&world.conversation).await.ok();
        world.other.submit(&page, "Send", &[("body", words)]).await.redirect();
    }
    let events = world.events().await;
    assert!(events.len() == 1 && events[0].starts_with("User staff joined the conversation"), "{events:?}");
}

async fn the_last_one_stays(app: App) {
    let world = world(&app).await;
    assert_eq!(world.leave(&world.me, "1").await.1, "participant-last");
    let page = world.me.get(&world.conversation).await.ok();
    assert!(page.has_text("Nobody else who may write to patients takes part"), "{}", page.text());
    // whoever may only read, or cannot sign in any more, answers nobody
    world.me.post(&format!("{}/participants", world.conversation), &[("to", "2")]).await.redirect();
    for (role, active) in [(Role::Viewer, true), (Role::Staff, false)] {
        let write = app.state.db.write(move |tx| -> Result<_, AppError> {
            let now = (users::role.eq(role), users::active.eq(active));
            Ok(diesel::update(users::table.find(UserId(2))).set(now).execute(tx.conn())?)
        });
        write.await.unwrap();
        assert_eq!(world.leave(&world.me, "1").await.1, "participant-last", "{role:?}");
    }
    assert_eq!(places(&app, &world.conversation).await, [(1, false), (2, false)]);
    assert_eq!(world.leave(&world.me, "2").await.1, "participant-removed");
    world.me.post(&format!("{}/closure", world.conversation), &[]).await.redirect();
    assert_eq!(world.leave(&world.me, "1").await.1, "participant-closed");
    assert_eq!(world.me.post(&format!("{}/participants/removal", world.conversation), &[]).await.status, 400);
}

async fn of_two_who_leave_at_once_one_stays(app: App) {
    let world = world(&app).await;
    for round in 0..8 {
        for user in ["1", "2"] {
            world.me.post(&format!("{}/participants", world.conversation), &[("to", user)]).await.redirect();
        }
        let (a, b) = tokio::join!(world.leave(&world.me, "1"), world.leave(&world.other, "2"));
        let mut notices = [a.1, b.1];
        notices.sort();
        assert_eq!(notices, ["participant-last", "participant-left"], "round {round}");
        assert_eq!(places(&app, &world.conversation).await.len(), 1, "round {round}");
    }
}

/// The form has a page of its own: what was chosen when the session had ended is there again.
async fn words_of_a_lapsed_session_come_back(app: App) {
    let world = world(&app).await;
    let path = world.assignment();
    let mark = world.me.whose(&path).await;
    let fields = [("whose", &*mark), ("user", "2"), ("due_date", "2026-03-06"), ("due_time", "17:00")];
    let to = app.anyone().post(&path, &fields).await.redirect();
    let query = to.split_once('?').unwrap().1;
    let back = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "next").unwrap().1.into_owned();
    assert!(back.starts_with(&path), "{back}");
    let form = world.me.get(&back).await.ok().form_with("Save");
    let value = |name| form.value(name).unwrap();
    assert_eq!(
        (value("user"), value("due_date"), value("due_time")),
        ("2".into(), "2026-03-06".into(), "17:00".into())
    );
}
