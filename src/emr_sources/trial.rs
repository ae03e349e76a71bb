//! Trying a connection out, step by step: what works, and what of the charts will be missing.

use super::switches::add_if_missing;
use crate::access::{Authority, rights};
use crate::audit::{self, Entry, Event, Subject};
use crate::config::EmrSignIn;
use crate::db::schema::emr_sources as s;
use crate::db::{Ts, Tx};
use crate::emr::{Accept, Capabilities, Emr, EmrError, Fault, NEEDED, Need, WRITTEN, missing};
use crate::text_enum;
use diesel::prelude::*;
use serde::Deserialize;

text_enum! {
    /// A step of the test.
    pub enum Step {
        /// it answers, and speaks FHIR R4
        Answers = "answers",
        /// Postern can sign in
        SignIn = "sign_in",
        /// the rights that were granted are those that are needed
        Rights = "rights",
        /// patients can be read
        Patients = "patients",
        /// it keeps all that charts hold
        Types = "types",
        /// it tells what was removed
        Removals = "removals",
        /// it gives out all at once
        Export = "export",
    }
}

/// How a step went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// it works
    Good,
    /// the server does not say; the next steps show it
    Unsaid,
    /// these parts are missing, by the words of [`Need::part`]
    Lacking(Vec<&'static str>),
    /// the server cannot do it, and syncing goes on without it
    Without,
    /// it failed
    Failed(Fault),
    /// an earlier step failed
    Skipped,
}

impl Outcome {
    /// The word of the outcome, in the names of translations.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Good => "good",
            Outcome::Unsaid => "unsaid",
            Outcome::Lacking(_) => "lacking",
            Outcome::Without => "without",
            Outcome::Failed(_) => "failed",
            Outcome::Skipped => "skipped",
        }
    }

    /// The parts that are missing.
    pub fn lacking(&self) -> &[&'static str] {
        match self {
            Outcome::Lacking(parts) => parts,
            _ => &[],
        }
    }

    /// What is wrong; `None` where nothing is.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Outcome::Failed(fault) => Some(*fault),
            _ => None,
        }
    }

    /// What is missing or wrong, in the words that are stored.
    fn details(&self) -> Vec<&'static str> {
        match self {
            Outcome::Lacking(parts) => parts.clone(),
            Outcome::Failed(fault) => vec![fault.as_str()],
            _ => Vec::new(),
        }
    }

    fn read(word: &str, details: &[&str]) -> Option<Outcome> {
        Some(match word {
            "good" => Outcome::Good,
            "unsaid" => Outcome::Unsaid,
            "lacking" => {
                let all = || NEEDED.iter().chain(&WRITTEN).map(|need| need.part);
                Outcome::Lacking(all().filter(|part| details.contains(part)).collect())
            }
            "without" => Outcome::Without,
            "failed" => Outcome::Failed(details.first()?.parse().ok()?),
            "skipped" => Outcome::Skipped,
            _ => return None,
        })
    }
}

/// A step and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// the step
    pub step: Step,
    /// how it went
    pub outcome: Outcome,
}

/// Tries a connection out; `writes`: it is also written to. It blocks, for some calls to the EMR.
pub fn try_out(emr: &Emr, writes: bool) -> Vec<Tried> {
    let has_scopes = matches!(emr.config().sign_in, EmrSignIn::Key(_));
    let steps = Step::ALL.iter().copied().filter(|step| has_scopes || !matches!(step, Step::SignIn | Step::Rights));
    let mut known = Known::default();
    let mut has_failed = false;
    let mut tried = Vec::new();
    for step in steps {
        let outcome = if has_failed { Outcome::Skipped } else { known.outcome(emr, step, writes) };
        if let Outcome::Failed(fault) = &outcome {
            has_failed = true;
            tracing::info!(step = step.as_str(), fault = fault.as_str(), "the test of an EMR's connection failed");
        }
        tried.push(Tried { step, outcome });
    }
    tried
}

/// What earlier steps found.
#[derive(Default)]
struct Known {
    capabilities: Capabilities,
    scopes: Option<Vec<String>>,
}

impl Known {
    fn outcome(&mut self, emr: &Emr, step: Step, writes: bool) -> Outcome {
        self.ask(emr, step, writes).unwrap_or_else(|cause| Outcome::Failed(cause.fault()))
    }

