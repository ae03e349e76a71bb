//! `/conversations/{id}`: the thread, and what a user can do in it. `rows` has its messages, `form` what is written below them.

mod form;
mod rows;
mod told;

pub use form::{Showing, goal, intake};

use self::form::{corrected, shown};
use self::rows::{Opening, Remedy};
use super::assignment;
use super::live::LivePart;
use super::outbox;
use crate::access::{Action, ConversationAccess, Right, Role, rights};
use crate::broadcasts;
use crate::chart::ItemKind;
use crate::clinic::account::kept_words::words_back;
use crate::clinic::composing::later::{self, Later};
use crate::clinic::composing::one_tap::offers;
use crate::clinic::composing::rich_text::RichText;
use crate::clinic::files::lines::{FileLines, Picker};
use crate::clinic::guard::{AskedConversation, Conversation, shell};
use crate::conversations::{
    self, Author, DraftPlace, Fields, News, OneTap, Thread, ThreadEvent, ThreadPage, UNDO_WITHIN, Writing,
};
use crate::db::{MessageId, ScheduledId, TeamId, Ts, UserId};
use crate::error::AppError;
use crate::http::form::{FieldError, FieldErrors};
use crate::http::seen::Seen;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::message_templates::{self, TemplateName};
use crate::notifications::{self, StepState};
use crate::patients::{self, Patient};
use crate::settings;
use crate::state::AppState;
use crate::teams;
use crate::threads::{Assignee, Attention, Happening};
use crate::users::{self, Away, UserRow};
use crate::write_back;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "clinic/conversations/conversation.html", blocks = ["live"])]
pub struct ConversationPage {
    shell: Shell,
    id: i64,
    /// the reader
    me: UserId,
    patient: Patient,
    thread: Thread,
    /// a message to many began it: its address for whoever may open it, else empty, and who sent it
    one_of_many: Option<(String, String)>,
    colleagues: Vec<UserRow>,
    /// the teams that can be added
    more_teams: Vec<(TeamId, String)>,
    /// whom a note may mention
    tellable: Vec<UserRow>,
    /// those of them who are chosen
    mentioned: Vec<UserId>,
    takes_part: bool,
    /// the reader has marked it done
    done: bool,
    may_write: bool,
    /// the version of the assignment, for the buttons that change it
    assignment_seen: Seen,
    /// until when it is assigned, as the fields of a form
    due: (String, String),
    /// may take back what others wrote
    is_owner: bool,
    may_undo: bool,
    /// where the page opens
    opening: Opening,
    /// what was just sent, in words, to be said below it
    sent: &'static str,
    writing: Writing,
    /// there is a draft of the other kind
    other_draft: bool,
    key: String,
    draft_version: i64,
    /// when the draft that fills the form was saved; empty where there is none
    draft_from: String,
    /// the draft was changed in another window
    conflict: bool,
    /// the newest message that the page shows, as far as its reader knows
    shown: Option<MessageId>,
    /// the messages after this one came while the reader was writing: they are shown with the form
    newer_than: Option<MessageId>,
    typed: RichText,
    /// what is done for a patient whom no email and no text reaches, where the user may write to them all the same
    rungs: Option<String>,
    /// the user has said to write all the same
    anyway: bool,
    /// the message that the reply corrects, and when that was written
    corrects: Option<(MessageId, Ts)>,
    files: FileLines,
    offered: Vec<OneTap>,
    later: Later,
    /// where "Send later" is sent
    later_goal: String,
    /// for a reply
    templates: Vec<TemplateName>,
    /// where a template is filled in without script
    template_goal: String,
    errors: FieldErrors,
    /// those who take part and are away today
    away: Vec<Away>,
    /// where the messages stand with the records of EMRs
    in_record: Vec<write_back::Line>,
    /// what can change while it is open
    pub live: LivePart,
}

