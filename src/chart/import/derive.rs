//! Makes each patient's chart from all resources that are stored of them, every time: a file only adds and corrects
//! what it names, and the order and the pieces in which files come make no difference.

use super::fhir::{
    Emptied, Gathered, ImportOptions, ImportedItem, ImportedPatient, Kept, Part, SkipReason, Skipped, read_bundle,
};
use super::resources::{self, Rows};
use super::{Summary, item_key};
use crate::access::{self, Operator};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::chart::files::set_blob;
use crate::chart::item::ItemState;
use crate::chart::items::kind_words;
use crate::chart::store_item::{self, NewItem, Stored, set_state, store_item};
use crate::db::{ChartItemId, Conn, PatientId, Ts, Tx};
use crate::patients::{
    self, ArchiveReason, Demographics, IdKind, Method, NewPatient, Patient, PersonDescription, SourceId, UNNAMED, Who,
};
use crate::settings::Settings;
use crate::text::Lang;
use crate::values::{BirthDate, EmailAddress, PhoneNumber};
use diesel::QueryResult;
use std::collections::{BTreeMap, BTreeSet};

/// Brings the chart of a source's patient up to date with the resources that are stored of them; gives what changed.
pub fn derive(
    tx: &mut Tx,
    now: Ts,
    by: Operator,
    delivery: i64,
    owner: &SourceId,
    options: &ImportOptions,
    settings: &Settings,
) -> QueryResult<Summary> {
    let mut summary = Summary::default();
    patients::lock_additions(tx)?;
    // two imports of one chart at the same moment take turns
    let known = patients::by_source(tx, owner)?.map(|known| access::held(tx, known)).transpose()?;
    let mut gathered = Gathered::default();
    let (mut has_patient, mut is_renewed, mut fresh) = (false, false, Skipped::new());
    resources::of_owner(tx, owner, delivery, &mut |kept| {
        let is_patient = kept.is_patient();
        has_patient |= is_patient;
        is_renewed |= is_patient && kept.fresh;
        if kept.fresh && !kept.shared {
            *fresh.entry((kept.kind(), SkipReason::NoPatient)).or_default() += 1;
        }
        gathered.add(kept);
    })?;
    if !has_patient {
        let Some(known) = known else {
            summary.skip(&fresh);
            // its chart was deleted: what would wait for the record here is nobody's to see, or to delete
            if patients::was_deleted(tx, owner)? {
                resources::drop_of(tx, now, owner)?;
            }
            return Ok(summary);
        };
        // the record came before this program stored resources
        gathered.add(&Kept::of_patient(&owner.id, &patients::patient_by_id(tx, known)?));
    }
    let mut options = options.clone();
    options.source = None;
    let rows = Rows::new(tx, delivery);
    let mut writer = Writer { now, by, owner, settings, is_renewed, chart: None, refused: None, summary };
    let of_nobody = gathered.bundle().walk(Some(&rows), &options, &mut |part| {
        rows.with(|tx| match part {
            Part::Patient(said) => writer.begin(tx, &said),
            Part::Item(_, item) => writer.put(tx, &item),
            Part::End(emptied, skipped) => {
                writer.summary.skip(&skipped);
                writer.end(tx, &emptied)
            }
        })
    })?;
    rows.with(|_| Ok(()))?;
    writer.summary.skip(&of_nobody);
    Ok(writer.summary)
}

/// Writes a chart as its parts come.
struct Writer<'a> {
    now: Ts,
    by: Operator,
    owner: &'a SourceId,
    settings: &'a Settings,
    /// whether the patient's record itself came with this import
    is_renewed: bool,
    chart: Option<Written>,
    /// why nothing is taken of the chart
    refused: Option<SkipReason>,
    summary: Summary,
}

/// What was written of a chart so far.
struct Written {
    patient: PatientId,
    /// the row of `patient_sources` that its items are made from
    origin: i64,
    made: BTreeSet<ChartItemId>,
    /// how much was written before it
    before: usize,
}

