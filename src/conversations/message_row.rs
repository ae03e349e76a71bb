//! A message as pages show it, and in which words they name who wrote, opened and answered it.

use crate::attachments::{self, Attachment};
use crate::caregivers::Relation;
use crate::db::{CaregiverId, MessageId, Ts, UserId};
use crate::text::{CleanHtml, Lang};
use crate::threads::{Author, OneTap};

/// A message as pages show it.
#[derive(Debug, Clone)]
pub struct MessageRow {
    /// identity
    pub id: MessageId,
    /// who wrote it
    pub author: Author,
    /// the user who wrote it; `None` for the patient and the system
    pub user: Option<UserId>,
    /// the user's name
    pub user_name: Option<String>,
    /// the text, cleaned
    pub body: CleanHtml,
    /// a note that the patient never sees
    pub internal: bool,
    /// when it was written
    pub created_at: Ts,
    /// when the patient opened it
    pub read_by_patient_at: Option<Ts>,
    /// files, in their order
    pub files: Vec<Attachment>,
    /// those of the files that are copies of what its source has withdrawn since
    pub taken_back: Vec<attachments::TakenBack>,
    /// the answers with one tap that the message offers
    pub offers: Vec<OneTap>,
    /// the answers that the patient gave, or a caregiver in their place, and when
    pub answers: Vec<(OneTap, Ts)>,
    /// those of the answers that a caregiver gave, and who
    pub answered_for: Vec<(OneTap, Named)>,
    /// the caregiver who wrote it in the patient's place
    pub caregiver: Option<Named>,
    /// the caregiver who opened it first
    pub reader: Option<Named>,
    /// when the patient saw its line in the list, before it was opened
    pub listed_at: Option<Ts>,
    /// when it was taken back, and by whom: the patient never sees such a message
    pub recalled: Option<(Ts, String)>,
    /// the message that it corrects, and when that was written
    pub corrects: Option<(MessageId, Ts)>,
    /// the newest message that corrects it
    pub corrected_by: Option<MessageId>,
}

/// A caregiver as pages name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// identity
    pub id: CaregiverId,
    /// name
    pub name: String,
    /// what they are to the patient
    pub relation: Relation,
}

impl MessageRow {
    /// Who wrote what came from the portal, in words: the patient, or a caregiver on behalf of them.
    pub fn writer(&self, lang: &Lang, patient: &str) -> String {
        match &self.caregiver {
            Some(who) => on_behalf(lang, who, patient),
            None => patient.to_owned(),
        }
    }

    /// The caregiver who gave an answer in the patient's place.
    pub fn answered_by(&self, answer: &OneTap) -> Option<&Named> {
        self.answered_for.iter().find(|(one, _)| one == answer).map(|(_, who)| who)
    }

    /// The caregiver who opened it first.
    pub fn reader_name(&self) -> Option<&str> {
        self.reader.as_ref().map(|who| who.name.as_str())
    }

    /// Whether a copy without internal notes has nothing of what it said: the patient never saw it.
    pub fn is_left_out(&self, with_notes: bool) -> bool {
        self.recalled.is_some() && !with_notes
    }

    /// Takes away what it said: that there was a message stays.
    pub fn leave_out(&mut self) {
        self.body = CleanHtml::from_plain("");
        self.files.clear();
        self.taken_back.clear();
    }

    /// The answers with one tap that the patient has not given yet.
    pub fn open_offers(&self) -> impl Iterator<Item = OneTap> {
        self.offers.iter().copied().filter(|one| !self.answers.iter().any(|(given, _)| given == one))
    }
}

/// A caregiver on behalf of a patient, in words.
pub fn on_behalf(lang: &Lang, who: &Named, patient: &str) -> String {
    let relation = lang.t_of("relation", who.relation.as_str());
    let named = lang.t2("caregiver-named", "name", who.name.as_str(), "relation", relation);
    lang.t2("on-behalf-of", "name", named, "patient", patient)
}
