//! The clinic's own wording: refused, stored, used, tested, and reset.

use crate::on_both;
use crate::support::app::App;
use crate::support::world::Like;
use postern::access::Role;
use postern::error::AppError;
use postern::notifications::templates::{Kind, NotificationTemplate, Placeholder, Problem, Slot, Values};
use postern::patients::Method;
use postern::settings::{self, Settings};

const HOME: &str = "/settings/notification-templates";

on_both!(
    wordings_are_kept_used_and_taken_back,
    wrong_wordings_say_what_is_wrong,
    tests_go_to_oneself,
    access_is_told,
    a_mail_is_shown_exactly_as_it_arrives,
);

/// An email's words, without the foot that stands below all of them.
fn words(text: &str) -> &str {
    text.split_once("\n-- \n").unwrap().0
}

async fn settings_of(app: &App) -> Settings {
    app.state.db.read(|conn| -> Result<_, AppError> { Ok(settings::load(conn)?) }).await.unwrap()
}

async fn wordings_are_kept_used_and_taken_back(app: App) {
    let owner = app.user(Role::Owner).await;
    let path = format!("{HOME}/message_waiting/email/en");
    let own = [("subject", "Hello from {clinic}"), ("body", "Look **here**:\n\n{link}\n\nCall us at {phone}.")];
    assert_eq!(owner.post(&path, &own).await.says(), (path.clone(), "wording-saved".into()));
    // saving the same again makes no new version
    owner.post(&path, &own).await.redirect();
    let second = [("subject", "Again from {clinic}"), ("body", "<b>Mind</b> [the door]({link}) until {expiry}")];
    owner.post(&path, &second).await.redirect();
    let page = owner.get(&path).await.ok();
    assert!(page.has_text("Version 2") && page.has_text("Version 1") && !page.has_text("Version 3"), "{}", page.text());
    assert!(owner.get(HOME).await.ok().has_text("Your own"));

    let maria = app.patient(Like::default()).await;
    app.message(&owner, maria, true).await;
    app.drain().await;
    let mail = app.newest_to("maria@example.org");
    assert_eq!(mail.subject, "Again from Clinic");
    let link = app.link_to("maria@example.org");
    assert_eq!(words(&mail.text), format!("<b>Mind</b> the door: {}{link} until 3 April 2026\n", app.origin));
    assert!(mail.html.contains("&lt;b&gt;Mind&lt;/b&gt;"), "{}", mail.html);
    assert_eq!(app.anyone().get(&link).await.status, 200);

    // an earlier version fills the form; saved, it is in use again, without the paragraph for a phone number that the
    // clinic does not have
    let first = owner.get(&format!("{path}?version=1")).await.ok();
    owner.submit(&first, "Save", &[]).await.redirect();
    app.message(&owner, maria, true).await;
    app.drain().await;
    let mail = app.newest_to("maria@example.org");
    assert_eq!(mail.subject, "Hello from Clinic");
    assert_eq!(words(&mail.text), format!("Look here:\n\n{}{}\n", app.origin, app.link_to("maria@example.org")));
    assert!(mail.html.contains("class=\"button\" style=") && mail.html.contains(">Read Message</a>"), "{}", mail.html);
    // who writes, why, and how to know that it is real: in both parts
    for part in [&mail.text, &mail.html] {
        assert!(part.contains("You get this email because") && part.contains("To know that it is real"), "{part}");
    }

    let page = owner.get(&path).await.ok();
    owner.submit(&page, "Back to the standard wording", &[]).await.redirect();
    let page = owner.get(&path).await.ok();
    assert!(
        page.has_text("Version 4") && page.form_with("Preview").value("subject").unwrap().starts_with("A message is")
    );
    app.message(&owner, maria, true).await;
    app.drain().await;
    assert!(app.newest_to("maria@example.org").subject.starts_with("A message is waiting"));
}

