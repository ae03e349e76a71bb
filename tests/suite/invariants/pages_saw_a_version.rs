//! A form that edits a record says which version it saw. Where there is a newer one, nothing is saved: the page shows
//! both and asks.

use super::{files_below, project, read};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use postern::access::Role;

const SEEN: &str = "{% include \"components/seen.html\" %}";

/// Forms that edit a record. Message templates are not here: they have stored versions, which a page can open.
const RECORDS: &[&str] = &[
    "clinic/account/away.html",
    "clinic/account/notifications.html",
    "clinic/account/view.html",
    "clinic/conversations/assignment.html",
    "clinic/patients/caregiver.html",
    "clinic/patients/demographics.html",
    "clinic/patients/hold.html",
    "clinic/patients/own_word.html",
    "clinic/patients/postal_address.html",
    "clinic/settings/caregivers.html",
    "clinic/settings/clinic.html",
    "clinic/settings/emr.html",
    "clinic/settings/gateways.html",
    "clinic/settings/hours.html",
    "clinic/settings/notification_template.html",
    "clinic/settings/notification_templates.html",
    "clinic/settings/own_word.html",
    "clinic/settings/portal.html",
    "clinic/settings/reach.html",
    "clinic/settings/records.html",
    "clinic/settings/sign_in.html",
    "clinic/settings/sync.html",
    "clinic/settings/team.html",
    "clinic/settings/user.html",
    "portal/information.html",
];

#[test]
fn every_form_of_a_record_says_what_it_saw() {
    let folder = project("templates");
    let saw = files_below(&folder).into_iter().filter(|file| read(&folder.join(file)).contains(SEEN));
    assert_eq!(saw.collect::<Vec<_>>(), RECORDS);
    assert!(read(&folder.join("clinic/settings/message_template.html")).contains("name=\"version\""));
}

on_both!(
    an_older_page_puts_nothing_back,
    an_older_page_of_a_patient_puts_nothing_back,
    of_two_presses_at_one_moment_one_asks,
);

/// Saves from two pages that were open at the same time: the second press saves nothing and shows both values, the next
/// one saves.
async fn twice(who: (&Actor, &Actor), path: &str, first: (&str, &str), second: (&str, &str), shown: (&str, &str)) {
    let (before, older) = (who.0.get(path).await.ok(), who.1.get(path).await.ok());
    who.0.submit(&before, "Save", &[first]).await.redirect();
    let answer = who.1.submit(&older, "Save", &[second]).await;
    assert_eq!(answer.status, 409, "{path}: {}", answer.page().text());
    let page = answer.page();
    for words in ["Somebody else changed this meanwhile", shown.0, shown.1] {
        assert!(page.has_text(words), "{path}: {words:?} in {}", page.text());
    }
    let now = who.0.get(path).await.ok();
    assert_eq!(now.form_with("Save").value(first.0).as_deref(), Some(first.1), "{path} was changed");
    assert_eq!(page.form_with("Save").value(second.0).as_deref(), Some(second.1), "{path} lost what was typed");
    who.1.submit(&page, "Save", &[]).await.redirect();
    let now = who.1.get(path).await.ok();
    assert_eq!(now.form_with("Save").value(second.0).as_deref(), Some(second.1), "{path}");
    // the same values again change nothing
    let same = who.1.submit(&now, "Save", &[]).await;
    assert_eq!(same.status, 303, "{path}");
}

