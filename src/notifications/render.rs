//! What a notification and a passcode say. The templates see [`Words`] and nothing else, so no part of a message can
//! get into one.

use crate::text::Lang;
use askama::Template;

/// All that a notification may say.
pub struct Words<'a> {
    /// the reader's language
    pub lang: Lang,
    /// the clinic's name
    pub clinic_name: &'a str,
    /// the clinic's telephone number; may be empty
    pub clinic_phone: &'a str,
}

#[derive(Template)]
#[template(path = "emails/message_waiting.html")]
struct WaitingHtml<'a> {
    words: &'a Words<'a>,
    link: &'a str,
}

#[derive(Template)]
#[template(path = "emails/passcode.html")]
struct PasscodeHtml<'a> {
    words: &'a Words<'a>,
    passcode: &'a str,
}

/// One email's words.
pub struct Rendered {
    /// subject
    pub subject: String,
    /// plain part; also the whole of a text message
    pub text: String,
    /// HTML part
    pub html: String,
}

impl Words<'_> {
    /// The line that says whom to call, or nothing where the clinic has no number.
    pub fn call(&self) -> String {
        match self.clinic_phone {
            "" => String::new(),
            phone => self.lang.t2("mail-call", "clinic", self.clinic_name, "phone", phone),
        }
    }

    /// "A message is waiting", as an email.
    ///
    /// # Errors
    /// When the template fails.
    pub fn waiting_email(&self, link: &str) -> askama::Result<Rendered> {
        let lang = self.lang;
        let lines = [
            lang.t1("mail-waiting-line", "clinic", self.clinic_name),
            lang.t("mail-waiting-open").to_owned(),
            link.to_owned(),
            lang.t("mail-waiting-proof").to_owned(),
            self.call(),
            lang.t("mail-no-answer").to_owned(),
        ];
        Ok(Rendered {
            subject: lang.t1("mail-waiting-subject", "clinic", self.clinic_name),
            text: paragraphs(&lines),
            html: WaitingHtml { words: self, link }.render()?,
        })
    }

    /// "A message is waiting", as a text.
    pub fn waiting_text(&self, link: &str) -> String {
        self.lang.t2("text-waiting", "clinic", self.clinic_name, "link", link)
    }

    /// The passcode, as an email.
    ///
    /// # Errors
    /// When the template fails.
    pub fn passcode_email(&self, passcode: &str) -> askama::Result<Rendered> {
        let lang = self.lang;
        let lines = [
            lang.t1("mail-passcode-line", "clinic", self.clinic_name),
            passcode.to_owned(),
            lang.t("mail-passcode-lasts").to_owned(),
            lang.t("mail-passcode-not-you").to_owned(),
            self.call(),
        ];
        Ok(Rendered {
            subject: lang.t1("mail-passcode-subject", "clinic", self.clinic_name),
            text: paragraphs(&lines),
            html: PasscodeHtml { words: self, passcode }.render()?,
        })
    }

    /// The passcode, as a text.
    pub fn passcode_text(&self, passcode: &str) -> String {
        self.lang.t2("text-passcode", "clinic", self.clinic_name, "passcode", passcode)
    }
}

fn paragraphs(lines: &[String]) -> String {
    let kept: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !line.is_empty()).collect();
    kept.join("\n\n") + "\n"
}
