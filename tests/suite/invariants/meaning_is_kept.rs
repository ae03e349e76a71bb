//! What was sent is what was meant: no number, sign, unit, dose, date or list changes its meaning on the way from what
//! was typed to the page, the mail and the text area.

use postern::text::CleanHtml;

/// Text that is typed without the editor, and the HTML of the page.
const TYPED: [(&str, &str); 55] = [
    ("Platelets 150 x 10<sup>9</sup>/L", "<p>Platelets 150 x 10<sup>9</sup>/L</p>"),
    ("H<sub>2</sub>O and <u>now</u>", "<p>H<sub>2</sub>O and <u>now</u></p>"),
    ("Take 2*500 mg in the morning and 1*500 mg at night", "<p>Take 2*500 mg in the morning and 1*500 mg at night</p>"),
    ("2**500 and 1**500, 2_500 and 1_500, a__b__c", "<p>2**500 and 1**500, 2_500 and 1_500, a__b__c</p>"),
    ("2*500 *daily* 1*500", "<p>2*500 <em>daily</em> 1*500</p>"),
    ("un*frigging*believable, *2*500, 3 *500 mg 2*", "<p>un*frigging*believable, *2*500, 3 <em>500 mg 2</em></p>"),
    (
        "**never** *more* ***than*** (*two*)",
        "<p><strong>never</strong> <em>more</em> <em><strong>than</strong></em> (<em>two</em>)</p>",
    ),
    ("血糖**很高**吗", "<p>血糖<strong>很高</strong>吗</p>"),
    ("2 * 500 * 3", "<p>2 * 500 * 3</p>"),
    ("about ~5 mg~ and ~~6 mg~~", "<p>about ~5 mg~ and <s>6 mg</s></p>"),
    ("5~~6~~7", "<p>5~~6~~7</p>"),
    ("1. Monday\n3. Wednesday", "<ol><li>Monday</li><li value=\"3\">Wednesday</li></ol>"),
    ("1. one\n1. one again\n2. two", "<ol><li>one</li><li value=\"1\">one again</li><li>two</li></ol>"),
    ("7. a\n8. b", "<ol start=\"7\"><li>a</li><li>b</li></ol>"),
    ("0. a\n1) b", "<ol start=\"0\"><li>a</li></ol><ol><li>b</li></ol>"),
    ("10. a\n9. b", "<ol start=\"10\"><li>a</li><li value=\"9\">b</li></ol>"),
    ("call if\n> 140/90", "<p>call if<br>&gt; 140/90</p>"),
    ("> 140/90", "<p>&gt; 140/90</p>"),
    (">= 5", "<p>&gt;= 5</p>"),
    ("> .5 mg", "<p>&gt; .5 mg</p>"),
    (">−2", "<p>&gt;−2</p>"),
    ("- > 140/90: call", "<ul><li>&gt; 140/90: call</li></ul>"),
    ("1. > 38.5", "<ol><li>&gt; 38.5</li></ol>"),
    ("- > two days", "<ul><li>&gt; two days</li></ul>"),
    ("fever for\n> two days", "<p>fever for<br>&gt; two days</p>"),
    ("> quoted\n> words", "<blockquote><p>quoted<br>words</p></blockquote>"),
    ("> quoted\n> > 140/90", "<blockquote><p>quoted<br>&gt; 140/90</p></blockquote>"),
    ("< 5 and <6 and x<y>z", "<p>&lt; 5 and &lt;6 and x&lt;y&gt;z</p>"),
    ("<take with food>\nand water", "<p>&lt;take with food&gt;<br>and water</p>"),
    ("<!-- 5 mg -->", "<p>&lt;!-- 5 mg --&gt;</p>"),
    ("# 5 tablets", "<p># 5 tablets</p>"),
    ("#5 tablets", "<p>#5 tablets</p>"),
    ("+ 2 tablets", "<ul><li>+ 2 tablets</li></ul>"),
    ("- 2 tablets", "<ul><li>2 tablets</li></ul>"),
    ("-2.5", "<p>-2.5</p>"),
    ("Monday 5 mg\nTuesday 10 mg", "<p>Monday 5 mg<br>Tuesday 10 mg</p>"),
    ("    5 mg *a*\n    6 mg", "<p>5 mg *a*<br>6 mg</p>"),
    ("```\n5 mg\n6 mg\n```", "<p><code>5 mg</code><br><code>6 mg</code></p>"),
    ("[Dose]: 500mg", "<p>[Dose]: 500mg</p>"),
    ("[2](3) tablets", "<p>[2](3) tablets</p>"),
    ("![5 mg](x.png)", "<p>![5 mg](x.png)</p>"),
    ("[a](javascript:alert)", "<p>[a](javascript:alert)</p>"),
    (
        "[a](www.example.org) [b](https://example.org)",
        "<p><a href=\"https://www.example.org\" rel=\"noopener noreferrer nofollow\">a</a> \
         <a href=\"https://example.org\" rel=\"noopener noreferrer nofollow\">b</a></p>",
    ),
    (
        "https://example.org/2*3*4",
        "<p><a href=\"https://example.org/2*3*4\" rel=\"noopener noreferrer nofollow\">https://example.org/2*3*4</a></p>",
    ),
    ("2026-11-28\n2026. That year", "<p>2026-11-28<br>2026. That year</p>"),
    ("5 \\* 3, C:\\x", "<p>5 * 3, C:\\x</p>"),
    ("± 5 µg ≥ 3 ½ 37°C 50%", "<p>± 5 µg ≥ 3 ½ 37°C 50%</p>"),
    ("10^9/L and $5", "<p>10^9/L and $5</p>"),
    ("a\n\nb", "<p>a</p>\n<p>b</p>"),
    ("5:30 - 6:30 :-)", "<p>5:30 - 6:30 :-)</p>"),
    ("1/2 || 3/4", "<p>1/2 || 3/4</p>"),
    ("&lt;5 &amp; 6 & 7", "<p>&lt;5 &amp; 6 &amp; 7</p>"),
    ("`2*500`", "<p><code>2*500</code></p>"),
    ("1. a\n\n   b\n2. c", "<ol><li><p>a</p><p>b</p></li><li><p>c</p></li></ol>"),
    ("- a\n  1. b\n  3. c", "<ul><li>a<ol><li>b</li><li value=\"3\">c</li></ol></li></ul>"),
];

