//! Every word that a person sees is in src/locales, in English and in French, so templates contain none. They also
//! contain nothing that the content security policy would refuse, or that is printed without escaping.

use super::{files_below, project, read};

/// Filters and blocks that print without escaping.
const UNESCAPED: [&str; 4] = ["|safe", "|escape(\"none\")", "autoescape false", "filter safe"];

/// Where printing without escaping is right: (file, the expression without spaces). The values must be of a type that
/// is always clean, like `CleanHtml`.
const UNESCAPED_ALLOWED: [(&str, &str); 0] = [];

/// Attributes whose values people see or hear.
const SEEN_ATTRIBUTES: [&str; 12] = [
    "alt",
    "aria-description",
    "aria-label",
    "aria-placeholder",
    "aria-roledescription",
    "aria-valuetext",
    "content",
    "label",
    "placeholder",
    "summary",
    "title",
    "value",
];

/// `<meta name=…>` whose content is for the browser.
const UNSEEN_META: [&str; 5] = ["color-scheme", "format-detection", "referrer", "robots", "viewport"];

/// Templates that may have styles: mail programs load no style sheets, and a document of its own contains its style,
/// which its policy allows by a hash.
const MAY_HAVE_STYLES: [&str; 3] = ["emails/", "layouts/email", "layouts/document"];

#[test]
fn templates_hold_no_text() {
    let folder = project("templates");
    let mut offences = Vec::new();
    for file in files_below(&folder) {
        for (line, problem) in problems(&file, &read(&folder.join(&file))) {
            offences.push(format!("templates/{file}:{line}: {problem}"));
        }
    }
    assert!(offences.is_empty(), "{} problems:\n{}", offences.len(), offences.join("\n"));
}

/// The longest line of a template, in characters: one screen's width.
const LONGEST_LINE: usize = 160;

#[test]
fn templates_hold_no_long_line() {
    let folder = project("templates");
    let mut offences = Vec::new();
    for file in files_below(&folder) {
        let too_long = |line: &&str| line.chars().count() > LONGEST_LINE;
        let lines = read(&folder.join(&file)).lines().filter(too_long).count();
        if lines > 0 {
            offences.push(format!("templates/{file}: {lines}"));
        }
    }
    assert!(offences.is_empty(), "lines over {LONGEST_LINE} characters:\n{}", offences.join("\n"));
}

/// Forms that may put words into an address: those for the clinic's own templates, which name nobody.
const WORDS_IN_ADDRESSES: [&str; 1] = ["clinic/settings/message_templates.html"];

/// No address says whom somebody searched for: a form that takes words about patients is posted to `/searches`.
#[test]
fn no_form_puts_words_about_patients_into_an_address() {
    let folder = project("templates");
    let mut offences = Vec::new();
    for file in files_below(&folder) {
        for form in read(&folder.join(&file)).split("<form method=\"get\"").skip(1) {
            let form = form.split("</form>").next().unwrap_or_default();
            let takes_words = ["type=\"search\"", "\"search\",", "name=\"q\"", "type=\"text\""];
            if takes_words.iter().any(|sign| form.contains(sign)) && !WORDS_IN_ADDRESSES.contains(&file.as_str()) {
                offences.push(file.clone());
            }
        }
    }
    assert!(offences.is_empty(), "{offences:?}");
}

/// Stands for what askama prints, in the text that is then read as HTML.
const PRINTED: char = '\u{1}';

fn problems(file: &str, template: &str) -> Vec<(usize, String)> {
    let mut problems = Vec::new();
    let html = without_askama(file, template, &mut problems);
    if file.ends_with(".html") || file.ends_with(".svg") {
        read_html(file, &html, &mut problems);
    } else {
        for (index, line) in html.lines().enumerate().filter(|(_, line)| has_words(line)) {
            problems.push((index + 1, format!("text {:?}", shown(line))));
        }
    }
    problems.sort();
    problems
}

/// The template without comments and blocks, and with each expression as one character; the lines keep their numbers.
fn without_askama(file: &str, template: &str, problems: &mut Vec<(usize, String)>) -> String {
    let mut html = String::new();
    let mut rest = template;
    let line_of = |rest: &str| 1 + template[..template.len() - rest.len()].matches('\n').count();
    while let Some(start) = rest.find('{') {
        let end_mark = match rest[start..].get(..2) {
            Some("{#") => "#}",
            Some("{{") => "}}",
            Some("{%") => "%}",
            _ => {
                html.push_str(&rest[..=start]);
                rest = &rest[start + 1..];
                continue;
            }
        };
        html.push_str(&rest[..start]);
        rest = &rest[start..];
        let line = line_of(rest);
        let length = end_of(rest, end_mark);
        let code = &rest[2..length.saturating_sub(2).max(2)];
        if end_mark != "#}" {
            look_at_code(file, code, line, problems);
        }
        if end_mark == "}}" {
            html.push(PRINTED);
        }
        html.extend(code.chars().filter(|c| *c == '\n'));
        rest = &rest[length..];
    }
    html + rest
}

