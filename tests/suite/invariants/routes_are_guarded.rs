//! The real route table, walked as nobody, as each role and as another patient.

use super::{project, read};
use crate::on_both;
use crate::support::app::{Actor, Answer, App};
use crate::support::world::Like;
use postern::access::Role;

/// Open to everybody, and why.
const OPEN: [&str; 5] = [
    "/sign-in",          // the way in
    "/sign-out",         // harmless without a session
    "/password/{token}", // the token is the proof
    "/language",         // a cookie of this browser
    "/portal/language",  // the same
];
/// Open by a token or to everybody, in the portal.
const OPEN_IN_THE_PORTAL: [&str; 5] = [
    "/portal",
    "/portal/link/{token}",
    "/portal/link/{token}/passcode",
    "/portal/link/{token}/session",
    "/portal/logout",
];
/// Changes that a viewer may make.
const A_VIEWERS_OWN: [&str; 2] = ["/sign-out", "/language"];

struct Route {
    method: &'static str,
    pattern: String,
}

/// Every `.route("…", get().to(…))` in a door's source.
fn routes(door: &str, prefix: &str) -> Vec<Route> {
    let source = read(&project(door));
    let found: Vec<Route> = source
        .split(".route(\"")
        .skip(1)
        .map(|rest| {
            let (path, rest) = rest.split_once('"').unwrap();
            let method = if rest.trim_start_matches([',', ' ']).starts_with("get") { "GET" } else { "POST" };
            Route { method, pattern: format!("{prefix}{path}") }
        })
        .collect();
    assert!(found.len() > 8, "the routes of {door} could not be read");
    found
}

fn clinic() -> Vec<Route> {
    routes("src/clinic/mod.rs", "")
}

fn portal() -> Vec<Route> {
    routes("src/portal/mod.rs", "/portal")
}

impl Route {
    fn path(&self, patient: &str, conversation: &str) -> String {
        let path = self.pattern.replace("{patient}", patient).replace("{conversation}", conversation);
        path.replace("{item}", "1").replace("{token}", "nope").replace("{number}", "1")
    }

    async fn ask(&self, who: &Actor, path: &str) -> Answer {
        match self.method {
            "GET" => who.get(path).await,
            _ => who.post(path, &[("message", "1")]).await,
        }
    }
}

on_both!(nobody_gets_in, a_viewer_changes_nothing, settings_are_the_owners, what_is_not_there_is_404, doors_are_apart);

async fn nobody_gets_in(app: App) {
    let (staff, patient) = (app.user(Role::Staff).await, app.patient(Like::default()).await);
    let conversation = app.message(&staff, patient, true).await;
    let conversation = conversation.rsplit('/').next().unwrap();
    let nobody = app.anyone();
    for route in clinic().iter().filter(|route| !OPEN.contains(&route.pattern.as_str())) {
        let path = route.path(&patient.to_string(), conversation);
        let answer = route.ask(&nobody, &path).await;
        assert_eq!((answer.status, &answer.location[..8]), (303, "/sign-in"), "{} {path}", route.method);
    }
    let open = |route: &&Route| {
        !OPEN.contains(&route.pattern.as_str()) && !OPEN_IN_THE_PORTAL.contains(&route.pattern.as_str())
    };
    for route in portal().iter().filter(open) {
        let path = route.path("1", "1");
        let answer = route.ask(&nobody, &path).await;
        assert_eq!((answer.status, &answer.location[..7]), (303, "/portal"), "{} {path}", route.method);
    }
}

async fn a_viewer_changes_nothing(app: App) {
    let (staff, viewer) = (app.user(Role::Staff).await, app.user(Role::Viewer).await);
    let patient = app.patient(Like::default()).await;
    let conversation = app.message(&staff, patient, true).await;
    let conversation = conversation.rsplit('/').next().unwrap();
    for route in clinic().iter().filter(|route| route.method == "POST") {
        if OPEN.contains(&route.pattern.as_str()) || A_VIEWERS_OWN.contains(&route.pattern.as_str()) {
            continue;
        }
        let path = route.path(&patient.to_string(), conversation);
        assert_eq!(route.ask(&viewer, &path).await.status, 403, "{path}");
    }
    assert_eq!(viewer.get(&format!("/patients/{patient}")).await.status, 200);
    assert_eq!(viewer.get(&format!("/patients/{patient}/messages/new")).await.status, 403);
}

async fn settings_are_the_owners(app: App) {
    let (owner, clinician) = (app.user(Role::Owner).await, app.user(Role::Clinician).await);
    for route in clinic().iter().filter(|route| route.pattern.starts_with("/settings/")) {
        assert_eq!(route.ask(&clinician, &route.pattern).await.status, 403, "{}", route.pattern);
        if route.method == "GET" {
            assert_eq!(route.ask(&owner, &route.pattern).await.status, 200, "{}", route.pattern);
        }
    }
}

async fn what_is_not_there_is_404(app: App) {
    let owner = app.user(Role::Owner).await;
    for route in clinic().iter().filter(|route| route.pattern.contains("{patient}") || route.pattern.contains("{conv"))
    {
        for id in ["999999", "0", "-1", "x", "99999999999999999999"] {
            let path = route.path(id, id);
            assert_eq!(route.ask(&owner, &path).await.status, 404, "{} {path}", route.method);
        }
    }
}

async fn doors_are_apart(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let other = Like { name: ("Other", "Person"), email: Some("other@example.org".into()), ..Like::default() };
    app.patient(other).await;
    let conversation = app.message(&staff, maria, true).await;
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    assert_eq!(patient.get(&message).await.status, 200);
    // a patient's cookie opens no door of the clinic
    assert_eq!(patient.get(&conversation).await.status, 303);
    assert_eq!(patient.get("/inbox").await.status, 303);
    // nor a user's a door of the portal
    assert_eq!(staff.get(&message).await.location, "/portal?notice=session-over");
    // and a conversation that is not theirs is not there
    assert_eq!(patient.get("/portal/messages/2").await.status, 404);
    let reply = [("key", "0123456789abcdef"), ("body", "x")];
    assert_eq!(patient.post("/portal/messages/2/replies", &reply).await.status, 404);
}
