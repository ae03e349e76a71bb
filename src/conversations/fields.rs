//! The fields of a form in which a user wrote a message, as they came: they are read here for a message that goes at once, and for
//! one that goes later.

use super::reply::Reply;
use super::start::NewConversation;
use super::types::{Body, BodyFormat, Writing};
use crate::attachments::Picks;
use crate::db::{ChartItemId, MessageId, ScheduledId, TeamId, UploadId, UserId};
use crate::notifications::PlanWish;
use crate::threads::{Assignee, OneTap};
use crate::values::Title;

/// Names and values, in their order.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(pub &'a [(String, String)]);

impl<'a> Fields<'a> {
    /// The first value of a field; empty where there is none.
    pub fn get(self, name: &str) -> &'a str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    fn all(self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn numbers(self, name: &'static str) -> impl Iterator<Item = i64> {
        self.all(name).filter_map(|value| value.parse().ok())
    }

    /// The body, cleaned; `None` where a reader would see nothing, or it is too long.
    pub fn body(self) -> Option<Body> {
        Body::parse(self.get("body"), self.format())
    }

    /// What users write is HTML from the editor, else Markdown.
    pub fn format(self) -> BodyFormat {
        match self.get("body_format").parse() {
            Ok(BodyFormat::Html) => BodyFormat::Html,
            _ => BodyFormat::Markdown,
        }
    }

    /// The answers with one tap that are offered; a word that is none is left out.
    pub fn offers(self) -> Vec<OneTap> {
        self.all("offer").filter_map(|word| word.parse().ok()).collect()
    }

    /// The uploads that go with it.
    pub fn uploads(self) -> Vec<UploadId> {
        self.numbers("upload").map(UploadId).collect()
    }

    /// The chart items of which a copy goes with it.
    pub fn items(self) -> Vec<ChartItemId> {
        self.numbers("chart_item").map(ChartItemId).collect()
    }

    /// The uploads that the user confirmed although they name another patient.
    pub fn confirmed(self) -> Vec<UploadId> {
        self.numbers("for_this_patient").map(UploadId).collect()
    }

    /// The users who are to take part besides the writer.
    pub fn participants(self) -> Vec<UserId> {
        self.numbers("to").map(UserId).collect()
    }

    /// The teams that are to take part.
    pub fn teams(self) -> Vec<TeamId> {
        self.all("to").filter_map(|value| value.parse::<Assignee>().ok()?.team()).collect()
    }

    /// The users who are mentioned in a note.
    pub fn tell(self) -> Vec<UserId> {
        self.numbers("tell").map(UserId).collect()
    }

    /// The newest message that the page of this form showed.
    pub fn shown(self) -> Option<MessageId> {
        self.numbers("shown").next().map(MessageId)
    }

    /// Whether the user has said to write although no email and no text reaches the patient.
    pub fn anyway(self) -> bool {
        self.get("anyway") == "on"
    }

    fn draft(self) -> i64 {
        self.get("draft_version").parse().unwrap_or_default()
    }

    /// The message that was to go out later in whose place it comes, and the version that the form showed. `None` also where the
    /// user has said that it is another one, because that has gone out.
    pub fn replaces(self) -> Option<(ScheduledId, i64)> {
        if !self.get("another").is_empty() {
            return None;
        }
        let id = self.numbers("scheduled").next().map(ScheduledId)?;
        Some((id, self.numbers("scheduled_version").next().unwrap_or_default()))
    }

    /// A new conversation; `None` without a title or a text.
    pub fn conversation(self, files: Picks) -> Option<NewConversation> {
        Some(NewConversation {
            title: Title::parse(self.get("title"))?,
            body: self.body()?,
            replies_allowed: self.0.iter().any(|(name, _)| name == "replies_allowed"),
            only_patient: self.0.iter().any(|(name, _)| name == "only_patient"),
            offers: self.offers(),
            participants: self.participants(),
            teams: self.teams(),
            files,
            plan: PlanWish::read(|name| self.get(name)),
            key: self.get("key").to_owned(),
            draft: self.draft(),
            replaces: self.replaces(),
            anyway: self.anyway(),
            is_due: false,
            is_one_of_many: false,
        })
    }

    /// A message to the patient in a conversation, or a note; `None` without a text.
    pub fn reply(self, writing: Writing, files: Picks) -> Option<Reply> {
        Some(Reply {
            body: self.body()?,
            writing,
            files,
            shown: self.shown(),
            offers: self.offers(),
            corrects: self.numbers("corrects").next().map(MessageId),
            tell: self.tell(),
            key: self.get("key").to_owned(),
            draft: self.draft(),
            replaces: self.replaces(),
            anyway: self.anyway(),
            is_due: false,
        })
    }
}
