//! Where the page of a conversation opens, links to one message, and replies from a template without scripts.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::html::Page;
use crate::support::world::Like;
use postern::access::Role;

on_both!(
    it_opens_at_the_first_that_is_new,
    a_long_one_opens_at_the_page_that_holds_it,
    one_message_has_a_link,
    a_reply_is_filled_from_a_template,
    a_reply_takes_what_its_writer_may_read
);

const KEY: &str = "0123456789abcdef";

/// Two users in one conversation.
async fn world(app: &App) -> (Actor, Actor, String) {
    let (one, two) = (app.user(Role::Owner).await, app.user(Role::Clinician).await);
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&one, maria, true).await;
    one.post(&format!("{conversation}/participants"), &[("to", "2")]).await.redirect();
    (one, two, conversation)
}

async fn note(who: &Actor, conversation: &str, words: &str) {
    let key = format!("{KEY}{}", words.replace(' ', "-"));
    who.post(&format!("{conversation}/notes"), &[("key", &key), ("body", words)]).await.redirect();
}

/// The message at which the page opens.
fn opens_at(page: &Page) -> String {
    assert!(page.count(".thread [autofocus]") <= 1);
    page.texts_of(".thread [autofocus][tabindex='-1'] .prose").pop().unwrap_or_default()
}

/// The message below the line "New".
fn new_from(page: &Page) -> Vec<String> {
    assert_eq!(page.texts_of(".thread .new"), vec!["New"; page.count(".thread .new")]);
    page.texts_of(".thread .new + .msg .prose")
}

async fn it_opens_at_the_first_that_is_new(app: App) {
    let (one, two, conversation) = world(&app).await;
    // who was added comes to the newest, and nothing else is called new
    let page = two.get(&conversation).await.ok();
    assert_eq!((opens_at(&page).starts_with("All is well"), new_from(&page).len()), (true, 0));
    for words in ["first", "second", "third"] {
        note(&two, &conversation, words).await;
    }
    note(&one, &conversation, "own").await;
    let page = one.get(&conversation).await.ok();
    assert_eq!((opens_at(&page).as_str(), new_from(&page)), ("first", vec!["first".to_owned()]));
    assert!(page.has(".msg[data-newest]"));
    // once seen it opens at the newest, without a line
    let page = one.get(&conversation).await.ok();
    assert_eq!((opens_at(&page).as_str(), new_from(&page).len()), ("own", 0));
    assert!(!page.has("[data-newest]"));
    // what came meanwhile is new to the other, but not their own
    let page = two.get(&conversation).await.ok();
    assert_eq!((opens_at(&page).as_str(), new_from(&page)), ("own", vec!["own".to_owned()]));
    // marked as unread by oneself, nothing in it is new
    one.post(&format!("{conversation}/unread"), &[]).await.redirect();
    let page = one.get(&conversation).await.ok();
    assert_eq!((opens_at(&page).as_str(), new_from(&page).len()), ("third", 0));
    // a probe looks at nothing
    note(&two, &conversation, "fourth").await;
    assert_eq!(one.send("HEAD", &conversation, &[], "").await.status, 200);
    let page = one.get(&format!("{conversation}/notes")).await.ok();
    assert_eq!((opens_at(&page).as_str(), new_from(&page)), ("fourth", vec!["fourth".to_owned()]));
    // what is said at the top of the page, or asked for in it, stays in sight
    let to = one.post(&format!("{conversation}/done"), &[]).await.redirect();
    let page = one.get(&to).await.ok();
    assert_eq!((opens_at(&page).as_str(), page.count(".flash")), ("", 1));
    let refused = one.submit(&page, "Send", &[("body", "")]).await;
    assert_eq!((refused.status, opens_at(&refused.page()).as_str()), (422, ""));
    // who takes no part has nothing new
    let viewer = app.user(Role::Viewer).await;
    let page = viewer.get(&conversation).await.ok();
    assert_eq!((opens_at(&page).as_str(), new_from(&page).len()), ("fourth", 0));
    app.drain().await;
}