impl Writer<'_> {
    /// Finds or adds the patient, and follows what the source says of the record as a whole.
    fn begin(&mut self, tx: &mut Tx, said: &ImportedPatient) -> QueryResult<()> {
        let (now, by, owner) = (self.now, self.by, self.owner);
        let demographics = demographics(said, self.settings);
        let described = PersonDescription { demographics: &demographics, source: Some(owner) };
        (self.chart, self.refused) = (None, None);
        let patient = match patients::recognise(tx, &described)?.who {
            Who::Contradicts => return self.refuse(SkipReason::OtherPerson),
            Who::Unsure => return self.refuse(SkipReason::UnsurePerson),
            Who::Known(known) => {
                let known = access::held(tx, known.id)?;
                self.summary.known_patients += 1;
                patients::put_source(tx, now, known, owner)?;
                known
            }
            Who::New => {
                self.summary.patients += 1;
                let new = NewPatient {
                    source_key: Some(owner.clone()),
                    demographics,
                    portal_access: self.settings.portal_for_new_patients,
                    archived: false,
                };
                patients::add(tx, now, &by, &new)?
            }
        };
        for (code, number) in &said.other_identifiers {
            if let Some(kind) = IdKind::of_v2_0203(code) {
                patients::put_identifiers(tx, patient, kind, number)?;
            }
        }
        follow_standing(tx, now, by, patient, owner, said, &mut self.summary)?;
        end_replaced(tx, now, by, patient, owner, said, &mut self.summary)?;
        let origin = patients::source_row(tx, owner)?;
        match &said.address {
            Some(address) => {
                let is_followed = patients::follow_postal_address(tx, now, &by, (patient, origin), address)?;
                if !is_followed && self.is_renewed {
                    self.summary.left_out("Patient.address", SkipReason::ClinicsOwn);
                }
            }
            // a letter would go to where the patient lives no more
            None if said.address_ended => patients::drop_said_address(tx, now, &by, (patient, origin))?,
            None => {}
        }
        let before = self.summary.written();
        self.chart = Some(Written { patient, origin, made: BTreeSet::new(), before });
        Ok(())
    }

    /// Refuses the whole chart: each part of it is counted.
    fn refuse(&mut self, reason: SkipReason) -> QueryResult<()> {
        self.refused = Some(reason);
        self.summary.left_out("Patient", reason);
        Ok(())
    }

    fn put(&mut self, tx: &mut Tx, item: &ImportedItem) -> QueryResult<()> {
        let (now, summary) = (self.now, &mut self.summary);
        if let Some(reason) = self.refused.filter(|_| item.fresh) {
            let what = item.source_id.split(['/', ':', '#']).next().unwrap_or_default();
            summary.left_out(what, reason);
        }
        let Some(chart) = &mut self.chart else { return Ok(()) };
        let key = item_key(item.source.as_deref().unwrap_or(UNNAMED), &item.source_id);
        let title = title_of(item, self.settings.lang());
        let new = NewItem {
            source_key: &key,
            former_key: (key != item.source_id).then_some(item.source_id.as_str()),
            kind: item.kind,
            occurred_at: item.occurred_at.into(),
            title: &title,
            author: item.author.as_deref(),
            body: &item.body,
            status: item.status.as_deref(),
            date_only: item.date_only,
            sort: item.sort,
            origin: Some(chart.origin),
        };
        let stored = store_item(tx, now, chart.patient, &new)?;
        chart.made.insert(stored.id());
        let (state, since) = match item.partly_withdrawn {
            Some(since) => (ItemState::PartlyWithdrawn, since),
            None => (ItemState::Current, now),
        };
        let other_state = set_state(tx, since, chart.patient, stored.id(), state)?;
        let other_file = give_file(tx, now, stored.id(), item, &title)?;
        match stored {
            Stored::New(_) => *summary.items.entry(item.kind.as_str()).or_default() += 1,
            Stored::Same(_) if !other_file && !other_state => summary.known_items += usize::from(item.fresh),
            Stored::Changed(_) | Stored::Same(_) => *summary.changed.entry(item.kind.as_str()).or_default() += 1,
        }
        Ok(())
    }

    /// Takes away the items that are not made any more: withdrawn by their source, or a part of another item now.
    fn end(&mut self, tx: &mut Tx, emptied: &[Emptied]) -> QueryResult<()> {
        let Some(Written { patient, origin, made, before }) = self.chart.take() else { return Ok(()) };
        let (now, owner, summary) = (self.now, self.owner, &mut self.summary);
        let withdrawn = resources::withdrawn(tx, owner)?;
        for (id, key, kind) in store_item::of_origin(tx, patient, origin)? {
            if made.contains(&id) {
                continue;
            }
            let emptied = || emptied.iter().find(|one| is_key_of(one, &key)).map(|one| one.since);
            let since = taken_back(&withdrawn, &key).or_else(emptied);
            let state = since.map_or(ItemState::Moved, |_| ItemState::Withdrawn);
            if set_state(tx, since.unwrap_or(now), patient, id, state)? && since.is_some() {
                *summary.withdrawn.entry(kind.as_str()).or_default() += 1;
            }
        }
        // and items that were stored before items named their source
        for (key, since) in &withdrawn {
            for (id, kind) in store_item::without_origin(tx, patient, key)? {
                if set_state(tx, *since, patient, id, ItemState::Withdrawn)? {
                    *summary.withdrawn.entry(kind.as_str()).or_default() += 1;
                }
            }
        }
        if summary.written() > before {
            let entry = Entry::of_patient(Actor::System, Event::PatientsImported, patient, Subject::None);
            audit::append(tx, now, entry.with("fhir"))?;
        }
        Ok(())
    }
}

