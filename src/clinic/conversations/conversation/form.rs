//! The form at the foot of a conversation's page: where it is sent, and how it is shown.

use super::ConversationPage;
use crate::attachments::Refusal;
use crate::conversations::{News, Writing};
use crate::db::{ConversationId, MessageId, ScheduledId};
use crate::http::Form;
use crate::http::form::FieldErrors;

impl ConversationPage {
    /// Where a writing is sent; its draft and its files are below.
    pub(super) fn goal(&self, writing: &Writing) -> String {
        goal(ConversationId(self.id), *writing)
    }

    /// What the form asks for.
    pub(super) fn label(&self) -> &'static str {
        match self.writing {
            Writing::Reply => "reply-label",
            Writing::Note => "note-label",
        }
    }
}

/// The newest message that the page of this form showed.
pub fn shown(form: &Form) -> Option<MessageId> {
    form.numbers("shown").first().copied().map(MessageId)
}

/// The message that this form corrects.
pub fn corrected(form: &Form) -> Option<MessageId> {
    form.numbers("corrects").first().copied().map(MessageId)
}

/// The address to which a writing is sent: what it is, is said by the form's own address.
pub fn goal(conversation: ConversationId, writing: Writing) -> String {
    match writing {
        Writing::Reply => format!("/conversations/{conversation}/messages"),
        Writing::Note => format!("/conversations/{conversation}/notes"),
    }
}

/// The page on which something is written, and the place there.
pub fn intake(conversation: ConversationId, writing: Writing, notice: &str) -> String {
    let page = match writing {
        Writing::Reply => format!("/conversations/{conversation}"),
        Writing::Note => goal(conversation, writing),
    };
    if notice.is_empty() { page } else { format!("{page}?notice={notice}") }
}

/// How the form is to be shown.
pub struct Showing {
    /// a reply or a note
    pub writing: Writing,
    /// as typed; `None`: a draft, or nothing
    pub typed: Option<Form>,
    /// files that were not taken just now
    pub refused: Vec<(String, Refusal)>,
    /// what is wrong with it
    pub errors: FieldErrors,
    /// the draft was changed in another window
    pub conflict: bool,
    /// what is new to the reader
    pub news: News,
    /// the message that a link to this page names
    pub asked: Option<MessageId>,
    /// the page is opened, and not shown again: it opens at a message
    pub opens: bool,
    /// the session ended, and what was sent then is to be shown
    pub kept: bool,
    /// the message that the reply is to correct, where the form does not say so itself
    pub corrects: Option<MessageId>,
    /// the reply that is to go out later and is changed, where the form does not say so itself
    pub scheduled: Option<ScheduledId>,
}

impl Showing {
    /// The form as it was left.
    pub fn fresh(writing: Writing) -> Showing {
        let (refused, errors) = (Vec::new(), FieldErrors::default());
        Showing {
            writing,
            typed: None,
            refused,
            errors,
            conflict: false,
            news: News::Nothing,
            asked: None,
            opens: false,
            kept: false,
            corrects: None,
            scheduled: None,
        }
    }

    /// The form as typed.
    pub fn typed(writing: Writing, form: Form) -> Showing {
        Showing { typed: Some(form), ..Showing::fresh(writing) }
    }
}
