//! Two patients with one mailbox: each notification and the page behind its link say for whom they are, by the given
//! name only.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use postern::access::Role;
use postern::db::PatientId;
use postern::patients::Method;

on_both!(
    a_family_can_tell_its_notifications_apart,
    who_has_an_address_alone_is_not_named,
    the_clinic_may_switch_it_off,
    the_preview_shows_what_is_sent
);

const MAILBOX: &str = "family@example.org";
const PHONE: &str = "+16135550144";
const HOME: &str = "/settings/notification-templates";

fn like(name: &'static str, language: &'static str) -> Like {
    let (email, phone) = (Some(MAILBOX.into()), Some(PHONE.into()));
    Like { name: (name, "Tremblay"), email, phone, method: Method::Both, language, ..Like::default() }
}

/// Adds a mother and her son, who have the same addresses.
async fn family(app: &App) -> (PatientId, PatientId) {
    (app.patient(like("Zoé", "en")).await, app.patient(like("Hugo <b> {link}", "fr")).await)
}

/// Sends a message; gives the texts of its email and its text message.
async fn sent(app: &App, user: &Actor, patient: PatientId) -> [String; 2] {
    app.message(user, patient, true).await;
    app.drain().await;
    [MAILBOX, PHONE].map(|address| app.newest_to(address).text)
}

async fn a_family_can_tell_its_notifications_apart(app: App) {
    let user = app.user(Role::Staff).await;
    let (zoe, hugo) = family(&app).await;
    let [mail, text] = sent(&app, &user, zoe).await;
    assert!(
        mail.starts_with("For Zoé.\n\nA message from Clinic is waiting") && text.starts_with("For Zoé.\n"),
        "{mail}\n{text}"
    );
    assert!(app.newest_to(MAILBOX).html.contains("For Zoé."));
    let link = app.link_to(MAILBOX);
    let [mail, text] = sent(&app, &user, hugo).await;
    assert!(mail.starts_with("Pour Hugo b link.\n\n") && text.starts_with("Pour Hugo b link.\n"), "{mail}\n{text}");
    for words in [&mail, &text] {
        assert!(!words.contains("Tremblay") && !words.contains("1951") && !words.contains("Zoé"), "{words}");
        assert_eq!(words.matches("://").count(), 1, "{words}");
    }
    // the page behind the link, before and after the passcode was requested, has the name and nothing more
    let visitor = app.anyone();
    let page = visitor.get(&link).await.ok();
    assert!(page.has_text("We ask for the date of birth of Zoé."), "{}", page.text());
    visitor.submit(&page, "Send me my passcode", &[]).await.redirect();
    app.drain().await;
    // the passcode comes by the other channel, and names the patient too
    let passcode = app.newest_to(PHONE).text;
    assert!(passcode.starts_with("For Zoé.\n"), "{passcode}");
    let page = visitor.get(&link).await.ok();
    let text = page.text();
    assert!(page.has("#birth_date") && text.contains("We ask for the date of birth of Zoé."), "{text}");
    assert!(!text.contains("Tremblay") && !text.contains("Hugo") && !text.contains("1951"), "{text}");
    assert!(!page.title().contains("Zoé"));
    // a wrong answer says nothing more about the patient
    let wrong = [("passcode", "000000"), ("day", "1"), ("month", "1"), ("year", "1990")];
    let refused = visitor.submit(&page, "Login", &wrong).await;
    assert!(refused.status == 422 && refused.page().text().matches("Zoé").count() == 1, "{}", refused.page().text());
}

