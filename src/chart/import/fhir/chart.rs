//! Builds one patient's chart: which resources belong together, what a reference names, and the items so far.

use std::collections::{HashMap, HashSet};

use super::bundle::{Bundle, Entry, count};
use super::resource::Resource;
use super::types::{CodeableConcept, HumanName, Reference, non_empty, single_line};
use super::when::{Moment, first_moment};
use super::{Emptied, ImportOptions, ImportedChart, ImportedFile, ImportedItem, ImportedPatient, SkipReason, Skipped};
use super::{document, done, encounter, form, invoice, narrative, order, plan, report};
use crate::chart::item::{Block, Caption, Datum, Fact, ItemBody, ItemKind, ItemSort, Label};
use crate::db::Ts;

/// An entry and its position in the bundle.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    pub position: usize,
    pub entry: &'a Entry,
}

/// An item before it has its key.
#[derive(Debug)]
pub(super) struct Draft {
    pub kind: ItemKind,
    pub sort: Option<ItemSort>,
    pub when: Moment,
    /// `None`: the page shows words for the kind.
    pub title: Option<String>,
    pub author: Option<String>,
    pub body: ItemBody,
    pub attachment: Option<ImportedFile>,
}

impl Draft {
    /// An item of this kind and time, without content.
    pub fn new(kind: ItemKind, when: Moment) -> Self {
        Self { kind, sort: None, when, title: None, author: None, body: ItemBody::default(), attachment: None }
    }
}

pub(super) struct Chart<'a> {
    bundle: &'a Bundle,
    patient: usize,
    owners: &'a [Option<usize>],
    mine: Vec<usize>,
    skipped: Skipped,
    items: Vec<(usize, ImportedItem)>,
    /// This patient's encounters that become items, each with the resources that were made during it.
    during: HashMap<usize, Vec<usize>>,
    /// All resources that were made during one of these encounters.
    grouped: HashSet<usize>,
    /// Observations that are shown in a report.
    reported: HashSet<usize>,
    /// Binaries that a resource of this patient names.
    binaries: HashSet<usize>,
    /// Resources whose fields without a place are counted already.
    left_out: HashSet<usize>,
    source: Option<&'a str>,
    emptied: Vec<Emptied>,
    making: Making,
}

/// What is known of the next item before it is added.
#[derive(Default)]
struct Making {
    /// its state at the source; `None`: the state of its one resource
    standing: Option<Vec<String>>,
    /// since when a part of it is withdrawn
    partly_withdrawn: Option<Ts>,
    fresh: bool,
    /// parts of it that cannot be shown, and why
    lacking: Vec<(Caption, SkipReason)>,
    /// fields of its resources that have no place in an item
    unread: Vec<&'static str>,
}

impl<'a> Chart<'a> {
    /// `mine`: the positions of the patient's resources, ascending.
    pub fn new(
        bundle: &'a Bundle,
        patient: usize,
        owners: &'a [Option<usize>],
        mine: Vec<usize>,
        skipped: Skipped,
        options: &'a ImportOptions,
    ) -> Self {
        let (items, during) = (Vec::new(), HashMap::new());
        let (grouped, reported, binaries) = (HashSet::new(), HashSet::new(), HashSet::new());
        let source = options.source.as_deref();
        let mut chart = Self {
            bundle,
            patient,
            owners,
            mine,
            skipped,
            items,
            during,
            grouped,
            reported,
            binaries,
            source,
            left_out: HashSet::new(),
            emptied: Vec::new(),
            making: Making::default(),
        };
        chart.gather();
        chart
    }

