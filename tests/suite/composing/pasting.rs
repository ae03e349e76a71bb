//! What is pasted from Word, Google Docs and web pages keeps its meaning.

use super::browser::desk;

/// A paragraph of a list as Word writes it.
fn word(level: u32, bullet: &str, text: &str) -> String {
    format!(
        "<p class=MsoListParagraph style='mso-list:l0 level{level} lfo1'><![if !supportLists]>\
         <span style='mso-list:Ignore'>{bullet}<span style='font:7.0pt \"Times New Roman\"'>&nbsp;&nbsp; </span></span>\
         <![endif]>{text}</p>"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pasted_text_keeps_its_meaning() {
    let Some(desk) = desk(1280, "en").await else { return };
    desk.open().await;
    let goes_on = word(1, "3.", "c") + &word(1, "4.", "d") + &word(1, "7.", "g");
    let around = word(1, "1.", "a") + "<p>between</p>" + &word(1, "2.", "b");
    let nested = word(1, "2.", "b") + &word(2, "5)", "x") + &word(2, "·", "y") + &word(1, "3.", "c");
    let letters = word(1, "c.", "third") + &word(1, "iv)", "fourth") + &word(1, "2.1", "part");
    let bullets = word(1, "·", "a") + &word(1, "o", "b") + &word(1, "§", "c");
    for (html, wanted) in [
        ("10<sup>9</sup>/L H<sub>2</sub>O", "<p>10<sup>9</sup>/L H<sub>2</sub>O</p>"),
        (
            "<p><span style=\"font-size:7pt;vertical-align:super\">9</span><span style=\"vertical-align:sub\">2</span></p>",
            "<p><sup>9</sup><sub>2</sub></p>",
        ),
        (&goes_on, "<ol start=\"3\"><li><p>c</p></li><li><p>d</p></li></ol><ol start=\"7\"><li><p>g</p></li></ol>"),
        (&around, "<ol><li><p>a</p></li></ol><p>between</p><ol start=\"2\"><li><p>b</p></li></ol>"),
        (
            &nested,
            "<ol start=\"2\"><li><p>b</p><ol start=\"5\"><li><p>x</p></li></ol><ul><li><p>y</p></li></ul></li>\
             <li><p>c</p></li></ol>",
        ),
        (&letters, "<p>c. third</p><p>iv) fourth</p><p>2.1 part</p>"),
        (&bullets, "<ul><li><p>a</p></li><li><p>b</p></li><li><p>c</p></li></ul>"),
        (
            "<ol start=0><li>a<li>b<li value=5>c</ol>",
            "<ol start=\"0\"><li><p>a</p></li><li><p>b</p></li><li value=\"5\"><p>c</p></li></ol>",
        ),
        ("<ol><li value=1>a<li value=2>b</ol>", "<ol><li><p>a</p></li><li><p>b</p></li></ol>"),
        (
            "<p>5<span style=\"display:none\">0</span> mg<span style='mso-hide:all'> x</span><span hidden>y</span>\
             <span style=\"font-size:0\">z</span><span style=\"visibility: hidden\">w</span></p>",
            "<p>5 mg</p>",
        ),
    ] {
        assert_eq!(desk.pasted(html).await, wanted, "{html}");
    }
    desk.browser.assert_clean().await;
}