async fn who_has_an_address_alone_is_not_named(app: App) {
    let user = app.user(Role::Staff).await;
    let alone = app.patient(like("Zoé", "en")).await;
    // neither the same digits as a record number nor the same name at other addresses make an address shared
    let elsewhere =
        Like { email: Some("other@example.org".into()), phone: None, method: Method::Email, ..like("Zoé", "en") };
    let other = app.patient(elsewhere).await;
    let page = user.get(&format!("/patients/{other}/information")).await.ok();
    user.submit(&page, "Save", &[("record_number", PHONE.trim_start_matches('+'))]).await.redirect();
    let unnamed = async |why: &str| {
        for words in sent(&app, &user, alone).await {
            assert!(!words.contains("Zoé"), "{why}: {words}");
        }
        let page = app.anyone().get(&app.link_to(MAILBOX)).await.ok();
        assert!(!page.has_text("Zoé") && !page.has_text("date of birth of"), "{why}: {}", page.text());
    };
    unnamed("alone").await;
    // only the address of the text message is shared
    let phone_alone = Like { email: None, method: Method::Sms, ..like("Hugo", "en") };
    let hugo = app.patient(phone_alone).await;
    let [mail, text] = sent(&app, &user, alone).await;
    assert!(!mail.contains("Zoé") && text.starts_with("For Zoé."), "{mail}\n{text}");
    // after the two charts of one person are merged the address is not shared any more
    let page = user.get(&format!("/patients/{alone}/merging?with={hugo}")).await.ok();
    user.submit(&page, "Merge the charts", &[]).await.redirect();
    unnamed("merged").await;
}

async fn the_clinic_may_switch_it_off(app: App) {
    let owner = app.user(Role::Owner).await;
    let (zoe, _) = family(&app).await;
    let page = owner.get(HOME).await.ok();
    assert_eq!(page.form_with("Save").value("name_where_shared").as_deref(), Some("on"));
    owner.submit(&page, "Save", &[("name_where_shared", "off")]).await.redirect();
    for words in sent(&app, &owner, zoe).await {
        assert!(!words.contains("Zoé"), "{words}");
    }
    assert!(app.anyone().get(&app.link_to(MAILBOX)).await.ok().has_text("We ask for the date of birth of Zoé."));
    owner.submit(&owner.get(HOME).await.ok(), "Save", &[("name_where_shared", "on")]).await.redirect();
    assert!(sent(&app, &owner, zoe).await.iter().all(|words| words.starts_with("For Zoé.")));
    // a wording of the clinic's that contains the name names the patient only once
    owner.submit(&owner.get(HOME).await.ok(), "Save", &[("notify_by_name", "on")]).await.redirect();
    let own = [("body", "Hello {name}: {link}")];
    owner.post(&format!("{HOME}/message_waiting/sms/en"), &own).await.redirect();
    let [mail, text] = sent(&app, &owner, zoe).await;
    assert!(mail.starts_with("For Zoé.") && text.starts_with("Hello Zoé: "), "{mail}\n{text}");
    assert_eq!(text.matches("Zoé").count(), 1);
}

async fn the_preview_shows_what_is_sent(app: App) {
    let owner = app.user(Role::Owner).await;
    let place = format!("{HOME}/message_waiting/sms/en");
    let shown = async || owner.get(&place).await.ok();
    let page = shown().await;
    assert!(page.has_text("Where another patient has the same address"), "{}", page.text());
    let phones = page.texts_of(".phone");
    assert!(phones.len() == 2 && phones[0].starts_with("Clinic: ") && phones[1].starts_with("For Maxime. Clinic: "));
    let mail = owner.get(&format!("{HOME}/passcode/email/fr")).await.ok();
    assert!(mail.has_text("Pour Maxime."), "{}", mail.text());
    // the preview of what was typed, on the page and in the part that a script requests
    let typed = [("body", "{link} now")];
    let path = format!("{place}/preview");
    let kind = "application/x-www-form-urlencoded";
    let headers = [("x-fragment", "1"), ("content-type", kind), ("origin", &*owner.origin)];
    let part = owner.send("POST", &path, &headers, "body=%7Blink%7D+now").await;
    assert_eq!(part.page().texts_of(".phone").len(), 2);
    owner.submit(&owner.get(HOME).await.ok(), "Save", &[("notify_by_name", "on")]).await.redirect();
    let named = owner.post(&format!("{place}/preview"), &[("body", "{name}: {link}")]).await.ok();
    assert_eq!(named.texts_of(".phone").len(), 1, "it says the name in any case");
    owner.submit(&owner.get(HOME).await.ok(), "Save", &[("name_where_shared", "off")]).await.redirect();
    let off = owner.post(&format!("{place}/preview"), &typed).await.ok();
    assert_eq!(off.texts_of(".phone").len(), 1);
}
