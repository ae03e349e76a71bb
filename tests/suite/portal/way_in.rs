//! One thing at a time: what the passcode page says, which dates it takes, and what the pages behind it show first.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use postern::access::Role;
use postern::values::BirthDate;
use time::Duration;

on_both!(
    the_passcode_page_names_the_address,
    another_passcode_waits_a_moment,
    the_month_may_be_a_name,
    what_is_new_begins_with_a_line,
    what_was_sent_says_when,
    the_list_says_who_wrote_last,
    paper_says_whose_it_is,
    anybody_can_ask_whether_it_is_real,
);

const EMAIL: &str = "maria@example.org";
const PHONE: &str = "+16135550121";

/// A patient to whom a message went; gives the user and the conversation.
async fn waiting(app: &App) -> (Actor, String) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&owner, maria, true).await;
    app.drain().await;
    (owner, conversation)
}

#[test]
fn a_date_of_birth_is_read_as_people_write_it() {
    let read = |(day, month, year): (&str, &str, &str)| BirthDate::typed(day, month, year).map(BirthDate::iso);
    for typed in [
        ("4", "3", "1951"),
        (" 04 ", "03", "1951 "),
        ("4", "March", "1951"),
        ("4", "MAR", "1951"),
        ("4", "mars", "1951"),
        ("4th", "mar.", "1951"),
        ("March", "4", "1951"),
    ] {
        assert_eq!(read(typed).as_deref(), Some("1951-03-04"), "{typed:?}");
    }
    for typed in [("1", "July", "1984"), ("1er", "juil.", "1984"), ("01", "07", "1984"), ("juillet", "1er", "1984")] {
        assert_eq!(read(typed).as_deref(), Some("1984-07-01"), "{typed:?}");
    }
    for typed in [("1", "févr.", "1984"), ("1", "Fév", "1984"), ("1", "FEB", "1984")] {
        assert_eq!(read(typed).as_deref(), Some("1984-02-01"), "{typed:?}");
    }
    // of two numbers each is what its label says
    assert_eq!(read(("3", "4", "1951")).as_deref(), Some("1951-04-03"));
    for typed in [
        ("31", "2", "1984"),
        ("2", "31", "1984"),
        ("2", "13", "1984"),
        ("2", "Ju", "1984"),
        ("1", "jui", "1984"),
        ("32", "13", "1984"),
        ("0", "1", "1984"),
        ("4", "3", "51"),
        ("4", "Smarch", "1951"),
        ("th", "3", "1951"),
        ("", "", ""),
    ] {
        assert_eq!(read(typed), None, "{typed:?}");
    }
}

async fn the_passcode_page_names_the_address(app: App) {
    let owner = app.user(Role::Owner).await;
    let by_email = Like { email: Some("ann@example.org".into()), phone: None, ..Like::default() };
    for (like, email, to) in [(Like::default(), EMAIL, "to …21"), (by_email, "ann@example.org", "to a…@…")] {
        let patient = app.patient(like).await;
        app.message(&owner, patient, true).await;
        app.drain().await;
        let (who, link) = (app.anyone(), app.link_to(email));
        let before = who.get(&link).await.ok();
        assert!(
            !before.has_text("…21") && !before.has_text("a…@"),
            "nothing before it is asked for: {}",
            before.text()
        );
        who.post(&format!("{link}/passcode"), &[]).await.redirect();
        let page = who.get(&link).await.ok();
        assert!(page.text_of("[role=status]").contains(to), "{}", page.text());
        let field = |name| page.attr("#passcode", name);
        assert_eq!(field("autocomplete").as_deref(), Some("one-time-code"));
        assert_eq!(field("inputmode").as_deref(), Some("numeric"));
    }
    // of a claim nothing is told, true or not
    let who = app.anyone();
    for contact in [PHONE, "+16135550199"] {
        let home = who.get("/portal").await.ok();
        let fields = [("number", "943 476 5919"), ("contact", contact)];
        let link = who.submit(&home, "Send me my passcode", &fields).await.redirect();
        let page = who.get(&link).await.ok();
        assert!(page.has("#passcode") && !page.has_text("…") && !page.has("[data-wait]"), "{}", page.text());
    }
}

async fn another_passcode_waits_a_moment(app: App) {
    waiting(&app).await;
    let (who, link) = (app.anyone(), app.link_to(EMAIL));
    who.post(&format!("{link}/passcode"), &[]).await.redirect();
    let page = who.get(&link).await.ok();
    assert!(page.has_text("You can ask for a new one in 20 s."), "{}", page.text());
    assert_eq!(page.attr("[data-wait]", "data-words").as_deref(), Some("You can ask for a new one in {seconds} s."));
    app.state.clock.advance(Duration::seconds(15));
    assert_eq!(who.get(&link).await.ok().attr("[data-wait]", "data-wait").as_deref(), Some("5"));
    app.state.clock.advance(Duration::seconds(6));
    let page = who.get(&link).await.ok();
    assert!(page.has_text("Send me a new passcode") && !page.has("[data-wait]"), "{}", page.text());
}

async fn the_month_may_be_a_name(app: App) {
    waiting(&app).await;
    let (who, link) = (app.anyone(), app.link_to(EMAIL));
    who.post(&format!("{link}/passcode"), &[]).await.redirect();
    app.drain().await;
    let passcode = app.passcode_to(PHONE);
    let spaced = format!(" {} - {} ", &passcode[..3], &passcode[3..]);
    let wrong = [("passcode", spaced.as_str()), ("day", "4"), ("month", "Smarch"), ("year", "1951")];
    let refused = who.post(&format!("{link}/session"), &wrong).await;
    assert_eq!(refused.status, 422);
    let page = refused.page();
    let form = page.form_with("Login");
    assert_eq!(form.value("month").as_deref(), Some("Smarch"), "what was typed stays");
    assert_eq!(form.value("passcode").as_deref(), Some(""), "the passcode does not");
    assert!(page.attr("[data-no-date]", "data-no-date").unwrap().contains("not a date"));
    let named = [("passcode", spaced.as_str()), ("day", "4"), ("month", "mars"), ("year", "1951")];
    who.post(&format!("{link}/session"), &named).await.redirect();
}