/// Follows what the source says of the record as a whole: the patient died, the record is out of use, another record
/// replaces it; and the contrary of each. A repeated statement changes nothing: what a user did since stays.
fn follow_standing(
    tx: &mut Tx,
    now: Ts,
    by: Operator,
    patient: PatientId,
    owner: &SourceId,
    said: &ImportedPatient,
    summary: &mut Summary,
) -> QueryResult<()> {
    let is_replaced = said.replaced || resources::is_replaced(tx, owner)?;
    let reason = match () {
        () if said.deceased == Some(true) => Some(ArchiveReason::Deceased),
        () if is_replaced => Some(ArchiveReason::Replaced),
        () if said.active == Some(false) => Some(ArchiveReason::Inactive),
        () => None,
    };
    let standing = match (reason, said.deceased, said.active) {
        (Some(reason), ..) => reason.as_str(),
        (None, Some(false), Some(true)) => "alive in_use",
        (None, Some(false), _) => "alive",
        (None, _, Some(true)) => "in_use",
        // the record says nothing about it
        (None, ..) => return Ok(()),
    };
    if !patients::note_standing(tx, owner, standing)? {
        return Ok(());
    }
    if let Some(reason) = reason {
        // a chart of several records stays in use when one of them ends
        let ends_chart = reason == ArchiveReason::Deceased || !patients::has_other_record(tx, patient, owner)?;
        if ends_chart && patients::archive(tx, now, &by, patient, reason)? {
            summary.archived += 1;
        }
        return Ok(());
    }
    let taken_back = match patients::patient_by_id(tx, patient)?.archive_reason {
        Some(ArchiveReason::Deceased) => said.deceased == Some(false),
        Some(ArchiveReason::Inactive | ArchiveReason::Replaced) => said.active == Some(true),
        Some(ArchiveReason::Left | ArchiveReason::Mistake | ArchiveReason::Merged) | None => false,
    };
    if taken_back && patients::bring_back(tx, now, &by, patient)? {
        summary.brought_back += 1;
    }
    Ok(())
}

/// Archives the charts of the records that this record replaces, where the clinic has them.
fn end_replaced(
    tx: &mut Tx,
    now: Ts,
    by: Operator,
    patient: PatientId,
    owner: &SourceId,
    said: &ImportedPatient,
    summary: &mut Summary,
) -> QueryResult<()> {
    for key in said.replaces.iter().filter_map(|reference| resources::patient_named(owner, reference)) {
        let Some(other) = patients::by_source(tx, &key)? else { continue };
        if other == patient || !patients::note_standing(tx, &key, ArchiveReason::Replaced.as_str())? {
            continue;
        }
        if !patients::has_other_record(tx, other, &key)?
            && patients::archive(tx, now, &by, other, ArchiveReason::Replaced)?
        {
            summary.archived += 1;
        }
    }
    Ok(())
}

/// The title in the record, else words for the kind of item: never the name of a FHIR type.
fn title_of(item: &ImportedItem, lang: Lang) -> String {
    if !item.title.is_empty() {
        return item.title.clone();
    }
    // a key has this form: `Observation:2026-02-01:vital-signs`
    let category = item.source_id.strip_prefix("Observation:").and_then(|rest| rest.split(':').nth(1));
    match category.map(|code| lang.t_of("category", code)) {
        Some(words) if !words.is_empty() => words.to_owned(),
        _ => kind_words(item.kind, item.sort, &lang).to_owned(),
    }
}

/// Since when an item is withdrawn: found by its own key, which in a chart of two records may be longer
/// ([`store_item()`]), or by the key of the resource that it is a further file of.
fn taken_back(withdrawn: &BTreeMap<String, Ts>, key: &str) -> Option<Ts> {
    let own = key.rsplit_once("~o").map_or(key, |(own, _)| own);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let holder = own.rsplit_once(':').filter(|(_, number)| is_number(number)).map(|(holder, _)| holder);
    [Some(key), Some(own), holder].into_iter().flatten().find_map(|key| withdrawn.get(key).copied())
}

fn is_key_of(item: &Emptied, key: &str) -> bool {
    let own = item_key(item.source.as_deref().unwrap_or(UNNAMED), &item.source_id);
    key.strip_prefix(&own).is_some_and(|rest| rest.is_empty() || rest.starts_with("~o"))
}

