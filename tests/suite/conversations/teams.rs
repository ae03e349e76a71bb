//! Teams: who belongs to one takes part in what it takes part in, and takes on what is assigned to it; a change of the team is
//! followed. What is ticked in the inbox is assigned at once.

use super::work_list::{patient, patient_writes};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::audit::Event;
use postern::db::ConversationId;
use postern::db::UserId;
use postern::db::schema::{audit_events, conversation_teams, participants as p, team_members, users};
use postern::error::AppError;
use time::Duration;

on_both!(
    a_team_takes_part_with_its_members,
    what_is_assigned_to_a_team_is_taken_on_by_one,
    whoever_joins_and_leaves_is_followed,
    a_change_meanwhile_begins_anew,
    who_is_away_has_their_team,
    a_team_of_which_all_are_away_is_covered,
    somebody_always_stays,
    a_new_message_names_a_team,
    a_team_has_a_name_of_its_own_and_somebody_who_writes,
    an_archived_team_is_given_nothing,
    a_team_of_which_nobody_may_write_is_given_nothing,
    whoever_leaves_leaves_no_team_alone,
    a_member_who_leaves_meanwhile_is_not_left_with_it,
    conversations_of_whoever_leaves_go_to_a_team,
    what_is_ticked_is_assigned_and_taken_back,
    what_was_overdue_is_so_again,
    what_cannot_be_ticked_changes_nothing
);

/// The team's address.
const TEAM: &str = "/settings/teams/1";

struct World {
    /// user 1
    owner: Actor,
    /// user 2, who writes to patients
    me: Actor,
    /// user 3, of the team
    other: Actor,
    /// user 4, of the team
    third: Actor,
    conversation: String,
}

async fn world(app: &App) -> World {
    let (owner, me) = (app.user(Role::Owner).await, app.user(Role::Clinician).await);
    let (other, third) = (app.user(Role::Staff).await, app.user(Role::Staff).await);
    let conversation = app.message(&me, patient(app, "Ada", "ada@example.org").await, true).await;
    let world = World { owner, me, other, third, conversation };
    let made = world.owner.post("/settings/teams", &[("name", "Reception"), ("member", "3"), ("member", "4")]).await;
    assert_eq!(made.says(), ("/settings/teams".into(), "team-saved".into()));
    world
}

impl World {
    async fn add_team(&self, conversation: &str) {
        let to = self.me.post(&format!("{conversation}/participants"), &[("to", "team-1")]).await.says();
        assert_eq!(to, (conversation.to_owned(), "participants-added".into()));
    }

    async fn assign(&self, fields: &[(&str, &str)]) -> (String, String) {
        let page = self.me.get(&format!("{}/assignment", self.conversation)).await.ok();
        self.me.submit(&page, "Save", fields).await.says()
    }

    async fn leave(&self, who: &Actor, field: (&str, &str)) -> String {
        who.post(&format!("{}/participants/removal", self.conversation), &[field]).await.says().1
    }
}

fn id_of(conversation: &str) -> ConversationId {
    ConversationId(conversation.rsplit('/').next().unwrap().parse().unwrap())
}

/// Who takes part: the user, whether through a team alone, and whether a team of theirs is to see to it.
async fn rows(app: &App, conversation: &str) -> Vec<(i64, bool, bool)> {
    let id = id_of(conversation);
    let read = app.state.db.read(move |conn| -> Result<Vec<(UserId, bool, bool)>, AppError> {
        let rows = p::table.filter(p::conversation_id.eq(id)).order(p::user_id);
        Ok(rows.select((p::user_id, p::by_team, p::team_until.is_not_null())).load(conn)?)
    });
    read.await.unwrap().into_iter().map(|(user, by_team, held)| (user.0, by_team, held)).collect()
}

async fn members(app: &App) -> Vec<i64> {
    let read = app.state.db.read(|conn| -> Result<Vec<UserId>, AppError> {
        Ok(team_members::table.order(team_members::user_id).select(team_members::user_id).load(conn)?)
    });
    read.await.unwrap().into_iter().map(|user| user.0).collect()
}

async fn details(app: &App, event: Event) -> Vec<Option<String>> {
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        let rows = audit_events::table.filter(audit_events::action.eq(event.as_str())).order(audit_events::id);
        Ok(rows.select(audit_events::detail).load(conn)?)
    });
    read.await.unwrap()
}