    /// Finds which resources belong to which encounter and which report.
    fn gather(&mut self) {
        let mine = self.mine();
        for at in &mine {
            if let Resource::Encounter(encounter) = &at.entry.resource
                && encounter.start().is_some()
                && at.entry.withdrawn.is_none()
            {
                self.during.insert(at.position, Vec::new());
            }
        }
        for at in &mine {
            if let Resource::DiagnosticReport(report) = &at.entry.resource
                && at.entry.withdrawn.is_none()
            {
                let results = report::observations(self, *at, report);
                // a report without any date is left out; its results are then shown as if there were none
                if report::occurred(self, *at, report, &results).is_some() {
                    self.reported.extend(results.into_iter().map(|found| found.position));
                }
            }
            if let Some(encounter) = self.encounter_of(*at) {
                self.during.entry(encounter.position).or_default().push(at.position);
                self.grouped.insert(at.position);
            }
        }
        // a diagnosis that only the encounter names, and that does not name the encounter
        for at in &mine {
            let Resource::Encounter(encounter) = &at.entry.resource else { continue };
            for found in encounter.diagnoses().filter_map(|reference| self.find(*at, reference)).collect::<Vec<_>>() {
                if self.grouped.contains(&found.position) {
                    continue;
                }
                if let Some(during) = self.during.get_mut(&at.position) {
                    during.push(found.position);
                    self.grouped.insert(found.position);
                }
            }
        }
    }

    /// Makes items of all resources of the patient.
    pub fn finish(mut self, patient: ImportedPatient, binaries: &mut HashSet<usize>) -> ImportedChart {
        for at in self.mine() {
            // a withdrawn resource is no item; where it was a part of one, that item shows it
            if at.entry.withdrawn.is_some() {
                continue;
            }
            match &at.entry.resource {
                Resource::CarePlan(it) => plan::care_plan(&mut self, at, it),
                Resource::Communication(it) => document::communication(&mut self, at, it),
                Resource::Condition(_) if !self.is_grouped(at) => self.skip(at, SkipReason::NoEncounter),
                Resource::DiagnosticReport(it) => report::report(&mut self, at, it),
                Resource::DocumentReference(it) => document::document(&mut self, at, it),
                Resource::Encounter(it) => encounter::encounter(&mut self, at, it),
                Resource::Immunization(it) => done::immunization(&mut self, at, it),
                Resource::Invoice(it) => invoice::invoice(&mut self, at, it),
                Resource::MedicationRequest(it) => order::prescription(&mut self, at, it),
                Resource::Procedure(it) => done::procedure(&mut self, at, it),
                Resource::QuestionnaireResponse(it) => form::form(&mut self, at, it),
                Resource::ServiceRequest(it) => order::request(&mut self, at, it),
                // shown with others, or added below
                _ => {}
            }
        }
        report::loose_observations(&mut self);
        self.items.sort_by(|(left, a), (right, b)| (a.occurred_at, left).cmp(&(b.occurred_at, right)));
        binaries.extend(self.binaries);
        let items = self.items.into_iter().map(|(_, item)| item).collect();
        ImportedChart { patient, items, skipped: self.skipped, emptied: self.emptied }
    }

