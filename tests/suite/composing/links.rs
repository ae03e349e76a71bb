//! Addresses in a text become links: the same in the editor and on the server.

use super::browser::desk;
use postern::text::CleanHtml;
use scraper::{Html, Selector};

/// A text, and each link in it as "what is shown > where it leads".
fn table() -> Vec<(&'static str, Vec<&'static str>)> {
    let lines = include_str!("addresses.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let table: Vec<_> =
        lines.map(|line| (line.split(" | ").next().unwrap(), line.split(" | ").skip(1).collect())).collect();
    assert!(table.len() > 30);
    table
}

fn links_in(html: &str) -> Vec<String> {
    let tree = Html::parse_fragment(html);
    let links = Selector::parse("a[href]").unwrap();
    let link = |a: scraper::ElementRef| format!("{} > {}", a.text().collect::<String>(), a.attr("href").unwrap());
    tree.select(&links).map(link).collect()
}

#[test]
fn on_the_server() {
    for (text, wanted) in table() {
        assert_eq!(links_in(CleanHtml::from_plain(text).as_str()), wanted, "{text}");
    }
    // as Markdown too, unless a character has a meaning there
    for (text, wanted) in table().into_iter().filter(|(text, _)| !text.contains(['<', '*', 'é', '['])) {
        assert_eq!(links_in(CleanHtml::from_markdown(text).as_str()), wanted, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_editor() {
    let Some(desk) = desk(1280, "en").await else { return };
    desk.open().await;
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    let all: String = table().iter().map(|(text, _)| format!("<p>{}</p>", escaped(text))).collect();
    let made = desk.pasted(&all).await;
    let made: Vec<&str> = made.split("</p>").collect();
    for ((text, wanted), made) in table().into_iter().zip(made) {
        assert_eq!(links_in(made), wanted, "{text}: {made}");
    }
    desk.browser.assert_clean().await;
}
