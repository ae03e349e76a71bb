//! Requests every real route as nobody, as each role and as another patient.

use super::routes::{self, Route};
use crate::on_both;
use crate::support::app::{Actor, Answer, App};
use crate::support::world::Like;
use postern::access::Role;

/// What anybody may request at the clinic's door, and the status of the answer.
const OPEN_CLINIC: &[(&str, u16)] = &[
    ("GET /sign-in", 200),
    ("POST /sign-in", 422),
    ("GET /sign-in/second-step", 303), // without the password there is no second step
    ("POST /sign-in/second-step", 303),
    // browsers have no passkeys for an IP address
    ("POST /sign-in/second-step/challenge", 404),
    ("POST /sign-in/passkey", 404),
    ("POST /sign-in/passkey/challenge", 404),
    // no identity provider is configured: see the tests of users
    ("POST /sign-in/provider", 404),
    ("GET /sign-in/provider/answer", 404),
    ("POST /sign-in/provider/answer", 404),
    // no EMR opens Postern either: see the tests of emr
    ("GET /emr/launch", 404),
    ("POST /sign-in/emr", 404),
    ("GET /emr/answer", 404),
    ("POST /sign-in/emr/answer", 404),
    ("POST /password/{token}/provider", 404),
    ("POST /sign-out", 303),
    ("POST /language", 400), // a browser may have a language before anybody signs in; an empty form names none
    ("GET /password/{token}", 404),
    ("GET /password/{token}/", 404),
    ("POST /password/{token}", 404),
    ("GET /forgotten-password", 200),
    ("POST /forgotten-password", 422),
];

/// What anybody may request at the portal's door, and the status of the answer.
const OPEN_PORTAL: &[(&str, u16)] = &[
    ("GET /portal", 200),
    ("GET /portal/real", 200),
    ("POST /portal/entry", 422),
    ("GET /portal/images/{kind}/{name}", 404),
    ("GET /portal/link/{token}", 404),
    ("GET /portal/link/{token}/", 404),
    ("POST /portal/link/{token}/passcode", 404),
    ("POST /portal/link/{token}/session", 404),
    ("POST /portal/language", 400),
    ("POST /portal/logout", 303),
];

/// Pages that lead to a change, which users who only read cannot open.
const WRITE_PAGES: &[&str] = &[
    "/outbox",
    "/outbox.csv",
    "/patients/new",
    "/patients/import",
    "/patients/{patient}/chart-browser",
    "/patients/{patient}/files/new",
    "/patients/{patient}/information",
    "/patients/{patient}/archiving",
    "/patients/{patient}/merging",
    "/patients/doubles",
    "/patients/{patient}/messages/new",
    "/patients/{patient}/message-templates",
    "/settings/message-templates",
    "/settings/message-templates/new",
    "/settings/message-templates/{template}",
    "/conversations/{conversation}/call",
    "/conversations/{conversation}/letter",
    "/conversations/{conversation}/letters/{number}",
    "/patients/{patient}/postal-address",
    "/patients/{patient}/own-word",
    "/caregivers",
    "/patients/{patient}/caregivers",
    "/patients/{patient}/caregivers/{caregiver}",
    "/conversations/{conversation}/closure",
    "/conversations/{conversation}/assignment",
    "/conversations/{conversation}/messages/{message}/recall",
];

fn open(list: &[(&str, u16)], route: &Route) -> Option<u16> {
    list.iter().find(|(name, _)| *name == route.name()).map(|(_, status)| *status)
}

on_both!(
    nobody_gets_in,
    who_has_to_set_up_gets_no_further,
    what_needs_confirming_asks_first,
    each_role_gets_its_own,
    what_is_not_there_is_404,
    patients_see_their_own
);

struct World {
    patient: String,
    conversation: String,
}

