//! A conversation as a document that stands on its own: every word of it in one language, for paper, for a PDF and for an
//! export. A page of HTML shows the messages as they were written; the PDF has their plain words.

use super::message_row::MessageRow;
use super::thread::Thread;
use crate::attachments::Attachment;
use crate::chart::document::{self, Document, Named, Part};
use crate::db::{Conn, MessageId, Ts};
use crate::notifications::NotificationRow;
use crate::patients::Patient;
use crate::settings::Settings;
use crate::storage::{Blob, Serving};
use crate::text::{CleanHtml, Lang, Zone};
use crate::threads::Author;
use askama::Template;
use data_encoding::HEXLOWER;
use diesel::QueryResult;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// The style of the page, on a screen and on paper.
pub const STYLE: &str = concat!(include_str!("../chart/document/document.css"), include_str!("on_paper.css"));

/// The policy under which the page looks as it should: its own style by its hash (CSP Level 3, §6.7.3), and nothing else.
pub fn paper_policy() -> String {
    let hash = data_encoding::BASE64.encode(&Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// What of a conversation is shown, and how.
pub struct Shown<'a> {
    /// the patient whose it is
    pub patient: &'a Patient,
    /// the clinic's settings
    pub settings: &'a Settings,
    /// the language of the program's own words
    pub lang: Lang,
    /// the moment
    pub now: Ts,
    /// whether internal notes are shown, and what messages said that were taken back
    pub with_notes: bool,
    /// which files may go out
    pub serving: Serving,
}

/// A conversation as a document.
#[derive(Debug, Clone)]
pub struct OnPaper {
    /// language of the program's own words in it
    pub lang: Lang,
    /// the clinic: name, telephone number, lines of the address
    pub clinic: Vec<String>,
    /// the patient's facts
    pub patient: Vec<Named>,
    /// the title of the conversation
    pub title: String,
    /// facts on the conversation
    pub about: Vec<Named>,
    /// what a reader must know before the messages
    pub warnings: Vec<String>,
    /// the messages, oldest first
    pub messages: Vec<Said>,
    /// where earlier messages end that are not in it
    pub earlier: Option<MessageId>,
}

/// A message, or an internal note.
#[derive(Debug, Clone)]
pub struct Said {
    /// identity
    pub id: MessageId,
    /// who wrote it, and when
    pub heading: String,
    /// what became of it: that it is a note, was taken back, corrects another one
    pub marks: Vec<String>,
    /// its text
    pub body: CleanHtml,
    /// its files
    pub files: Vec<FileLine>,
    /// how the patient was told of it, and whether they read it
    pub foot: Vec<String>,
}

/// A file of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLine {
    /// the attachment
    pub id: i64,
    /// name
    pub name: String,
    /// size, in words
    pub size: String,
    /// SHA-256 of its content, in hexadecimal digits
    pub sha256: String,
    /// why it is not there, where that is so
    pub lacking: Option<&'static str>,
    /// its address beside the page, in an export
    pub address: Option<String>,
}

#[derive(Template)]
#[template(path = "documents/on_paper.html")]
struct Page<'a> {
    paper: &'a OnPaper,
    style: &'static str,
    /// the links at its top
    links: &'a [(String, String)],
    /// what to know before it is printed
    hint: Option<&'a str>,
}

impl OnPaper {
    /// A conversation as a document; its files' hashes are read from the database.
    pub fn read(conn: &mut Conn, thread: Thread, shown: &Shown) -> QueryResult<OnPaper> {
        let ids: Vec<MessageId> = thread.messages.iter().map(|message| message.id).collect();
        let mut contents = HashMap::new();
        for some in ids.chunks(AT_ONCE) {
            contents.extend(crate::attachments::contents(conn, some)?.into_iter().map(|(file, blob)| (file.id, blob)));
        }
        Ok(OnPaper::of(thread, &contents, shown))
    }

