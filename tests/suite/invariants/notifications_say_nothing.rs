//! A notification says that a message is waiting, and nothing of its content.

use crate::on_both;
use crate::support::app::App;
use crate::support::html::Page;
use crate::support::world::{Like, PASSWORD};
use postern::access::{Operator, Role};
use postern::patients::Method;
use postern::users::{self, AddUser};
use postern::values::{EmailAddress, UserName};

const HOSTILE: [&str; 6] = [
    "Quizzical { {link}} {link} { { clinic }}",
    "Quizzical { $clinic } { $link }",
    "Quizzical <script>alert(1)</script> <a href=\"http://evil.example\">x</a>",
    "Quizzical\r\nBcc: x@evil.example\r\n\r\nhttp://evil.example",
    "Quizzical {% raw %} ${link} %s %(link)s [link] <%= link %>",
    "Quizzical =?utf-8?q?Bcc=3A?= \u{202e}evil\u{2028}evil",
];

on_both!(nothing_of_a_message_is_in_its_notification);

async fn nothing_of_a_message_is_in_its_notification(app: App) {
    let (now, hash) = (
        app.state.clock.now(),
        postern::slow_hash::hash(postern::slow_hash::Lane::Passwords, PASSWORD.into()).await.unwrap(),
    );
    let add = AddUser {
        email: EmailAddress::parse("quizzical@clinic.example").unwrap(),
        name: UserName::parse("Quizzical { $clinic } {{link}} <b>").unwrap(),
        role: Role::Clinician,
        language: "en".into(),
        password_hash: Some(hash),
    };
    app.state.db.write(move |tx| users::add(tx, now, &Operator::of_the_command_line(), add)).await.unwrap();
    let user = app.anyone();
    user.post("/sign-in", &[("email", "quizzical@clinic.example"), ("password", PASSWORD)]).await.redirect();
    for language in ["en", "fr"] {
        let (email, phone) =
            (format!("{language}@example.org"), if language == "en" { "+16135550101" } else { "+16135550102" });
        let like = Like {
            name: ("Quizzical {{link}}", "Quizzical <b> { $clinic }"),
            email: Some(email.clone()),
            phone: Some(phone.into()),
            method: Method::Both,
            language,
            ..Like::default()
        };
        let patient = app.patient(like).await;
        for (at, text) in HOSTILE.into_iter().enumerate() {
            let fields = [
                ("title", text),
                ("body", text),
                ("key", &format!("{language}-0123456789abcdef-{at}")),
                ("replies_allowed", "on"),
            ];
            user.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
        }
        app.drain().await;
        let all = app.mailbox.newest_first();
        let got: Vec<_> = all.iter().filter(|mail| mail.to == email || mail.to == phone).collect();
        assert_eq!(got.len(), 2 * HOSTILE.len());
        for mail in got {
            let host = format!("{}/portal/link/", app.origin);
            // the style sheet of emails is fixed text, which has braces too
            let html = mail.html.split_once("</style>").map_or("", |(_, after)| after).to_owned();
            assert_eq!(html.is_empty(), mail.channel == "sms");
            for part in [&mail.subject, &mail.text, &html] {
                let low = part.to_lowercase();
                for word in ["quizzical", "evil", "script", "bcc", "{", "}", "%", "\u{202e}", "maria"] {
                    assert!(!low.contains(word) || (word == "script" && !low.contains("<script")), "{word} in {part}");
                }
            }
            assert!(!mail.subject.contains(['\r', '\n']), "{:?}", mail.subject);
            assert!(!mail.subject.contains("http"), "{}", mail.subject);
            assert_eq!(mail.text.matches("://").count(), 1, "{}", mail.text);
            assert_eq!(mail.text.matches(&host).count(), 1, "{}", mail.text);
            if mail.channel == "email" {
                let links = Page::parse(&mail.html).links();
                let ours = links.iter().filter(|link| link.href.starts_with(&host)).count();
                assert!(
                    ours == 1 && links.iter().all(|l| l.href.starts_with(&host) || l.href.starts_with("tel:")),
                    "{links:?}"
                );
                assert!(!mail.html.contains("src="), "a picture would tell when it was opened: {}", mail.html);
            }
        }
    }
}