async fn a_mail_is_shown_exactly_as_it_arrives(app: App) {
    let owner = app.user(Role::Owner).await;
    let settings = owner.get("/settings/clinic").await.ok();
    let clinic = [("name", "Lake & Sons"), ("phone", "613-555-0100"), ("address", "1 Quay\nRiverside")];
    owner.submit(&settings, "Save", &clinic).await.redirect();
    let maria = app.patient(Like::default()).await;
    app.message(&owner, maria, true).await;
    app.drain().await;
    let (mail, link) = (app.newest_to("maria@example.org"), app.link_to("maria@example.org"));
    let sample = "/portal/link/EXAMPLE-0123456789-0123456789-01";
    let path = format!("{HOME}/message_waiting/email/en");
    assert_eq!(owner.get(&path).await.ok().link("View as it arrives"), format!("{path}/view"));

    // the HTML part in a sandbox, light or dark
    let framed = owner.get(&format!("{path}/mail")).await;
    let bare = framed.body.replacen("<base target=\"_blank\">", "", 1);
    assert_eq!(bare, mail.html.replace(&link, sample));
    let policy = framed.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("sandbox") && policy.contains("default-src 'none'"), "{policy}");
    assert_eq!(framed.headers["x-frame-options"], "SAMEORIGIN");
    let dark = owner.get(&format!("{path}/mail?look=dark")).await.body;
    assert!(dark.contains("name=\"color-scheme\" content=\"dark\"") && !dark.contains("content=\"light dark\""));

    // the page around it, with the plain twin
    let answer = owner.get(&format!("{path}/view?look=dark&size=phone")).await;
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-src 'self'") && policy.contains("script-src 'self'"), "{policy}");
    let page = answer.ok();
    let frame = page.attr(".phone-size iframe.dark[sandbox]", "src").unwrap();
    assert_eq!(frame, format!("{path}/mail?look=dark"));
    assert!(!page.attr("iframe", "sandbox").unwrap().contains("scripts"));
    let twin = mail.text.replace(&link, sample);
    let spaced = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(page.text_of("pre.mail"), spaced(&twin));
    for (choice, leads) in [("Desktop", "look=dark&size=desk"), ("Light", "look=light&size=phone")] {
        assert_eq!(page.link(choice), format!("{path}/view?{leads}"));
    }

    // a text has no frame
    let text = format!("{HOME}/message_waiting/sms/en");
    let page = owner.get(&format!("{text}/view")).await.ok();
    assert!(page.text_of(".phone").contains("a message is waiting for you") && !page.has("iframe"), "{}", page.text());
    assert_eq!(owner.get(&format!("{text}/mail")).await.status, 404);
    assert_eq!(app.user(Role::Staff).await.get(&format!("{path}/view")).await.status, 403);
}

async fn wrong_wordings_say_what_is_wrong(app: App) {
    let owner = app.user(Role::Owner).await;
    for (place, body, words) in [
        ("message_waiting/email/en", "{link} {diagnosis}", "{diagnosis} is no placeholder"),
        ("message_waiting/email/en", "{link} {{ title }}", "A brace { or } stands alone"),
        ("message_waiting/email/en", "{link} {passcode}", "{passcode} has no place here"),
        ("message_waiting/email/en", "no link", "{link} has to be in the text"),
        ("message_waiting/email/en", "`{link}`", "{link} has to be in the text"),
        ("message_waiting/sms/fr", "{name}: {link}", "only when"),
        // placeholders that cannot be used here are not offered either
        ("message_waiting/sms/en", "{link} {x}", "Use {clinic}, {phone}, {link}, {expiry}."),
        ("passcode/sms/en", "{link} {passcode}", "{link} has no place here"),
        ("passcode/email/fr", "rien", "{passcode} has to be in the text"),
        ("portal_access/sms/en", "{link} {expiry}", "{expiry} has no place here"),
        ("reminder/sms/en", " \n ", "Write something here"),
    ] {
        let path = format!("{HOME}/{place}");
        let fields = [("subject", "S {clinic}"), ("body", body)];
        for to in [path.clone(), format!("{path}/test")] {
            let answer = owner.post(&to, &[&fields[..], &[("phone", "613 555 0177")]].concat()).await;
            assert_eq!(answer.status, 422, "{to} {body}");
            let page = answer.page();
            assert!(page.has_text(words), "{body}: {}", page.text());
            assert_eq!(page.form_with("Preview").value("body").unwrap().trim(), body.trim(), "kept as typed");
        }
        assert_eq!(owner.post(&format!("{path}/preview"), &fields).await.status, 422);
        assert!(owner.get(&path).await.ok().has_text("Preview") && app.mailbox.newest_first().is_empty());
    }
    for subject in ["", "{link}", "{passcode}", "{patient}"] {
        let path = format!("{HOME}/message_waiting/email/en");
        assert_eq!(owner.post(&path, &[("subject", subject), ("body", "{link}")]).await.status, 422, "{subject}");
    }
    assert_eq!(owner.get(&format!("{HOME}/bill/email/en")).await.status, 404);
    assert_eq!(owner.post(&format!("{HOME}/passcode/fax/en/default"), &[]).await.status, 404);

    // the name may be used where the clinic has chosen that; when it has not any more, a wording with it is not used
    let path = format!("{HOME}/message_waiting/sms/en");
    let by_name = [("body", "Hi {name} {link}")];
    owner.post(HOME, &[("notify_by_name", "on")]).await.redirect();
    owner.post(&path, &by_name).await.redirect();
    let like = Like { method: Method::Sms, name: ("Zoé www.evil.example/x {link}", "M"), ..Like::default() };
    let patient = app.patient(like).await;
    app.message(&owner, patient, true).await;
    app.drain().await;
    assert!(app.newest_to("+16135550121").text.starts_with("Hi Zoé wwwevilexamplex link http"));
    owner.post(HOME, &[("notify_by_name", "off")]).await.redirect();
    app.message(&owner, patient, true).await;
    app.drain().await;
    assert!(app.newest_to("+16135550121").text.starts_with("Clinic: a message is waiting"));
}

