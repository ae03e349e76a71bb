//! What the provider's claims decide: a user's role, new accounts, and whether the second step is asked for.

use super::second_factor::{code, set_up};
use super::single_sign_on::link;
use super::{everybody, newest, noted};
use crate::on_each;
use crate::support::app::{App, On};
use crate::support::oidc::{FalseProvider, by_groups, sign_in};
use crate::support::world::PASSWORD;
use postern::access::Role;
use postern::config::ProviderStep;
use serde_json::json;
use time::Duration;

on_each!(
    a_role_follows_the_claim,
    the_last_owner_stays_one,
    who_has_a_role_gets_an_account,
    an_account_is_made_of_nothing_else,
    the_clinics_second_step_is_asked_for,
    the_providers_second_step_is_enough_where_it_is_said,
);

async fn role_of_newest(app: &App) -> Role {
    everybody(app).await.pop().unwrap().role
}

async fn a_role_follows_the_claim(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, by_groups).await;
    app.user(Role::Owner).await;
    let staff = app.user(Role::Staff).await;
    let id = newest(&app).await;
    provider.is(&app, "person-1");
    // a person without a role at the provider is not linked, because they could not sign in
    let way = staff.submit(&staff.get("/account").await.ok(), super::single_sign_on::LINK, &[]).await.ok();
    let answer = crate::support::oidc::finish(&provider, &staff, &way).await;
    assert!(answer.status == 403 && answer.page().has_text("gives you no role"), "{}", answer.page().text());
    provider.claims("groups", json!(["others", "clinic-staff"]));
    let way = staff.submit(&staff.get("/account").await.ok(), super::single_sign_on::LINK, &[]).await.ok();
    crate::support::oidc::finish(&provider, &staff, &way).await.redirect();

    let browser = app.anyone();
    for (groups, role) in [
        (json!(["clinic-viewers"]), Role::Viewer),
        // of several roles the one that the configuration names first
        (json!(["clinic-viewers", "clinic-staff", "clinic-owners"]), Role::Owner),
        (json!("clinic-staff"), Role::Staff),
    ] {
        provider.claims("groups", groups);
        sign_in(&provider, &browser).await.redirect();
        assert_eq!(role_of_newest(&app).await, role);
    }
    let changes = ["staff viewer", "viewer owner", "owner staff"].map(|words| Some(words.to_owned()));
    assert_eq!(noted(&app, id, "user_role_changed").await, changes);
    // a person whose role was taken away cannot sign in
    provider.claims("groups", json!(["Clinic-Staff"]));
    let browser = app.anyone();
    let answer = sign_in(&provider, &browser).await;
    assert!(answer.status == 403 && answer.page().has_text("gives you no role"), "{}", answer.page().text());
    assert_eq!(role_of_newest(&app).await, Role::Staff);
    // claims that are not in the token are read from `userinfo`, which must be of the same person
    provider.claims("groups", serde_json::Value::Null);
    provider.says_more(json!({"sub": "person-1", "groups": ["clinic-viewers"]}));
    sign_in(&provider, &browser).await.redirect();
    assert_eq!(role_of_newest(&app).await, Role::Viewer);
    provider.says_more(json!({"sub": "person-2", "groups": ["clinic-owners"]}));
    let answer = sign_in(&provider, &app.anyone()).await;
    assert_eq!(answer.status, 503, "{}", answer.page().text());
    assert_eq!(role_of_newest(&app).await, Role::Viewer);
}

async fn the_last_owner_stays_one(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, by_groups).await;
    let owner = app.user(Role::Owner).await;
    provider.is(&app, "person-1");
    provider.claims("groups", json!(["clinic-owners"]));
    let way = owner.submit(&owner.get("/account").await.ok(), super::single_sign_on::LINK, &[]).await.ok();
    crate::support::oidc::finish(&provider, &owner, &way).await.redirect();
    for groups in [json!(["clinic-viewers"]), json!([]), serde_json::Value::Null] {
        provider.claims("groups", groups);
        sign_in(&provider, &app.anyone()).await.redirect();
        assert_eq!(role_of_newest(&app).await, Role::Owner);
    }
    // once there is another owner, the role is changed
    app.user(Role::Owner).await;
    provider.claims("groups", json!(["clinic-viewers"]));
    sign_in(&provider, &app.anyone()).await.redirect();
    assert_eq!(everybody(&app).await[0].role, Role::Viewer);
}

async fn who_has_a_role_gets_an_account(on: On) {
    let provider = FalseProvider::start();
    let create = |oidc: &mut postern::config::Oidc| {
        by_groups(oidc);
        oidc.creates_users = true;
    };
    let app = provider.clinic(on, create).await;
    let owner = app.user(Role::Owner).await;
    provider.is(&app, "person-noor");
    provider.claims("groups", json!(["clinic-staff"]));
    provider.says_more(json!({
        "sub": "person-noor", "email": "noor@clinic.example", "email_verified": "true", "name": "Noor Haddad"
    }));
    let browser = app.anyone();
    assert_eq!(sign_in(&provider, &browser).await.redirect(), "/patients");
    let noor = everybody(&app).await.pop().unwrap();
    assert_eq!(
        (noor.name.as_str(), noor.email.as_str(), noor.role),
        ("Noor Haddad", "noor@clinic.example", Role::Staff)
    );
    assert_eq!(noted(&app, noor.id, "user_added").await, [Some("staff".to_owned())]);
    assert_eq!(noted(&app, noor.id, "provider_linked").await.len(), 1);
    // the next sign-in is by the same user, also with another address
    provider.says_more(json!({"sub": "person-noor", "email": "noor2@clinic.example", "name": "Noor"}));
    sign_in(&provider, &app.anyone()).await.redirect();
    assert_eq!(everybody(&app).await.len(), 2);
    let page = owner.get(&format!("/settings/users/{}", noor.id)).await.ok();
    assert!(!page.has_text("Invited"), "{}", page.text());
}