impl ConversationPage {
    /// The conversation that it shows.
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// What the page shows of the whole conversation, beside its messages, as a word: a page with another one is out of date.
    fn stamp(&self) -> String {
        let thread = &self.thread;
        let users: Vec<String> = thread.participants.iter().map(|(id, ..)| id.to_string()).collect();
        let closed = thread.closed.as_ref().map_or(0, |(at, _)| at.micros());
        let attention = thread.attention.map_or("", |state| state.as_str());
        let (replies, recalled) = (u8::from(thread.replies_allowed), thread.recalled);
        let assigned = &self.assignment_seen.version;
        let teams: Vec<String> = thread.teams.iter().map(|(id, _)| id.to_string()).collect();
        let (users, teams) = (users.join("-"), teams.join("-"));
        format!("{closed}.{replies}.{recalled}.{attention}.{assigned}.{users}.{teams}")
    }

    /// The address of this conversation, for its files.
    fn address(&self) -> String {
        format!("/conversations/{}", self.id)
    }

    /// Whether it is assigned to the reader.
    fn is_mine(&self) -> bool {
        self.thread.assignment.as_ref().is_some_and(|one| one.to == Assignee::User(self.me))
    }

    /// What happened before a message, and after the one before it.
    fn happened_before<'a>(&'a self, index: &usize) -> impl Iterator<Item = &'a ThreadEvent> + use<'a> {
        let at = |index: usize| self.thread.messages.get(index).map(|message| message.created_at);
        let (until, since) = (at(*index), index.checked_sub(1).and_then(at));
        let is_between =
            move |event: &&ThreadEvent| since.is_none_or(|at| event.at >= at) && until.is_none_or(|at| event.at < at);
        self.thread.events.iter().filter(is_between)
    }

    /// What happened after the last message.
    fn happened_last(&self) -> impl Iterator<Item = &ThreadEvent> {
        self.happened_before(&self.thread.messages.len())
    }

    /// What happened, in words.
    fn say(&self, event: &ThreadEvent) -> String {
        let shell = &self.shell;
        let name = if event.is_team { shell.t1("team-named", "name", event.user.as_str()) } else { event.user.clone() };
        let name = name.as_str();
        let by = event.by.as_deref().unwrap_or(&shell.clinic_name);
        let said = match event.kind {
            Happening::Added if event.is_own => shell.t1("happened-joined", "name", name),
            Happening::Added => shell.t2("happened-added", "by", by, "name", name),
            Happening::Left => shell.t1("happened-left", "name", name),
            Happening::Removed => shell.t2("happened-removed", "by", by, "name", name),
            Happening::Assigned if event.is_own => shell.t1("happened-took", "name", name),
            Happening::Assigned => shell.t2("happened-assigned", "by", by, "name", name),
            Happening::Unassigned => shell.t1("happened-unassigned", "name", name),
        };
        match event.due {
            Some(due) => format!("{said} · {}", shell.t1("due-when", "when", shell.moment(&due))),
            None => said,
        }
    }

    /// Until when somebody is away, and who covers, in words.
    fn say_away(&self, one: &Away) -> String {
        let when = self.shell.date(&one.until);
        match &one.cover {
            Some(cover) => self.shell.t2("away-now", "when", when, "name", cover.as_str()),
            None => self.shell.t1("away-uncovered", "when", when),
        }
    }

    /// Whether a user takes part.
    fn is_there(&self, user: &UserId) -> bool {
        self.thread.participants.iter().any(|(id, ..)| id == user)
    }

    /// Whether a user is chosen to be mentioned.
    fn is_mentioned(&self, user: &UserId) -> bool {
        self.mentioned.contains(user)
    }

    /// Whether users are asked to send the patient a letter.
    fn is_to_post(&self) -> bool {
        self.thread.attention == Some(Attention::Letter)
    }

    /// Whether users are asked to phone the patient.
    fn is_to_phone(&self) -> bool {
        self.thread.attention == Some(Attention::Phone)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    before: Option<i64>,
    /// the message that a link names
    at: Option<i64>,
    /// the message that a reply is to correct
    corrects: Option<i64>,
    /// the reply that is to go out later and is changed
    scheduled: Option<i64>,
    /// the session ended, and what was sent then is to be shown
    kept: Option<i64>,
}