async fn world(app: &App) -> World {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let path = app.message(&owner, patient, true).await;
    app.broadcast(&owner, &[patient]).await;
    owner.post("/settings/teams", &[("name", "Reception"), ("member", "1")]).await.redirect();
    app.caregiver(&owner, patient, "Ana Roy", ("ana@example.org", "+1 613-555-0155")).await;
    World { patient: patient.to_string(), conversation: path.rsplit('/').next().unwrap().to_owned() }
}

impl World {
    fn fill(&self, route: &Route) -> String {
        let ids = [
            ("patient", self.patient.as_str()),
            ("conversation", &self.conversation),
            ("item", "1"),
            ("message", "1"),
            ("scheduled", "1"),
            ("broadcast", "1"),
            ("view", "1"),
            ("caregiver", "1"),
            ("template", "1"),
            ("user", "1"),
            ("team", "1"),
            ("passkey", "1"),
        ];
        route.filled(
            &[
                ids.as_slice(),
                &[
                    ("token", "unknown"),
                    ("number", "1"),
                    ("upload", "1"),
                    ("file", "1"),
                    ("kind", "message_waiting"),
                    ("channel", "email"),
                    ("language", "en"),
                    ("name", "x"),
                ],
            ]
            .concat(),
        )
    }
}

async fn nobody_gets_in(app: App) {
    let world = world(&app).await;
    for (table, list, door) in [(routes::clinic(), OPEN_CLINIC, "/sign-in"), (routes::portal(), OPEN_PORTAL, "/portal")]
    {
        for (name, _) in list {
            assert!(table.iter().any(|route| route.name() == *name), "{name} is no route any more");
        }
        for route in table {
            let nobody = app.anyone();
            let answer = match route.method {
                "GET" => nobody.get(&world.fill(&route)).await,
                _ => nobody.post(&world.fill(&route), &[("password", "a"), ("again", "b")]).await,
            };
            match open(list, &route) {
                Some(status) => assert_eq!(answer.status, status, "{}", route.name()),
                None => {
                    assert_eq!(answer.status, 303, "{}", route.name());
                    let (to, query) = answer.location.split_once('?').unwrap_or((&answer.location, ""));
                    assert_eq!(to, door.split('?').next().unwrap(), "{}", route.name());
                    assert!(
                        query.is_empty()
                            || query.starts_with("next=")
                            || (door == "/portal" && query.starts_with("back=/portal/")),
                        "{query}"
                    );
                    assert!(!answer.body.contains("Your results"), "{}", route.name());
                }
            }
        }
    }
}

/// The pages that are open to a user who has to set up a second factor first.
const BEFORE_SETTING_UP: &[&str] = &["/account/confirmation", "/account/second-factor"];

/// Requests for which a user must have proved a few minutes ago who they are.
const CONFIRMED: &[&str] = &[
    "GET /account/emr",
    "GET /account/second-factor/app",
    "GET /outbox.csv",
    "GET /patients/{patient}/deletion",
    "GET /patients/{patient}/hold",
    "GET /settings/audit-log.csv",
    "GET /settings/gateways",
    "GET /settings/sign-in",
    "GET /settings/users/new",
    "GET /settings/users/{user}",
    "GET /settings/users/{user}/away",
    "GET /settings/users/{user}/deactivation",
    "POST /account/emr",
    "POST /account/provider",
    "POST /account/provider/removal",
    "POST /account/second-factor/app",
    "POST /account/second-factor/app/code",
    "POST /account/second-factor/app/removal",
    "POST /account/second-factor/passkeys",
    "POST /account/second-factor/passkeys/challenge",
    "POST /account/second-factor/passkeys/{passkey}/removal",
    "POST /account/second-factor/recovery-codes",
    "POST /patients/{patient}/deletion",
    "POST /patients/{patient}/hold",
    "POST /patients/{patient}/hold/removal",
    "POST /settings/emr/keys",
    "POST /settings/emr/{number}",
    "POST /settings/gateways",
    "POST /settings/records/deletion",
    "POST /settings/sign-in",
    "POST /settings/users",
    "POST /settings/users/{user}",
    "POST /settings/users/{user}/away",
    "POST /settings/users/{user}/deactivation",
    "POST /settings/users/{user}/emr/removal",
    "POST /settings/users/{user}/password-links",
    "POST /settings/users/{user}/provider/removal",
    "POST /settings/users/{user}/reactivation",
    "POST /settings/users/{user}/second-factor",
    "POST /settings/users/{user}/sessions",
];

