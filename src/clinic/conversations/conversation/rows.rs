//! The messages on the page of a conversation: how each looks, what became of it, and what can be done about it.

use super::{ConversationPage, Showing, told};
use crate::conversations::{Author, MessageRow, News, Thread};
use crate::db::{MessageId, Ts, UserId};
use crate::notifications::history::Step;
use crate::notifications::{Call, NotificationRow, PlanStep, PrintedLetter};
use crate::write_back::{Line, State as Stand};

/// The message at which a page opens: it takes the focus, so that it is in sight and the keyboard goes on from there.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Opening {
    at: Option<(MessageId, Why)>,
    /// the first message that is new to the reader, below a line that says so
    new_from: Option<MessageId>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// a link names it
    Asked,
    /// it is new to the reader
    News,
    /// nothing is new
    Newest,
}

impl Opening {
    /// Where the page of this thread opens for a reader. Only a page that `is_plain` opens at the newest message where nothing is new: what
    /// is said at the top of another, or asked for in it, stays in sight.
    pub(super) fn new(thread: &Thread, reader: UserId, showing: &Showing, is_plain: bool) -> Opening {
        if !showing.opens {
            return Opening::default();
        }
        let there = |id: MessageId| thread.messages.iter().any(|message| message.id == id).then_some(id);
        let asked = showing.asked.and_then(there).map(|id| (id, Why::Asked));
        let new_from = match showing.news {
            News::From(first) => there(first),
            _ => None,
        };
        let from_others = || thread.messages.iter().rfind(|message| message.user != Some(reader));
        let news = match showing.news {
            News::Nothing => None,
            _ => new_from.or_else(|| from_others().map(|message| message.id)),
        };
        let is_plain = is_plain && !showing.kept && showing.corrects.is_none() && showing.scheduled.is_none();
        let newest = thread.messages.last().filter(|_| is_plain).map(|message| (message.id, Why::Newest));
        Opening { at: asked.or(news.map(|id| (id, Why::News))).or(newest), new_from }
    }
}

impl ConversationPage {
    /// Whether the page opens at this message.
    pub(super) fn opens_at(&self, message: &MessageRow) -> bool {
        self.opening.at.is_some_and(|(id, _)| id == message.id)
    }

    /// Whether it does so because the message is new to the reader.
    pub(super) fn is_news(&self, message: &MessageRow) -> bool {
        self.opening.at == Some((message.id, Why::News))
    }

    /// Whether a link has led to this message.
    pub(super) fn is_asked(&self, message: &MessageRow) -> bool {
        self.opening.at == Some((message.id, Why::Asked))
    }

    /// Whether what is new to the reader begins with this message.
    pub(super) fn begins_news(&self, message: &MessageRow) -> bool {
        self.opening.new_from == Some(message.id)
    }

    /// The address of one message, to be kept and sent on: it is there also when others have come after it.
    pub(super) fn link_to(&self, id: &MessageId) -> String {
        format!("{}?at={id}#message-{id}", self.address())
    }

    /// The way to a message that another one names: on this page without leaving it.
    pub(super) fn way_to(&self, id: &MessageId) -> String {
        if self.is_here(id) { format!("#message-{id}") } else { self.link_to(id) }
    }

    /// What became of a message, in one line.
    pub(super) fn told(&self, message: &MessageRow) -> String {
        let notices: Vec<&NotificationRow> = self.notices(message).collect();
        let plan: Vec<&PlanStep> = self.plan(message).collect();
        told::line((self.shell.lang, self.shell.zone), message, &notices, &plan, &self.thread.caregivers)
    }

    /// Where a message stands with the records of EMRs.
    pub(super) fn in_record<'a>(&'a self, message: &'a MessageRow) -> impl Iterator<Item = &'a Line> {
        self.in_record.iter().filter(|line| line.message == message.id)
    }

    /// That, in words.
    pub(super) fn say_in_record(&self, line: &Line) -> String {
        let (shell, emr) = (&self.shell, line.source.as_str());
        let said = match (line.state, line.why) {
            (Stand::Written, _) => shell.t1("in-record", "emr", emr),
            (Stand::Marked, _) => shell.t1("in-record-as-error", "emr", emr),
            (Stand::TakenBack, None) => shell.t1("going-as-error", "emr", emr),
            (Stand::Queued | Stand::Begun | Stand::Refused, None) => shell.t1("going-into-record", "emr", emr),
            (state, Some(why)) => {
                let why =
                    if line.words.is_empty() { shell.t_of("record-why", why.as_str()) } else { line.words.as_str() };
                let key = if state == Stand::TakenBack { "not-an-error-yet" } else { "not-in-record" };
                shell.t2(key, "emr", emr, "why", why)
            }
        };
        if line.is_paper { shell.t1("record-paper", "said", said.as_str()) } else { said }
    }