/// `GET /conversations/{id}`: with the form of a reply.
pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    asked: AskedConversation<rights::Read>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    show_writing(state, head, asked, query.into_inner(), Writing::Reply).await
}

/// `GET /conversations/{id}/notes`: with the form of an internal note.
pub async fn show_notes(
    state: web::Data<AppState>,
    head: Head,
    asked: AskedConversation<rights::Read>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    show_writing(state, head, asked, query.into_inner(), Writing::Note).await
}

async fn show_writing(
    state: web::Data<AppState>,
    head: Head,
    asked: AskedConversation<rights::Read>,
    query: Query,
    writing: Writing,
) -> Result<HttpResponse, AppError> {
    let now = head.now;
    let (access, news) = match head.is_probe {
        true => (state.db.read(move |conn| asked.proof(conn)).await?, News::Nothing),
        false => {
            let trace = state.db.write(move |tx| -> Result<_, AppError> {
                let access = asked.proof(tx)?;
                let news = conversations::mark_viewed(tx, now, &access)?;
                Ok((access, news))
            });
            trace.await?
        }
    };
    let corrects = query.corrects.map(MessageId);
    let scheduled = query.scheduled.map(ScheduledId).filter(|_| writing == Writing::Reply);
    let kept = query.kept.is_some();
    let (asked, place) = (scheduled.filter(|_| !kept), (access.patient(), Some(access.conversation())));
    if let Some(to) = later::elsewhere(&state, access.user().clone(), asked, place).await? {
        return Ok(see_other(&to));
    }
    let asked = query.at.map(MessageId);
    let showing = Showing { news, asked, opens: true, kept, corrects, scheduled, ..Showing::fresh(writing) };
    html(&page(&state, head, access, query.before.map(MessageId), showing).await?)
}

