//! A page as it was sent, read as a browser without JavaScript reads it.

use scraper::{ElementRef, Html, Node, Selector};

/// Tags that do not part words; all others do.
const INLINE: [&str; 25] = [
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "del", "dfn", "em", "i", "ins", "kbd", "label", "mark",
    "q", "s", "small", "span", "strong", "sub", "sup", "time", "u",
];

pub struct Page {
    html: Html,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub text: String,
    pub href: String,
}

impl Page {
    pub fn parse(html: &str) -> Page {
        Page { html: Html::parse_document(html) }
    }

    /// The visible text, runs of white space as one space.
    pub fn text(&self) -> String {
        text(self.html.root_element())
    }

    pub fn has_text(&self, wanted: &str) -> bool {
        self.text().contains(&spaces_as_one(wanted))
    }

    pub fn title(&self) -> String {
        spaces_as_one(&self.only("title").text().collect::<String>())
    }

    pub fn has(&self, css: &str) -> bool {
        self.count(css) > 0
    }

    pub fn count(&self, css: &str) -> usize {
        self.html.select(&selector(css)).count()
    }

    /// The visible text of the one element of this selector.
    pub fn text_of(&self, css: &str) -> String {
        text(self.only(css))
    }

    /// The visible texts of all elements of this selector, in order.
    pub fn texts_of(&self, css: &str) -> Vec<String> {
        self.html.select(&selector(css)).map(text).collect()
    }

    /// An attribute of the one element of this selector.
    pub fn attr(&self, css: &str, name: &str) -> Option<String> {
        self.only(css).attr(name).map(str::to_owned)
    }

    pub fn links(&self) -> Vec<Link> {
        let link = |a: ElementRef| Link { text: text(a), href: a.attr("href").unwrap_or_default().to_owned() };
        self.html.select(&selector("a[href]")).filter(|a| is_shown(*a)).map(link).collect()
    }

    /// Where the link with this text leads; if there are several, they must lead to the same place.
    pub fn link(&self, text: &str) -> String {
        let mut found: Vec<_> = self.links().into_iter().filter(|link| link.text == text).collect();
        found.dedup();
        match found.as_slice() {
            [link] => link.href.clone(),
            _ => panic!("not one link {text:?} in {:?}", self.links()),
        }
    }

    /// The visible label of the one control of this selector, without what marks it as required.
    pub fn label_of(&self, css: &str) -> String {
        let control = self.only(css);
        let by_for = control.attr("id").map(|id| format!("label[for=\"{id}\"]"));
        let by_aria = control
            .attr("aria-labelledby")
            .map(|ids| ids.split_whitespace().map(|id| format!("[id=\"{id}\"]")).collect::<Vec<_>>().join(","));
        let around = control.ancestors().filter_map(ElementRef::wrap).find(|e| e.value().name() == "label");
        let pointed_at =
            by_for.into_iter().chain(by_aria).flat_map(|css| self.html.select(&selector(&css)).collect::<Vec<_>>());
        let labels: Vec<String> =
            around.into_iter().chain(pointed_at).filter(|e| is_shown(*e)).map(label_text).collect();
        assert!(!labels.is_empty(), "{css} has no visible label: {}", control.html());
        labels.join(" ")
    }

    /// The one form of this selector, as it would be submitted by pressing Enter in it.
    pub fn form(&self, css: &str) -> Form {
        self.read_form(self.only(css))
    }

    /// The one form with a button of these words, as it would be submitted by pressing that.
    pub fn form_with(&self, button: &str) -> Form {
        let mut found: Vec<Form> = self.html.select(&selector("form")).map(|form| self.read_form(form)).collect();
        found.retain(|form| form.buttons.iter().any(|b| b.text == button));
        assert!(found.len() == 1, "{} forms with a button {button:?} in: {}", found.len(), self.text());
        let mut form = found.remove(0);
        form.press(button);
        form
    }