async fn ask(user: &Actor, world: &World, route: &Route) -> Answer {
    match route.method {
        "GET" => user.get(&world.fill(route)).await,
        _ => user.post(&world.fill(route), &[("body", "words")]).await,
    }
}

async fn who_has_to_set_up_gets_no_further(app: App) {
    let world = world(&app).await;
    let user = app.user(Role::Owner).await;
    user.post("/settings/sign-in", &[("second_factor", "owner"), ("second_factor", "viewer")]).await.redirect();
    let viewer = app.user(Role::Viewer).await;
    for user in [&user, &viewer] {
        for route in routes::clinic().into_iter().filter(|route| open(OPEN_CLINIC, route).is_none()) {
            if BEFORE_SETTING_UP.iter().any(|path| route.path.starts_with(path)) {
                continue;
            }
            let answer = ask(user, &world, &route).await;
            assert_eq!(answer.status, 303, "{}", route.name());
            assert_eq!(answer.location.split('?').next(), Some("/account/second-factor"), "{}", route.name());
        }
        let page = user.get("/account/second-factor").await.ok();
        assert!(page.has_text("Your clinic asks for a second step") && !page.has("nav"), "{}", page.text());
    }
    // roles that need no second factor are not affected
    assert_eq!(app.user(Role::Staff).await.get("/inbox").await.status, 200);
}

async fn what_needs_confirming_asks_first(app: App) {
    let world = world(&app).await;
    let owner = app.user(Role::Owner).await;
    app.state.clock.advance(time::Duration::minutes(11));
    let mut asked = Vec::new();
    for route in routes::clinic().into_iter().filter(|route| open(OPEN_CLINIC, route).is_none()) {
        let answer = ask(&owner, &world, &route).await;
        if answer.location.starts_with("/account/confirmation") {
            asked.push(route.name());
        }
    }
    asked.sort();
    assert_eq!(asked, CONFIRMED);
}

async fn each_role_gets_its_own(app: App) {
    let world = world(&app).await;
    for role in Role::ALL.iter().copied() {
        let user = app.user(role).await;
        for route in routes::clinic() {
            if open(OPEN_CLINIC, &route).is_some() {
                continue;
            }
            let path = world.fill(&route);
            let templates = route.path.starts_with("/settings/message-templates");
            let of_owners = ["/patients/{patient}/deletion", "/patients/{patient}/hold"];
            let settings = route.path.starts_with("/settings") && !templates
                || of_owners.iter().any(|path| route.path.starts_with(path));
            let to_many = route.path.starts_with("/broadcasts");
            let forbidden = match role {
                Role::Owner => false,
                Role::Clinician => settings,
                Role::Staff => settings || to_many,
                Role::Viewer if to_many => true,
                Role::Viewer if route.path.starts_with("/account/") => false, // what is one's own
                Role::Viewer if route.path == "/searches" => false, // a question, posted so that no address has it
                Role::Viewer => settings || route.method == "POST" || WRITE_PAGES.contains(&route.path.as_str()),
            };
            if route.method == "POST" && !forbidden {
                continue; // writes_are_audited does these
            }
            let answer = match route.method {
                "GET" => user.get(&path).await,
                _ => user.post(&path, &[]).await,
            };
            let expected = match route.path.as_str() {
                _ if forbidden => 403,
                "/" | "/settings" => 303,
                "/conversations/{conversation}/live" => 303, // a script's: others are led to the conversation
                "/broadcasts/{broadcast}/progress" => 303,   // the same
                "/account/second-factor/app" => 303,         // nothing is being set up
                "/account/views/{view}" => 404,              // they keep none
                item if item.starts_with("/patients/{patient}/items/{item}") => 404, // this patient has none
                file if file.ends_with("/attachments/{number}") || file.ends_with("/letters/{number}") => 404,
                _ => 200,
            };
            assert_eq!(answer.status, expected, "{role:?} {}", route.name());
            assert!(answer.status != 303 || !answer.location.starts_with("/sign-in"), "{role:?} {}", route.name());
        }
    }
}

