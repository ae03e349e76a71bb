//! Which version of a record a page saw. Two people may have the same record open, and the second save would undo the
//! first one's changes. So a form that edits a record carries a fingerprint of what was stored when the page was made
//! ([`FIELD`]). Where something else is stored now, nothing is saved: the page comes back with what was typed, says
//! field by field what is stored, and the next press of the button saves.
//!
//! It is a fingerprint of the content and not a counter, because an import or the patient may also write the record
//! without counting, and a record that was changed and changed back has not changed.

use super::form::Form;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The field of a form that holds the fingerprint.
pub const FIELD: &str = "seen";

/// What is stored, as the fields of a form.
#[derive(Default)]
pub struct Stored(Vec<Value>);

struct Value {
    name: &'static str,
    label: &'static str,
    words: &'static str,
    text: String,
}

impl Stored {
    /// Adds a field that holds text: its name, and the key of its label.
    pub fn text(self, name: &'static str, label: &'static str, text: impl Into<String>) -> Stored {
        self.choice(name, label, "", text)
    }

    /// Adds a switch, whose form says `on` or `off`.
    pub fn switch(self, name: &'static str, label: &'static str, on: bool) -> Stored {
        self.choice(name, label, "switch", if on { "on" } else { "off" })
    }

    /// Adds a choice among words, which the messages with the prefix `words` name; several words are separated by
    /// spaces.
    pub fn choice(
        mut self,
        name: &'static str,
        label: &'static str,
        words: &'static str,
        text: impl Into<String>,
    ) -> Stored {
        self.0.push(Value { name, label, words, text: text.into() });
        self
    }

    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for value in &self.0 {
            hash.update((value.text.len() as u64).to_be_bytes());
            hash.update(value.text.as_bytes());
        }
        hash.finalize().iter().take(8).fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// What a page shows that was made from this.
    pub fn seen(&self) -> Seen {
        Seen { version: self.fingerprint(), newer: Vec::new() }
    }

    /// What has changed since the page of this form was made, where saving the form would undo it; else `None`. A form
    /// that does not say what it saw (a program's) counts as up to date.
    ///
    /// Call this on a record that is locked until the transaction ends (`held`, `hold`): of two people who save at the
    /// same moment, the second one is asked.
    pub fn newer(&self, form: &Form) -> Option<Seen> {
        let said = form.get(FIELD);
        if said.is_empty() || said == self.fingerprint() {
            return None;
        }
        let even = |text: &str| text.replace("\r\n", "\n").trim().to_owned();
        let differs = self.0.iter().filter_map(|value| {
            let typed = even(&form.all(value.name).collect::<Vec<_>>().join(" "));
            let is_off = value.words == "switch" && typed.is_empty();
            let typed = if is_off { "off".to_owned() } else { typed };
            let (label, words, stored) = (value.label, value.words, even(&value.text));
            (stored != typed).then_some(Difference { label, words, stored, typed })
        });
        let newer: Vec<Difference> = differs.collect();
        (!newer.is_empty()).then(|| Seen { version: self.fingerprint(), newer })
    }
}

/// The version that a form saw, and what is newer than that.
#[derive(Default)]
pub struct Seen {
    /// for the hidden field
    pub version: String,
    /// what is stored now and what was typed, where they differ
    pub newer: Vec<Difference>,
}

impl Seen {
    /// As the form said, for a page that comes back with errors.
    pub fn from_form(form: &Form) -> Seen {
        Seen { version: form.get(FIELD).to_owned(), newer: Vec::new() }
    }
}

/// A field in which what is stored and what was typed differ.
pub struct Difference {
    /// the key of its label
    pub label: &'static str,
    /// the prefix of the messages that name its words; empty where it holds text
    pub words: &'static str,
    /// what is stored now
    pub stored: String,
    /// what was typed
    pub typed: String,
}