    fn only(&self, css: &str) -> ElementRef<'_> {
        let found: Vec<_> = self.html.select(&selector(css)).collect();
        assert!(found.len() == 1, "{} elements {css} in: {}", found.len(), self.html.html());
        found[0]
    }

    fn read_form(&self, form: ElementRef) -> Form {
        let attr = |name: &str| form.attr(name).unwrap_or_default().to_owned();
        let mut read = Form {
            method: method(form.attr("method")),
            action: attr("action"),
            enctype: form.attr("enctype").unwrap_or("application/x-www-form-urlencoded").to_ascii_lowercase(),
            controls: Vec::new(),
            buttons: Vec::new(),
            pressed: None,
        };
        for element in self.html.select(&selector("input, select, textarea, button")) {
            let owner = match element.attr("form") {
                Some(id) => form.attr("id") == Some(id),
                None => element.ancestors().any(|node| node.id() == form.id()),
            };
            if owner && !ancestors(element).any(|a| a.value().name() == "datalist") {
                read.add(element);
            }
        }
        read.pressed = read.buttons.iter().position(|b| b.enabled);
        read
    }
}

/// A form with what a person has put into it so far.
#[derive(Clone, Debug)]
pub struct Form {
    /// `get`, `post` or `dialog`, by the pressed button where that says otherwise.
    pub method: String,
    /// As written, by the pressed button where that says otherwise; empty means the page's own address.
    pub action: String,
    pub enctype: String,
    controls: Vec<Control>,
    buttons: Vec<Button>,
    pressed: Option<usize>,
}

#[derive(Clone, Debug)]
struct Control {
    name: String,
    kind: Kind,
    enabled: bool,
    editable: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Text(String),
    /// A checkbox or a radio button.
    Toggle {
        radio: bool,
        value: String,
        on: bool,
    },
    Select {
        multiple: bool,
        options: Vec<Choice>,
    },
    File,
}

#[derive(Clone, Debug)]
struct Choice {
    value: String,
    selected: bool,
    enabled: bool,
}

#[derive(Clone, Debug)]
struct Button {
    text: String,
    name: String,
    value: String,
    action: Option<String>,
    method: Option<String>,
    enabled: bool,
}