/// The end of the first `mark` that is not inside a string.
fn end_of(rest: &str, mark: &str) -> usize {
    let mut in_string = false;
    let mut escaped = false;
    for (index, c) in rest.char_indices().skip(2) {
        if !in_string && rest[index..].starts_with(mark) {
            return index + mark.len();
        }
        in_string ^= c == '"' && !escaped && mark != "#}";
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

fn look_at_code(file: &str, code: &str, line: usize, problems: &mut Vec<(usize, String)>) {
    let tight: String = code.trim_matches(['-', '+', '~']).split_whitespace().collect();
    let is_unescaped = UNESCAPED.iter().any(|filter| tight.contains(&filter.replace(' ', "")));
    if is_unescaped && !UNESCAPED_ALLOWED.contains(&(file, tight.as_str())) {
        problems.push((line, format!("prints without escaping: {}", code.trim())));
    }
    for string in code.split('"').skip(1).step_by(2).filter(|string| reads_like_prose(string)) {
        problems.push((line, format!("text in an expression: {string:?}")));
    }
}

/// Whether a string is for people: keys, classes and ids are lower case, and have no punctuation of a sentence.
fn reads_like_prose(string: &str) -> bool {
    let chars: Vec<char> = string.chars().collect();
    let begins_a_word = |i: usize| i == 0 || chars[i - 1].is_whitespace();
    let capital = (0..chars.len().saturating_sub(1))
        .any(|i| begins_a_word(i) && chars[i].is_uppercase() && chars[i + 1].is_lowercase());
    let sentence =
        has_words(string) && string.contains(char::is_whitespace) && string.trim_end().ends_with(['.', '?', '!', '…']);
    capital || sentence
}

fn read_html(file: &str, html: &str, problems: &mut Vec<(usize, String)>) {
    let mut rest = html;
    let mut raw_until: Option<&str> = None;
    while !rest.is_empty() {
        let line = 1 + html[..html.len() - rest.len()].matches('\n').count();
        if let Some(end_tag) = raw_until.take() {
            // the content of <script> and <style>
            let end = rest.find(end_tag).unwrap_or(rest.len());
            let is_fine = end_tag == "</style" && may_have_styles(file);
            if !rest[..end].trim().is_empty() && !is_fine {
                problems.push((line, format!("content before {end_tag}: it belongs into a file")));
            }
            rest = &rest[end..];
        }
        if let Some(comment) = rest.strip_prefix("<!--") {
            // an HTML comment is sent with the page
            problems.push((line, "an HTML comment: write it as {# … #}".into()));
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
        } else if rest.starts_with("<!") {
            rest = rest.split_once('>').map_or("", |(_, after)| after);
        } else if rest.starts_with('<') && rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') {
            let (tag, after) = split_tag(rest);
            raw_until = look_at_tag(file, tag, line, problems);
            rest = after;
        } else {
            let end = rest[1..].find('<').map_or(rest.len(), |i| i + 1);
            if has_words(&without_attributes(&rest[..end])) {
                let lead = rest.len() - rest.trim_start().len();
                problems.push((line + rest[..lead].matches('\n').count(), format!("text {:?}", shown(&rest[..end]))));
            }
            rest = &rest[end..];
        }
    }
}

/// The text without attributes `name="value"`, which a macro may give for a tag in its caller.
fn without_attributes(text: &str) -> String {
    let is_attribute = |word: &&str| word.contains("=\"") && word.ends_with('"');
    text.split_whitespace().filter(|word| !is_attribute(word)).collect::<Vec<_>>().join(" ")
}

fn split_tag(rest: &str) -> (&str, &str) {
    let mut quote = None;
    for (index, c) in rest.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            (None, '>') => return (&rest[..index], &rest[index + 1..]),
            _ => {}
        }
    }
    (rest, "")
}

/// Checks a tag. Gives its end tag, where the text up to that is not HTML.
fn look_at_tag(file: &str, tag: &str, line: usize, problems: &mut Vec<(usize, String)>) -> Option<&'static str> {
    let name: String = tag[1..].chars().take_while(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    let attributes = attributes(&tag[1 + name.len()..]);
    let value = |wanted: &str| attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let mut object = |problem: String| problems.push((line, problem));
    for (attribute, value_here) in &attributes {
        let is_seen = SEEN_ATTRIBUTES.contains(&attribute.as_str())
            && match (name.as_str(), attribute.as_str()) {
                // the value of a button is shown; other values are data
                ("input", "value") => matches!(value("type"), Some("submit" | "button" | "reset")),
                (_, "value") => false,
                ("meta", "content") => {
                    !value("name").is_some_and(|n| UNSEEN_META.contains(&n)) && value("http-equiv").is_none()
                }
                _ => true,
            };
        if is_seen && has_words(value_here) {
            object(format!("text in {attribute}: {:?}", shown(value_here)));
        }
        if attribute == "style" && !may_have_styles(file) {
            object("an inline style".into());
        }
        if attribute.starts_with("on") {
            object(format!("an inline script: {attribute}"));
        }
        if value_here.trim_start().to_ascii_lowercase().starts_with("javascript:") {
            object(format!("a script in {attribute}"));
        }
        if attribute == "srcdoc" {
            object("srcdoc: a page in an attribute".into());
        }
    }
    match name.as_str() {
        "html" if !file.starts_with("layouts/") => object("<html> belongs into templates/layouts".into()),
        "script" => {
            if value("src").is_none() {
                object("a script without src".into());
            }
            return Some("</script");
        }
        "style" => return Some("</style"),
        _ => {}
    }
    None
}