fn without_breaks(html: &str) -> String {
    html.replace('\n', "")
}

/// HTML with list items written without a paragraph, so that both ways of writing them compare as equal.
fn tight(html: &str) -> String {
    let html = without_breaks(html).replace("<li><p>", "<li>").replace("</p></li>", "</li>");
    html.replace("</p><ol", "<ol").replace("</p><ul", "<ul")
}

#[test]
fn what_is_typed_without_an_editor_is_what_the_page_says() {
    for (typed, wanted) in TYPED {
        let page = CleanHtml::from_markdown(typed);
        assert_eq!(without_breaks(page.as_str()), without_breaks(wanted), "{typed:?}");
    }
}

/// HTML that the editor makes.
const RICH: [&str; 32] = [
    "<p>150 x 10<sup>9</sup>/L, H<sub>2</sub>O, <u>under</u></p>",
    "<p>2*500 mg and 1*500 mg, _a_ ~5~ ~~6~~ `x` [a](b) &lt;b&gt; &amp;amp; \\* \\</p>",
    "<p>a<strong>b</strong>c <strong>d </strong>e <em>f</em><strong>g</strong> <em><strong>h</strong> i</em></p>",
    "<p><strong>2*500</strong> mg <s>10 mg</s> <u><strong>x</strong></u></p>",
    "<p>one<br>two<br><br>three</p>",
    "<p>&gt; 140/90</p><p>- 5</p><p>3. x</p><p># y</p><p>+ 5</p><p>---</p><p>===</p><p>a<br>---<br>b</p>",
    "<p>[Dose]: 500mg</p>",
    "<ol start=\"3\"><li>c</li><li>d</li></ol>",
    "<ol><li>a</li></ol><ol start=\"3\"><li>c</li></ol><ol><li>a</li></ol>",
    "<ol><li>a</li><li value=\"7\">b</li><li>c</li><li value=\"2\">d</li></ol>",
    "<ul><li>a</li></ul><ul><li>b</li></ul><ul><li>c</li></ul>",
    "<ul><li>a<ul><li>b</li><li>c</li></ul></li><li>d</li></ul>",
    "<ul><li><p>a</p><ol start=\"4\"><li>b</li></ol></li></ul>",
    "<ul><li><p>a</p><p>b</p></li><li><p>c</p></li></ul>",
    "<ol><li>9</li><li>&gt; 5</li><li>- 5</li><li>1. x</li></ol>",
    "<ul><li><blockquote><p>q</p></blockquote></li></ul>",
    "<blockquote><p>a</p><p>b</p></blockquote>",
    "<blockquote><p>5 mg was too much</p></blockquote>",
    "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote>",
    "<blockquote><ul><li>a</li></ul></blockquote>",
    "<h3>Heading #</h3><h4>2. x</h4><h3 class=\"align-center\">c</h3>",
    "<p class=\"align-right\">5 * 3 &lt; 20</p><p class=\"align-justify\">b</p>",
    "<table><tbody><tr><th>A | B</th><th>C</th></tr><tr><td>1*2*3</td><td>10<sup>9</sup><br>x</td></tr></tbody></table>",
    "<table><tbody><tr><td>no head</td></tr></tbody></table>",
    "<table><tbody><tr><th colspan=\"2\">A</th></tr><tr><td>1</td><td class=\"align-right\">2</td></tr></tbody></table>",
    "<table><tbody><tr><th>A</th></tr><tr><td><p>1</p><p>2</p></td></tr></tbody></table>",
    "<p><a href=\"https://example.org/a_b_c*d\" rel=\"noopener noreferrer nofollow\">https://example.org/a_b_c*d</a></p>",
    "<p><a href=\"https://example.org/(x)\" rel=\"noopener noreferrer nofollow\">a [b] <strong>c</strong></a></p>",
    "<p>a</p><hr><p>b</p>",
    "<p><code>2*`5`</code> <em>a</em>, (<strong>b</strong>)!</p>",
    "<p>Word_with_underscores __init__ *</p>",
    "<p>a | b<br>--|--<br>c | d</p>",
];