    fn ask(&mut self, emr: &Emr, step: Step, writes: bool) -> Result<Outcome, EmrError> {
        Ok(match step {
            Step::Answers => {
                self.capabilities = emr.capabilities()?;
                Outcome::Good
            }
            Step::SignIn => {
                self.scopes = emr.granted(true)?;
                Outcome::Good
            }
            Step::Rights => match &self.scopes {
                None => Outcome::Unsaid,
                Some(scopes) => {
                    let mut lacking = missing(scopes, &NEEDED);
                    if writes {
                        lacking.extend(missing(scopes, &WRITTEN));
                    }
                    lacks(lacking)
                }
            },
            Step::Patients => {
                let answer = emr.get("Patient?_count=1", Accept::FhirJson, 4 << 20)?;
                if is_bundle(&answer.body) { Outcome::Good } else { Outcome::Failed(Fault::NotFhir) }
            }
            Step::Types => {
                let can = |kind: &&str| self.capabilities.can(kind, "search-type");
                lacks(NEEDED.iter().filter(|need| !need.types.iter().any(can)).collect())
            }
            Step::Removals => {
                let tells = self.capabilities.has_history || self.capabilities.can("Patient", "history-type");
                if tells { Outcome::Good } else { Outcome::Without }
            }
            Step::Export if self.capabilities.exports => Outcome::Good,
            Step::Export => Outcome::Without,
        })
    }
}

fn lacks(needs: Vec<&Need>) -> Outcome {
    if needs.is_empty() { Outcome::Good } else { Outcome::Lacking(needs.into_iter().map(|need| need.part).collect()) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyResource {
    resource_type: String,
}

fn is_bundle(body: &[u8]) -> bool {
    serde_json::from_slice::<AnyResource>(body).is_ok_and(|read| read.resource_type == "Bundle")
}

/// Keeps how a test went, in words of the program.
pub fn save_trial(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Settings>,
    name: &str,
    tried: &[Tried],
) -> QueryResult<()> {
    let row = add_if_missing(tx, name)?;
    let set = (s::tested_at.eq(now), s::test.eq(text(tried)));
    diesel::update(s::table.find(row)).set(set).execute(tx.conn())?;
    let is_good = !tried.iter().any(|one| matches!(one.outcome, Outcome::Failed(_)));
    let words = if is_good { "good" } else { "failed" };
    audit::append(tx, now, Entry::of_clinic(by.user().into(), Event::EmrTested, Subject::None).with(words))
}

/// One step a line: its word, that of the outcome, then what is missing or wrong.
fn text(tried: &[Tried]) -> String {
    let line = |one: &Tried| {
        let words = [vec![one.step.as_str(), one.outcome.word()], one.outcome.details()].concat();
        words.join(" ")
    };
    tried.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Reads what [`save_trial`] kept; a line that an other version of the program wrote is left out.
pub fn read_trial(text: &str) -> Vec<Tried> {
    let lines = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let [step, outcome, details @ ..] = words.as_slice() else { return None };
        Some(Tried { step: step.parse().ok()?, outcome: Outcome::read(outcome, details)? })
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let tried = vec![
            Tried { step: Step::Answers, outcome: Outcome::Good },
            Tried { step: Step::SignIn, outcome: Outcome::Unsaid },
            Tried { step: Step::Rights, outcome: Outcome::Lacking(vec!["documents", "invoices", "write_back"]) },
            Tried { step: Step::Patients, outcome: Outcome::Failed(Fault::Forbidden) },
            Tried { step: Step::Removals, outcome: Outcome::Without },
            Tried { step: Step::Export, outcome: Outcome::Skipped },
        ];
        assert_eq!(read_trial(&text(&tried)), tried);
        assert_eq!(read_trial(""), []);
        assert_eq!(read_trial("answers good\nanother good\nexport bad\nrights failed\nexport failed nothing").len(), 1);
    }

    #[test]
    fn what_is_missing_is_named_by_its_part() {
        assert_eq!(lacks(Vec::new()), Outcome::Good);
        assert_eq!(lacks(vec![&NEEDED[0], &NEEDED[5]]), Outcome::Lacking(vec!["patients", "documents"]));
        assert!(is_bundle(br#"{"resourceType": "Bundle", "entry": []}"#));
        assert!(!is_bundle(br#"{"resourceType": "OperationOutcome"}"#) && !is_bundle(b"<html>"));
    }
}
