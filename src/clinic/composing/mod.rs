//! Writing a message: the window, its drafts, templates, preview and the Alert that stands before it.

pub mod draft;
pub mod later;
pub mod new_message;
pub mod one_tap;
pub mod plan_line;
pub mod preview;
pub mod repair;
pub mod rich_text;
pub mod template_picker;
mod told_lines;
