//! Nothing of a message gets into an email or a text, however it is made to look.

use crate::on_both;
use crate::support::app::App;
use crate::support::world::Like;
use postern::access::Role;
use postern::chart::Method;

const HOSTILE: [&str; 6] = [
    "{{link}} secretword",
    "{ $clinic } secretword",
    "<script>secretword</script>",
    "Results\r\nBcc: secretword@evil.example",
    "%s secretword {0}",
    "https://secretword.example/portal/link/x",
];

on_both!(no_notification_says_anything);

async fn no_notification_says_anything(app: App) {
    let clinician = app.user(Role::Clinician).await;
    for (at, text) in HOSTILE.iter().enumerate() {
        for language in ["en", "fr"] {
            let email = format!("p{at}{language}@example.org");
            let like = Like { email: Some(email), method: Method::Both, language, ..Like::default() };
            let patient = app.patient(Like { name: ("Secretword", "Secretword"), ..like }).await;
            let page = clinician.get(&format!("/patients/{patient}/messages/new")).await.ok();
            clinician.submit(&page, "Submit", &[("title", text), ("body", &format!("x {text}"))]).await.redirect();
        }
    }
    app.drain().await;
    let mails = app.mailbox.newest_first();
    assert_eq!(mails.len(), HOSTILE.len() * 4, "an email and a text for each");
    for mail in mails {
        let all = format!("{} {} {}", mail.subject, mail.text, mail.html);
        assert!(!all.to_lowercase().contains("secretword") && !all.contains("evil"), "{all}");
        assert!(!all.contains("User clinician"), "{all}");
        assert!(!mail.subject.contains(['\r', '\n']));
        let links: Vec<&str> = mail.text.split_whitespace().filter(|word| word.contains("://")).collect();
        assert_eq!(links.len(), 1, "{}", mail.text);
        assert!(links[0].starts_with(&format!("{}/portal/link/", app.origin)));
        assert!(mail.channel == "email" || mail.text.chars().count() <= 160, "{}", mail.text);
    }
}
