//! The cleaner with any input: its output has only what the allow-list names, cleaning twice changes nothing, it never
//! panics, and hostile nesting takes time in proportion to its length.

use postern::text::CleanHtml;
use postern::text::html::{ALIGNED, ALIGNMENTS, DEEPEST, SCHEMES, TAGS};
use scraper::{Html, Node, Selector};
use std::sync::LazyLock;

/// Pieces of input, which are put together in any order.
const PIECES: &[&str] = &[
    "<",
    ">",
    "&",
    "\"",
    "'",
    "`",
    "=",
    "/",
    "\\",
    "\0",
    "\n",
    "\t",
    " ",
    "&lt;",
    "&#x3c;",
    "&colon;",
    "<!--",
    "-->",
    "<!",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "<p>",
    "</p>",
    "<p class=align-left>",
    "<p class=\"align-left x\" style=color:red>",
    "<b>",
    "</b>",
    "<strong>",
    "</strong>",
    "<em>",
    "<u>",
    "<s>",
    "<code>",
    "<a href=javascript:alert(1)>",
    "<a href=\" java\tscript:alert(1)\">",
    "<a href=//evil.example>",
    "<a href=/x>",
    "<a href=https://a.example onclick=x>",
    "<a href=mailto:a@b.example>",
    "<a href=tel:+1>",
    "<a href=data:text/html,x>",
    "</a>",
    "<img src=x onerror=alert(1)>",
    "<svg><script>",
    "<svg/onload=alert(1)>",
    "<math><mi><mglyph><style>",
    "</style>",
    "<style>",
    "<script>",
    "</script>",
    "<template>",
    "</template>",
    "<title>",
    "</title>",
    "<textarea>",
    "<noscript>",
    "<iframe srcdoc=x>",
    "<object>",
    "<form action=x>",
    "<input autofocus onfocus=x>",
    "<table>",
    "<tr>",
    "<td colspan=2>",
    "<td rowspan=999999>",
    "<th onmouseover=x>",
    "</table>",
    "<ul>",
    "<ol start=3>",
    "<ol start=x>",
    "<li value=3>",
    "<li value=x>",
    "<li>",
    "</li>",
    "<blockquote>",
    "<hr>",
    "<br>",
    "<h3>",
    "<h4 class=align-center>",
    "<h1>",
    "<select>",
    "<option>",
    "<frameset>",
    "<body onload=x>",
    "<html>",
    "<base href=x>",
    "<link rel=x>",
    "<meta http-equiv=refresh>",
    "<x-y>",
    "**",
    "*",
    "_",
    "~~",
    "# ",
    "- ",
    "1. ",
    "> ",
    "|",
    "|---|\n",
    "[a](javascript:x)",
    "[a](<javascript:x>)",
    "![i](x)",
    "[a]: https://x.example",
    "<https://a.example>",
    "www.example.org",
    "https://a.example/?q=\"><script>",
    "```",
    "\\*",
    "é",
    "\u{202e}",
    "\u{feff}",
    "👩🏽‍⚕️",
    "a",
    "word ",
];

/// A small random generator, so that a failure can be repeated from its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        // Knuth's MMIX constants; the high bits are the most random ones
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..self.below(30) + 1 {
            match self.below(12) {
                0 => text.extend(char::from_u32(self.below(0x11_0000) as u32)),
                _ => text.push_str(PIECES[self.below(PIECES.len())]),
            }
        }
        text
    }
}