    /// The same with the contents of the attachments, by their ids.
    pub fn of(thread: Thread, contents: &HashMap<i64, Blob>, shown: &Shown) -> OnPaper {
        let Shown { patient, settings, lang, .. } = *shown;
        let thread = if shown.with_notes { thread } else { thread.without_notes(lang) };
        let zone = settings.zone();
        let named = |key: &str, value: String| Named { name: lang.t(key).to_owned(), value };
        let mut clinic = vec![settings.name.clone()];
        clinic.extend(settings.address.lines().map(str::to_owned));
        clinic.push(settings.phone.clone());
        clinic.retain(|line| !line.trim().is_empty());
        let mut whom =
            vec![named("document-patient", patient.name()), named("birth-date", lang.date(patient.birth_date.0))];
        whom.extend(patient.health_number.clone().map(|number| named("health-number", number)));
        let users: Vec<&str> = thread.participants.iter().map(|(_, name, _)| name.as_str()).collect();
        let taking_part = std::iter::once(patient.name()).chain(users.into_iter().map(str::to_owned));
        let mut about = vec![
            named("document-kind", lang.t("paper-conversation").to_owned()),
            named("participants", taking_part.collect::<Vec<_>>().join(", ")),
        ];
        let state = match &thread.closed {
            Some((at, by)) => lang.t2("closed-by", "name", by.as_str(), "when", lang.moment(zone, *at)),
            None if thread.replies_allowed => lang.t("replies-allowed").to_owned(),
            None => lang.t("replies-not-allowed").to_owned(),
        };
        about.push(named("label-status", state));
        about.push(named("paper-made", lang.moment(zone, shown.now)));
        let mut warnings = Vec::new();
        if thread.recalled_at.is_some() {
            warnings.push(lang.t("recalled-whole").to_owned());
        }
        if thread.only_patient {
            warnings.push(lang.t("only-patient").to_owned());
        }
        let has_notes = thread.messages.iter().any(|message| message.internal)
            || thread.calls.iter().any(|call| !call.note.is_empty());
        if shown.with_notes && has_notes {
            warnings.push(lang.t("paper-with-notes").to_owned());
        }
        if shown.with_notes && thread.messages.iter().any(|message| message.recalled.is_some()) {
            warnings.push(lang.t("paper-with-recalled").to_owned());
        }
        if thread.earlier.is_some() {
            warnings.push(lang.t("paper-earlier").to_owned());
        }
        if thread.later.is_some() {
            warnings.push(lang.t("paper-later").to_owned());
        }
        let messages = thread.messages.iter().map(|message| said(message, &thread, contents, shown, zone)).collect();
        OnPaper { lang, clinic, patient: whom, title: thread.title, about, warnings, messages, earlier: thread.earlier }
    }

    /// The page of HTML. `links` (words and address) and the `hint` stand at its top, on a screen only. Serve it with
    /// [`paper_policy`].
    ///
    /// # Errors
    /// When the template fails.
    pub fn html(&self, links: &[(String, String)], hint: Option<&str>) -> Result<String, askama::Error> {
        Page { paper: self, style: STYLE, links, hint }.render()
    }

    /// The conversation with the plain words of its messages, for a PDF.
    pub fn document(&self) -> Document {
        let mut parts: Vec<Part> = self.warnings.iter().cloned().map(Part::Paragraph).collect();
        for message in &self.messages {
            parts.push(Part::Heading(message.heading.clone()));
            parts.extend(message.marks.iter().cloned().map(Part::Paragraph));
            parts.extend(document::parts_of_message(&message.body, self.lang));
            if !message.files.is_empty() {
                parts.push(Part::List(message.files.iter().map(FileLine::words).collect()));
            }
            if !message.foot.is_empty() {
                parts.push(Part::Paragraph(message.foot.join("\n")));
            }
        }
        Document {
            lang: self.lang.code().to_owned(),
            clinic: self.clinic.clone(),
            patient: self.patient.clone(),
            title: self.title.clone(),
            about: self.about.clone(),
            parts,
        }
    }

    /// The characters that the PDF of it cannot show; see [`document::not_drawn`].
    pub fn not_drawn(&self) -> String {
        document::not_drawn(&self.title, &self.document().parts)
    }
}

impl FileLine {
    /// The line in a document without links.
    fn words(&self) -> String {
        let why = self.lacking.map(|why| format!(" ({why})")).unwrap_or_default();
        format!("{}, {}{why}\n{}", self.name, self.size, self.hash())
    }

    /// The hash with its name.
    fn hash(&self) -> String {
        format!("SHA-256 {}", self.sha256)
    }
}

/// Messages of which the attachments are read in one query.
const AT_ONCE: usize = 200;

