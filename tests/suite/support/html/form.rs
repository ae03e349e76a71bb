//! A form: the values of its controls, what a person can do to them, and what is sent.

use super::{ancestors, selector, spaces_as_one, text_or_name};
use scraper::{ElementRef, Html};

/// A form with what a person has put into it so far.
#[derive(Clone, Debug)]
pub struct Form {
    /// `get`, `post` or `dialog`: the pressed button's, or else the form's.
    pub method: String,
    /// The address as written: the pressed button's, or else the form's; empty means the page's own address.
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
    main: bool,
}

/// What pressing Enter in a field of a form does (HTML, "implicit submission").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnEnter {
    /// There is no field to press it in, or the first button closes a dialog, and there is no dialog.
    Nothing,
    /// The form is sent by its only button, or by its main one.
    Main,
    /// Another button is pressed.
    Other,
}

impl Form {
    /// Reads the form with its controls, also those outside of it that belong to it.
    pub(super) fn read(html: &Html, form: ElementRef) -> Form {
        let attr = |name: &str| form.attr(name).unwrap_or_default().to_owned();
        let mut read = Form {
            method: method(form.attr("method")),
            action: attr("action"),
            enctype: form.attr("enctype").unwrap_or("application/x-www-form-urlencoded").to_ascii_lowercase(),
            controls: Vec::new(),
            buttons: Vec::new(),
            pressed: None,
        };
        for element in html.select(&selector("input, select, textarea, button")) {
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

    /// The names of all controls and buttons, whether or not they would be sent.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let controls = self.controls.iter().map(|control| control.name.as_str());
        controls.chain(self.buttons.iter().map(|button| button.name.as_str())).filter(|name| !name.is_empty())
    }

    /// [`fields`](Form::fields) as the body of a POST or the query of a GET.
    pub fn urlencoded(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(self.fields()).finish()
    }

    /// The value that would be sent under this name, if one is.
    pub fn value(&self, name: &str) -> Option<String> {
        self.fields().into_iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// Does what a person can do: types into a text control, ticks the box or radio button with this value, or picks
    /// the option with this value (in a list for several, in addition). Panics where a person could not.
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

    /// Unticks the boxes and unpicks the options of this name, or empties the text control.
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

    /// Sends this value under this name whatever the page allows, as an attacker would; it replaces all other values.
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

    /// What pressing Enter in one of its fields does.
    pub fn on_enter(&self) -> OnEnter {
        let is_typed_in = |c: &Control| c.editable && matches!(c.kind, Kind::Text(_) | Kind::Toggle { .. });
        match self.buttons.as_slice() {
            _ if !self.controls.iter().any(is_typed_in) => OnEnter::Nothing,
            [first, ..] if first.method.as_deref() == Some("dialog") => OnEnter::Nothing,
            [] | [_] => OnEnter::Main,
            [first, ..] if first.main && first.action.is_none() => OnEnter::Main,
            _ => OnEnter::Other,
        }
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
                    main: element.value().classes().any(|class| class == "primary"),
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
        // the last selected option, or else the first that is enabled
        let marked = options.iter().rposition(|o| o.selected).or_else(|| options.iter().position(|o| o.enabled));
        options.iter_mut().enumerate().for_each(|(i, option)| option.selected = Some(i) == marked);
    }
    Kind::Select { multiple, options }
}

/// Whether the element is in a disabled fieldset, and not in its legend.
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

fn method(written: Option<&str>) -> String {
    match written.unwrap_or_default().to_ascii_lowercase().as_str() {
        known @ ("post" | "dialog") => known.to_owned(),
        _ => "get".to_owned(),
    }
}
