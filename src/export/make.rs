//! `export`: writes the folder from the state of one moment.

mod caregivers;
mod copies;

use super::folder::{Output, Unfinished};
use super::manifest::{Counts, FORMAT, Head, Lacking, Scope, VERSION};
use super::pages::{IndexPage, Line, PatientPage};
use super::{ExportError, fhir};
use crate::access::{self, Authority, rights};
use crate::attachments;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::chart::document::{Document, Named};
use crate::chart::{self, ChartFile, Item};
use crate::conversations::{self, OnPaper, Shown, Thread};
use crate::db::{ChartItemId, Conn, ConversationId, Db, DbError, PatientId, Ts, UserId, copying};
use crate::patients::{self, Patient, PostalAddress};
use crate::settings::{self, Settings};
use crate::storage::{Blob, Storage};
use crate::text::Lang;
use crate::users;
use askama::Template;
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::PathBuf;
use time::format_description::well_known::Rfc3339;

/// Rows that are read at once.
const AT_ONCE: i64 = 100;
/// Bound into [`source_of`], so that the name tells nothing of the key.
const PURPOSE: &[u8] = b"postern export source 1";

/// What is to be exported.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// the folder, which must not exist
    pub to: PathBuf,
    /// one patient; `None`: the whole clinic
    pub patient: Option<PatientId>,
    /// whether internal notes are in it, and what messages said that were taken back
    pub with_notes: bool,
}

/// An export that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// how much of each there is
    pub counts: Counts,
    /// files, and their bytes
    pub files: (u64, u64),
    /// what is not in it
    pub lacking: Vec<Lacking>,
    /// SHA-256 of the manifest: who knows it can prove that nothing was changed
    pub manifest: String,
}

/// The name of this clinic that ids in its exports are unique in. It tells nothing else.
pub fn source_of(conn: &mut Conn) -> diesel::QueryResult<String> {
    let hash = Sha256::new().chain_update(PURPOSE).chain_update(settings::cookie_key(conn)?).finalize();
    Ok(format!("postern-{}", HEXLOWER.encode(hash.get(..8).unwrap_or_default())))
}

/// Makes an export. The row of the audit log has the manifest's hash, so that the log proves which export it was.
///
/// # Errors
/// See [`ExportError`].
pub async fn make<A>(db: &Db, storage: &Storage, by: A, wanted: Wanted, now: Ts) -> Result<Made, ExportError>
where
    A: Authority<rights::Records> + Copy + Send + 'static,
{
    let storage = storage.clone();
    let read = db.read(move |conn| -> Result<_, ExportError> {
        copying::stand_still(conn)?;
        let patient = match wanted.patient {
            None => None,
            Some(asked) => {
                let patient = access::survivor(conn, asked)?;
                Some(patients::patient_if_there(conn, patient)?.ok_or(ExportError::NoPatient(asked.0))?)
            }
        };
        let settings = settings::load(conn)?;
        let mut export = Export::begin(&wanted, settings, storage, now)?;
        match &patient {
            Some(patient) => export.patient(conn, &by, patient)?,
            None => export.everybody(conn, &by)?,
        }
        let patient = patient.map(|patient| patient.id);
        export.audit_log(conn, patient)?;
        let (folder, made) = export.finish(conn, patient)?;
        Ok((folder, made, patient))
    });
    let (folder, made, patient) = read.await?;
    let actor = Actor::from(Authority::<rights::Records>::user(&by));
    let entry = match patient {
        Some(patient) => Entry::of_patient(actor, Event::RecordExported, patient, Subject::None),
        None => Entry::of_clinic(actor, Event::RecordExported, Subject::None),
    };
    let entry = entry.with(format!("manifest {}", made.manifest));
    // before it has its name: no export is there that the log does not tell of
    db.write(move |tx| -> Result<_, DbError> { Ok(audit::append(tx, now, entry)?) }).await?;
    let published = tokio::task::spawn_blocking(move || folder.publish()).await;
    published.map_err(|_| ExportError::Db(DbError::Gone))??;
    Ok(made)
}

/// The files of resources, one for each type.
struct Resources {
    organization: Output,
    practitioner: Output,
    patient: Output,
    communication: Output,
    document: Output,
    binary: Output,
    audit: Output,
}

