//! Who reads and answers for a patient, also those whose time is over or has not begun.

use super::super::{ExportError, fhir};
use super::{Export, put};
use crate::access::{Authority, rights};
use crate::caregivers::{self, Caregiver};
use crate::chart::document::Named;
use crate::db::{Conn, PatientId};
use crate::values::PhoneNumber;
use time::Duration;

impl Export {
    /// Writes a patient's caregivers as resources; gives the lines of the patient's page.
    pub(super) fn caregivers(
        &mut self,
        conn: &mut Conn,
        by: &impl Authority<rights::Records>,
        patient: PatientId,
    ) -> Result<Vec<Named>, ExportError> {
        let mut lines = Vec::new();
        for caregiver in caregivers::in_order(conn, by, patient)? {
            let resource = fhir::related_person(&caregiver, self.now, self.lang);
            // where nobody has a caregiver there is no such file: a file without a line is no FHIR
            let to = match self.related.as_mut() {
                Some(to) => to,
                None => self.related.insert(self.folder.file("fhir/RelatedPerson.ndjson")?),
            };
            put(to, &resource)?;
            let name = self.lang.t("actor-caregiver").to_owned();
            lines.push(Named { name, value: self.in_words(&caregiver) });
        }
        Ok(lines)
    }

    fn in_words(&self, caregiver: &Caregiver) -> String {
        let (own, lang, zone) = (&caregiver.details, self.lang, self.settings.zone());
        let relation = lang.t_of("relation", own.relation.as_str());
        let from = lang.date(zone.local(own.starts_at).date());
        // the end is the moment after the last day
        let last = caregiver.ends_at().map(|end| lang.date(zone.local(end.plus(-Duration::MICROSECOND)).date()));
        let span = match last {
            Some(until) => lang.t2("caregiver-from-to", "from", from, "until", until),
            None => lang.t1("caregiver-from", "from", from),
        };
        let mut parts = vec![lang.t2("caregiver-named", "name", own.name.as_str(), "relation", relation)];
        parts.extend(own.email.iter().map(ToString::to_string));
        parts.extend(own.phone.iter().map(PhoneNumber::shown));
        parts.push(span);
        parts.join(", ")
    }
}