async fn what_is_new_begins_with_a_line(app: App) {
    let (owner, conversation) = waiting(&app).await;
    let (patient, message) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    let first = patient.get(&message).await.ok();
    assert!(!first.has(".thread > .new") && !first.has("[data-newest]"), "all of it is new: nothing stands before it");
    for words in ["One thing more", "And another"] {
        let page = owner.get(&conversation).await.ok();
        owner.submit(&page, "Send", &[("body", words)]).await.redirect();
        app.state.clock.advance(Duration::minutes(1));
    }
    let page = patient.get(&message).await.ok();
    assert_eq!(page.text_of(".thread > .new + .msg .prose"), "One thing more", "the line stands before the first");
    assert_eq!(page.text_of(".msg[data-newest][autofocus] .prose"), "And another", "the page opens at the newest");
    let again = patient.get(&message).await.ok();
    assert!(!again.has(".thread > .new") && !again.has("[data-newest]"), "now it is read");
}

async fn what_was_sent_says_when(app: App) {
    waiting(&app).await;
    let (patient, message) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    let page = patient.get(&message).await.ok();
    let to = patient.submit(&page, "Send", &[("body", "I will come")]).await.redirect();
    let place = to.split_once('#').unwrap().1.to_owned();
    let page = patient.get(&to).await.ok();
    let sent = format!("#{place}.mine[tabindex='-1'][aria-labelledby='said sent']");
    assert!(page.has(&sent), "the focus goes there, and is told what happened: {}", page.text());
    assert!(page.text_of("#sent").starts_with("Sent 9:"), "{}", page.text_of("#sent"));
    assert_eq!(page.text_of("#said"), "Your reply was sent.");
    // shown once; a day later the day says when
    app.state.clock.advance(Duration::minutes(20));
    let later = patient.get(&message).await.ok();
    assert!(!later.has("#sent") && !later.has("#said") && later.has_text("Sent 9:"), "{}", later.text());
}

async fn the_list_says_who_wrote_last(app: App) {
    let (owner, _) = waiting(&app).await;
    let (patient, message) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    let list = patient.get("/portal/messages").await.ok();
    assert!(list.text_of(".list .meta").starts_with("Clinic ·"), "{}", list.text());
    assert!(list.has("li.unread") && list.text_of("li.unread").contains("Unread"), "a word, not colour alone");
    let settings = owner.get("/settings/patient-portal").await.ok();
    owner.submit(&settings, "Save", &[("portal_names", "on")]).await.redirect();
    let list = patient.get("/portal/messages").await.ok();
    assert!(list.text_of(".list .meta").starts_with("User owner ·"), "{}", list.text());
    let page = patient.get(&message).await.ok();
    assert_eq!(page.text_of(".msg-head strong"), "User owner");
    patient.submit(&page, "Send", &[("body", "Thank you")]).await.redirect();
    let list = patient.get("/portal/messages").await.ok();
    assert!(list.text_of(".list .meta").starts_with("You ·"), "{}", list.text());
    assert!(!list.has("li.unread"));
}

async fn paper_says_whose_it_is(app: App) {
    let (owner, _) = waiting(&app).await;
    let settings = owner.get("/settings/clinic").await.ok();
    let clinic = [("phone", "613-555-0100"), ("address", "1 Quay\nRiverside")];
    owner.submit(&settings, "Save", &clinic).await.redirect();
    let (patient, message) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    let page = patient.get(&message).await.ok();
    assert_eq!(page.text_of(".on-paper"), "1 Quay Riverside 613-555-0100 María Mejía · 4 March 2026");
    assert!(page.has("button[data-print][hidden]"), "a script shows it: without one it could do nothing");
    // where the portal is off, no name is shown either
    let settings = owner.get("/settings/patient-portal").await.ok();
    owner.submit(&settings, "Save", &[("portal_on", "off")]).await.redirect();
    assert!(!patient.get(&message).await.ok().has(".on-paper"));
}

async fn anybody_can_ask_whether_it_is_real(app: App) {
    let (owner, _) = waiting(&app).await;
    let settings = owner.get("/settings/clinic").await.ok();
    let clinic = [("name", "Riverside Family Clinic"), ("phone", "613-555-0100")];
    owner.submit(&settings, "Save", &clinic).await.redirect();
    let (who, link) = (app.anyone(), app.link_to(EMAIL));
    let host = app.origin.split_once("://").unwrap().1;
    for path in ["/portal", link.as_str()] {
        assert_eq!(who.get(path).await.ok().link("How do I know that this is real?"), "/portal/real", "{path}");
    }
    let page = who.get("/portal/real").await.ok();
    assert!(page.has_text("Call Riverside Family Clinic at 613-555-0100"), "{}", page.text());
    assert!(page.has_text(&format!("by hand: {host}/portal ")), "{}", page.text());
    assert!(!page.has_text("María") && page.count("main form, main a") == 0, "it asks for nothing and tells of nobody");
    // the emails say where to find it, to be typed: only the link to the message can be pressed
    let mail = app.newest_to(EMAIL);
    for part in [&mail.text, &mail.html] {
        assert!(part.contains(&format!("type {host}/portal/real into your browser")), "{part}");
    }
    assert!(!mail.html.contains("portal/real\""), "{}", mail.html);
}
