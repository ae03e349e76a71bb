//! The two letters beside names: of the right name, always in the same colour, for the eye alone, and well to be read.

use super::work_list::patient;
use crate::on_both;
use crate::support::app::{App, On};
use crate::support::browser::Browser;
use postern::access::Role;
use postern::text::Lang;

on_both!(names_have_their_letters);

async fn names_have_their_letters(app: App) {
    let owner = app.user(Role::Owner).await;
    let ada = patient(&app, "Ada", "a@example.org").await;
    let conversation = app.message(&owner, ada, true).await;
    let colour = format!("face f{}", ada.0 % 5);
    let inbox = owner.get("/inbox?filter=any").await.ok();
    let chart = owner.get(&format!("/patients/{ada}")).await.ok();
    let thread = owner.get(&conversation).await.ok();
    for (what, page, css, wanted) in [
        ("the user's menu", &inbox, ".me .face", "UO"),
        ("a line of the inbox", &inbox, ".work .face", "AT"),
        ("the chart", &chart, "h1 .face", "AT"),
        ("a message", &thread, ".msg-head .face", "UO"),
        ("who takes part", &thread, ".side li:first-child > .face", "AT"),
    ] {
        assert_eq!(page.attr(css, "data-of").as_deref(), Some(wanted), "{what}");
        assert_eq!(page.attr(css, "aria-hidden").as_deref(), Some("true"), "{what}");
        assert!(
            wanted != "AT" || page.attr(css, "class").as_deref() == Some(colour.as_str()),
            "{what} has another colour"
        );
    }
    // they are no words of the page
    assert_eq!(inbox.text_of(".work .who"), "Ada Tremblay");
    assert_eq!(chart.text_of("h1"), "Ada Tremblay");
}

/// WCAG 2.2, 1.4.3, of each colour on light and dark pages. The letters come from an attribute, which axe does not see.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_can_be_read_in_every_colour() {
    let app = App::start(On::Sqlite).await;
    let Some(browser) = Browser::start(&app.origin).await else { return };
    browser.goto("/sign-in").await;
    browser.wait_text(Lang::or_english("en").t("sign-in")).await;
    let contrasts = "
        const light = text => text.match(/[\\d.]+/g).slice(0, 3).map(one => one / 255)
            .map(one => one <= .04045 ? one / 12.92 : ((one + .055) / 1.055) ** 2.4)
            .reduce((sum, one, at) => sum + one * [.2126, .7152, .0722][at], 0)
        return [0, 1, 2, 3, 4].map(number => {
            const face = document.createElement('span')
            face.className = `face f${number}`
            document.body.append(face)
            const {color, backgroundColor} = getComputedStyle(face)
            const [low, high] = [light(color), light(backgroundColor)].sort((one, other) => one - other)
            return (high + .05) / (low + .05)
        })";
    for is_dark in [false, true] {
        if is_dark {
            browser.dark().await;
        }
        let all: Vec<f64> = serde_json::from_value(browser.js(contrasts).await).unwrap();
        assert!(all.len() == 5 && all.iter().all(|one| *one >= 4.5 && *one < 21.0), "dark: {is_dark}: {all:?}");
    }
}
