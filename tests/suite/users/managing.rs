//! Names, addresses and roles of users, and the last owner, who must remain.

use super::{everybody, newest, noted};
use crate::on_both;
use crate::support::app::App;
use crate::support::world::PASSWORD;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::UserId;
use postern::db::schema::users;
use postern::error::AppError;

on_both!(
    an_owner_changes_who_somebody_is,
    what_cannot_be_is_refused_with_what_was_typed,
    a_role_holds_from_the_next_request_on,
    an_owner_ends_anothers_sessions,
    the_last_owner_stays,
    two_owners_cannot_both_go,
    whoever_was_demoted_changes_nobody
);

async fn an_owner_ends_anothers_sessions(app: App) {
    let (owner, staff) = (app.user(Role::Owner).await, app.user(Role::Staff).await);
    let id = newest(&app).await;
    staff.get("/inbox").await.ok();
    let page = owner.get(&format!("/settings/users/{id}")).await.ok();
    let told = owner.submit(&page, "End their sessions", &[]).await.says();
    assert_eq!(told, (format!("/settings/users/{id}"), "user-sessions-ended".to_owned()));
    assert!(staff.get("/inbox").await.redirect().starts_with("/sign-in"));
    assert_eq!(noted(&app, id, "session_ended").await.len(), 1);
    // they can sign in again; only owners end others' sessions here, and nobody their own
    let again = app.user(Role::Staff).await;
    assert_eq!(again.post(&format!("/settings/users/{id}/sessions"), &[]).await.status, 403);
    let own = everybody(&app).await[0].id;
    assert!(!owner.get(&format!("/settings/users/{own}")).await.ok().has_text("End their sessions"));
    assert_eq!(owner.post("/settings/users/999/sessions", &[]).await.status, 404);
    owner.get("/inbox").await.ok();
}

async fn an_owner_changes_who_somebody_is(app: App) {
    let owner = app.user(Role::Owner).await;
    app.user(Role::Staff).await;
    let staff = newest(&app).await;
    let list = owner.get("/settings/users").await.ok();
    assert!(list.has_text("User owner (You)") && list.has_text("User staff") && list.has_text("Staff"));
    assert!(list.has_text("Last signed in 4 March 2026"), "{}", list.text());
    let path = format!("/settings/users/{staff}");
    assert!(list.links().iter().any(|link| link.href == path));
    let page = owner.get(&path).await.ok();
    let saved = owner
        .submit(&page, "Save", &[("name", "  Sam   Roy "), ("email", "Sam@Clinic.example"), ("role", "clinician")])
        .await;
    assert_eq!(saved.says(), (path.clone(), "user-saved".into()));
    let account = everybody(&app).await.pop().unwrap();
    assert_eq!((account.name.as_str(), account.email.as_str()), ("Sam Roy", "Sam@clinic.example"));
    assert_eq!(account.role, Role::Clinician);
    assert_eq!(noted(&app, staff, "user_changed").await, [Some("name email".to_owned())]);
    assert_eq!(noted(&app, staff, "user_role_changed").await, [Some("staff clinician".to_owned())]);
    // the user signs in with the new address, in any case of letters, and not with the old one
    let sam = [("email", "sam@clinic.EXAMPLE"), ("password", PASSWORD)];
    app.anyone().post("/sign-in", &sam).await.redirect();
    // saving without a change leaves no audit row
    let page = owner.get(&path).await.ok();
    owner.submit(&page, "Save", &[]).await.redirect();
    assert_eq!(noted(&app, staff, "user_changed").await.len(), 1);
}

async fn what_cannot_be_is_refused_with_what_was_typed(app: App) {
    let owner = app.user(Role::Owner).await;
    app.user(Role::Staff).await;
    let all = everybody(&app).await;
    let path = format!("/settings/users/{}", all[1].id);
    let page = owner.get(&path).await.ok();
    let taken = all[0].email.as_str().to_uppercase();
    let long = "n".repeat(101);
    for (field, value, says) in [
        ("email", taken.as_str(), "Another user signs in with this address"),
        ("email", "sam@", "Enter an email address in the form"),
        ("name", "", "enter 1 to 100 characters"),
        ("name", &long, "enter 1 to 100 characters"),
        ("role", "boss", "Choose a role"),
    ] {
        let mut form = page.form_with("Save");
        form.forge(field, value).press("Save");
        let fields = form.fields();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let answer = owner.post(&path, &fields).await;
        assert_eq!(answer.status, 422, "{field} {value}");
        let page = answer.page();
        assert!(page.has_text(says), "{field} {value}: {}", page.text());
        if field != "role" {
            assert_eq!(page.form_with("Save").value(field).as_deref(), Some(value));
        }
    }
    assert_eq!(everybody(&app).await[1].email, all[1].email);
    assert_eq!(owner.get("/settings/users/99").await.status, 404);
}

async fn a_role_holds_from_the_next_request_on(app: App) {
    let owner = app.user(Role::Owner).await;
    let other = app.user(Role::Owner).await;
    let path = format!("/settings/users/{}", newest(&app).await);
    assert_eq!(other.get("/settings/users").await.status, 200);
    let page = owner.get(&path).await.ok();
    owner.submit(&page, "Save", &[("role", "viewer")]).await.redirect();
    assert_eq!(other.get("/settings/users").await.status, 403);
    assert_eq!(other.get("/patients").await.status, 200);
    assert!(!other.get("/inbox").await.ok().has_text("Settings"));
}