/// Gives an item its file; a file without a name gets the item's title. Gives whether that changed anything.
fn give_file(tx: &mut Tx, now: Ts, id: ChartItemId, item: &ImportedItem, title: &str) -> QueryResult<bool> {
    let Some(file) = &item.attachment else { return set_blob(tx, now, id, None) };
    let name = match file.name.strip_prefix('.') {
        Some(ending) => format!("{title}.{ending}"),
        None if file.name.is_empty() => title.to_owned(),
        None => file.name.clone(),
    };
    let content = match file.stored {
        Some((row, number)) => resources::content(tx, row, number)?,
        None => None,
    };
    match content {
        Some((blob, size)) => set_blob(tx, now, id, Some((blob, &name, &file.content_type, size))),
        None => set_blob(tx, now, id, None),
    }
}

/// The patient's details: their own language where the pages have it, else the clinic's; notified by email and text.
fn demographics(patient: &ImportedPatient, settings: &Settings) -> Demographics {
    let language = patient.language.as_deref().and_then(Lang::find).unwrap_or(settings.lang());
    Demographics {
        given_name: patient.given.clone(),
        family_name: patient.family.clone(),
        preferred_name: patient.preferred.clone(),
        birth_date: BirthDate(patient.birth_date),
        health_number: patient.health_number.clone(),
        email: patient.email.as_deref().and_then(EmailAddress::parse),
        phone: patient.phone.as_deref().and_then(|number| PhoneNumber::parse(number, "1")),
        language: language.code().to_owned(),
        method: Method::Both,
    }
}

/// What a source says of a patient, in the record that is stored of it; `None` where none is stored, or it cannot be read.
pub fn said_of(conn: &mut Conn, owner: &SourceId, options: &ImportOptions) -> QueryResult<Option<ImportedPatient>> {
    let Some(json) = resources::record(conn, owner)? else { return Ok(None) };
    let Ok(read) = read_bundle(json.as_bytes()) else { return Ok(None) };
    Ok(read.charts(options).charts.into_iter().next().map(|chart| chart.patient))
}

/// Decides who the patients of a survey are: it refuses those whom the clinic knows, or may know, as somebody else.
pub fn judge(tx: &mut crate::db::Conn, survey: &mut super::fhir::Survey, settings: &Settings) -> QueryResult<()> {
    let people: Vec<(SourceId, Demographics)> = survey
        .people
        .iter()
        .map(|((source, id), person)| {
            (SourceId { source: source.clone(), id: id.clone() }, demographics(person, settings))
        })
        .collect();
    for (id, d) in people {
        match patients::recognise(tx, &PersonDescription { demographics: &d, source: Some(&id) })?.who {
            Who::Contradicts => survey.refused.insert(id, SkipReason::OtherPerson),
            Who::Unsure => survey.refused.insert(id, SkipReason::UnsurePerson),
            Who::Known(_) | Who::New => None,
        };
    }
    let unreadable: Vec<(SourceId, SkipReason)> = survey
        .unreadable
        .iter()
        .map(|((source, id), reason)| (SourceId { source: source.clone(), id: id.clone() }, *reason))
        .collect();
    for (id, reason) in unreadable {
        if patients::by_source(tx, &id)?.is_none() {
            // refuses the rest of that chart too
            survey.refused.insert(id, reason);
        }
    }
    Ok(())
}

/// Refuses those patients of a survey whose record here was deleted: what a server sends by itself must not bring it back.
pub fn refuse_deleted(conn: &mut Conn, survey: &mut super::fhir::Survey) -> QueryResult<()> {
    let ids = survey.people.keys().chain(survey.unreadable.keys());
    let ids: Vec<SourceId> = ids.map(|(source, id)| SourceId { source: source.clone(), id: id.clone() }).collect();
    for id in ids {
        if patients::by_source(conn, &id)?.is_none() && patients::was_deleted(conn, &id)? {
            survey.refused.insert(id, SkipReason::RecordDeleted);
        }
    }
    Ok(())
}

impl Kept {
    /// Stands for the record of a patient that came before this program stored resources.
    fn of_patient(id: &str, patient: &Patient) -> Kept {
        let json = serde_json::json!({
            "resourceType": "Patient",
            "id": id,
            "name": [{"family": patient.family_name, "given": [patient.given_name]}],
            "birthDate": patient.birth_date.iso(),
        });
        Kept {
            row: 0,
            source: UNNAMED.to_owned(),
            full_url: None,
            json: json.to_string(),
            withdrawn: None,
            unseen: false,
            fresh: false,
            shared: false,
            files: Vec::new(),
        }
    }

    fn kind(&self) -> String {
        super::fhir::kind_of(&self.json)
    }

    fn is_patient(&self) -> bool {
        !self.shared && self.kind() == "Patient"
    }
}