/// An export that is being written.
struct Export {
    folder: Unfinished,
    resources: Resources,
    /// the caregivers, where there are any
    related: Option<Output>,
    storage: Storage,
    settings: Settings,
    lang: Lang,
    now: Ts,
    with_notes: bool,
    counts: Counts,
    lacking: Vec<Lacking>,
    /// the lines of the first page
    index: Vec<Line>,
    there: HashSet<PatientId>,
}

fn put(to: &mut Output, resource: &Value) -> Result<(), ExportError> {
    serde_json::to_writer(&mut *to, resource).map_err(|cause| match cause.io_error_kind() {
        Some(kind) => ExportError::from(io::Error::from(kind)),
        None => cause.into(),
    })?;
    Ok(to.write_all(b"\n")?)
}

/// The ending of a file's name, where it is a plain one.
fn ending(name: &str) -> String {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let is_plain = (1..=5).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_plain { format!(".{}", ending.to_ascii_lowercase()) } else { String::new() }
}

impl Export {
    fn begin(wanted: &Wanted, settings: Settings, storage: Storage, now: Ts) -> Result<Export, ExportError> {
        let folder = Unfinished::begin(&wanted.to)?;
        let of_type = |name: &str| folder.file(&format!("fhir/{name}.ndjson"));
        let resources = Resources {
            organization: of_type("Organization")?,
            practitioner: of_type("Practitioner")?,
            patient: of_type("Patient")?,
            communication: of_type("Communication")?,
            document: of_type("DocumentReference")?,
            binary: of_type("Binary")?,
            audit: of_type("AuditEvent")?,
        };
        let (lang, counts) = (settings.lang(), Counts::default());
        let (lacking, index, there) = (Vec::new(), Vec::new(), HashSet::new());
        let with_notes = wanted.with_notes;
        let related = None;
        Ok(Export {
            folder,
            resources,
            related,
            storage,
            settings,
            lang,
            now,
            with_notes,
            counts,
            lacking,
            index,
            there,
        })
    }

    fn everybody(&mut self, conn: &mut Conn, by: &impl Authority<rights::Records>) -> Result<(), ExportError> {
        let mut after = PatientId(0);
        loop {
            let some = patients::in_order(conn, by, after, AT_ONCE)?;
            let Some(last) = some.last() else { return Ok(()) };
            after = last.id;
            for patient in &some {
                self.patient(conn, by, patient)?;
            }
        }
    }

    fn patient(
        &mut self,
        conn: &mut Conn,
        by: &impl Authority<rights::Records>,
        patient: &Patient,
    ) -> Result<(), ExportError> {
        let identifiers = patients::identifiers(conn, patient.id)?;
        let address = patients::postal_address(conn, patient.id)?;
        put(&mut self.resources.patient, &fhir::patient(patient, &identifiers, address.as_ref()))?;
        let (mut talks, mut after) = (Vec::new(), 0);
        loop {
            let some = conversations::numbers_of(conn, by, patient.id, after, AT_ONCE)?;
            let Some((_, last)) = some.last() else { break };
            after = *last;
            for (id, number) in some {
                talks.push(self.conversation(conn, by, patient, (id, number))?);
            }
        }
        let (mut items, mut before) = (Vec::new(), None);
        loop {
            let some = chart::in_order(conn, by, patient.id, before, AT_ONCE)?;
            let Some(last) = some.last() else { break };
            before = Some((last.row.occurred_at, last.row.id));
            let ids: Vec<ChartItemId> = some.iter().map(|item| item.row.id).collect();
            let files = chart::contents(conn, &ids)?.into_iter().map(|(id, file, blob)| (id, (file, blob)));
            let mut files: HashMap<ChartItemId, (ChartFile, Blob)> = files.collect();
            for item in some {
                let file = files.remove(&item.row.id);
                self.item(patient, &item, file, &mut items)?;
            }
        }
        let mut facts = self.facts(patient, &identifiers, address.as_ref());
        facts.extend(self.caregivers(conn, by, patient.id)?);
        let name = patient.name();
        let page = PatientPage::new(self.lang, (&name, &facts), &talks, &items).render()?;
        let address = format!("patients/{}/index.html", patient.id);
        self.folder.whole(&address, &page)?;
        let about = self.lang.date(patient.birth_date.0);
        self.index.push(Line { words: name, about, address: Some(address) });
        self.there.insert(patient.id);
        self.counts.patients += 1;
        Ok(())
    }