async fn view(user: &Actor, query: &str) -> Vec<String> {
    let page = user.get(&format!("/inbox?{query}")).await.ok();
    page.texts_of(".work .who").into_iter().map(|who| who.replace("Unread: ", "").replace(" Tremblay", "")).collect()
}

async fn a_team_takes_part_with_its_members(app: App) {
    let world = world(&app).await;
    world.add_team(&world.conversation).await;
    assert_eq!(rows(&app, &world.conversation).await, [(2, false, false), (3, true, true), (4, true, true)]);
    for filter in ["my_teams", "unread", "to_do", "any"] {
        assert_eq!(view(&world.other, &format!("filter={filter}")).await, ["Ada"], "{filter}");
    }
    assert!(view(&world.me, "filter=my_teams").await.is_empty());
    let page = world.me.get(&world.conversation).await.ok();
    let card = page.text_of("[aria-labelledby=participants]");
    assert!(card.contains("User staff through a team") && card.contains("Reception team"), "{card}");
    let events = page.texts_of(".thread > .event");
    assert!(events.len() == 1 && events[0].starts_with("User clinician added Reception (team)"), "{events:?}");
    // the same again adds nothing
    world.add_team(&world.conversation).await;
    assert_eq!(details(&app, Event::ParticipantsChanged).await.len(), 1);
    // nobody leaves what their team takes part in
    assert_eq!(world.leave(&world.other, ("user", "3")).await, "participant-team");
    assert!(!world.other.get(&world.conversation).await.ok().has_text("Leave conversation"));
    // what is done for one is not done for the other
    world.third.post(&format!("{}/done", world.conversation), &[]).await.redirect();
    assert!(view(&world.third, "filter=my_teams").await.is_empty());
    assert_eq!(view(&world.other, "filter=my_teams").await, ["Ada"]);
    // whoever writes stays also without the team
    let page = world.other.get(&world.conversation).await.ok();
    world.other.submit(&page, "Send", &[("body", "We see to it")]).await.redirect();
    assert_eq!(rows(&app, &world.conversation).await, [(2, false, false), (3, false, true), (4, true, true)]);
    let page = world.me.get(&world.conversation).await.ok();
    let to = world.me.submit(&page, "Remove: Reception", &[]).await.says();
    assert_eq!(to, (world.conversation.clone(), "participant-removed".into()));
    assert_eq!(rows(&app, &world.conversation).await, [(2, false, false), (3, false, false)]);
    assert_eq!(details(&app, Event::ParticipantRemoved).await, [Some("team 1".to_owned())]);
    assert!(
        view(&world.third, "filter=any").await.is_empty() && view(&world.other, "filter=my_teams").await.is_empty()
    );
    // they read it as their role says
    assert_eq!(view(&world.third, "scope=all&filter=open").await, ["Ada"]);
}