impl Form {
    /// What a browser would send: the successful controls in the order of the page, line ends as CR LF, the pressed
    /// button at its name. Files are left out.
    pub fn fields(&self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        let mut add = |name: &str, value: &str| {
            if !name.is_empty() {
                fields.push((name.to_owned(), value.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n")));
            }
        };
        for control in self.controls.iter().filter(|c| c.enabled) {
            match &control.kind {
                Kind::Text(value) => add(&control.name, value),
                Kind::Toggle { value, on: true, .. } => add(&control.name, value),
                Kind::Toggle { .. } | Kind::File => {}
                Kind::Select { options, .. } => {
                    options.iter().filter(|o| o.selected && o.enabled).for_each(|o| add(&control.name, &o.value));
                }
            }
        }
        if let Some(button) = self.pressed.map(|index| &self.buttons[index]) {
            add(&button.name, &button.value);
        }
        fields
    }

    /// [`fields`](Form::fields) as the body of a POST or the query of a GET.
    pub fn urlencoded(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(self.fields()).finish()
    }

    /// The value that would be sent under this name, if one is.
    pub fn value(&self, name: &str) -> Option<String> {
        self.fields().into_iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// Does what a person can: types into a text control, ticks the box or radio button of this value, picks the
    /// option of this value (in a list of several: besides those picked). Panics where a person could not.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Form {
        let names: Vec<_> = self.controls.iter().map(|c| c.name.clone()).collect();
        let mut is_set = false;
        for control in self.controls.iter_mut().filter(|c| c.name == name && c.enabled && c.editable) {
            match &mut control.kind {
                Kind::Text(text) if !is_set => {
                    *text = value.to_owned();
                    is_set = true;
                }
                Kind::Toggle { radio, value: own, on } if own == value || *radio => {
                    *on = own == value;
                    is_set |= *on;
                }
                Kind::Select { multiple, options } if options.iter().any(|o| o.enabled && o.value == value) => {
                    for option in options.iter_mut().filter(|o| !*multiple || o.value == value) {
                        option.selected = option.value == value;
                    }
                    is_set = true;
                }
                _ => {}
            }
        }
        assert!(is_set, "nobody can set {name:?} to {value:?} here; there are {names:?}");
        self
    }

    /// Unticks the boxes and unpicks the options of this name; empties a text control.
    pub fn clear(&mut self, name: &str) -> &mut Form {
        let mut is_cleared = false;
        for control in self.controls.iter_mut().filter(|c| c.name == name && c.enabled && c.editable) {
            match &mut control.kind {
                Kind::Text(text) => text.clear(),
                Kind::Toggle { radio: false, on, .. } => *on = false,
                Kind::Select { multiple: true, options } => options.iter_mut().for_each(|o| o.selected = false),
                _ => continue,
            }
            is_cleared = true;
        }
        assert!(is_cleared, "nobody can clear {name:?} here");
        self
    }

    /// Sends this value under this name whatever the page allows, as an attacker would; once, at the old one's place.
    pub fn forge(&mut self, name: &str, value: &str) -> &mut Form {
        let place = self.controls.iter().position(|c| c.name == name).unwrap_or(self.controls.len());
        self.controls.retain(|c| c.name != name);
        let forged =
            Control { name: name.to_owned(), kind: Kind::Text(value.to_owned()), enabled: true, editable: true };
        self.controls.insert(place.min(self.controls.len()), forged);
        self
    }

    /// Chooses the button to submit with.
    pub fn press(&mut self, text: &str) -> &mut Form {
        let found: Vec<_> =
            (0..self.buttons.len()).filter(|i| self.buttons[*i].text == text && self.buttons[*i].enabled).collect();
        assert!(found.len() == 1, "{} buttons {text:?} to press in {:?}", found.len(), self.buttons());
        let button = &self.buttons[found[0]];
        self.action = button.action.clone().unwrap_or_else(|| std::mem::take(&mut self.action));
        self.method = button.method.clone().unwrap_or_else(|| std::mem::take(&mut self.method));
        self.pressed = Some(found[0]);
        self
    }

    /// The words on its buttons.
    pub fn buttons(&self) -> Vec<&str> {
        self.buttons.iter().map(|b| b.text.as_str()).collect()
    }

    fn add(&mut self, element: ElementRef) {
        let attr = |name: &str| element.attr(name).unwrap_or_default().to_owned();
        let tag = element.value().name();
        let kind = element.attr("type").unwrap_or_default().to_ascii_lowercase();
        let is_on = |name| element.attr(name).is_some();
        let enabled = !is_on("disabled") && !in_disabled_fieldset(element);
        let is_button = tag == "button" || matches!(kind.as_str(), "submit" | "button" | "reset");
        if tag != "select" && tag != "textarea" && is_button {
            if !matches!(kind.as_str(), "button" | "reset") {
                self.buttons.push(Button {
                    text: if tag == "button" { text_or_name(element) } else { attr("value") },
                    name: attr("name"),
                    value: attr("value"),
                    action: element.attr("formaction").map(str::to_owned),
                    method: element.attr("formmethod").map(|m| method(Some(m))),
                    enabled,
                });
            }
            return;
        }
        let kind_of_control = match (tag, kind.as_str()) {
            ("textarea", _) => Kind::Text(element.text().collect()),
            ("select", _) => read_select(element),
            (_, "file") => Kind::File,
            (_, "checkbox" | "radio") => Kind::Toggle {
                radio: kind == "radio",
                value: element.attr("value").unwrap_or("on").to_owned(),
                on: is_on("checked"),
            },
            _ => Kind::Text(attr("value")),
        };
        let editable = kind != "hidden" && !is_on("readonly");
        self.controls.push(Control { name: attr("name"), kind: kind_of_control, enabled, editable });
    }
}

fn read_select(element: ElementRef) -> Kind {
    let multiple = element.attr("multiple").is_some();
    let in_disabled_group =
        |o: ElementRef| ancestors(o).any(|a| a.value().name() == "optgroup" && a.attr("disabled").is_some());
    let choice = |option: ElementRef| Choice {
        value: option.attr("value").map_or_else(|| spaces_as_one(&option.text().collect::<String>()), str::to_owned),
        selected: option.attr("selected").is_some(),
        enabled: option.attr("disabled").is_none() && !in_disabled_group(option),
    };
    let mut options: Vec<Choice> = element.select(&selector("option")).map(choice).collect();
    if !multiple {
        // the last one marked, or else the first that can be had
        let marked = options.iter().rposition(|o| o.selected).or_else(|| options.iter().position(|o| o.enabled));
        options.iter_mut().enumerate().for_each(|(i, option)| option.selected = Some(i) == marked);
    }
    Kind::Select { multiple, options }
}

/// In a disabled fieldset, but for the controls in its legend.
fn in_disabled_fieldset(element: ElementRef) -> bool {
    let mut below = element;
    for ancestor in ancestors(element) {
        if ancestor.value().name() == "fieldset" && ancestor.attr("disabled").is_some() {
            let first_legend = ancestor.child_elements().find(|e| e.value().name() == "legend");
            if first_legend.is_none_or(|legend| legend.id() != below.id()) {
                return true;
            }
        }
        below = ancestor;
    }
    false
}

fn ancestors(element: ElementRef<'_>) -> impl Iterator<Item = ElementRef<'_>> {
    element.ancestors().filter_map(ElementRef::wrap)
}

fn method(written: Option<&str>) -> String {
    match written.unwrap_or_default().to_ascii_lowercase().as_str() {
        known @ ("post" | "dialog") => known.to_owned(),
        _ => "get".to_owned(),
    }
}

fn text_or_name(element: ElementRef) -> String {
    let text = text(element);
    if text.is_empty() { element.attr("aria-label").unwrap_or_default().to_owned() } else { text }
}

fn label_text(label: ElementRef) -> String {
    let mut out = String::new();
    collect(label, &|e| matches!(e.value().name(), "input" | "select" | "textarea" | "button"), &mut out);
    spaces_as_one(&out).trim_end_matches(['*', ':']).trim_end().to_owned()
}

fn text(element: ElementRef) -> String {
    let mut out = String::new();
    collect(element, &|_| false, &mut out);
    spaces_as_one(&out)
}

fn collect(element: ElementRef, leave_out: &dyn Fn(ElementRef) -> bool, out: &mut String) {
    for child in element.children() {
        if let Node::Text(text) = child.value() {
            out.push_str(text);
        } else if let Some(child) = ElementRef::wrap(child).filter(|e| is_shown_itself(*e) && !leave_out(*e)) {
            let parts_words = !INLINE.contains(&child.value().name());
            if parts_words {
                out.push(' ');
            }
            collect(child, leave_out, out);
            if parts_words {
                out.push(' ');
            }
        }
    }
}

/// By its markup; what style sheets hide is not known here.
fn is_shown(element: ElementRef) -> bool {
    is_shown_itself(element) && ancestors(element).all(is_shown_itself)
}

fn is_shown_itself(element: ElementRef) -> bool {
    let closed_dialog = element.value().name() == "dialog" && element.attr("open").is_none();
    let never = matches!(element.value().name(), "head" | "script" | "style" | "template" | "datalist");
    !never && !closed_dialog && element.attr("hidden").is_none()
}

fn selector(css: &str) -> Selector {
    Selector::parse(css).unwrap_or_else(|e| panic!("{css}: {e}"))
}

fn spaces_as_one(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(inside: &str) -> Form {
        Page::parse(&format!("<form method=POST action=/go>{inside}</form>")).form("form")
    }

    fn sent(inside: &str) -> String {
        form(inside).urlencoded()
    }

    #[test]
    fn text_is_what_is_shown() {
        let page = Page::parse(
            "<title>A  b</title><style>x</style><h1>One</h1><p>two <b>th</b>ree&nbsp;&amp;</p><p hidden>no</p>\
             <template>no</template><dialog>no</dialog><ul><li>a<li>b</ul><script>no</script>",
        );
        assert_eq!(page.text(), "One two three & a b");
        assert_eq!(page.title(), "A b");
        assert_eq!(page.texts_of("li"), ["a", "b"]);
        assert_eq!(
            (page.text_of("p:not([hidden])").as_str(), page.count("p"), page.has("dialog")),
            ("two three &", 2, true)
        );
        assert!(page.has_text("One\n two") && !page.has_text("no"));
    }

    #[test]
    #[should_panic(expected = "2 elements li")]
    fn one_means_one() {
        Page::parse("<li>a<li>b").text_of("li");
    }

    #[test]
    fn links_are_named_by_their_text() {
        let page = Page::parse(
            "<a href='/a?x=1&amp;y=2'>Open <i>it</i></a><a>none</a><a href=/h hidden>no</a><a href=/b>B</a>",
        );
        let links: Vec<_> = page.links().into_iter().map(|l| (l.text, l.href)).collect();
        assert_eq!(links, [("Open it".into(), "/a?x=1&y=2".into()), ("B".into(), "/b".to_owned())]);
        assert_eq!(page.link("Open it"), "/a?x=1&y=2");
        assert_eq!(page.attr("a[hidden]", "href").as_deref(), Some("/h"));
        assert_eq!(page.attr("a[hidden]", "title"), None);
    }

    #[test]
    fn labels_are_found_as_a_browser_finds_them() {
        let page = Page::parse(
            "<label for=a>Email <span>*</span></label><input id=a><label><input type=checkbox id=b> Stay  in</label>\
             <b id=c1>Born</b> <b id=c2>day</b><input id=c aria-labelledby='c1 c2'>",
        );
        assert_eq!(
            (page.label_of("#a"), page.label_of("#b"), page.label_of("#c")),
            ("Email".into(), "Stay in".into(), "Born day".into())
        );
    }

    #[test]
    #[should_panic(expected = "no visible label")]
    fn a_placeholder_is_no_label() {
        Page::parse("<input placeholder=Email>").label_of("input");
    }

    #[test]
    fn a_form_sends_what_a_browser_sends() {
        assert_eq!(
            sent("<input name=a value='1 &amp;'><input value=no><input name=h type=hidden value=2>"),
            "a=1+%26&h=2"
        );
        assert_eq!(sent("<textarea name=t>\na\nb</textarea>"), "t=a%0D%0Ab");
        assert_eq!(
            sent(
                "<input type=checkbox name=a checked><input type=checkbox name=b value=2><input type=radio name=c value=3 checked>"
            ),
            "a=on&c=3"
        );
        assert_eq!(sent("<select name=s><option disabled>x<option> y  z</select>"), "s=y+z");
        assert_eq!(sent("<select name=s><option value=1 selected>x<option value=2 selected>y</select>"), "s=2");
        assert_eq!(
            sent(
                "<select name=s multiple><option value=1 selected>x<option value=2>y<option value=3 selected>z</select>"
            ),
            "s=1&s=3"
        );
        assert_eq!(sent("<select name=s multiple><option value=1>x</select><input type=file name=f>"), "");
        assert_eq!(
            sent(
                "<input name=a disabled value=1><fieldset disabled><legend><input name=l></legend><input name=b></fieldset>"
            ),
            "l="
        );
        assert_eq!(
            sent(
                "<datalist><option value=1></datalist><input type=submit name=i><input type=reset name=r><button type=button name=b></button>"
            ),
            "i="
        );
        let page = Page::parse("<form id=f><input name=in></form><form><input name=a form=f><input name=b></form>");
        assert_eq!(page.form("#f").urlencoded(), "in=&a=");
    }

    #[test]
    fn a_person_fills_it() {
        let mut form = form(
            "<input name=a value=old><input type=checkbox name=b value=1><input type=checkbox name=b value=2 checked>\
             <input type=radio name=r value=x checked><input type=radio name=r value=y><textarea name=t></textarea>\
             <select name=s><option>m<option>n</select><select name=u multiple><option>m<option>n</select>\
             <input type=hidden name=key value=k><button name=do value=send>Send  it</button><button name=do value=keep formaction=/keep formmethod=get>Keep</button>",
        );
        form.set("a", "new").set("b", "1").clear("b").set("b", "1").set("r", "y").set("t", "x\ny");
        form.set("s", "n").set("u", "m").set("u", "n");
        assert_eq!(form.urlencoded(), "a=new&b=1&r=y&t=x%0D%0Ay&s=n&u=m&u=n&key=k&do=send");
        assert_eq!(
            (form.method.as_str(), form.action.as_str(), form.enctype.as_str()),
            ("post", "/go", "application/x-www-form-urlencoded")
        );
        form.press("Keep").forge("key", "other").forge("extra", "1").clear("u");
        assert_eq!((form.method.as_str(), form.action.as_str()), ("get", "/keep"));
        assert_eq!(form.urlencoded(), "a=new&b=1&r=y&t=x%0D%0Ay&s=n&key=other&extra=1&do=keep");
        assert_eq!((form.value("a").as_deref(), form.value("u")), (Some("new"), None));
        assert_eq!(form.buttons(), ["Send it", "Keep"]);
    }

    #[test]
    fn what_a_person_can_not_do_panics() {
        for (name, value) in
            [("nowhere", "1"), ("hidden", "1"), ("off", "1"), ("read", "1"), ("choice", "other"), ("choice", "gone")]
        {
            let mut form = form(
                "<input type=hidden name=hidden><input name=off disabled><input name=read readonly>\
                 <select name=choice><option>one<option disabled>gone</select>",
            );
            let set = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                form.set(name, value);
            }));
            assert!(set.is_err(), "{name} was set to {value}");
        }
    }

    #[test]
    fn a_form_is_found_by_its_button() {
        let page = Page::parse(
            "<form action=/a><button>Send</button></form><form action=/b><button><svg></svg> Close it</button></form>",
        );
        assert_eq!(page.form_with("Close it").action, "/b");
    }
}