async fn tests_go_to_oneself(app: App) {
    let owner = app.user(Role::Owner).await;
    let path = format!("{HOME}/reminder/email/fr");
    let fields = [("subject", "Essai {clinic}"), ("body", "Ceci {link}")];
    let page = owner.post(&format!("{path}/test"), &fields).await.ok();
    assert!(page.has_text("A test was sent to o…@clinic.example"), "{}", page.text());
    let mail = app.mailbox.newest_first().remove(0);
    assert!(mail.to.starts_with("owner") && mail.subject == "Essai Clinic", "{} {}", mail.to, mail.subject);
    let link = words(&mail.text).split_whitespace().last().unwrap().strip_prefix(&app.origin).unwrap();
    assert_eq!(app.anyone().get(link).await.status, 404, "the link of a test opens nothing");
    // nothing of the test was stored
    assert!(!owner.get(&path).await.ok().has_text("Essai"));

    let path = format!("{HOME}/message_waiting/sms/en");
    let answer = owner.post(&format!("{path}/test"), &[("body", "x {link}"), ("phone", "12")]).await;
    assert_eq!(answer.status, 422);
    let long = format!("{} ça {{link}}", "a".repeat(60));
    let page = owner.post(&format!("{path}/test"), &[("body", &long), ("phone", "613 555 0177")]).await.ok();
    assert!(page.has_text("A test was sent to …77") && page.has_text("“ç” (U+00E7)"), "{}", page.text());
    assert!(page.has_text("sent and billed as 2"), "{}", page.text());
    // in two parts: some gateways report on the first part only, so the link is in that
    let text = app.newest_to("+16135550177").text;
    assert!(
        text.lines().next().unwrap().ends_with("EXAMPLE-0123456789-0123456789-01") && text.ends_with("a ça"),
        "{text}"
    );
    let page = owner.post(&format!("{path}/preview"), &[("body", "Your Percocet prize {link}")]).await.ok();
    assert!(page.has_text("with these words: percocet, prize"), "{}", page.text());
    let part = owner
        .send(
            "POST",
            &format!("{path}/preview"),
            &[("origin", &app.origin), ("x-fragment", "1"), ("content-type", "application/x-www-form-urlencoded")],
            "body=x+%7Blink%7D",
        )
        .await;
    assert!(part.status == 200 && !part.body.contains("<html") && part.body.contains("1 part,"), "{}", part.body);
}