async fn what_is_assigned_to_a_team_is_taken_on_by_one(app: App) {
    let world = world(&app).await;
    let due = [("user", "team-1"), ("due_date", "2026-03-06"), ("due_time", "17:00")];
    assert_eq!(world.assign(&due).await, (world.conversation.clone(), "assigned".into()));
    assert_eq!(rows(&app, &world.conversation).await, [(2, false, false), (3, true, true), (4, true, true)]);
    let page = world.me.get(&world.conversation).await.ok();
    let card = page.text_of("[aria-labelledby=assigned]");
    assert!(card.contains("Reception (team) · due Friday, 17:00"), "{card}");
    let said = "User clinician assigned the conversation to Reception (team) · due 6 March 2026, 17:00";
    assert!(page.texts_of(".thread > .event")[0].starts_with(said), "{:?}", page.texts_of(".thread > .event"));
    let list = world.other.get("/inbox?filter=my_teams").await.ok();
    let line = list.text_of(".work li");
    assert!(line.contains("Assigned to Reception (team) · due Friday, 17:00"), "{line}");
    assert!(list.text_of(".counts [aria-current=page]").starts_with("My teams 1"), "{}", list.text());
    assert!(list.has("form[data-marks=leave]"), "what is done leaves it");
    assert!(view(&world.other, "filter=assigned").await.is_empty());
    // what is due first comes first, and what has no time last
    let eve = app.message(&world.me, patient(&app, "Eve", "eve@example.org").await, true).await;
    world.add_team(&eve).await;
    let bea = app.message(&world.me, patient(&app, "Bea", "bea@example.org").await, true).await;
    let sooner = [("user", "team-1"), ("due_date", "2026-03-05"), ("due_time", "12:00")];
    world.me.post(&format!("{bea}/assignment"), &sooner).await.redirect();
    assert_eq!(view(&world.other, "filter=my_teams").await, ["Bea", "Ada", "Eve"]);
    assert_eq!(view(&world.other, "scope=all&filter=my_teams&order=newest").await, ["Bea", "Ada", "Eve"]);
    // one of them takes it on, with the time that was set
    let page = world.other.get(&world.conversation).await.ok();
    world.other.submit(&page, "Assign to me", &[]).await.redirect();
    assert_eq!(view(&world.other, "filter=assigned").await, ["Ada"]);
    for member in [&world.other, &world.third] {
        assert_eq!(view(member, "filter=my_teams").await, ["Bea", "Eve"]);
    }
    assert_eq!(rows(&app, &world.conversation).await, [(2, false, false), (3, false, false), (4, true, false)]);
    let assigned = [Some("team 1".to_owned()), Some("team 1".to_owned()), Some("user 3".to_owned())];
    assert_eq!(details(&app, Event::ConversationAssigned).await, assigned);
    // and gives it back: the team still takes part
    let page = world.other.get(&world.conversation).await.ok();
    world.other.submit(&page, "Take back the assignment", &[]).await.redirect();
    assert_eq!(view(&world.third, "filter=my_teams").await, ["Bea", "Ada", "Eve"]);
    // a page that was made before asks, and says which team
    let older = world.me.get(&format!("{bea}/assignment")).await.ok();
    world.other.post(&format!("{bea}/assignment"), &[("user", "4")]).await.redirect();
    let answer = world.me.submit(&older, "Save", &[]).await;
    assert_eq!(answer.status, 409);
    let asked = answer.page().text_of("#newer");
    assert!(asked.contains("Now: User staff") && asked.contains("You typed: Reception"), "{asked}");
    // what a team was to see to ends with its part
    assert_eq!(world.assign(&[("user", "team-1")]).await.1, "assigned");
    let page = world.me.get(&world.conversation).await.ok();
    world.me.submit(&page, "Remove: Reception", &[]).await.redirect();
    let page = world.me.get(&world.conversation).await.ok();
    assert!(page.text_of("[aria-labelledby=assigned]").contains("Nobody"), "{}", page.text());
    let last = page.texts_of(".thread > .event").pop().unwrap();
    assert!(last.starts_with("The conversation is not assigned to Reception (team) any more"), "{last}");
}

async fn whoever_joins_and_leaves_is_followed(app: App) {
    let world = world(&app).await;
    world.owner.post(TEAM, &[("name", "Reception"), ("member", "3")]).await.redirect();
    let waiting = app.message(&world.me, patient(&app, "Eve", "eve@example.org").await, true).await;
    let closed = app.message(&world.me, patient(&app, "Bea", "bea@example.org").await, true).await;
    let just_closed = app.message(&world.me, patient(&app, "Cyd", "cyd@example.org").await, true).await;
    for conversation in [&world.conversation, &waiting, &closed, &just_closed] {
        world.add_team(conversation).await;
    }
    app.drain().await;
    patient_writes(&app, &waiting).await;
    world.me.post(&format!("{closed}/closure"), &[]).await.redirect();
    app.state.clock.advance(Duration::minutes(11));
    world.me.post(&format!("{just_closed}/closure"), &[]).await.redirect();
    let before = details(&app, Event::TeamFollowed).await.len();
    let saved = world.owner.post(TEAM, &[("name", "Reception"), ("member", "4")]).await;
    assert_eq!(saved.says(), ("/settings/teams".into(), "team-saved".into()));
    assert_eq!(details(&app, Event::TeamChanged).await.last().unwrap().as_deref(), Some("members"));
    app.drain().await;
    let now = [(2, false, false), (4, true, true)];
    for conversation in [&world.conversation, &waiting, &just_closed] {
        assert_eq!(rows(&app, conversation).await, now, "{conversation}");
    }
    // what is closed for good still shows who took part
    assert_eq!(rows(&app, &closed).await, [(2, false, false), (3, true, true)]);
    assert_eq!(details(&app, Event::TeamFollowed).await.len(), before + 1);
    // what waits for an answer is news to whoever comes to it, and nothing else is
    assert_eq!(view(&world.third, "filter=unread").await, ["Eve"]);
    let mut mine = view(&world.third, "filter=my_teams").await;
    mine.sort();
    assert_eq!(mine, ["Ada", "Eve"]);
    assert!(view(&world.other, "scope=mine&filter=open").await.is_empty());
    world.me.post(&format!("{just_closed}/reopening"), &[]).await.redirect();
    assert!(view(&world.third, "filter=my_teams").await.contains(&"Cyd".to_owned()));
    // a new name changes nobody's part
    world.owner.post(TEAM, &[("name", "Front desk"), ("member", "4")]).await.redirect();
    app.drain().await;
    assert_eq!(details(&app, Event::TeamFollowed).await.len(), before + 1);
    assert!(world.me.get(&world.conversation).await.ok().has_text("Front desk"));
}

