//! Shows how a wording looks when it arrives, and explains what is wrong with it.

use crate::db::{Conn, Ts};
use crate::delivery::Channel;
use crate::http::Shell;
use crate::notifications::Wording;
use crate::notifications::templates::{
    Kind, NotificationTemplate, Placeholder, Problem, Problems, Slot, filtered_words,
};
use crate::settings::{self, Settings};
use crate::text::CleanHtml;
use crate::text::gsm::{self, Coding, Parts};
use diesel::QueryResult;

/// As long as a real token, so that the parts of a text are counted right; it opens nothing.
const SAMPLE_TOKEN: &str = "EXAMPLE-0123456789-0123456789-01";
const SAMPLE_PASSCODE: &str = "123456";
const SAMPLE_NAME: &str = "Maxime";
const SAMPLE_WORD: &str = "Marigold";

/// The sample of the word that is chosen with a patient; empty where the clinic shows none.
pub fn sample_word(conn: &mut Conn) -> QueryResult<&'static str> {
    Ok(if settings::shows_own_word(conn)? { SAMPLE_WORD } else { "" })
}

/// The sample link or passcode of a preview and of a test.
pub fn sample_secret(kind: Kind, origin: &str) -> String {
    match kind {
        Kind::Passcode => SAMPLE_PASSCODE.to_owned(),
        Kind::PortalAccess => format!("{origin}/portal"),
        Kind::Recall => String::new(),
        Kind::MessageWaiting | Kind::Reminder => format!("{origin}/portal/link/{SAMPLE_TOKEN}"),
    }
}

/// A wording as it arrives.
pub enum Preview {
    /// in a mail program
    Email {
        /// subject
        subject: String,
        /// HTML part
        html: CleanHtml,
        /// plain part
        text: String,
        /// the lines below both
        foot: Vec<String>,
    },
    /// on a phone
    Sms {
        /// the words
        text: String,
        /// what it costs, in words
        count: String,
        /// warnings, in words
        warnings: Vec<String>,
    },
}

impl Preview {
    /// Previews with sample values: as most patients get it, and, where it differs, as patients get it who share an
    /// address with others (`true`).
    pub fn all(
        shell: &Shell,
        settings: &Settings,
        (origin, own_word): (&str, &str),
        now: Ts,
        template: NotificationTemplate,
    ) -> Vec<(bool, Preview)> {
        let slot = template.slot();
        let name = if settings.notify_by_name { SAMPLE_NAME } else { "" };
        let words = Wording::new(template, (settings, origin), name, now).with_own_word(own_word);
        let mut all = vec![(false, Preview::render(shell, slot, origin, &words))];
        if settings.name_where_shared && !words.has_name() {
            all.push((true, Preview::render(shell, slot, origin, &words.saying_for_whom(SAMPLE_NAME))));
        }
        all
    }

    fn render(shell: &Shell, slot: Slot, origin: &str, words: &Wording) -> Preview {
        let secret = sample_secret(slot.kind, origin);
        match slot.channel {
            Channel::Email => {
                let email = words.email_words(&secret);
                Preview::Email { subject: email.subject, html: email.html, text: email.text, foot: email.foot }
            }
            Channel::Sms => {
                let text = words.text(&secret);
                let parts = gsm::parts(&text);
                let (count, warnings) = (count(shell, &parts), warnings(shell, &text, &parts));
                Preview::Sms { text, count, warnings }
            }
        }
    }
}

fn count(shell: &Shell, parts: &Parts) -> String {
    let key = if parts.coding == Coding::Gsm7 { "parts-gsm7" } else { "parts-ucs2" };
    let values = [("parts", parts.parts.into()), ("units", parts.units.into()), ("left", parts.left.into())];
    shell.lang.with(key, values)
}

fn warnings(shell: &Shell, text: &str, parts: &Parts) -> Vec<String> {
    let mut found = Vec::new();
    if parts.parts > 1 {
        found.push(shell.t1("parts-many", "parts", parts.parts));
    }
    if !parts.forcing.is_empty() {
        let shown = |c: &char| format!("“{c}” (U+{:04X})", u32::from(*c));
        let list: Vec<String> = parts.forcing.iter().map(shown).collect();
        found.push(shell.t1("parts-forcing", "characters", list.join(", ")));
    }
    let filtered = filtered_words(text);
    if !filtered.is_empty() {
        found.push(shell.t1("words-filtered", "words", filtered.join(", ")));
    }
    found
}

/// What is wrong with the subject and with the body, in words. The patient's name is offered as a placeholder only
/// where `by_name`.
pub fn explain(shell: &Shell, slot: Slot, by_name: bool, problems: Option<&Problems>) -> (Vec<String>, Vec<String>) {
    let Some(problems) = problems else { return (Vec::new(), Vec::new()) };
    let list = |problems: &[Problem], allowed: &[Placeholder]| {
        let allowed: Vec<Placeholder> =
            allowed.iter().copied().filter(|one| by_name || *one != Placeholder::Name).collect();
        problems.iter().map(|problem| problem_line(shell, problem, &allowed)).collect()
    };
    (list(&problems.subject, slot.allowed_in_subject()), list(&problems.body, slot.allowed()))
}

fn problem_line(shell: &Shell, problem: &Problem, allowed: &[Placeholder]) -> String {
    let names: Vec<String> = allowed.iter().map(|one| one.written()).collect();
    let names = names.join(", ");
    match problem {
        Problem::Unknown(name) => shell.t2("wording-unknown", "name", format!("{{{name}}}"), "allowed", names),
        Problem::NotHere(one) => shell.t2("wording-not-here", "name", one.written(), "allowed", names),
        Problem::NameIsOff => shell.t("wording-name-off").to_owned(),
        Problem::Missing(one) => shell.t1("wording-missing", "name", one.written()),
        Problem::Brace => shell.t("wording-brace").to_owned(),
        Problem::Empty => shell.t("wording-empty").to_owned(),
        Problem::TooLong => shell.t("wording-long").to_owned(),
    }
}