async fn an_account_is_made_of_nothing_else(on: On) {
    let provider = FalseProvider::start();
    let create = |oidc: &mut postern::config::Oidc| {
        by_groups(oidc);
        oidc.creates_users = true;
    };
    let app = provider.clinic(on, create).await;
    app.user(Role::Owner).await;
    let email = everybody(&app).await[0].email.to_string();
    for (groups, more, status, words) in [
        (json!([]), json!({"email": "noor@clinic.example", "name": "Noor"}), 403, "gives you no role"),
        (json!(["clinic-staff"]), json!({"email": email, "name": "Noor"}), 409, "has your email address already"),
        (json!(["clinic-staff"]), json!({"name": "Noor"}), 403, "did not tell your email address"),
        (
            json!(["clinic-staff"]),
            json!({"email": "noor@clinic.example", "email_verified": false}),
            403,
            "did not tell your email address",
        ),
    ] {
        provider.is(&app, "person-noor");
        provider.claims("groups", groups);
        let mut says = more.clone();
        says["sub"] = json!("person-noor");
        provider.says_more(says);
        let answer = sign_in(&provider, &app.anyone()).await;
        assert!(answer.status == status && answer.page().has_text(words), "{more}: {}", answer.page().text());
    }
    assert_eq!(everybody(&app).await.len(), 1);
}

async fn the_clinics_second_step_is_asked_for(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, |_| ()).await;
    let owner = app.user(Role::Owner).await;
    let staff = app.user(Role::Staff).await;
    link(&provider, &app, &staff, "person-1").await;
    let (key, _) = set_up(&app, &staff).await;
    app.state.clock.advance(Duration::seconds(30));
    let browser = app.anyone();
    let to = sign_in(&provider, &browser).await.redirect();
    assert_eq!(to, "/sign-in/second-step?next=%2Fpatients");
    assert!(browser.get("/inbox").await.redirect().starts_with("/sign-in"), "nobody is in yet");
    let page = browser.get(&to).await.ok();
    let answer = browser.submit(&page, "Sign in", &[("code", &code(&app, &key))]).await;
    assert_eq!(answer.redirect(), "/patients");
    // a user without a second factor whose role needs one is led to set it up
    owner.post("/settings/sign-in", &[("second_factor", "viewer")]).await.redirect();
    let viewer = app.user(Role::Viewer).await;
    drop(viewer);
    let email = everybody(&app).await[2].email.to_string();
    let viewer = app.anyone();
    viewer.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
    set_up(&app, &viewer).await;
    link(&provider, &app, &viewer, "person-2").await;
    let id = newest(&app).await;
    owner.post(&format!("/settings/users/{id}/second-factor"), &[]).await.redirect();
    let browser = app.anyone();
    sign_in(&provider, &browser).await.redirect();
    assert!(browser.get("/inbox").await.redirect().starts_with("/account/second-factor"));
}

async fn the_providers_second_step_is_enough_where_it_is_said(on: On) {
    let named = ProviderStep::Named(vec!["mfa".into(), "urn:example:gold".into()]);
    let steps = [
        (ProviderStep::Always, vec![(json!(null), json!(null), true)]),
        (
            named,
            vec![
                (json!(null), json!(null), false),
                (json!("urn:example:silver"), json!(["pwd"]), false),
                (json!(null), json!(["pwd", "mfa"]), true),
                (json!("urn:example:gold"), json!(null), true),
            ],
        ),
    ];
    for (step, cases) in steps {
        let provider = FalseProvider::start();
        let app = provider.clinic(on, |oidc| oidc.second_step = step).await;
        let owner = app.user(Role::Owner).await;
        let staff = app.user(Role::Staff).await;
        link(&provider, &app, &staff, "person-1").await;
        owner.post("/settings/sign-in", &[("second_factor", "staff")]).await.redirect();
        for (acr, amr, is_enough) in cases {
            provider.claims("acr", acr.clone());
            provider.claims("amr", amr.clone());
            let browser = app.anyone();
            sign_in(&provider, &browser).await.redirect();
            let answer = browser.get("/inbox").await;
            assert_eq!(answer.status == 200, is_enough, "{acr} {amr}: {}", answer.location);
            if is_enough {
                // a later sign-in by password in the same browser has no second step from the provider
                let email = everybody(&app).await[1].email.to_string();
                browser.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
                assert!(browser.get("/inbox").await.redirect().starts_with("/account/second-factor"));
            }
        }
    }
}