fn may_have_styles(file: &str) -> bool {
    MAY_HAVE_STYLES.iter().any(|start| file.starts_with(start))
}

fn attributes(text: &str) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/' || c == PRINTED);
        if rest.is_empty() {
            return attributes;
        }
        // a name has at least one character, or the loop would never end
        let is_end = |(index, c): &(usize, char)| *index > 0 && (c.is_whitespace() || matches!(c, '=' | '/'));
        let (name, after) = rest.split_at(rest.char_indices().find(is_end).map_or(rest.len(), |(index, _)| index));
        let mut value = "";
        rest = after;
        if let Some(after) = after.trim_start().strip_prefix('=') {
            let after = after.trim_start();
            (value, rest) = match after.chars().next() {
                Some(quote @ ('"' | '\'')) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
                _ => after.split_at(after.find(char::is_whitespace).unwrap_or(after.len())),
            };
        }
        attributes.push((name.to_ascii_lowercase(), value.to_owned()));
    }
}

/// Whether the text has a letter outside of entities (`&nbsp;`, `&middot;`).
fn has_words(text: &str) -> bool {
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        if rest[..start].contains(char::is_alphabetic) {
            return true;
        }
        let after = &rest[start + 1..];
        let entity = after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '#').count();
        rest = after[entity..].strip_prefix(';').unwrap_or(after);
    }
    rest.contains(char::is_alphabetic)
}

fn shown(text: &str) -> String {
    text.replace(PRINTED, "{{…}}").split_whitespace().collect::<Vec<_>>().join(" ").chars().take(80).collect()
}

#[test]
fn the_rule_sees_what_it_should() {
    let found = |file: &str, template: &str| {
        problems(file, template).into_iter().map(|(line, p)| format!("{line} {p}")).collect::<Vec<_>>()
    };
    let good = r##"<!doctype html>{# Words here #}{%- if a %}<p class="big red" id=x data-x="Any Thing">{{ t("key.of-it", n = 3) }}: 12 &middot;
        {{ a }} / {{ b }} – …</p>{% else %}{% call field("name", "email") %}{% endif %}<script type="module" src="{{ js }}"></script>
        <input value="Keep" name="x" {% if on %}checked{% endif %} aria-label="{{ label }}"><meta name="viewport" content="width=device-width">
        <input placeholder="••••"><option value="Any">{{ x }}</option><a href="{{ url }}?a=b">{{ "{{ not the end }}" }}</a><br/>"##;
    assert_eq!(found("clinic/x.html", good), [""; 0]);
    for (template, problem) in [
        ("<p>\n\n Hello {{ name }}</p>", "3 text \"Hello {{…}}\""),
        ("<p>{{ a }}é</p>", "1 text \"{{…}}é\""),
        ("<img alt='A cat'>", "1 text in alt: \"A cat\""),
        ("<input type=submit value=Send>", "1 text in value: \"Send\""),
        ("<b\n title=\"x\"></b>", "1 text in title: \"x\""),
        ("<meta name=description content=Clinic>", "1 text in content: \"Clinic\""),
        ("{{ \"Send it\" }}", "1 text in an expression: \"Send it\""),
        ("{% call f(\"are you sure?\") %}", "1 text in an expression: \"are you sure?\""),
        ("\n{{ body|safe }}", "2 prints without escaping: body|safe"),
        ("{{ body | safe }}", "1 prints without escaping: body | safe"),
        ("{% filter safe %}", "1 prints without escaping: filter safe"),
        ("<p style='color:red'>", "1 an inline style"),
        ("<p {{ more }} onclick=\"x()\">", "1 an inline script: onclick"),
        ("<script>x()</script>", "1 a script without src"),
        ("<a href=\" javascript:x()\">", "1 a script in href"),
        ("<style>p { }</style>", "1 content before </style: it belongs into a file"),
        ("<!-- x -->", "1 an HTML comment: write it as {# … #}"),
        ("<html>", "1 <html> belongs into templates/layouts"),
    ] {
        let found = found("clinic/x.html", template);
        assert!(found.iter().any(|f| f == problem), "{template}: {found:?}");
    }
    assert_eq!(found("emails/x.html", "<p style='color:red'>{{ a }}</p>"), [""; 0]);
    assert_eq!(found("layouts/clinic.html", "<html lang=\"{{ lang }}\"></html>"), [""; 0]);
    assert_eq!(found("emails/x.txt", "{{ a }}\n\nHello\n"), ["3 text \"Hello\""]);
    assert_eq!(found("emails/x.txt", "{{ a }} <{{ b }}>\n-- \n"), [""; 0]);
}