/// The page, with what is to be shown in its form.
pub async fn page<R: Right + Send>(
    state: &web::Data<AppState>,
    head: Head,
    access: ConversationAccess<R>,
    before: Option<MessageId>,
    showing: Showing,
) -> Result<ConversationPage, AppError> {
    let fresh = state.random.token().reveal().to_owned();
    let (now, intake) = (state.clock.now(), state.intake.clone());
    let answering = state.live.answering(now, access.conversation(), access.user().id());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (mut shell, settings) = shell(conn, &head, access.user())?;
        let patient = patients::patient_by_id(conn, access.patient())?;
        let sent = shell.said_there(&["message-sent", "note-added"]);
        let which = match (before, showing.asked, showing.news) {
            (Some(message), ..) => ThreadPage::Before(message),
            (_, Some(message), _) => ThreadPage::With(message),
            // what was just sent is among the newest
            (.., News::From(message)) if sent.is_empty() => ThreadPage::With(message),
            _ => ThreadPage::Newest,
        };
        let thread = conversations::thread(conn, &access, which)?;
        let of_page: Vec<MessageId> = thread.messages.iter().map(|message| message.id).collect();
        let in_record = write_back::lines(conn, &of_page)?;
        let there_are = thread.participants.iter().map(|(id, ..)| *id);
        // whoever takes part through a team alone has their colleagues there
        let there_are: Vec<UserId> = there_are.filter(|id| !thread.by_team.contains(id)).collect();
        let away = users::away_among(conn, settings.zone().local(now).date(), &there_are)?;
        let role = access.user().role();
        let may_close = role.may(Action::Close);
        let of_many = broadcasts::of_conversation(conn, access.conversation())?;
        let address = |id| if role.may(Action::SendMany) { format!("/broadcasts/{id}") } else { String::new() };
        let one_of_many = of_many.map(|(id, by)| (address(id), by));
        let may_undo = may_close
            && thread.recalled_at.is_none()
            && thread.closed.as_ref().is_some_and(|(at, _)| now.since(*at) <= UNDO_WITHIN);
        let there = |user: &UserRow| thread.participants.iter().any(|(id, ..)| *id == user.id);
        let may_write = role.may(Action::Send);
        let everyone = if may_write { users::active(conn)? } else { Vec::new() };
        let offered = if may_write { teams::offered(conn)? } else { Vec::new() };
        let is_new = |(team, _): &(TeamId, String)| thread.teams.iter().all(|(one, _)| one != team);
        let more_teams = offered.into_iter().filter(is_new).collect();
        let me = access.user().id();
        let tellable = match showing.writing {
            Writing::Note => everyone.iter().filter(|user| user.id != me).cloned().collect(),
            Writing::Reply => Vec::new(),
        };
        let colleagues = everyone.into_iter().filter(|user| !there(user)).collect();
        let own = thread.participants.iter().find(|(id, ..)| *id == me);
        let (takes_part, done) = (own.is_some(), own.is_some_and(|(.., done)| *done));
        let is_plain = shell.notice.is_empty() && before.is_none() && sent.is_empty();
        let opening = Opening::new(&thread, me, &showing, is_plain);
        let (writing, other) = match showing.writing {
            Writing::Reply => (Writing::Reply, Writing::Note),
            Writing::Note => (Writing::Note, Writing::Reply),
        };
        let templates = match writing {
            Writing::Reply if may_write && thread.closed.is_none() => message_templates::names(conn, access.user())?,
            _ => Vec::new(),
        };
        let draft = conversations::draft(conn, DraftPlace::within(&access, writing))?;
        let other_draft = conversations::draft(conn, DraftPlace::within(&access, other))?.kept.is_some();
        let mut draft_from = String::new();
        let saved_at = draft.kept.as_ref().map(|(_, at)| *at);
        let kept = if showing.kept { words_back(conn, &mut shell, access.user(), saved_at)? } else { None };
        let typed = showing.typed.or(kept);
        let place = (access.patient(), Some(access.conversation()));
        let begun = draft.kept.as_ref().map(|(pairs, _)| pairs.as_slice());
        let edited = match writing {
            Writing::Reply => later::edited(conn, access.user(), (typed.as_ref(), begun), showing.scheduled, place)?,
            Writing::Note => None,
        };
        let typed = typed.or_else(|| showing.scheduled.and_then(|_| later::opened(edited.as_ref())));
        // words that come back were typed over what their page showed, and the reader is asked before they go out
        let (said, asks) = (typed.as_ref().and_then(shown), showing.errors.has(FieldError::NewerMessage));
        let is_typed = typed.is_some();
        let mut form = match (typed, draft.kept) {
            (Some(typed), _) => typed,
            (None, Some((pairs, at))) => {
                draft_from = shell.short(&at);
                Form::of_pairs(pairs)
            }
            (None, None) => Form::default(),
        };
        if showing.errors.has(FieldError::ScheduledWaits) {
            form.put_all("upload", &[]);
        }
        // "Correct…" was pressed on another message than the one that a draft corrects
        let chosen =
            if is_typed { corrected(&form).or(showing.corrects) } else { showing.corrects.or(corrected(&form)) };
        let corrects = match chosen.filter(|_| writing == Writing::Reply) {
            Some(original) => conversations::correctable(conn, &access, original)?.map(|at| (original, at)),
            None => None,
        };
        let later = Later::new(&shell, &settings.time_zone, &form, edited.as_ref());
        let mut files = FileLines::read(conn, &intake, &access.chart(), &form)?;
        files.action = format!("{}/files", goal(access.conversation(), writing));
        files.browse_by.clone_from(&files.action);
        files.picker = Picker::asked(conn, &access.chart(), &form)?;
        files.refused = showing.refused;
        let mut errors = showing.errors;
        files.name_refused(&mut errors);
        // wherever the form comes from: what is not there any more is not on it, and would be missed by nobody
        if files.gone {
            errors.add("files", FieldError::FilesGone);
        }
        let typing = users::names_of(conn, &answering)?.into_iter().map(|(_, name)| name).collect();
        let due = thread.assignment.as_ref().and_then(|one| one.due);
        let due = due.map(|at| later::fields_of(settings.zone(), at)).unwrap_or_default();
        let blocks = notifications::blocks(conn, &patient)?;
        let at = (now, thread.began);
        let found = notifications::obstacles_now(conn, at, &settings, &patient, &blocks, thread.only_patient)?;
        let rungs = match found.is_empty() {
            true => None,
            false => notifications::last_rungs(&settings, settings::reach(conn)?, &patient, &blocks),
        };
        let lang = shell.lang;
        let typed_over: i64 = form.get("draft_version").parse().unwrap_or_default();
        Ok(ConversationPage {
            sent,
            shell,
            id: access.conversation().0,
            me,
            patient,
            colleagues,
            more_teams,
            tellable,
            mentioned: form.numbers("tell").into_iter().map(UserId).collect(),
            away,
            in_record,
            takes_part,
            done,
            may_write,
            due,
            assignment_seen: assignment::stored(thread.assignment.as_ref(), settings.zone()).seen(),
            is_owner: role == Role::Owner,
            may_undo,
            opening,
            shown: said.filter(|_| !asks).or(thread.newest),
            newer_than: said.filter(|_| asks),
            thread,
            one_of_many,
            writing,
            other_draft,
            // each window has a key of its own; whoever was told that the same form waits to go out later presses again for another
            // message
            key: Some(form.get("key"))
                .filter(|key| !key.is_empty() && draft_from.is_empty() && !errors.has(FieldError::ScheduledWaits))
                .map_or(fresh, str::to_owned),
            draft_version: match typed_over {
                // what is changed here is no draft, and a draft in the same place stays as it is
                _ if later.editing.is_some() => -1,
                // nor does the page of one that is gone write over a draft that it never showed
                -1 if saved_at.is_some() => -1,
                over if showing.conflict || over < 1 => draft.version,
                over => over,
            },
            draft_from,
            conflict: showing.conflict,
            rungs: rungs.filter(|_| writing == Writing::Reply).map(|rungs| rungs.describe(lang)),
            anyway: Fields(form.pairs()).anyway(),
            typed: RichText::typed(&form),
            corrects,
            later,
            later_goal: format!("/conversations/{}/messages/scheduled", access.conversation()),
            templates,
            template_goal: format!("/conversations/{}/messages/template#write", access.conversation()),
            offered: offers(&form),
            files,
            errors,
            live: LivePart { answering: typing, ..LivePart::default() },
        })
    });
    read.await
}

pub async fn set_replies(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, allowed, id) = (state.clock.now(), form.get("allowed") == "on", conversation.0.conversation());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        Ok(conversations::set_replies_allowed(tx, now, &conversation.0, allowed)?)
    });
    write.await?;
    let notice = if allowed { "replies-on" } else { "replies-off" };
    Ok(see_other(&format!("/conversations/{id}?notice={notice}")))
}

pub async fn send_again(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Notify>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let message = form.numbers("message").first().copied().map(MessageId).ok_or(AppError::BadRequest)?;
    let (now, random, id) = (state.clock.now(), state.random.clone(), conversation.0.conversation());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        Ok(notifications::send_again(tx, now, &random, &conversation.0, message)?)
    });
    let notice = outbox::notice_of(write.await?)?;
    state.wake.notify_one();
    Ok(see_other(&format!("/conversations/{id}?notice={notice}")))
}

pub async fn settle_attention(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Notify>,
) -> Result<HttpResponse, AppError> {
    let (now, id) = (state.clock.now(), conversation.0.conversation());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        Ok(notifications::attention::dealt_with(tx, now, &conversation.0)?)
    });
    write.await?;
    Ok(see_other(&format!("/conversations/{id}?notice=attention-settled")))
}
