//! Notifications contain nothing of a message: with many random messages, patients and wordings.

use crate::on_both;
use crate::support::app::App;
use crate::support::world::Like;
use postern::access::Role;
use postern::clock::Random;
use postern::patients::Method;

on_both!(nothing_of_any_message_is_sent);

/// Syllables that occur in no wording, name or address of the test.
const SYLLABLES: [&str; 16] = [
    "quux", "zorb", "vlim", "krat", "plyx", "gnow", "jibz", "wuff", "drox", "myzz", "hjal", "bvok", "tszi", "xand",
    "oqua", "ywer",
];
/// Text that could have a meaning for a template engine, a mail or a phone.
const AROUND: [&str; 12] = [
    "{link} ",
    "{{",
    "}}",
    "\r\nBcc: ",
    "<script>",
    "**",
    "{ $clinic }",
    "=?utf-8?q?",
    "\u{202e}",
    "http://",
    "é",
    "{body}",
];

/// Random words of a message, and the text that contains them.
fn drawn(random: &Random) -> (Vec<String>, String) {
    let bytes = random.bytes();
    let word = |at: usize| {
        let pick = |by: u8| SYLLABLES[usize::from(by) % SYLLABLES.len()];
        format!("{}{}{}", pick(bytes[at]), pick(bytes[at + 1]), pick(bytes[at + 2]))
    };
    let words: Vec<String> = (0..4).map(|at| word(at * 3)).collect();
    let around = |at: usize| AROUND[usize::from(bytes[at]) % AROUND.len()];
    let text = words.iter().enumerate().map(|(at, w)| format!("{}{w}{}", around(12 + at), around(16 + at))).collect();
    (words, text)
}

async fn nothing_of_any_message_is_sent(app: App) {
    let (owner, random) = (app.user(Role::Owner).await, Random::seeded(5));
    owner
        .post("/settings/notification-templates", &[("notify_by_name", "on"), ("tell_of_access", "on")])
        .await
        .redirect();
    let own = [
        ("message_waiting/email/en", "Hello {name}, {clinic} wrote. {link} {expiry} {phone}"),
        ("message_waiting/sms/fr", "{name} {clinic} {link} {expiry}"),
    ];
    for (place, body) in own {
        let fields = [("subject", "{clinic} {name}"), ("body", body)];
        owner.post(&format!("/settings/notification-templates/{place}"), &fields).await.redirect();
    }
    let mut patients = Vec::new();
    for (n, language) in ["en", "fr"].into_iter().enumerate() {
        let (email, phone) = (format!("p{n}@example.org"), format!("+1613555014{n}"));
        let like = Like { email: Some(email), phone: Some(phone), method: Method::Both, language, ..Like::default() };
        // a relative has the same addresses, so each notification names the patient
        let other =
            Like { name: ("Zoé", "Mejía"), email: like.email.clone(), phone: like.phone.clone(), ..like.clone() };
        app.patient(other).await;
        patients.push(app.patient(like).await);
    }
    let mut said: Vec<String> = Vec::new();
    for n in 0..24 {
        let ((mut words, title), (more, body)) = (drawn(&random), drawn(&random));
        words.extend(more);
        let key = format!("0123456789abcdef-{n}");
        // text that looks like a gap in a template would not be sent
        let (body, title) = (body.replace('{', "{ "), title.replace('{', "{ "));
        let (body, title) = (format!("Words {body}"), format!("Words {title}"));
        let fields = [("title", title.as_str()), ("body", body.as_str()), ("key", &key), ("replies_allowed", "on")];
        let patient = patients[n % 2];
        let to = owner.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
        let (more, reply) = drawn(&random);
        words.extend(more);
        let conversation = to.split('?').next().unwrap();
        let reply = format!("Words {}", reply.replace('{', "{ "));
        let fields = [("body", reply.as_str()), ("key", &key)];
        owner.post(&format!("{conversation}/messages"), &fields).await.redirect();
        said.extend(words);
    }
    app.drain().await;
    app.state.clock.advance(time::Duration::days(3));
    app.drain().await;
    let sent = app.mailbox.newest_first();
    assert!(sent.len() >= 24 * 2 * 2, "{}", sent.len());
    for mail in &sent {
        let html = mail.html.split_once("</style>").map_or("", |(_, after)| after).to_owned();
        for part in [&mail.subject, &mail.text, &html] {
            let low = part.to_lowercase();
            assert!(said.iter().all(|word| !low.contains(word)), "{part}");
            assert!(SYLLABLES.iter().all(|syllable| !without_links(&low).contains(syllable)), "{part}");
            assert!(!low.contains("<script") && !part.contains(['{', '\u{202e}']), "{part}");
            assert!(!low.contains("mejía") && !low.contains("1951"), "{part}");
        }
        assert!(!mail.subject.contains(['\r', '\n']));
    }
    assert!(sent.iter().any(|mail| mail.text.starts_with("Hello María, Clinic wrote.")));
    assert!(sent.iter().any(|mail| mail.text.starts_with("For María.")));
    assert!(sent.iter().all(|mail| !without_links(&mail.text).contains("Zoé")));
}

/// The text without links, because a token may contain any syllable by chance.
fn without_links(text: &str) -> String {
    text.split_whitespace().filter(|word| !word.contains("/portal/link/")).collect::<Vec<_>>().join(" ")
}