    /// The patient's resources, by ascending position.
    pub fn mine(&self) -> Vec<At<'a>> {
        self.mine.iter().filter_map(|position| self.at(*position)).collect()
    }

    fn at(&self, position: usize) -> Option<At<'a>> {
        self.bundle.entries.get(position).map(|entry| At { position, entry })
    }

    /// Resources that belong to no patient.
    pub fn shared(&self) -> impl Iterator<Item = &'a Resource> {
        let owners = self.owners;
        let free = self.bundle.entries.iter().zip(owners).filter(|(_, owner)| owner.is_none());
        free.map(|(entry, _)| &entry.resource)
    }

    /// The resources that were made during an encounter.
    pub fn during(&self, encounter: At) -> Vec<At<'a>> {
        let positions = self.during.get(&encounter.position).into_iter().flatten();
        positions.filter_map(|position| self.at(*position)).collect()
    }

    /// Whether a resource is shown with an encounter.
    pub fn is_grouped(&self, at: At) -> bool {
        self.grouped.contains(&at.position)
    }

    pub fn is_reported(&self, at: At) -> bool {
        self.reported.contains(&at.position)
    }

    /// The entry that a reference names, if it is in the bundle and not another patient's.
    pub fn find(&self, from: At, reference: &Reference) -> Option<At<'a>> {
        let url = reference.reference.as_deref()?;
        let position = match url.strip_prefix('#') {
            Some(local) => self.bundle.local(from.position, local)?,
            None => self.bundle.position(from.entry.full_url.as_deref(), url)?,
        };
        let owner = self.owners.get(position).copied().flatten();
        let at = self.at(position)?;
        let is_a_patient = matches!(at.entry.resource, Resource::Patient(_));
        let foreign = owner.is_some_and(|owner| owner != self.patient) || (is_a_patient && position != self.patient);
        (!foreign).then_some(at)
    }

    /// The encounter during which a resource was made, if it is this patient's and becomes an item.
    pub fn encounter_of(&self, at: At) -> Option<At<'a>> {
        let found = self.find(at, at.entry.resource.encounter()?)?;
        self.during.contains_key(&found.position).then_some(found)
    }

    /// The first of these texts that is a date, else the start of the resource's encounter.
    pub fn date<'b>(&self, at: At, dates: impl IntoIterator<Item = Option<&'b String>>) -> Option<Moment> {
        first_moment(dates).or_else(|| match &self.encounter_of(at)?.entry.resource {
            Resource::Encounter(encounter) => encounter.start(),
            _ => None,
        })
    }

    /// The name of the resource that a reference names: as the bundle has it, else the reference's `display`. A
    /// withdrawn resource has no name, and the item that refers to it says so.
    pub fn name(&mut self, from: At, reference: &Reference) -> Option<String> {
        let found = self.find(from, reference);
        if let Some(found) = found.filter(|found| found.entry.withdrawn.is_some()) {
            self.made_of(&[found]);
            return None;
        }
        let found = found.and_then(|found| match &found.entry.resource {
            // one step only: a role that refers to another role has no name
            Resource::PractitionerRole(role) => [&role.practitioner, &role.organization]
                .into_iter()
                .flatten()
                .find_map(|reference| match self.find(found, reference).map(|inner| &inner.entry.resource) {
                    Some(resource @ (Resource::Practitioner(_) | Resource::Organization(_))) => name_of(resource),
                    _ => reference.display.as_deref().and_then(non_empty),
                }),
            Resource::MedicationRequest(order) => order.medication(self, found),
            resource => name_of(resource),
        });
        found.or_else(|| reference.display.as_deref().and_then(non_empty)).map(|name| single_line(&name, 300))
    }

    /// The names of several resources, each once.
    pub fn names<'b>(&mut self, from: At, references: impl IntoIterator<Item = &'b Reference>) -> Vec<String> {
        let mut names = Vec::new();
        for name in references.into_iter().filter_map(|reference| self.name(from, reference)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The names of several resources that matter, under a label: one without a name is reported as lacking.
    pub fn needed<'b>(
        &mut self,
        from: At,
        what: &str,
        label: Label,
        references: impl IntoIterator<Item = &'b Reference>,
    ) -> Vec<String> {
        let mut names = Vec::new();
        for reference in references {
            match self.name(from, reference) {
                Some(name) if names.contains(&name) => {}
                Some(name) => names.push(name),
                None if self.find(from, reference).is_some() => {}
                None => self.lacks(from, what, Caption::Label(label), SkipReason::Elsewhere),
            }
        }
        names
    }

    /// Reasons given as concepts and as references.
    pub fn reasons(&mut self, at: At, concepts: &[CodeableConcept], references: &[Reference]) -> Vec<String> {
        let mut reasons = super::types::all_words(concepts);
        let what = format!("{}.reasonReference", at.entry.resource.kind());
        let named = self.needed(at, &what, Label::Reason, references);
        reasons.extend(named.into_iter().filter(|name| !reasons.contains(name)).collect::<Vec<_>>());
        reasons
    }

    /// The Binary of the bundle that an attachment's `url` names.
    pub fn binary(&mut self, from: At, url: &str) -> Option<(&'a super::document::Binary, At<'a>)> {
        let found = self.find(from, &Reference { reference: Some(url.to_owned()), display: None })?;
        let Resource::Binary(binary) = &found.entry.resource else { return None };
        self.binaries.insert(found.position);
        Some((binary, found))
    }

    /// The source within which the id of a resource is valid.
    pub fn source(&self, at: At) -> Option<String> {
        at.entry.source(self.source)
    }

    pub fn skip(&mut self, at: At, reason: SkipReason) {
        self.skip_part(at, at.entry.resource.kind(), reason);
    }

    /// Counts a part of a resource, `Type.field`, as left out.
    pub fn skip_part(&mut self, at: At, what: &str, reason: SkipReason) {
        // a part that was stored before is counted with the file that brought it
        if at.entry.fresh {
            count(&mut self.skipped, what, reason);
        }
    }

    /// Counts a part that cannot be shown, and names it on the next item.
    pub fn lacks(&mut self, at: At, what: &str, part: Caption, reason: SkipReason) {
        self.skip_part(at, what, reason);
        self.making.lacking.push((part, reason));
    }

    /// Adds these to the resources that the next item is made of.
    pub fn made_of(&mut self, parts: &[At]) {
        for at in parts {
            self.making.fresh |= at.entry.fresh;
            // a contained resource cannot be withdrawn on its own: it came with the outer one
            if at.entry.within.is_none() {
                self.making.partly_withdrawn = self.making.partly_withdrawn.max(at.entry.withdrawn);
            }
            if at.entry.withdrawn.is_none() {
                self.leaves_out(*at);
            }
        }
    }

    /// Counts the fields of a resource that have no place in an item, and names them on the next item.
    fn leaves_out(&mut self, at: At) {
        let is_first = self.left_out.insert(at.position);
        for field in &at.entry.unread {
            if is_first {
                self.skip_part(at, &format!("{}.{field}", at.entry.resource.kind()), SkipReason::NotMapped);
            }
            if !self.making.unread.contains(field) {
                self.making.unread.push(field);
            }
        }
    }

    /// Sets the state of the next item, where it is made of several resources.
    pub fn stands(&mut self, standing: Vec<String>) {
        self.making.standing = Some(standing);
    }

    /// Notes an item of several resources that are all withdrawn.
    pub fn emptied(&mut self, parts: &[At], source_id: String) {
        let since = parts.iter().filter_map(|at| at.entry.withdrawn).max();
        if let (Some(first), Some(since)) = (parts.first(), since) {
            let source = first.entry.source(self.source);
            self.emptied.push(Emptied { source, source_id, since });
        }
    }

    pub fn add(&mut self, at: At, draft: Draft) {
        let id = at.entry.source_id(at.position);
        self.leaves_out(at);
        self.add_as(at, id, draft);
    }

    /// Adds an item under its own key, for a resource that gives several items, or an item of several resources.
    pub fn add_as(&mut self, at: At, source_id: String, draft: Draft) {
        let Draft { kind, sort, when, title, author, mut body, attachment } = draft;
        let title = title.map(|title| single_line(&title, 200)).filter(|title| !title.is_empty());
        let title = title.unwrap_or_default();
        let author = author.map(|author| single_line(&author, 200)).filter(|author| !author.is_empty());
        let source = at.entry.source(self.source);
        if attachment.is_none() && is_bare(&body) {
            let words = at.entry.narrative.as_deref().map(narrative::paragraphs).unwrap_or_default();
            if !words.is_empty() {
                self.skip(at, SkipReason::NarrativeOnly);
                body.blocks.push(Block::Heading { text: Caption::Label(Label::Narrative) });
            }
            body.blocks.extend(words.into_iter().map(|text| Block::Paragraph { text }));
        }
        let making = std::mem::take(&mut self.making);
        body.blocks.extend(not_shown(making.lacking, making.unread));
        let standing = making.standing.unwrap_or_else(|| at.entry.resource.standing());
        let item = ImportedItem {
            source,
            source_id,
            kind,
            sort,
            occurred_at: when.at,
            title,
            author,
            body,
            attachment,
            fresh: making.fresh || at.entry.fresh,
            partly_withdrawn: making.partly_withdrawn,
            status: (!standing.is_empty()).then(|| standing.join(" ")),
            date_only: when.only,
        };
        self.items.push((at.position, item));
    }
}