async fn what_is_not_there_is_404(app: App) {
    let owner = app.user(Role::Owner).await;
    let named = ["{patient}", "{conversation}", "{user}", "{broadcast}", "{team}", "{view}"];
    for route in routes::clinic().into_iter().filter(|route| named.iter().any(|name| route.path.contains(name))) {
        for id in ["99999999", "0", "-1", "abc", "9223372036854775808", "%00", "1%27"] {
            let path = route.filled(
                &[
                    "patient",
                    "conversation",
                    "message",
                    "scheduled",
                    "broadcast",
                    "caregiver",
                    "item",
                    "upload",
                    "number",
                    "user",
                    "team",
                    "passkey",
                    "view",
                ]
                .map(|name| (name, id)),
            );
            let answer = match route.method {
                "GET" => owner.get(&path).await,
                _ => {
                    owner
                        .post(
                            &path,
                            &[("message", "1"), ("key", "0123456789abcdef"), ("method", "email"), ("channel", "email")],
                        )
                        .await
                }
            };
            assert_eq!(answer.status, 404, "{} with {id}", route.name());
        }
    }
    for path in ["/nothing", "/portal/nothing", "/demo/mailbox", "/demo/mailbox.json", "/assets/nothing/x.js"] {
        assert_eq!(owner.get(path).await.status, 404, "{path}");
    }
}

async fn patients_see_their_own(app: App) {
    let owner = app.user(Role::Owner).await;
    let a = app.patient(Like::default()).await;
    let b = Like { email: Some("b@example.org".into()), phone: Some("+16135550199".into()), ..Like::default() };
    let b = app.patient(b).await;
    let a_conversation = app.message(&owner, a, true).await;
    app.message(&owner, a, true).await;
    app.message(&owner, b, true).await;
    app.drain().await;
    let a_link = app.link_to("maria@example.org");
    let (b_browser, message) = app.go_in(&app.link_to("b@example.org"), "+16135550199").await;
    assert_eq!(b_browser.get(&message).await.status, 200);
    for number in ["2", "3", "99", "0", "-1", "x", "9223372036854775808"] {
        for route in routes::portal().into_iter().filter(|r| r.path.contains("{number}")) {
            let path = route.filled(&[("number", number), ("file", "1")]);
            let answer = match route.method {
                "GET" => b_browser.get(&path).await,
                _ => b_browser.post(&path, &[("key", "0123456789abcdef"), ("body", "mine")]).await,
            };
            assert_eq!(answer.status, 404, "{} with {number}", route.name());
        }
    }
    // for another patient a link only gives the page that asks for a passcode
    let page = b_browser.get(&a_link).await;
    assert!(page.status == 200 && !page.body.contains("Your results"), "{}", page.body);
    // the cookie of one door opens nothing at the other
    let world = World { patient: a.to_string(), conversation: a_conversation.rsplit('/').next().unwrap().into() };
    for (someone, table, list, door) in
        [(&b_browser, routes::clinic(), OPEN_CLINIC, "/sign-in"), (&owner, routes::portal(), OPEN_PORTAL, "/portal")]
    {
        for route in table.into_iter().filter(|route| open(list, route).is_none()) {
            let path = world.fill(&route);
            let answer = match route.method {
                "GET" => someone.get(&path).await,
                _ => someone.post(&path, &[]).await,
            };
            assert_eq!(answer.status, 303, "{}", route.name());
            assert!(answer.location.starts_with(door), "{} leads to {}", route.name(), answer.location);
        }
    }
}