/// The team changes while its conversations are brought in step: what is written down of the older change counts no more.
async fn a_change_meanwhile_begins_anew(app: App) {
    let world = world(&app).await;
    world.add_team(&world.conversation).await;
    world.owner.post(TEAM, &[("name", "Reception"), ("member", "3")]).await.redirect();
    let (now, team) = (app.state.clock.now(), postern::db::TeamId(1));
    let read = app
        .state
        .db
        .read(move |conn| -> Result<_, AppError> { Ok(postern::conversations::to_follow(conn, now, team)?.unwrap()) });
    let older = read.await.unwrap();
    assert!(older.is_end && older.these == [id_of(&world.conversation)]);
    world.owner.post(TEAM, &[("name", "Reception"), ("member", "3"), ("member", "4")]).await.redirect();
    let write = app
        .state
        .db
        .write(move |tx| -> Result<_, AppError> { Ok(postern::conversations::followed(tx, now, team, &older)?) });
    write.await.unwrap();
    assert!(details(&app, Event::TeamFollowed).await.is_empty(), "it begins anew");
    app.drain().await;
    assert_eq!(details(&app, Event::TeamFollowed).await.len(), 1);
    assert_eq!(rows(&app, &world.conversation).await, [(2, false, false), (3, true, true), (4, true, true)]);
}

async fn who_is_away_has_their_team(app: App) {
    let world = world(&app).await;
    let cover = crate::users::away::email_of(&app, 1).await;
    // today is 4 March
    let days = [("away_from", "2026-03-03"), ("away_until", "2026-03-06"), ("cover", cover.as_str())];
    assert_eq!(world.other.post("/account/away", &days).await.says().1, "settings-saved");
    world.add_team(&world.conversation).await;
    app.drain().await;
    let (visitor, message) = app.go_in(&app.link_to("ada@example.org"), "ada@example.org").await;
    let page = visitor.get(&message).await.ok();
    visitor.submit(&page, "Send", &[("body", "Does it hurt?")]).await.redirect();
    assert_eq!(rows(&app, &world.conversation).await, [(2, false, false), (3, true, true), (4, true, true)]);
    assert!(!world.me.get(&world.conversation).await.ok().has_text("Away until"));
    // whoever has written takes part by themselves
    let page = world.other.get(&world.conversation).await.ok();
    world.other.submit(&page, "Send", &[("body", "It does not")]).await.redirect();
    let page = visitor.get(&message).await.ok();
    visitor.submit(&page, "Send", &[("body", "Thank you")]).await.redirect();
    let covered = [(1, false, false), (2, false, false), (3, false, true), (4, true, true)];
    assert_eq!(rows(&app, &world.conversation).await, covered);
    assert!(world.me.get(&world.conversation).await.ok().has_text("User owner covers"));
}

async fn a_team_of_which_all_are_away_is_covered(app: App) {
    let world = world(&app).await;
    world.add_team(&world.conversation).await;
    assert_eq!(world.leave(&world.me, ("user", "2")).await, "participant-left");
    app.drain().await;
    let (visitor, message) = app.go_in(&app.link_to("ada@example.org"), "ada@example.org").await;
    let cover = crate::users::away::email_of(&app, 1).await;
    let days = [("away_from", "2026-03-03"), ("away_until", "2026-03-06"), ("cover", cover.as_str())];
    let team = [(3, true, true), (4, true, true)];
    let covered = [(1, false, false), (3, true, true), (4, true, true)];
    for (member, expected) in [(&world.other, &team[..]), (&world.third, &covered[..])] {
        assert_eq!(member.post("/account/away", &days).await.says().1, "settings-saved");
        let page = visitor.get(&message).await.ok();
        visitor.submit(&page, "Send", &[("body", "Does it hurt?")]).await.redirect();
        assert_eq!(rows(&app, &world.conversation).await, expected);
    }
}