/// The part of an item that says what is not shown.
fn not_shown(lacking: Vec<(Caption, SkipReason)>, unread: Vec<&str>) -> Vec<Block> {
    let row = |label, value| Fact { label, value };
    let mut rows: Vec<Fact> = lacking
        .into_iter()
        .map(|(part, reason)| row(part, Datum::Code(format!("lacks-{}", reason.as_str()))))
        .collect();
    if !unread.is_empty() {
        let fields = unread.into_iter().map(|field| format!("field-{field}")).collect();
        rows.push(row(Caption::Label(Label::AlsoAtSource), Datum::Codes(fields)));
    }
    if rows.is_empty() {
        return Vec::new();
    }
    vec![Block::Heading { text: Caption::Label(Label::NotShown) }, Block::Facts { rows }]
}

/// Labels whose facts say what an item is about; facts in the record's own words do so too.
const SUBSTANCE: [Label; 12] = [
    Label::Activities,
    Label::Conclusion,
    Label::Discharge,
    Label::Dosage,
    Label::Dose,
    Label::FollowUp,
    Label::LotNumber,
    Label::Reason,
    Label::Site,
    Label::Specimen,
    Label::TotalGross,
    Label::TotalNet,
];

/// Whether the body says nothing of what the item is about: then the page that the source made of it is better than
/// nothing (R4 §2.4.2.2).
fn is_bare(body: &ItemBody) -> bool {
    let says = |block: &Block| match block {
        Block::Paragraph { .. } | Block::List { .. } => true,
        Block::Results { rows } => rows.iter().any(|row| row.value.is_some() || row.note.is_some()),
        Block::Facts { rows } => rows.iter().any(|row| match &row.label {
            Caption::Text(_) => true,
            Caption::Label(label) => SUBSTANCE.contains(label),
        }),
        Block::Heading { .. } => false,
    };
    !body.blocks.iter().any(says)
}