async fn a_long_one_opens_at_the_page_that_holds_it(app: App) {
    let (one, two, conversation) = world(&app).await;
    two.get(&conversation).await.ok();
    one.get(&conversation).await.ok();
    for number in 1..=120 {
        note(&two, &conversation, &format!("n{number:03}")).await;
    }
    let page = one.get(&conversation).await.ok();
    assert_eq!((opens_at(&page).as_str(), new_from(&page)), ("n001", vec!["n001".to_owned()]));
    let all = page.texts_of(".thread .prose");
    assert_eq!(all.last().map(String::as_str), Some("n090"));
    // the form does not say that its writer has read what is on the next page
    let form = page.form_with("Send");
    let last = page.attrs_of(".thread .msg", "id").pop().unwrap();
    assert_eq!(format!("message-{}", form.value("shown").unwrap()), last);
    assert_eq!(page.attr("[data-live]", "data-shown"), form.value("shown"));
    let answer = one.submit(&page, "Send", &[("body", "Too early")]).await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.page().texts_of(".newer .prose").len(), 30);
    // on to the later messages and back
    let next = page.link("Later messages");
    let (to, place) = next.split_once('#').unwrap();
    let page = one.get(to).await.ok();
    assert_eq!(opens_at(&page), "n091");
    assert_eq!(page.attr(".thread [autofocus]", "id").unwrap(), place);
    assert_eq!(page.texts_of(".thread .prose").last().map(String::as_str), Some("n120"));
    assert!(!page.has_text("Later messages"));
    let page = one.get(&page.link("Earlier messages")).await.ok();
    assert!(page.has_text("All is well") && page.link("Later messages").contains("at="), "{}", page.text());
    assert_eq!(opens_at(&page), "", "a page of earlier messages begins at its top");
    // nothing is new any more: the newest page
    let page = one.get(&conversation).await.ok();
    assert_eq!(opens_at(&page), "n120");
    assert_eq!(page.count(".thread .msg"), 100);
    app.drain().await;
}

async fn one_message_has_a_link(app: App) {
    let (one, two, conversation) = world(&app).await;
    for number in 1..=105 {
        note(&one, &conversation, &format!("n{number:03}")).await;
    }
    let page = one.get(&conversation).await.ok();
    let first = one.get(&page.link("Earlier messages")).await.ok();
    for page in [&page, &first] {
        let links = page.attrs_of(".thread .msg a[data-copy-link]", "href");
        let ids = page.attrs_of(".thread .msg", "id");
        assert_eq!(links.len(), ids.len(), "each message has one");
        assert!(links.iter().zip(&ids).all(|(link, id)| link.ends_with(&format!("#{id}"))), "{links:?}");
    }
    let links = first.attrs_of(".thread .msg a[data-copy-link]", "href");
    let (to, place) = links[1].split_once('#').unwrap();
    assert_eq!(to, format!("{conversation}?at={}", place.trim_start_matches("message-")));
    // a colleague comes to it, far from the newest
    let page = two.get(to).await.ok();
    assert_eq!(opens_at(&page), "n001");
    assert_eq!(page.attr(".msg[data-asked]", "id").unwrap(), place);
    assert!(page.has_text("Later messages"));
    // what is not in this conversation is not in it, and a conversation that is not there stays so
    let other = app.patient(Like { email: Some("b@example.org".into()), phone: None, ..Like::default() }).await;
    let elsewhere = app.message(&one, other, true).await;
    let page = two.get(&elsewhere).await.ok();
    let foreign = page.attr(".thread .msg", "id").unwrap();
    let page = two.get(&format!("{conversation}?at={}", foreign.trim_start_matches("message-"))).await.ok();
    assert!(!page.has("[data-asked]"));
    assert_eq!(two.get("/conversations/999999?at=1").await.status, 404);
    assert_eq!(two.get(&format!("{conversation}?at=x")).await.status, 400);
    assert!(app.anyone().get(to).await.redirect().starts_with("/sign-in"));
    app.drain().await;
}

/// A template of this user's own; gives its id.
async fn template(who: &Actor, name: &str, body: &str) -> String {
    let fields = [
        ("name", name),
        ("category", "Tests"),
        ("language", "en"),
        ("title", "For {{patient.given_name}}"),
        ("body", body),
        ("replies", "off"),
    ];
    who.post("/settings/message-templates", &fields).await.redirect();
    let links = who.get("/settings/message-templates").await.ok().links();
    let link = links.into_iter().find(|link| link.text.contains(name)).unwrap().href;
    link.rsplit('/').next().unwrap().to_owned()
}

