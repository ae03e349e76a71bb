//! Every page renders whatever was typed into the forms, and nothing that was typed becomes markup.

use super::routes;
use crate::on_both;
use crate::support::app::{Answer, App};
use postern::access::Role;

const HOSTILE: [&str; 7] = [
    "\"><script>alert(1)</script>",
    "'><img src=x onerror=alert(1)>",
    "{{7*7}}{% raw %}${7*7}{ $clinic }",
    "\u{202e}\u{2066}desrever\u{200b}",
    "nul\0nul\u{1}\u{1b}[31m",
    "👩🏽‍⚕️ é ß 中文 עברית",
    "LONG",
];

on_both!(hostile_text_stays_text);

fn check(what: &str, answer: &Answer) {
    assert!(answer.status < 500, "{what}: {}", answer.status);
    let kind = answer.headers.get("content-type").map(|kind| kind.to_str().unwrap()).unwrap_or_default();
    if kind.starts_with("text/csv") || ["application/zip", "application/pdf", "text/event-stream"].contains(&kind) {
        return; // a download or a stream, never shown
    }
    let is_json = serde_json::from_str::<serde_json::Value>(&answer.body).is_ok();
    for markup in ["<script>alert", "<img src=x", "\0", "7*7=49"].into_iter().filter(|_| !is_json) {
        assert!(!answer.body.contains(markup), "{what}: {markup:?}");
    }
    assert!(!answer.body.contains("49{%"), "{what}: evaluated");
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(&answer.body) {
        for one in json.as_array().into_iter().flatten() {
            let html = one["body_html"].as_str().unwrap();
            assert_eq!(postern::text::CleanHtml::from_html(html).as_str(), html, "{what}: not clean");
        }
    } else if answer.status != 303 && answer.headers["content-type"] != "text/plain; charset=utf-8" {
        let page = answer.page();
        assert!(!page.has("[onerror]") && !page.has("script:not([src])"), "{what}");
        assert!(!page.title().is_empty() && page.has("html[lang]") && page.count("h1") == 1, "{what}");
    }
}

async fn hostile_text_stays_text(app: App) {
    let owner = app.user(Role::Owner).await;
    let key = |n: usize, m: usize| format!("0123456789abcdef-{n}-{m}");
    for (n, text) in HOSTILE.into_iter().enumerate() {
        let long = "W".repeat(200);
        let text = if text == "LONG" { &long } else { text };
        let clinic = [
            ("name", if text.len() > 100 { &text[..100] } else { text }),
            ("phone", &text.chars().take(30).collect::<String>()),
            ("address", text),
            ("time_zone", "America/Toronto"),
            ("language", "en"),
            ("emergency_text", text),
            ("closing_text", text),
        ];
        check("settings", &owner.post("/settings/clinic", &clinic).await);
        check("team", &owner.post("/settings/teams", &[("name", text), ("member", "1")]).await);
        let (email, phone) = (format!("h{n}@example.org"), format!("+1613555013{n}"));
        let person = [
            ("given_name", text),
            ("family_name", text),
            ("preferred_name", text),
            ("day", "4"),
            ("month", "3"),
            ("year", "1951"),
            ("health_number", text),
            ("email", email.as_str()),
            ("phone", phone.as_str()),
            ("language", "en"),
            ("method", "email"),
            ("portal_access", "on"),
        ];
        let added = owner.post("/patients", &person).await;
        check("new patient", &added);
        let patient = added.redirect().split('?').next().unwrap().to_owned();
        owner.post(&format!("{patient}/information"), &person).await.redirect();
        for field in ["day", "email", "phone", "language", "method", "family_name"] {
            let wrong: Vec<(&str, &str)> =
                person.iter().map(|(f, v)| (*f, if *f == field { text } else { v })).collect();
            check(field, &owner.post(&format!("{patient}/information"), &wrong).await);
            check(field, &owner.post("/patients", &[&wrong[..], &[("year", "x")]].concat()).await);
        }
        owner.post(&format!("{patient}/information"), &person).await.redirect();
        check(
            "no key",
            &owner.post(&format!("{patient}/messages/new"), &[("title", text), ("body", text), ("key", text)]).await,
        );
        // text that looks like a gap in a template is not sent: the page asks to fill it in
        if text.contains("{{") {
            let gaps = [("title", text), ("body", text), ("key", &key(n, 1))];
            let answer = owner.post(&format!("{patient}/messages/new"), &gaps).await;
            assert_eq!(answer.status, 422);
            check("gaps", &answer);
        }
        let kept = text.replace("{{", "{ {");
        let text = kept.as_str();
        let new = [("title", text), ("body", text), ("key", &key(n, 1)), ("replies_allowed", "on")];
        let conversation = owner.post(&format!("{patient}/messages/new"), &new).await.redirect();
        let conversation = conversation.split('?').next().unwrap().to_owned();
        for (m, format) in ["markdown", "plain", "html", "x"].into_iter().enumerate() {
            let reply = [("body", text), ("key", &*key(n, 2 + m)), ("body_format", format)];
            check(format, &owner.post(&format!("{conversation}/messages"), &reply).await);
        }
        let name: String = text.chars().take(40).collect();
        let view = [("name", &*name), ("scope", "mine"), ("filter", "to_do"), ("order", "longest")];
        check("view", &owner.post("/account/views", &view).await);
        app.drain().await;
        let (patient_browser, message) = app.go_in(&app.link_to(&email), &phone).await;
        let replied = patient_browser.post(&format!("{message}/replies"), &[("body", text), ("key", &key(n, 9))]).await;
        check("reply", &replied);
        check("reply", &patient_browser.post(&format!("{message}/replies"), &[("body", text), ("key", text)]).await);
        let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        let values = [
            ("patient", id(&patient)),
            ("conversation", id(&conversation)),
            ("item", "1".into()),
            ("scheduled", "1".into()),
            ("broadcast", "1".into()),
            ("view", (n + 1).to_string()),
            ("caregiver", "1".into()),
            ("message", "1".into()),
            ("template", "1".into()),
            ("user", "1".into()),
            ("team", "1".into()),
            ("token", "x".into()),
            ("number", id(&message)),
            ("file", "1".into()),
            ("kind", "reminder".into()),
            ("channel", "sms".into()),
            ("language", "fr".into()),
            ("name", "x".into()),
        ];
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for (someone, table) in [(&owner, routes::clinic()), (&patient_browser, routes::portal())] {
            for route in table.into_iter().filter(|route| route.method == "GET") {
                let path = route.filled(&values);
                let answer = someone.get(&path).await;
                assert!(
                    answer.status != 403 && !(answer.status == 303 && answer.location.contains("sign-in?")),
                    "{path}"
                );
                check(&path, &answer);
                let query: String = url::form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(["q", "after", "notice", "next", "archived", "patient"].map(|name| (name, text)))
                    .finish();
                check(&path, &someone.get(&format!("{path}?{query}")).await);
                check(&path, &someone.get(&format!("{path}?before=9223372036854775808&after=-1.x")).await);
                check(&path, &someone.get(&format!("{path}?after=5.%00&q=%00")).await);
            }
        }
        let template = [("name", text), ("category", text), ("language", "en"), ("title", text), ("body", text)];
        check("template", &owner.post("/settings/message-templates", &template).await);
        check(
            "template",
            &owner.post("/settings/message-templates/1", &[&template[..], &[("version", "0")]].concat()).await,
        );
        let sign_in = [("email", text), ("password", text), ("next", text)];
        check("sign-in", &app.anyone().post("/sign-in", &sign_in).await);
    }
}