async fn access_is_told(app: App) {
    let owner = app.user(Role::Owner).await;
    let like = Like { portal_access: false, method: Method::Both, language: "fr", ..Like::default() };
    let patient = app.patient(like).await;
    let switch = async |on: &str| {
        let page = owner.get(&format!("/patients/{patient}/information")).await.ok();
        owner.submit(&page, "Save", &[("portal_access", on)]).await.redirect();
        app.drain().await;
        std::mem::take(&mut app.mailbox.newest_first())
    };
    assert!(switch("on").await.is_empty(), "not unless the clinic wants it");
    owner.post(HOME, &[("tell_of_access", "on")]).await.redirect();
    assert!(switch("on").await.is_empty(), "it was on before");
    assert!(switch("off").await.is_empty());
    let told = switch("on").await;
    assert_eq!(told.len(), 2);
    for mail in &told {
        assert!(mail.text.contains("portail des patients") && mail.text.contains(&format!("{}/portal", app.origin)));
    }
    let page = owner.get(&format!("/patients/{patient}/information")).await.ok();
    assert!(
        page.has_text("Told of their access by") && page.has_text("Sent") || page.has_text("sent"),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn every_standard_wording_is_a_valid_one() {
    let app = App::start(crate::support::app::On::Sqlite).await;
    let settings = settings_of(&app).await;
    let mut count = 0;
    for slot in Slot::all() {
        let standard = NotificationTemplate::standard(slot);
        let parsed = NotificationTemplate::parse(&settings, slot, standard.subject(), standard.body());
        assert_eq!(parsed.as_ref(), Ok(&standard), "{slot:?}");
        let values =
            Values { clinic: "Clinique du Lac", phone: "613 555-0100", passcode: "123456", ..Values::default() };
        let link = format!("https://portal.clinic.example/portal/link/{}", "x".repeat(32));
        let text = standard.text(&Values { link: &link, ..values });
        if slot.channel == postern::delivery::Channel::Sms {
            let parts = postern::text::gsm::parts(&text);
            assert!(parts.parts == 1 || slot.kind == Kind::PortalAccess, "{slot:?}: {parts:?} {text}");
        }
        assert!(!text.contains(['{', '}']), "{text}");
        count += 1;
    }
    assert_eq!(count, 20);
}

#[tokio::test]
async fn whatever_is_typed_only_the_placeholders_are_filled() {
    let app = App::start(crate::support::app::On::Sqlite).await;
    let settings = settings_of(&app).await;
    let pieces = [
        "{link}",
        "{passcode}",
        "{name}",
        "{clinic}",
        "{ phone }",
        "{expiry}",
        "{",
        "}",
        "{{",
        "`",
        "[",
        "](",
        ")",
        "\n\n",
        "\n",
        "# ",
        "- ",
        "*",
        "_",
        "<b>",
        "\\",
        "{body}",
        "{title",
        "www.x.example ",
        "| a |\n|---|\n",
        "> ",
        "&lt;",
        "    ",
        "é",
        "x ",
    ];
    let random = postern::clock::Random::seeded(11);
    let (mut valid, mut refused) = (0, 0);
    for _ in 0..4_000 {
        let body: String = random.bytes()[..10].iter().map(|b| pieces[usize::from(*b) % pieces.len()]).collect();
        for slot in Slot::all().filter(|slot| slot.lang.code() == "en") {
            let Ok(template) = NotificationTemplate::parse(&settings, slot, "s", &body) else {
                refused += 1;
                continue;
            };
            valid += 1;
            let values = Values {
                clinic: "CLINIC<i>",
                phone: "613",
                name: "NAME",
                for_whom: false,
                link: "https://x.example/LINK",
                passcode: "314159",
                expiry: "EXPIRY",
                address: "1 Quay\nRiverside",
                own_word: "Marigold",
                real_at: "x.example/portal/real",
            };
            let email = template.email(&values).unwrap();
            let text = template.text(&values);
            let (secret, others): (&str, &[&str]) = match slot.required() {
                Some(Placeholder::Link) => ("/LINK", &["314159"]),
                Some(_) => ("314159", &["/LINK"]),
                None => ("", &["/LINK", "314159"]),
            };
            for part in [&email.html, &email.text, &text] {
                assert!(part.contains(secret) || slot.channel == postern::delivery::Channel::Sms, "{body:?}: {part}");
                assert!(others.iter().all(|other| !part.contains(other)) && !part.contains("NAME"), "{body:?}: {part}");
            }
            assert!(!email.html.contains("<i>") && !email.html.contains("<b>"), "{body:?}: {}", email.html);
        }
    }
    assert!(valid > 300 && refused > 10_000, "{valid} {refused}");
    let slot = Slot::parse("message_waiting", "sms", "en").unwrap();
    let problems = NotificationTemplate::parse(&settings, slot, "", "{titel} {link}").unwrap_err();
    assert_eq!(problems.body, [Problem::Unknown("titel".into())]);
}
