//! "Preview as the patient" shows the same page as the patient sees.

use crate::on_both;
use crate::support::app::App;
use crate::support::world::Like;
use postern::access::Role;

on_both!(the_preview_is_the_portals_page);

async fn the_preview_is_the_portals_page(app: App) {
    let staff = app.user(Role::Staff).await;
    for (at, language, replies) in [(1, "en", true), (2, "en", false)] {
        let (email, phone) = (format!("p{at}@example.org"), format!("+161355501{at}0"));
        let like = Like { email: Some(email.clone()), phone: Some(phone.clone()), language, ..Like::default() };
        let patient = app.patient(like).await;
        let key = format!("0123456789abcdef-{at}");
        let mut fields = vec![
            ("title", "Iron"),
            ("body", "All **well**.\n\n| A | B |\n|---|---|\n| 1 | 2 |"),
            ("key", key.as_str()),
        ];
        if replies {
            fields.push(("replies_allowed", "on"));
        }
        let preview = staff.post(&format!("/patients/{patient}/messages/preview"), &fields).await.ok();
        staff.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
        app.drain().await;
        let (browser, message) = app.go_in(&app.link_to(&email), &phone).await;
        let real = browser.get(&message).await.ok();
        let banner = "Preview: this is what the patient will see. Nothing has been sent.";
        assert!(preview.text().contains(banner), "{}", preview.text());
        assert_eq!(
            preview.text_of("main").replace(banner, "").split_whitespace().collect::<Vec<_>>(),
            real.text_of("main").split_whitespace().collect::<Vec<_>>()
        );
    }
}