async fn an_older_page_puts_nothing_back(app: App) {
    let (owner, other) = (app.user(Role::Owner).await, app.user(Role::Owner).await);
    let both = (&owner, &other);
    let information = format!("/patients/{}/information", app.patient(Like::default()).await);
    let new = ("email", "new@example.org");
    twice(both, &information, new, ("phone", "+1 613-555-0199"), ("new@example.org", "maria@example.org")).await;
    twice(both, &information, ("method", "none"), ("passport", "P123456"), ("None", "Email")).await;
    twice(both, "/settings/clinic", ("phone", "613 555 0100"), ("name", "Clinic of two"), ("613 555 0100", "Name"))
        .await;
    twice(both, "/settings/sign-in", ("second_factor", "viewer"), ("second_factor", "staff"), ("Viewer", "Staff"))
        .await;
    let hold = format!("/patients/{}/hold", app.patient(Like { email: None, ..Like::default() }).await);
    owner.post(&hold, &[("note", "A claim")]).await.redirect();
    twice(both, &hold, ("note", "Claim 7"), ("note", "Claim 8"), ("Claim 7", "Claim 8")).await;
    let assignment = format!("{}/assignment", app.message(&owner, app.patient(Like::default()).await, true).await);
    twice(both, &assignment, ("user", "1"), ("user", "2"), ("Assigned to", "User owner")).await;
    owner.post("/settings/hours", &[("from_1", "08:00"), ("until_1", "16:00")]).await.redirect();
    twice(both, "/settings/hours", ("from_1", "09:00"), ("until_1", "17:00"), ("09:00", "08:00")).await;
    owner.post("/settings/teams", &[("name", "Reception"), ("member", "1")]).await.redirect();
    twice(both, "/settings/teams/1", ("name", "North"), ("name", "South"), ("Now: North", "You typed: South")).await;
    twice(both, "/settings/records", ("keep_left_years", "9"), ("keep_until_age", "28"), ("9", "Now:")).await;
    twice(both, "/settings/patient-portal", ("portal_stay_days", "9"), ("portal_names", "off"), ("9", "Now:")).await;
    twice(both, "/settings/patient-portal", ("portal_on", "off"), ("closing_text", "Call us."), ("Off", "On")).await;
    let path = "/settings/notification-templates";
    twice(both, path, ("plan_remind_days", "7"), ("notify_by_name", "on"), ("7", "Off")).await;
    let post = format!("/patients/{}/postal-address", app.patient(Like { email: None, ..Like::default() }).await);
    owner.post(&post, &[("street", "1 Elm"), ("city", "Hull"), ("postal_code", "J8X 3X7")]).await.redirect();
    twice(both, &post, ("city", "Ottawa"), ("street", "2 Oak"), ("Ottawa", "2 Oak")).await;
    twice(both, "/settings/caregivers", ("look_age", "14"), ("look_age", "16"), ("Now: 14", "You typed: 16")).await;
    let cared_for = app.patient(Like { email: None, ..Like::default() }).await;
    let caregiver = app.caregiver(&owner, cared_for, "Ana Roy", ("ana@example.org", "")).await;
    twice(both, &caregiver, ("name", "Ana Diaz"), ("ends", "2027-05-01"), ("Ana Diaz", "2027-05-01")).await;
    twice(both, "/settings/reach", ("phone_days", "3"), ("phone_days", "5"), ("Now: 3", "You typed: 5")).await;
    let holds = ("The whole message", "The notice only");
    twice(both, "/settings/reach", ("letter_holds", "whole"), ("phone_days", "7"), holds).await;
    twice(both, "/settings/own-word", ("shown", "on"), ("shown", "off"), ("On", "Off")).await;
    let word = format!("/patients/{}/own-word", app.patient(Like { email: None, ..Like::default() }).await);
    twice(both, &word, ("word", "Marigold"), ("word", "Harbour"), ("Now: Marigold", "You typed: Harbour")).await;
    twice(both, "/settings/sync", ("email", "emr"), ("email", "clinic"), ("Now: The EMR", "You typed: The clinic"))
        .await;
    let wording = "/settings/notification-templates/message_waiting/sms/en";
    twice(both, wording, ("body", "One {link}"), ("body", "Two {link}"), ("One {link}", "Two {link}")).await;
    let user = "/settings/users/2";
    twice(both, user, ("name", "Ada Ng"), ("email", "ada@clinic.example"), ("Ada Ng", "User owner")).await;
    let mine = (&owner, &owner);
    let cover = crate::users::away::email_of(&app, 2).await;
    let away = [("away_from", "2026-03-09"), ("away_until", "2026-03-13"), ("cover", cover.as_str())];
    owner.post("/account/away", &away).await.redirect();
    let (one, two) = (("away_until", "2026-03-20"), ("away_from", "2026-03-10"));
    twice(mine, "/account/away", one, two, ("2026-03-20", "2026-03-13")).await;
    owner.post("/account/views", &crate::conversations::saved_views::form("Mine")).await.redirect();
    twice(mine, "/account/views/1", ("name", "Ours"), ("opens_first", "on"), ("Ours", "Off")).await;
    twice(mine, "/account/notifications", ("told", "hourly"), ("told", "daily"), ("Now:", "You typed:")).await;
}

/// The stored record is compared and replaced in one step: of two users who press "Save" at the same moment, one is
/// asked.
async fn of_two_presses_at_one_moment_one_asks(app: App) {
    let (owner, other) = (app.user(Role::Owner).await, app.user(Role::Owner).await);
    app.user(Role::Staff).await;
    let information = format!("/patients/{}/information", app.patient(Like::default()).await);
    let records = [
        (&*information, "given_name"),
        ("/settings/clinic", "name"),
        ("/settings/users/3", "name"),
        ("/settings/notification-templates/message_waiting/sms/en", "body"),
    ];
    for (path, field) in records {
        for round in 0..12 {
            let (one, two) = (owner.get(path).await.ok(), other.get(path).await.ok());
            let words = |who: &str| match field {
                "body" => format!("{who} {round} {{link}}"),
                _ => format!("{who} {round}"),
            };
            let (mine, theirs) = (words("Ann"), words("Bea"));
            let (first, second) = ([(field, mine.as_str())], [(field, theirs.as_str())]);
            let (a, b) = tokio::join!(owner.submit(&one, "Save", &first), other.submit(&two, "Save", &second));
            let mut statuses = [a.status, b.status];
            statuses.sort_unstable();
            assert_eq!(statuses, [303, 409], "{path}, round {round}");
        }
    }
}

async fn an_older_page_of_a_patient_puts_nothing_back(app: App) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    app.message(&owner, maria, true).await;
    app.drain().await;
    let (patient, _) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let older = patient.get("/portal/information").await.ok();
    let information = format!("/patients/{maria}/information");
    let page = owner.get(&information).await.ok();
    owner.submit(&page, "Save", &[("method", "both")]).await.redirect();
    let answer = patient.submit(&older, "Save", &[("language", "fr")]).await;
    assert_eq!(answer.status, 409);
    assert!(answer.page().has_text("Somebody else changed this meanwhile"), "{}", answer.page().text());
    patient.submit(&answer.page(), "Save", &[]).await.redirect();
    // the same in the other order
    let answer = owner.submit(&page, "Save", &[]).await;
    assert_eq!(answer.status, 409);
}
