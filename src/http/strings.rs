//! The words that scripts need, given to them in `data-strings` attributes, because scripts themselves contain no text.

use crate::text::Lang;
use crate::text::i18n::Arg;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// The words of one widget: the names by which its script asks for them, in a fixed order. The key of each message is
/// `js-` and the name.
pub type Group = &'static [&'static str];

/// `window.js`
pub const DIALOG: Group = &[
    "close",
    "discard_title",
    "discard_text",
    "discard_yes",
    "discard_keep",
    "discard_no",
    "send_failed_title",
    "send_failed_text",
];
/// `combobox.js`
pub const COMBOBOX: Group = &["combo_remove", "combo_added", "combo_removed", "combo_none", "combo_count"];
/// `autosave.js`
pub const AUTOSAVE: Group = &["save_failed"];
/// `live-inbox.js`
pub const LIVE: Group = &["live_list"];
/// `marks.js`
pub const MARKS: Group = &["close", "mark_offline", "mark_refused", "mark_signed_out"];
/// `copy-link.js`
pub const COPY: Group = &["link_copied"];
/// `upload.js`
pub const UPLOAD: Group = &[
    "upload_added",
    "upload_removed",
    "upload_failed",
    "upload_running",
    "upload_busy",
    "upload_drop",
    "upload_up",
    "upload_up_of",
    "upload_moved",
    "upload_cancel_of",
    "upload_too_large",
    "upload_too_much",
];
/// `template-picker.js`
pub const PICKER: Group =
    &["replace_title", "replace_text", "replace_yes", "replace_no", "picker_none", "picker_count"];
/// `compose.js` and the editor
pub const EDITOR: Group = &[
    "body_empty",
    "body_unfilled",
    "ed_toolbar",
    "ed_group_text",
    "ed_group_blocks",
    "ed_group_alignment",
    "ed_group_insert",
    "ed_group_history",
    "ed_bold",
    "ed_italic",
    "ed_underline",
    "ed_strikethrough",
    "ed_superscript",
    "ed_subscript",
    "ed_heading",
    "ed_bulleted",
    "ed_numbered",
    "ed_indent",
    "ed_outdent",
    "ed_quote",
    "ed_align_left",
    "ed_align_center",
    "ed_align_right",
    "ed_align_justify",
    "ed_link",
    "ed_table",
    "ed_table_menu",
    "ed_row_before",
    "ed_row_after",
    "ed_column_before",
    "ed_column_after",
    "ed_header_row",
    "ed_delete_row",
    "ed_delete_column",
    "ed_delete_table",
    "ed_undo",
    "ed_redo",
    "ed_cancel",
    "ed_link_title",
    "ed_link_address",
    "ed_link_text",
    "ed_link_invalid",
    "ed_link_add",
    "ed_link_save",
    "ed_link_remove",
    "ed_table_rows",
    "ed_table_columns",
    "ed_table_header",
    "ed_table_insert",
];

/// Every widget's words, by the name that templates use.
pub const ALL: [(&str, Group); 9] = [
    ("dialog", DIALOG),
    ("combobox", COMBOBOX),
    ("autosave", AUTOSAVE),
    ("picker", PICKER),
    ("editor", EDITOR),
    ("upload", UPLOAD),
    ("live", LIVE),
    ("marks", MARKS),
    ("copy", COPY),
];

/// A JSON object with the words of the named widgets, see [`ALL`], as the value of an attribute: made once for each language.
///
/// Variables stay as `{name}`, `{names}` and `{count}`: the script fills them in.
pub fn json(lang: Lang, groups: &[&str]) -> Words {
    static MADE: LazyLock<RwLock<HashMap<(&str, u16), Words>>> = LazyLock::new(RwLock::default);
    let is_named = |(name, _): &(&str, Group)| groups.contains(name);
    let which = ALL.iter().enumerate().filter(|(_, one)| is_named(one)).fold(0, |set, (at, _)| set | 1 << at);
    let key = (lang.code(), which);
    if let Some(made) = MADE.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return made.clone();
    }
    let named = ALL.iter().filter(|one| is_named(one)).flat_map(|(_, group)| group.iter().copied());
    let words = named.map(|name| (name.to_owned(), word(lang, name).into()));
    let json = serde_json::Value::Object(words.collect()).to_string();
    let words = Words(escape(&json).into());
    MADE.write().unwrap_or_else(PoisonError::into_inner).insert(key, words.clone());
    words
}

/// Words for scripts, escaped for an attribute.
#[derive(Clone)]
pub struct Words(Arc<str>);

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::FastWritable for Words {
    fn write_into(&self, to: &mut dyn std::fmt::Write, _: &dyn askama::Values) -> askama::Result<()> {
        Ok(to.write_str(&self.0)?)
    }
}

impl askama::filters::HtmlSafe for Words {}

fn escape(json: &str) -> String {
    json.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn word(lang: Lang, name: &str) -> String {
    let left_open = [("name", "{name}".arg()), ("names", "{names}".arg()), ("count", "{count}".arg())];
    lang.with(&format!("js-{name}"), left_open)
}