#[test]
fn rich_text_in_the_text_area_and_back_is_the_same() {
    for rich in RICH {
        let clean = CleanHtml::from_html(rich);
        assert_eq!(clean.as_str(), rich, "not clean");
        let written = clean.to_markdown();
        let again = CleanHtml::from_markdown(&written);
        assert_eq!(without_breaks(again.as_str()), rich, "{written}");
    }
    // the number of a list may be on its first item
    for (rich, wanted) in [
        ("<ol><li value=\"7\">a</li><li>b</li></ol>", "<ol start=\"7\"><li>a</li><li>b</li></ol>"),
        (
            "<ul><li>a<ol><li value=\"4\">b</li></ol></li></ul>",
            "<ul><li><p>a</p><ol start=\"4\"><li>b</li></ol></li></ul>",
        ),
    ] {
        let again = CleanHtml::from_markdown(&CleanHtml::from_html(rich).to_markdown());
        assert_eq!(without_breaks(again.as_str()), wanted);
    }
    // the page's HTML of typed text is kept too
    for (typed, _) in TYPED {
        let page = CleanHtml::from_markdown(typed);
        let again = CleanHtml::from_markdown(&page.to_markdown());
        assert_eq!(tight(again.as_str()), tight(page.as_str()), "{typed:?}: {:?}", page.to_markdown());
    }
}

#[test]
fn words_without_formatting_keep_what_it_said() {
    for (rich, wanted) in [
        (
            "<p>10<sup>9</sup>/L, 10<sup>-3</sup>, H<sub>2</sub>O, 1<sup>st</sup>, x<sup>a+1</sup></p>",
            "10⁹/L, 10⁻³, H₂O, 1st, x^(a+1)",
        ),
        ("<ol start=\"3\"><li>c</li><li>d</li></ol><ul><li>e</li></ul>", "3. c 4. d e"),
        ("<ol><li>a</li><li value=\"7\">b</li><li>c</li></ol>", "1. a 7. b 8. c"),
        ("<table><tr><td>5</td><td>10</td></tr></table>", "5 10"),
        ("<p>5</p><p>10<br>15</p><blockquote><p>20</p></blockquote>", "5 10 15 20"),
        ("<div>5</div><div>10</div>", "5 10"),
        ("<p>&lt; 5 &amp;lt; 6</p>", "< 5 &lt; 6"),
    ] {
        assert_eq!(CleanHtml::from_html(rich).plain(), wanted);
    }
}