    fn facts(
        &self,
        patient: &Patient,
        identifiers: &[(patients::IdKind, String)],
        address: Option<&PostalAddress>,
    ) -> Vec<Named> {
        let named = |name: &str, value: String| Named { name: name.to_owned(), value };
        let lang = self.lang;
        let mut facts = vec![named(lang.t("birth-date"), lang.date(patient.birth_date.0))];
        facts.extend(patient.health_number.iter().map(|number| named(lang.t("health-number"), number.clone())));
        facts.extend(
            identifiers.iter().map(|(kind, number)| named(lang.t_of("id-kind", kind.as_str()), number.clone())),
        );
        facts.extend(patient.email.iter().map(|email| named(lang.t("email"), email.to_string())));
        facts.extend(patient.phone.iter().map(|phone| named(lang.t("cellphone"), phone.shown())));
        facts.extend(address.map(|address| named(lang.t("postal-address"), address.lines().join(", "))));
        facts.push(named(lang.t("language"), lang.t_of("language", &patient.language).to_owned()));
        facts
    }

    /// Writes a conversation with its files; gives the line that leads to it.
    fn conversation(
        &mut self,
        conn: &mut Conn,
        by: &impl Authority<rights::Records>,
        patient: &Patient,
        (id, number): (ConversationId, i64),
    ) -> Result<Line, ExportError> {
        let mut thread: Thread = conversations::whole_of(conn, by, id)?;
        if !self.with_notes {
            thread = thread.without_notes(self.lang);
        }
        put(&mut self.resources.communication, &fhir::conversation(id, &thread, patient.id))?;
        self.counts.conversations += 1;
        let (mut contents, mut addresses) = (HashMap::new(), HashMap::new());
        let (mut of_clinic, mut of_patient) = (None, None);
        for message in &thread.messages {
            let files = match message.is_left_out(self.with_notes) {
                true => Vec::new(),
                false => attachments::contents(conn, &[message.id])?,
            };
            for (file, blob) in files {
                let name = format!("files/{number}-{}{}", file.number, ending(&file.file_name));
                let place = format!("patients/{}/{name}", patient.id);
                let is_there = self.file(&place, &format!("attachment-{}", file.id), &file.media_type, &blob)?;
                let document = fhir::attached((&file, &blob, is_there), message, patient.id, self.lang);
                put(&mut self.resources.document, &document)?;
                if is_there {
                    addresses.insert(file.id, name);
                }
                contents.insert(file.id, blob);
                self.counts.attachments += 1;
            }
            let answers = fhir::answered(message, (of_clinic, of_patient));
            let resource = fhir::message(message, (id, &thread.title, patient.id), answers, self.lang);
            put(&mut self.resources.communication, &resource)?;
            match message.author {
                _ if message.internal => self.counts.notes += 1,
                conversations::Author::Patient => of_patient = Some(message.id),
                _ if message.recalled.is_none() => of_clinic = Some(message.id),
                _ => {}
            }
            self.counts.messages += u64::from(!message.internal);
        }
        for resource in fhir::beside(&thread, (id, patient.id), self.lang) {
            put(&mut self.resources.communication, &resource)?;
        }
        let shown = Shown {
            patient,
            settings: &self.settings,
            lang: self.lang,
            now: self.now,
            with_notes: self.with_notes,
            serving: self.storage.serving(),
        };
        let last = thread.messages.last().map(|message| message.created_at);
        let mut paper = OnPaper::of(thread, &contents, &shown);
        for file in paper.messages.iter_mut().flat_map(|message| &mut message.files) {
            file.address = addresses.remove(&file.id);
            if file.address.is_none() && file.lacking.is_none() {
                file.lacking = Some(self.lang.t("export-file-lacking"));
            }
        }
        let name = format!("conversation-{number}.html");
        self.folder.whole(&format!("patients/{}/{name}", patient.id), &paper.html(&[], None)?)?;
        let about = last.map(|at| self.lang.moment(self.settings.zone(), at)).unwrap_or_default();
        Ok(Line { words: paper.title, about, address: Some(name) })
    }