async fn somebody_always_stays(app: App) {
    let world = world(&app).await;
    world.add_team(&world.conversation).await;
    assert_eq!(world.leave(&world.me, ("user", "2")).await, "participant-left");
    assert_eq!(rows(&app, &world.conversation).await, [(3, true, true), (4, true, true)]);
    assert_eq!(world.leave(&world.me, ("team", "1")).await, "participant-last");
    assert_eq!(rows(&app, &world.conversation).await.len(), 2);
    // another team is enough
    let second = [("name", "Nurses"), ("member", "4"), ("member", "2")];
    world.owner.post("/settings/teams", &second).await.redirect();
    world.me.post(&format!("{}/participants", world.conversation), &[("to", "team-2")]).await.redirect();
    assert_eq!(world.leave(&world.me, ("team", "1")).await, "participant-removed");
    assert_eq!(rows(&app, &world.conversation).await, [(2, true, true), (4, true, true)]);
    assert_eq!(world.leave(&world.me, ("team", "2")).await, "participant-last");
    // in a closed one nobody goes
    world.me.post(&format!("{}/closure", world.conversation), &[]).await.redirect();
    assert_eq!(world.leave(&world.me, ("team", "2")).await, "participant-closed");
}

async fn a_new_message_names_a_team(app: App) {
    let world = world(&app).await;
    let maria = app.patient(Like::default()).await;
    let page = world.me.get(&format!("/patients/{maria}/messages/new")).await.ok();
    let fields = [("to", "team-1"), ("title", "Iron"), ("body", "Please come in."), ("replies_allowed", "on")];
    let to = world.me.submit(&page, "Submit", &fields).await.redirect();
    let conversation = to.split('?').next().unwrap();
    assert_eq!(rows(&app, conversation).await, [(2, false, false), (3, true, true), (4, true, true)]);
    assert_eq!(view(&world.third, "filter=unread").await.len(), 1);
    // the patient reads the team's name, and not its members'
    let settings = world.owner.get("/settings/patient-portal").await.ok();
    world.owner.submit(&settings, "Save", &[("portal_names", "on")]).await.redirect();
    app.drain().await;
    let (visitor, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let shown = visitor.get(&message).await.ok();
    assert!(!shown.has_text("User staff"), "{}", shown.text());
    assert!(shown.has_text("It will be read by User clinician, Reception."), "{}", shown.text());
    // what is refused keeps the team
    let page = world.me.get(&format!("/patients/{maria}/messages/new")).await.ok();
    let answer = world.me.submit(&page, "Submit", &[("to", "team-1"), ("body", "Without a title")]).await;
    assert_eq!(answer.status, 422);
    assert!(answer.page().has("#to option[value=team-1][selected]"), "{}", answer.page().text());
}

async fn a_team_has_a_name_of_its_own_and_somebody_who_writes(app: App) {
    let world = world(&app).await;
    app.user(Role::Viewer).await;
    let long = "n".repeat(61);
    for (name, member, why) in [
        ("réception", "3", "Another team has this name"),
        (" ", "3", "Enter a name of up to 60 characters"),
        (long.as_str(), "3", "Enter a name of up to 60 characters"),
        ("Nurses", "5", "Choose up to 100 users, at least one of whom may write to patients"),
        ("Nurses", "99", "Choose up to 100 users, at least one of whom may write to patients"),
    ] {
        let answer = world.owner.post("/settings/teams", &[("name", name), ("member", member)]).await;
        assert_eq!(answer.status, 422, "{name}");
        let page = answer.page();
        assert!(page.has_text(why), "{name}: {}", page.text());
        assert_eq!(page.form_with("Save").value("name").as_deref(), Some(name));
    }
    let answer = world.owner.post(TEAM, &[("name", "Reception")]).await;
    assert_eq!(answer.status, 422, "nobody would be left");
    assert_eq!(members(&app).await, [3, 4]);
    // a viewer may belong to it too
    let page = world.owner.get(TEAM).await.ok();
    world.owner.submit(&page, "Save", &[("member", "5")]).await.redirect();
    assert_eq!(members(&app).await, [3, 4, 5]);
    assert!(world.owner.get("/settings/teams").await.ok().has_text("User viewer"));
    assert_eq!(world.me.get("/settings/teams").await.status, 403);
}

async fn an_archived_team_is_given_nothing(app: App) {
    let world = world(&app).await;
    assert_eq!(world.assign(&[("user", "team-1")]).await.1, "assigned");
    let open = app.message(&world.me, patient(&app, "Eve", "eve@example.org").await, true).await;
    let page = world.owner.get(TEAM).await.ok();
    let archived = world.owner.submit(&page, "Archive the team", &[]).await;
    assert_eq!(archived.says(), ("/settings/teams".into(), "team-archived".into()));
    assert!(world.owner.get("/settings/teams").await.ok().text_of("[aria-labelledby=archived]").contains("Reception"));
    for path in [open.clone(), format!("{open}/assignment")] {
        assert!(!world.me.get(&path).await.ok().has("option[value=team-1]"), "{path}");
    }
    world.me.post(&format!("{open}/participants"), &[("to", "team-1")]).await.redirect();
    assert_eq!(rows(&app, &open).await, [(2, false, false)]);
    let answer = world.me.post(&format!("{open}/assignment"), &[("user", "team-1")]).await;
    assert_eq!(answer.status, 422);
    assert!(answer.page().has_text("Choose somebody who can sign in and write to patients, or a team"));
    // what it has stays with its members
    assert_eq!(view(&world.other, "filter=my_teams").await, ["Ada"]);
    let page = world.owner.get(TEAM).await.ok();
    world.owner.submit(&page, "Bring the team back", &[]).await.redirect();
    world.add_team(&open).await;
    assert_eq!(rows(&app, &open).await.len(), 3);
    let told = (details(&app, Event::TeamArchived).await.len(), details(&app, Event::TeamBroughtBack).await.len());
    assert_eq!(told, (1, 1));
}

async fn a_team_of_which_nobody_may_write_is_given_nothing(app: App) {
    let world = world(&app).await;
    let write = app.state.db.write(|tx| -> Result<_, AppError> {
        let members = users::table.filter(users::id.gt(UserId(2)));
        Ok(diesel::update(members).set(users::role.eq(Role::Viewer)).execute(tx.conn())?)
    });
    write.await.unwrap();
    let answer = world.me.post(&format!("{}/assignment", world.conversation), &[("user", "team-1")]).await;
    assert_eq!(answer.status, 422);
    assert_eq!(rows(&app, &world.conversation).await, [(2, false, false)]);
}

async fn whoever_leaves_leaves_no_team_alone(app: App) {
    let world = world(&app).await;
    world.add_team(&world.conversation).await;
    // one of two: the other is still there
    let ask = world.owner.get("/settings/users/4/deactivation").await.ok();
    assert!(ask.has_text("there is nothing to hand over"), "{}", ask.text());
    world.owner.submit(&ask, "Deactivate", &[]).await.redirect();
    app.drain().await;
    assert_eq!(rows(&app, &world.conversation).await, [(2, false, false), (3, true, true)]);
    // the last one
    let ask = world.owner.get("/settings/users/3/deactivation").await.ok();
    assert!(ask.has_text("1 team in which nobody else can write to patients"), "{}", ask.text());
    let refused = world.owner.submit(&ask, "Deactivate", &[]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.page().has_text("Choose who takes over"));
    world.owner.submit(&ask, "Deactivate", &[("to", "1")]).await.redirect();
    assert_eq!(members(&app).await, [1]);
    app.drain().await;
    assert_eq!(rows(&app, &world.conversation).await, [(1, true, true), (2, false, false)]);
    assert_eq!(details(&app, Event::TeamChanged).await, [Some("members".to_owned()), Some("members".to_owned())]);
    assert_eq!(view(&world.owner, "filter=my_teams").await, ["Ada"]);
}

/// A team is added while one of its members is deactivated: either it happens before, and is followed, or they do not come.
async fn a_member_who_leaves_meanwhile_is_not_left_with_it(app: App) {
    let world = world(&app).await;
    let bea = patient(&app, "Bea", "bea@example.org").await;
    for round in 0..6 {
        let conversation = app.message(&world.me, bea, true).await;
        let path = format!("{conversation}/participants");
        let (gone, added) = tokio::join!(
            world.owner.post("/settings/users/4/deactivation", &[]),
            world.me.post(&path, &[("to", "team-1")]),
        );
        assert_eq!((gone.status, added.status), (303, 303), "round {round}: {}", gone.page().text());
        app.drain().await;
        assert_eq!(rows(&app, &conversation).await, [(2, false, false), (3, true, true)], "round {round}");
        world.owner.post("/settings/users/4/reactivation", &[]).await.redirect();
        world.owner.post(TEAM, &[("name", "Reception"), ("member", "3"), ("member", "4")]).await.redirect();
        app.drain().await;
        let back = [(2, false, false), (3, true, true), (4, true, true)];
        assert_eq!(rows(&app, &conversation).await, back, "round {round}");
    }
}

async fn conversations_of_whoever_leaves_go_to_a_team(app: App) {
    let world = world(&app).await;
    let mine = [("user", "2"), ("due_date", "2026-03-06"), ("due_time", "17:00")];
    assert_eq!(world.assign(&mine).await.1, "assigned");
    world.owner.post("/settings/teams", &[("name", "Doctors"), ("member", "2")]).await.redirect();
    let ask = world.owner.get("/settings/users/2/deactivation").await.ok();
    for words in ["1 open conversation", "1 team in which nobody else can write to patients"] {
        assert!(ask.has_text(words), "{words}: {}", ask.text());
    }
    // a team that leaves with them takes nothing over
    let refused = world.owner.submit(&ask, "Deactivate", &[("to", "3"), ("team", "2")]).await;
    assert_eq!(refused.status, 422);
    let page = refused.page();
    assert!(page.has_text("This team cannot take over"), "{}", page.text());
    let form = page.form_with("Deactivate");
    assert_eq!((form.value("to").as_deref(), form.value("team").as_deref()), (Some("3"), Some("2")));
    assert_eq!(rows(&app, &world.conversation).await, [(2, false, false)]);
    let gone = world.owner.submit(&page, "Deactivate", &[("team", "1")]).await;
    assert_eq!(gone.says(), ("/settings/users".into(), "user-deactivated".into()));
    assert_eq!(rows(&app, &world.conversation).await, [(3, true, true), (4, true, true)]);
    assert_eq!(members(&app).await, [3, 3, 4], "the user took their place in the other team");
    assert_eq!(view(&world.third, "filter=unread").await, ["Ada"]);
    let page = world.third.get(&world.conversation).await.ok();
    assert!(
        page.text_of("[aria-labelledby=assigned]").contains("Reception (team) · due Friday, 17:00"),
        "{}",
        page.text()
    );
    let events = page.texts_of(".thread > .event");
    let said = [
        "User clinician took on the conversation",
        "User clinician left the conversation",
        "User owner added Reception (team)",
        "User owner assigned the conversation to Reception (team) · due 6 March 2026, 17:00",
    ];
    assert_eq!(events.len(), said.len(), "{events:?}");
    for (event, words) in events.iter().zip(said) {
        assert!(event.starts_with(words), "{event}");
    }
    let handed = [Some("all".to_owned()), Some("conversation".to_owned())];
    assert_eq!(details(&app, Event::WorkHandedOver).await, handed);
}

async fn what_is_ticked_is_assigned_and_taken_back(app: App) {
    let world = world(&app).await;
    let bea = app.message(&world.me, patient(&app, "Bea", "bea@example.org").await, true).await;
    let cyd = app.message(&world.me, patient(&app, "Cyd", "cyd@example.org").await, true).await;
    world.me.post(&format!("{cyd}/assignment"), &[("user", "2")]).await.redirect();
    let number = |conversation: &str| id_of(conversation).to_string();
    let all = [number(&world.conversation), number(&bea), number(&cyd)];
    let mut ticked: Vec<(&str, &str)> = all.iter().map(|id| ("conversation", id.as_str())).collect();
    ticked.extend([("scope", "mine"), ("filter", "open")]);
    assert!(world.me.get("/inbox?filter=open").await.ok().has("button[formaction='/inbox/assignment']"));
    let ask = world.me.post("/inbox/assignment", &ticked).await.ok();
    for words in ["Ada Tremblay, Your results", "Bea Tremblay", "Cyd Tremblay", "User clinician"] {
        assert!(ask.has_text(words), "{words}: {}", ask.text());
    }
    // nothing has changed, and what is wrong is said in place
    let refused = world.me.submit(&ask, "Save", &[("user", "team-1"), ("due_date", "2026-03-06")]).await;
    assert_eq!(refused.status, 422);
    let page = refused.page();
    assert!(page.has_text("Choose a time"), "{}", page.text());
    assert_eq!(page.form_with("Save").value("user").as_deref(), Some("team-1"));
    // meanwhile somebody else assigns one of them
    world.other.post(&format!("{bea}/assignment"), &[("user", "3")]).await.redirect();
    let to = world.me.submit(&ask, "Save", &[("user", "team-1")]).await.redirect();
    assert!(to.starts_with("/inbox?scope=mine&filter=open&assigned="), "{to}");
    assert_eq!(
        world.me.submit(&ask, "Save", &[("user", "team-1")]).await.redirect(),
        to,
        "a second press says the same"
    );
    let mut held = view(&world.third, "filter=my_teams").await;
    held.sort();
    assert_eq!(held, ["Ada", "Cyd"]);
    assert_eq!(view(&world.other, "filter=assigned").await, ["Bea"], "what was changed meanwhile stays");
    let page = world.me.get(&to).await.ok();
    assert!(page.has_text("2 conversations were assigned."), "{}", page.text());
    assert!(page.has_text("These were changed meanwhile and stay as they are"), "{}", page.text());
    assert_eq!(page.link("Bea Tremblay, Your results"), bea);
    // one of the two is taken on, so that only the other is taken back
    world.third.post(&format!("{}/assignment", world.conversation), &[("user", "4")]).await.redirect();
    let left = world.me.submit(&page, "Undo", &[]).await.redirect();
    assert!(left.ends_with(&format!("&left={}", all[0])), "{left}");
    assert_eq!(view(&world.me, "filter=assigned").await, ["Cyd"], "as before");
    assert_eq!(view(&world.third, "filter=assigned").await, ["Ada"]);
    assert!(!world.me.get(&to).await.ok().has_text("were assigned."), "it is not offered twice");
    // to nobody, and all of it back
    let ticked = [("conversation", all[2].as_str())];
    let ask = world.me.post("/inbox/assignment", &ticked).await.ok();
    let to = world.me.submit(&ask, "Save", &[("user", "")]).await.redirect();
    assert!(view(&world.me, "filter=assigned").await.is_empty());
    let page = world.me.get(&to).await.ok();
    assert!(page.has_text("One conversation is assigned to nobody now."), "{}", page.text());
    let back = world.me.submit(&page, "Undo", &[]).await.says();
    assert_eq!(back.1, "assigned-as-before");
    assert_eq!(view(&world.me, "filter=assigned").await, ["Cyd"]);
}

async fn what_was_overdue_is_so_again(app: App) {
    let world = world(&app).await;
    assert_eq!(world.assign(&[("user", "2"), ("due_date", "2026-03-04"), ("due_time", "09:30")]).await.1, "assigned");
    app.state.clock.advance(Duration::minutes(40));
    let id = id_of(&world.conversation).to_string();
    let ask = world.me.post("/inbox/assignment", &[("conversation", id.as_str())]).await.ok();
    let to = world.me.submit(&ask, "Save", &[("user", "team-1")]).await.redirect();
    let page = world.me.get(&to).await.ok();
    assert_eq!(world.me.submit(&page, "Undo", &[]).await.says().1, "assigned-as-before");
    assert!(world.me.get("/inbox?filter=assigned").await.ok().text_of(".work li").contains("overdue since"));
}

async fn what_cannot_be_ticked_changes_nothing(app: App) {
    let world = world(&app).await;
    let id = id_of(&world.conversation).to_string();
    let nothing = world.me.post("/inbox/assignment", &[("filter", "open")]).await.says();
    assert_eq!(nothing.1, "nothing-chosen");
    for wrong in [
        vec![("conversation", "x")],
        vec![("conversation", &*id), ("conversation", &*id)],
        vec![("conversation", &*id), ("conversation", "")],
    ] {
        let with = [&wrong[..], &[("user", "3")]].concat();
        assert_eq!(world.me.post("/inbox/assignment", &with).await.status, 400, "{wrong:?}");
    }
    let many: Vec<String> = (1..=51).map(|number| number.to_string()).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|number| ("conversation", number.as_str())).collect();
    assert_eq!(world.me.post("/inbox/assignment", &many).await.status, 400);
    // what is gone, and a form that does not say what it saw, change nothing
    let gone = [("conversation", "99"), ("shown", "-"), ("user", "3")];
    let to = world.me.post("/inbox/assignment", &gone).await.redirect();
    assert!(to.ends_with("&left=99"), "{to}");
    assert_eq!(world.me.get(&to).await.status, 200);
    let blind = [("conversation", &*id), ("user", "3")];
    assert_eq!(world.me.post("/inbox/assignment", &blind).await.status, 303);
    assert_eq!(rows(&app, &world.conversation).await, [(2, false, false)]);
    let viewer = app.user(Role::Viewer).await;
    assert_eq!(viewer.post("/inbox/assignment", &[("conversation", &*id), ("user", "3")]).await.status, 403);
    let teams =
        app.state.db.read(|conn| -> Result<i64, AppError> { Ok(conversation_teams::table.count().get_result(conn)?) });
    assert_eq!(teams.await.unwrap(), 0);
}