async fn a_reply_is_filled_from_a_template(app: App) {
    let (one, _, conversation) = world(&app).await;
    let id = template(&one, "Zz", "Dear {{patient.given_name}}, **all well**.").await;
    let page = one.get(&conversation).await.ok();
    let goal = format!("{conversation}/messages/template");
    assert_eq!(page.attrs_of("[formaction*='/template']", "formaction"), vec![format!("{goal}#write"); 2]);
    // the list that the script asks for is that of New Message
    let list = page.attr("dialog[data-template-picker]", "data-url").unwrap();
    assert!(one.get(&list).await.body.contains("Dear María"));
    assert!(!one.get(&format!("{conversation}/notes")).await.ok().has("[data-template-picker], #template"));
    let mut form = page.form_with("Send");
    form.set("body", "Typed text").set("template", &id);
    let fields = form.fields();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let body = |page: &Page| page.form_with("Send").value("body").unwrap().replace("\r\n", "\n").trim().to_owned();
    let used = one.post(&goal, &fields).await.ok();
    assert_eq!(body(&used), "Dear María, **all well**.");
    let added = one.post(&goal, &[&fields[..], &[("append", "on")]].concat()).await.ok();
    assert_eq!(body(&added), "Typed text\n\nDear María, **all well**.");
    assert_eq!(opens_at(&added), "", "its form is where the page is");
    // without a choice the words stay
    let none: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, if *n == "template" { "" } else { v })).collect();
    assert_eq!(body(&one.post(&goal, &none).await.ok()), "Typed text");
    // what the form is about stays with it, and nothing is kept or sent by filling it in
    assert_eq!(used.form_with("Send").value("key"), page.form_with("Send").value("key"));
    assert_eq!(used.form_with("Send").value("shown"), page.form_with("Send").value("shown"));
    let fresh = one.get(&conversation).await.ok();
    assert_eq!((body(&fresh).as_str(), fresh.count(".thread .msg")), ("", 1));
    assert!(fresh.has_text("Patient may respond"), "a template changes nothing of the conversation");
    one.submit(&used, "Send", &[]).await.redirect();
    assert_eq!(one.get(&conversation).await.ok().texts_of(".thread .prose").pop().unwrap(), "Dear María, all well.");
    // a gap keeps it from being sent
    let gaps = template(&one, "Gap", "Call about {{the test}}").await;
    let page = one.get(&conversation).await.ok();
    let mut form = page.form_with("Send");
    form.set("template", &gaps);
    let fields = form.fields();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let filled = one.post(&goal, &fields).await.ok();
    let refused = one.submit(&filled, "Send", &[]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.page().has_text("double braces"));
    app.drain().await;
}

async fn a_reply_takes_what_its_writer_may_read(app: App) {
    let (one, two, conversation) = world(&app).await;
    let own = template(&one, "Mine alone", "Secret words").await;
    let page = two.get(&conversation).await.ok();
    assert!(!page.has_text("Mine alone"), "another user’s own");
    let goal = format!("{conversation}/messages/template");
    let answer = two.post(&goal, &[("template", &own), ("body", "Mine"), ("key", KEY)]).await.ok();
    assert_eq!(answer.form_with("Send").value("body").unwrap().trim(), "Mine");
    let viewer = app.user(Role::Viewer).await;
    assert!(!viewer.get(&conversation).await.ok().has("[data-template-picker], #template"));
    assert_eq!(viewer.post(&goal, &[("template", &own)]).await.status, 403);
    assert_eq!(one.post("/conversations/999999/messages/template", &[("template", &own)]).await.status, 404);
    // in a closed conversation nothing is written, and what was typed is there to be copied
    one.post(&format!("{conversation}/closure"), &[]).await.redirect();
    let page = one.get(&conversation).await.ok();
    assert!(!page.has("[data-template-picker], #template"));
    let answer = one.post(&goal, &[("template", ""), ("body", "Typed before"), ("key", KEY)]).await.ok();
    assert!(!answer.has("form.reply"));
    assert_eq!(answer.text_of("textarea[readonly]").trim(), "Typed before");
    app.drain().await;
}