/// Something that the allow-list does not name, if there is any.
fn foreign(clean: &str) -> Option<String> {
    let tree = Html::parse_fragment(clean);
    for node in tree.root_element().descendants().skip(1) {
        let element = match node.value() {
            Node::Element(element) => element,
            Node::Text(_) => continue,
            other => return Some(format!("{other:?}")),
        };
        let name = element.name();
        if !TAGS.contains(&name) {
            return Some(format!("<{name}>"));
        }
        for (attribute, value) in element.attrs() {
            let fine = match (name, attribute) {
                ("a", "href") => SCHEMES.iter().any(|s| value.to_ascii_lowercase().starts_with(&format!("{s}:"))),
                ("a", "rel") => value == "noopener noreferrer nofollow",
                ("td" | "th", "colspan" | "rowspan") | ("ol", "start") | ("li", "value") => {
                    value.parse::<u32>().is_ok_and(|number| number < 1_000_000_000)
                }
                (_, "class") => {
                    ALIGNED.contains(&name) && value.split_whitespace().all(|class| ALIGNMENTS.contains(&class))
                }
                _ => false,
            };
            if !fine {
                return Some(format!("<{name} {attribute}={value:?}>"));
            }
        }
    }
    None
}

#[test]
fn whatever_goes_in_only_the_list_comes_out() {
    // more rounds by POSTERN_FUZZ=100000
    let rounds = std::env::var("POSTERN_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(4000);
    for seed in 0..rounds {
        let text = Dice(seed).text();
        for (kind, clean) in [
            ("html", CleanHtml::from_html(&text)),
            ("markdown", CleanHtml::from_markdown(&text)),
            ("plain", CleanHtml::from_plain(&text)),
        ] {
            assert_eq!(foreign(clean.as_str()), None, "{kind}, seed {seed}: {text:?} gave {clean}");
            let again = CleanHtml::from_html(clean.as_str());
            assert_eq!(again, clean, "{kind}, seed {seed}: {text:?} is not clean at once");
            clean.plain();
            if has_block_in_a_line(clean.as_str()) {
                continue;
            }
            // written as Markdown and read again it has the same words
            let written = clean.to_markdown();
            let read = CleanHtml::from_markdown(&written);
            assert_eq!(said(&read), said(&clean), "{kind}, seed {seed}: {clean} as {written:?} gave {read}");
        }
    }
}

/// Whether an inline element, such as bold or a link, contains paragraphs or lists; no editor writes that.
fn has_block_in_a_line(clean: &str) -> bool {
    static BLOCK_IN_A_LINE: LazyLock<Selector> = LazyLock::new(|| {
        let blocks = ":is(p, ul, ol, li, table, blockquote, hr, h3, h4)";
        let inline = ":is(strong, em, u, s, sup, sub, code, a, p, h3, h4)";
        Selector::parse(&format!("{inline} {blocks}")).unwrap()
    });
    Html::parse_fragment(clean).select(&BLOCK_IN_A_LINE).next().is_some()
}

/// The words without white space, whether or not an address became a link.
fn said(clean: &CleanHtml) -> String {
    clean.plain().chars().filter(|c| !c.is_whitespace()).collect()
}

/// Nesting above the limit keeps its words, however the depth is hidden, and never reaches code that walks a tree of
/// elements.
#[test]
fn what_nests_too_deep_keeps_its_words() {
    let n = DEEPEST + 1;
    for open in [
        "<u>",
        "<U>",
        "<u/>",
        "<u></b>",
        "<u></x>",
        "<u></p></br>",
        "<u><!--</u>-->",
        "<u a='</u>'>",
        "<u a=\"</u>\">",
        "<u\t></\u{fe0f}u>",
        "<u><?</u>",
        "<blockquote></p>",
        "<ul><li></ol>",
        "<table><tr><td></tr-x>",
    ] {
        let deep = open.repeat(n) + "5 mg<br>daily";
        for clean in [CleanHtml::from_html(&deep), CleanHtml::stored(deep.clone())] {
            // also in rows that were stored before there was a limit
            assert_eq!(said(&clean), "5mgdaily", "{open}: {clean}");
            assert!(said(&CleanHtml::from_markdown(&clean.to_markdown())).contains("5mg"), "{open}");
        }
        assert!(!CleanHtml::from_html(&deep).as_str().contains("<u>"), "{open}");
    }
    let within = format!("{}5 mg{}", "<u>".repeat(DEEPEST), "</u>".repeat(DEEPEST));
    assert_eq!(CleanHtml::from_html(&within).as_str(), within);
    // in Markdown: nested in one line, and one level deeper with each line
    let quotes = "> ".repeat(n) + "5 mg";
    let steps: String = (0..n).map(|depth| format!("{}- 5 mg\n", "  ".repeat(depth))).collect();
    for (text, count) in [(quotes, 1), (steps, n)] {
        let clean = CleanHtml::from_markdown(&text);
        assert_eq!(clean.plain().matches("5 mg").count(), count, "{clean}");
        assert!(!clean.as_str().contains("<blockquote>") && !clean.as_str().contains("<ul>"), "{clean}");
    }
}

#[test]
fn hostile_nesting_is_linear() {
    // processor time of this thread, which other threads do not lengthen; the better of two
    let spent = || {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells what a thread took");
        told.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
    };
    let time = |make: &dyn Fn(usize) -> String, n: usize| {
        let text = make(n);
        let once = |_| {
            let before = spent();
            std::hint::black_box({
                let clean = CleanHtml::from_html(&text);
                (clean.to_markdown(), clean.plain(), CleanHtml::from_markdown(&text), CleanHtml::from_plain(&text))
            });
            spent() - before
        };
        (0..2).map(once).fold(f64::INFINITY, f64::min)
    };
    let repeated = |n: usize, piece: &str| piece.repeat(n / piece.len());
    let makers: [(&str, &dyn Fn(usize) -> String); 30] = [
        ("open elements", &|n| "<blockquote>".repeat(n)),
        ("unknown elements", &|n| "<x>".repeat(n)),
        ("lists", &|n| "<ul><li>".repeat(n)),
        ("tables", &|n| "<table><tr><td>".repeat(n)),
        ("formatting", &|n| "<b><i><u><s><a href=https://a.example>".repeat(n / 5)),
        ("misnested", &|n| "<a href=x:y><b></a><p>".repeat(n / 4)),
        ("quotes", &|n| "> ".repeat(n)),
        ("lists in a line", &|n| "- ".repeat(n)),
        ("numbers in a line", &|n| "1. ".repeat(n)),
        ("brackets", &|n| "[".repeat(n)),
        ("stars", &|n| repeated(n, "*")),
        ("stars in words", &|n| repeated(n, "a*")),
        ("lines", &|n| repeated(n, "_ ")),
        ("tildes", &|n| repeated(n, "~")),
        ("backticks", &|n| repeated(n, "`")),
        ("more and more backticks", &|n| (0..n).map(|at| if at % 50 == 0 { 'a' } else { '`' }).collect()),
        ("at signs", &|n| repeated(n, "a@")),
        ("points", &|n| repeated(n, "a.")),
        ("schemes", &|n| repeated(n, "https://*")),
        ("addresses", &|n| repeated(n, "www.a.org")),
        ("names", &|n| repeated(n, "www.")),
        ("half tags", &|n| repeated(n, "<a b='>'")),
        ("attributes", &|n| format!("<p {}>", repeated(n, "a=b "))),
        ("half comments", &|n| repeated(n, "<!-- ")),
        ("comments", &|n| repeated(n, "<!---->")),
        ("scripts", &|n| repeated(n, "<script></x>")),
        ("ends", &|n| "<u>".repeat(90) + &repeated(n, "</p>")),
        ("ampersands", &|n| repeated(n, "&")),
        ("links", &|n| repeated(n, "[a](b")),
        ("quotes in lines", &|n| repeated(n, "> a\n")),
    ];
    for (name, make) in makers {
        // eight times the length takes about eight times as long (64 times with quadratic cost); 0.02 s is a floor
        // against noise
        let (short, long) = (time(make, 4_000), time(make, 32_000));
        assert!(long < 24.0 * short.max(0.02), "{name}: {short:.3} s, then {long:.3} s");
    }
}