async fn the_last_owner_stays(app: App) {
    let owner = app.user(Role::Owner).await;
    // an owner who is only invited cannot sign in, and does not count
    app.user(Role::Owner).await;
    let invited = newest(&app).await;
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        let row = diesel::update(users::table.find(invited));
        Ok(row.set(users::password_hash.eq(None::<String>)).execute(tx.conn())?)
    });
    write.await.unwrap();
    let path = format!("/settings/users/{}", everybody(&app).await[0].id);
    let page = owner.get(&path).await.ok();
    let answer = owner.submit(&page, "Save", &[("role", "staff"), ("name", "Olivia")]).await;
    assert_eq!(answer.status, 422);
    assert!(answer.page().has_text("Nobody else who can sign in is an owner"), "{}", answer.page().text());
    assert_eq!(answer.page().form_with("Save").value("name").as_deref(), Some("Olivia"));
    let ask = owner.get(&format!("{path}/deactivation")).await.ok();
    assert!(ask.has_text("Nobody else who can sign in is an owner") && !ask.has("main form"), "{}", ask.text());
    let answer = owner.post(&format!("{path}/deactivation"), &[]).await;
    assert_eq!(answer.status, 409);
    assert!(answer.page().has_text("Nobody else who can sign in is an owner"));
    let all = everybody(&app).await;
    assert!(all[0].active && all[0].role == Role::Owner && all[0].name.as_str() == "User owner");
    // the invited owner may be deactivated, because they are not the last one
    owner.post(&format!("/settings/users/{invited}/deactivation"), &[]).await.redirect();
    assert_eq!(owner.get("/settings/users").await.status, 200);
}

/// Two owners take the role from each other, or deactivate each other, at the same moment: one of them remains.
async fn two_owners_cannot_both_go(app: App) {
    let (one, other) = (app.user(Role::Owner).await, app.user(Role::Owner).await);
    let all = everybody(&app).await;
    let roles = async |app: &App| {
        let all = everybody(app).await;
        all.iter().filter(|one| one.active && one.role == Role::Owner).map(|one| one.id).collect::<Vec<_>>()
    };
    let reset = async |app: &App| {
        let write = app.state.db.write(|tx| -> Result<_, AppError> {
            let owner = (users::role.eq(Role::Owner), users::active.eq(true));
            Ok(diesel::update(users::table).set(owner).execute(tx.conn())?)
        });
        write.await.unwrap();
    };
    for round in 0..8 {
        let path = |of: UserId| match round % 2 {
            0 => format!("/settings/users/{of}"),
            _ => format!("/settings/users/{of}/deactivation"),
        };
        let form = |at: usize| {
            let email = all[at].email.as_str();
            [("name", "N"), ("email", email), ("role", "staff")]
        };
        let (first, second) = (path(all[1].id), path(all[0].id));
        let (to_other, to_one) = (form(1), form(0));
        let (a, b) = tokio::join!(one.post(&first, &to_other), other.post(&second, &to_one));
        let left = roles(&app).await;
        assert_eq!(left.len(), 1, "round {round}: {} and {} left {left:?}", a.status, b.status);
        assert!(a.status == 303 || b.status == 303);
        reset(&app).await;
        // the deactivated owner is signed out
        for (who, account) in [(&one, &all[0]), (&other, &all[1])] {
            if who.get("/inbox").await.status == 303 {
                let sign_in = [("email", account.email.as_str()), ("password", PASSWORD)];
                who.post("/sign-in", &sign_in).await.redirect();
            }
        }
    }
}

/// The right is checked again in the transaction that writes: a request of a user who lost it meanwhile changes
/// nothing.
async fn whoever_was_demoted_changes_nobody(app: App) {
    use postern::access::session::{Holder, Lasts};
    use postern::access::{ConfirmedUser, SignedInUser, rights};
    use postern::users::{Change, ManageError};
    app.user(Role::Owner).await;
    app.user(Role::Owner).await;
    let all = everybody(&app).await;
    let (now, victim, demoted) = (app.state.clock.now(), all[0].clone(), all[1].id);
    let lasts = Lasts::new(60, 60);
    let holder = Holder::User {
        id: demoted,
        name: "Owner".into(),
        role: Role::Owner,
        must_set_up: false,
        confirmed: true,
        stepped_elsewhere: false,
        language: "en".into(),
        keys: true,
        lasts,
    };
    let proof = SignedInUser::<rights::Users>::from_holder(&holder).flatten().unwrap();
    let proof = ConfirmedUser::from_holder(proof, &holder).unwrap();
    for change in [
        "UPDATE users SET role = 'staff' WHERE id = 2",
        "UPDATE users SET active = NOT active, role = 'owner' WHERE id = 2",
    ] {
        let sql = match app.state.config.database {
            postern::db::DatabaseUrl::Sqlite(_) => change.replace("NOT active", "0"),
            _ => change.to_owned(),
        };
        let write = app.state.db.write(move |tx| Ok::<_, AppError>(diesel::sql_query(sql).execute(tx.conn())?));
        assert_eq!(write.await.unwrap(), 1);
        let proof = proof.clone();
        let to = Change { email: victim.email.clone(), name: victim.name.clone(), role: Role::Viewer };
        let id = victim.id;
        let write = app
            .state
            .db
            .write(move |tx| postern::users::change(tx, now, &proof, postern::users::WaysIn::Passwords, id, &to));
        assert!(matches!(write.await, Err(ManageError::NotAllowed)));
    }
}