/// The name that a person would use for a resource.
pub(super) fn name_of(resource: &Resource) -> Option<String> {
    let concept = |concept: &Option<CodeableConcept>| concept.as_ref().and_then(CodeableConcept::to_text);
    let person = |names: &[HumanName]| names.iter().find_map(HumanName::to_text);
    let text = |text: &Option<String>| text.as_deref().and_then(non_empty);
    match resource {
        Resource::Practitioner(it) => person(&it.name),
        Resource::RelatedPerson(it) => person(&it.name),
        Resource::Patient(it) => person(&it.name),
        Resource::Organization(it) => text(&it.name),
        Resource::Location(it) => text(&it.name),
        Resource::Medication(it) => concept(&it.code),
        Resource::Condition(it) => concept(&it.code),
        Resource::Procedure(it) => concept(&it.code),
        Resource::Observation(it) => concept(&it.code),
        Resource::DiagnosticReport(it) => concept(&it.code),
        Resource::ServiceRequest(it) => concept(&it.code),
        Resource::Immunization(it) => concept(&it.vaccine_code),
        Resource::Goal(it) => concept(&it.description),
        Resource::DocumentReference(it) => text(&it.description).or_else(|| concept(&it.r#type)),
        Resource::Questionnaire(it) => text(&it.title),
        Resource::CarePlan(it) => text(&it.title),
        _ => None,
    }
}