    /// Whether "Try again" makes sense for it.
    pub(super) fn may_write_again(&self, line: &Line) -> bool {
        self.may_write && line.is_stuck()
    }

    /// Who wrote a message that came from the portal: the patient, or a caregiver on behalf of them.
    pub(super) fn writer(&self, message: &MessageRow) -> String {
        message.writer(&self.shell.lang, &self.patient.name())
    }

    /// The caregiver whom a notification is for, in the words that follow a line; empty where it is for the patient.
    pub(super) fn whom(&self, notice: &NotificationRow) -> String {
        let who = notice.caregiver_id.and_then(|id| self.thread.caregivers.get(&id));
        who.map_or_else(String::new, |who| format!(" · {}", who.name))
    }

    /// How a message looks, by who wrote it for whom.
    pub(super) fn message_class(&self, message: &MessageRow) -> &'static str {
        match message.author {
            _ if message.internal => " note",
            Author::Patient => " theirs",
            Author::User => " mine",
            Author::System => " system",
        }
    }

    /// Whether this message came while the reader was writing.
    pub(super) fn is_newer(&self, message: &MessageRow) -> bool {
        self.newer_than.is_some_and(|shown| message.id > shown) && message.user != Some(self.me)
    }

    /// Whether this is the message that was just sent.
    pub(super) fn is_sent(&self, message: &MessageRow) -> bool {
        !self.sent.is_empty() && self.own() == Some(message.id)
    }

    /// The newest of the reader's own messages on this page.
    pub(super) fn own(&self) -> Option<MessageId> {
        self.thread.messages.iter().rfind(|message| message.user == Some(self.me)).map(|message| message.id)
    }

    /// The notifications of one message.
    pub(super) fn notices<'a>(&'a self, message: &'a MessageRow) -> impl Iterator<Item = &'a NotificationRow> {
        self.thread.notifications.iter().filter(|row| row.message_id == Some(message.id))
    }

    /// What became of the calls that a step asked for.
    pub(super) fn calls<'a>(&'a self, step: &'a PlanStep) -> impl Iterator<Item = &'a Call> {
        self.thread.calls.iter().filter(|call| call.step == step.id)
    }

    /// The letters that a step asked for.
    pub(super) fn letters<'a>(&'a self, step: &'a PlanStep) -> impl Iterator<Item = &'a PrintedLetter> {
        self.thread.letters.iter().filter(|letter| letter.step == step.id)
    }

    /// The way that a notification took: its states with their times.
    pub(super) fn steps<'a>(&'a self, notice: &'a NotificationRow) -> impl Iterator<Item = &'a Step> {
        self.thread.steps.iter().filter(|step| step.notification_id == notice.id)
    }

    /// What follows where the patient does not open a message.
    pub(super) fn plan<'a>(&'a self, message: &'a MessageRow) -> impl Iterator<Item = &'a PlanStep> {
        self.thread.plan.iter().filter(|step| step.message_id == message.id)
    }

    /// Whether "Send again" makes sense for a message: something ended, and not well.
    pub(super) fn may_send_again(&self, message: &MessageRow) -> bool {
        let mut notices = self.notices(message).peekable();
        self.may_write
            && self.thread.closed.is_none()
            && message.read_by_patient_at.is_none()
            && message.recalled.is_none()
            && notices.peek().is_some()
            && self.notices(message).all(|n| n.state.is_final())
            && self.notices(message).any(|n| n.state.ended_badly())
    }

    /// What can be done about a message that was wrong: take it back, or correct it where the patient has seen something of it.
    pub(super) fn remedy(&self, message: &MessageRow) -> Remedy {
        let is_seen = message.read_by_patient_at.or(message.listed_at).is_some();
        let of_clinic = message.author == Author::User && !message.internal && message.recalled.is_none();
        match self.may_write && of_clinic {
            true if !is_seen && (self.is_owner || message.user == Some(self.me)) => Remedy::TakeBack,
            true if is_seen && self.thread.closed.is_none() => Remedy::Correct,
            _ => Remedy::Nothing,
        }
    }

    /// When the patient saw a message's line in the list, where they have not opened it.
    pub(super) fn listed_only(&self, message: &MessageRow) -> Option<Ts> {
        message.listed_at.filter(|_| message.read_by_patient_at.is_none() && message.recalled.is_none())
    }

    fn is_here(&self, id: &MessageId) -> bool {
        self.thread.messages.iter().any(|message| message.id == *id)
    }

    /// Whether a day line stands before a message.
    pub(super) fn new_day(&self, index: &usize) -> bool {
        let day = |at: usize| self.thread.messages.get(at).map(|m| self.shell.day(&m.created_at));
        let index = *index;
        index == 0 || day(index) != day(index - 1)
    }
}

/// What can be done about a message that was wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// it can be taken back, as if it had not been sent
    TakeBack,
    /// another message can correct it
    Correct,
    Nothing,
}