fn said(message: &MessageRow, thread: &Thread, contents: &HashMap<i64, Blob>, shown: &Shown, zone: Zone) -> Said {
    let Shown { patient, settings, lang, .. } = *shown;
    let who = match message.author {
        Author::Patient => message.writer(&lang, &patient.name()),
        _ => message.user_name.clone().unwrap_or_else(|| settings.name.clone()),
    };
    let when = |at: Ts| lang.moment(zone, at);
    let mut marks = Vec::new();
    if message.internal {
        marks.push(lang.t("internal-note").to_owned());
    }
    marks.extend(
        message.recalled.as_ref().map(|(at, by)| lang.t2("recalled-by", "name", by.as_str(), "when", when(*at))),
    );
    marks.extend(message.corrects.map(|(_, at)| lang.t1("correction-of", "when", when(at))));
    marks.extend(message.corrected_by.map(|_| lang.t("corrected-below").to_owned()));
    marks.extend(message.taken_back.iter().map(|copy| copy.describe(&lang, &zone)));
    let file = |file: &Attachment| FileLine {
        id: file.id,
        name: file.file_name.clone(),
        size: lang.size(file.size),
        sha256: contents.get(&file.id).map(|blob| HEXLOWER.encode(&blob.sha256)).unwrap_or_default(),
        lacking: shown
            .serving
            .judge(file.scan)
            .err()
            .map(|_| lang.t_of("scan", shown.serving.effective(file.scan).as_str())),
        address: None,
    };
    let mut foot = Vec::new();
    if message.author == Author::User && !message.internal {
        let notices = thread.notifications.iter().filter(|notice| notice.message_id == Some(message.id));
        foot.extend(notices.map(|notice| {
            let whom = notice.caregiver_id.and_then(|id| thread.caregivers.get(&id));
            match whom {
                Some(who) => format!("{} · {}", told(notice, lang, zone), who.name),
                None => told(notice, lang, zone),
            }
        }));
        for step in thread.plan.iter().filter(|step| step.message_id == message.id) {
            let road = lang.t_of("plan-step", step.step.as_str());
            let line = |what: &str, by: &str, at: Ts| {
                format!("{}, {by}, {}", lang.t2("road-state", "road", road, "state", what), when(at))
            };
            for call in thread.calls.iter().filter(|call| call.step == step.id) {
                let told = line(lang.t_of("call-outcome", call.outcome.as_str()), &call.by, call.at);
                foot.push(if call.note.is_empty() { told } else { format!("{told} · {}", call.note) });
            }
            let letters = thread.letters.iter().filter(|letter| letter.step == step.id);
            foot.extend(letters.map(|letter| line(lang.t("letter-printed"), &letter.by, letter.at)));
        }
        if !message.offers.is_empty() {
            let offers: Vec<&str> = message.offers.iter().map(|one| lang.t_of("one-tap", one.as_str())).collect();
            foot.push(format!("{} {}", lang.t("one-tap-offered"), offers.join(", ")));
        }
        foot.extend(message.answers.iter().map(|(answer, at)| {
            let said = lang.t2("patient-answered", "answer", lang.t_of("one-tap", answer.as_str()), "when", when(*at));
            match message.answered_by(answer) {
                Some(who) => format!("{said} ({})", who.name),
                None => said,
            }
        }));
        match (message.read_by_patient_at, message.listed_at) {
            (Some(at), _) if message.reader.is_some() => {
                let name = message.reader_name().unwrap_or_default();
                foot.push(lang.t2("read-by-caregiver", "name", name, "when", when(at)));
            }
            (Some(at), _) => foot.push(lang.t1("read-by-patient", "when", when(at))),
            (None, Some(at)) if message.recalled.is_none() => foot.push(lang.t1("listed-by-patient", "when", when(at))),
            (None, _) if message.recalled.is_none() => foot.push(lang.t("paper-not-read").to_owned()),
            _ => {}
        }
    }
    Said {
        id: message.id,
        heading: format!("{who}, {}", when(message.created_at)),
        marks,
        body: message.body.clone(),
        files: message.files.iter().map(file).collect(),
        foot,
    }
}

/// How the patient was told, in one line.
fn told(notice: &NotificationRow, lang: Lang, zone: Zone) -> String {
    let state = lang.t_of("notice-state", notice.state.as_str());
    let road = lang.t2("road-state", "road", lang.t_of("channel", notice.channel.as_str()), "state", state);
    let mut line = format!("{road}, {}", lang.moment(zone, notice.state_at));
    if notice.kind.as_str() == "recall" {
        line = format!("{} · {line}", lang.t_of("wording-kind", "recall"));
    }
    if let Some(reason) = notice.reason {
        line = format!("{line} · {}", lang.t_of("reason", reason.as_str()));
    }
    if notice.perhaps_sent() {
        line = format!("{line} · {}", lang.t("may-have-been-sent"));
    }
    line
}