    /// Writes a chart item with its file; adds the lines that lead to them.
    fn item(
        &mut self,
        patient: &Patient,
        item: &Item,
        file: Option<(ChartFile, Blob)>,
        lines: &mut Vec<Line>,
    ) -> Result<(), ExportError> {
        let (lang, zone, row) = (self.lang, self.settings.zone(), &item.row);
        let page = Document::from_item(item, patient, &self.settings, lang).html()?;
        let (name, binary) = (format!("item-{}.html", row.id), format!("item-{}", row.id));
        self.folder.whole(&format!("patients/{}/{name}", patient.id), &page)?;
        let state = row.state_words(&lang, &zone).map(|words| format!(", {words}")).unwrap_or_default();
        let about = format!("{}, {}{state}", row.kind_words(&lang), row.day(&lang, &zone));
        let words = if row.title.is_empty() { row.kind_words(&lang).to_owned() } else { row.title.clone() };
        lines.push(Line { words, about, address: Some(name) });
        let resource = match &file {
            Some((file, blob)) => {
                let name = format!("files/item-{}{}", row.id, ending(&file.file_name));
                let place = format!("patients/{}/{name}", patient.id);
                let is_there = self.file(&place, &binary, &file.media_type, blob)?;
                let mut about = lang.size(file.size);
                if !is_there {
                    about = format!("{about}, {}", lang.t("export-file-lacking"));
                }
                lines.push(Line { words: file.file_name.clone(), about, address: is_there.then_some(name) });
                let file = (file.file_name.as_str(), file.media_type.as_str(), file.size, is_there);
                fhir::chart_item(item, patient.id, (Some(file), 0), lang)?
            }
            None => {
                self.binary(&binary, "text/html", page.as_bytes())?;
                fhir::chart_item(item, patient.id, (None, page.len() as u64), lang)?
            }
        };
        put(&mut self.resources.document, &resource)?;
        self.counts.chart_items += 1;
        Ok(())
    }

    /// Writes the rows of the audit log: those of one patient, or all.
    fn audit_log(&mut self, conn: &mut Conn, patient: Option<PatientId>) -> Result<(), ExportError> {
        let chains = match patient {
            None => vec![None],
            Some(patient) => patients::merged_records(conn, patient)?.into_iter().map(Some).collect(),
        };
        for chain in chains {
            let mut after = 0;
            loop {
                let rows = audit::in_order(conn, chain, after, AT_ONCE)?;
                let Some(last) = rows.last() else { break };
                after = if chain.is_some() { last.position } else { last.id };
                for row in &rows {
                    put(&mut self.resources.audit, &fhir::audit_event(row, &self.there))?;
                }
                self.counts.audit_events += rows.len() as u64;
            }
        }
        Ok(())
    }

    fn finish(mut self, conn: &mut Conn, patient: Option<PatientId>) -> Result<(Unfinished, Made), ExportError> {
        put(&mut self.resources.organization, &fhir::organization(&self.settings.name))?;
        let mut after = UserId(0);
        loop {
            let some = users::in_order(conn, after, AT_ONCE)?;
            let Some(last) = some.last() else { break };
            after = last.id;
            for user in &some {
                put(&mut self.resources.practitioner, &fhir::practitioner(user))?;
            }
        }
        let Export { mut folder, resources, related, settings, lang, now, with_notes, counts, lacking, index, .. } =
            self;
        let page = IndexPage::new(&settings, lang, now, with_notes, &index).render()?;
        folder.whole("index.html", &page)?;
        let Resources { organization, practitioner, patient: people, communication, document, binary, audit } =
            resources;
        let always = [organization, practitioner, people, communication, document, binary, audit];
        for output in always.into_iter().chain(related) {
            folder.end(output)?;
        }
        let head = Head {
            format: FORMAT.to_owned(),
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            made_at: now.get().format(&Rfc3339).unwrap_or_default(),
            source: source_of(conn)?,
            language: lang.code().to_owned(),
            scope: patient.map_or(Scope::Clinic, |patient| Scope::Patient(patient.0)),
            notes: with_notes,
            counts,
            lacking: lacking.clone(),
        };
        let manifest = folder.seal(&head)?;
        let files = folder.size();
        Ok((folder, Made { counts, files, lacking, manifest }))
    }
}
