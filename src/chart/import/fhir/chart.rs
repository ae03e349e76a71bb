//! Builds one patient's chart: which resources belong together, what a reference names, and the items so far.

use std::collections::{HashMap, HashSet};

use super::bundle::{Bundle, Part, count};
use super::entry::Entry;
use super::resource::Resource;
use super::shelf::Shelf;
use super::types::{CodeableConcept, HumanName, Reference, non_empty, single_line};
use super::when::{Moment, first_moment};
use super::{Emptied, ImportedFile, ImportedItem, SkipReason, Skipped};
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

/// What a chart is made from, besides the bundle.
pub(super) struct Desk<'a> {
    /// the position of the patient
    pub patient: usize,
    /// the position of each resource's patient
    pub owners: &'a [Option<usize>],
    /// the user's name for the source
    pub source: Option<&'a str>,
    /// from where resources come that are not held
    pub shelf: Option<&'a dyn Shelf>,
}

/// What is known of a chart while it is made: positions, never resources, so that they can be let go of.
#[derive(Default)]
pub(super) struct State {
    pub skipped: Skipped,
    /// Binaries that a resource of this patient names.
    pub binaries: HashSet<usize>,
    pub emptied: Vec<Emptied>,
    /// Items that are not handed over yet.
    items: Vec<(usize, ImportedItem)>,
    /// This patient's encounters that become items, each with the resources that were made during it.
    during: HashMap<usize, Vec<usize>>,
    /// All resources that were made during one of these encounters.
    grouped: HashSet<usize>,
    /// Observations that are shown in a report.
    reported: HashSet<usize>,
    /// Resources whose fields without a place are counted already.
    left_out: HashSet<usize>,
    making: Making,
}

impl State {
    /// Nothing is known yet, but that these parts are left out.
    pub fn beginning_with(skipped: Skipped) -> State {
        State { skipped, ..State::default() }
    }
}

/// A chart in the making, for one step of it.
pub(super) struct Chart<'a> {
    bundle: &'a Bundle,
    desk: &'a Desk<'a>,
    state: &'a mut State,
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

/// Makes a chart of the resources at these positions, which ascend, and gives each item to `sink`.
pub(super) fn make<E>(
    bundle: &mut Bundle,
    desk: &Desk,
    mine: &[usize],
    state: &mut State,
    sink: &mut dyn FnMut(Part) -> Result<(), E>,
) -> Result<(), E> {
    let of = |bundle: &Bundle, is_one: fn(&str) -> bool, withdrawn: bool| -> Vec<usize> {
        let slots = mine.iter().filter_map(|position| Some((*position, bundle.slots.get(*position)?)));
        let some = slots.filter(|(_, slot)| is_one(slot.kind) && (withdrawn || !slot.is_withdrawn));
        some.map(|(position, _)| position).collect()
    };
    for position in of(bundle, |kind| kind == "Encounter", false) {
        if bundle.slots.get(position).is_some_and(|slot| slot.starts) {
            state.during.insert(position, Vec::new());
        }
    }
    each(bundle, desk, state, mine, sink, gather)?;
    let encounters = of(bundle, |kind| kind == "Encounter", true);
    each(bundle, desk, state, &encounters, sink, gather_diagnoses)?;
    // a withdrawn resource is no item; where it was a part of one, that item shows it
    let becoming = of(bundle, |kind| kind != "Observation", false);
    each(bundle, desk, state, &becoming, sink, add_items)?;
    let observations = of(bundle, |kind| kind == "Observation", true);
    let mut days = report::Days::new();
    each(bundle, desk, state, &observations, sink, |chart, at| report::sort_loose(chart, at, &mut days))?;
    for (day, found) in days {
        step(bundle, desk, state, sink, |chart| report::loose_observations(chart, day, found))?;
    }
    Ok(())
}

/// Does something with each of these resources in turn.
fn each<E>(
    bundle: &mut Bundle,
    desk: &Desk,
    state: &mut State,
    positions: &[usize],
    sink: &mut dyn FnMut(Part) -> Result<(), E>,
    mut act: impl FnMut(&mut Chart, At),
) -> Result<(), E> {
    for (number, position) in positions.iter().enumerate() {
        step(bundle, desk, state, sink, |chart| {
            chart.bundle.slots.fetch_ahead(positions.get(number..).unwrap_or_default(), desk.shelf);
            if let Some(at) = chart.at(*position) {
                act(chart, at);
            }
        })?;
    }
    Ok(())
}

/// One step of making a chart. Before it the bundle may let go of what it has read, after it the new items leave.
fn step<E>(
    bundle: &mut Bundle,
    desk: &Desk,
    state: &mut State,
    sink: &mut dyn FnMut(Part) -> Result<(), E>,
    act: impl FnOnce(&mut Chart),
) -> Result<(), E> {
    bundle.slots.make_room();
    act(&mut Chart { bundle, desk, state });
    state.items.drain(..).try_for_each(|(position, item)| sink(Part::Item(position, item)))
}

/// Finds to which encounter a resource belongs, and which results a report shows.
fn gather(chart: &mut Chart, at: At) {
    if let Resource::DiagnosticReport(report) = &at.entry.resource
        && at.entry.withdrawn.is_none()
    {
        let results = report::observations(chart, at, report);
        // a report without any date is left out; its results are then shown as if there were none
        if report::occurred(chart, at, report, &results).is_some() {
            chart.state.reported.extend(results.into_iter().map(|found| found.position));
        }
    }
    if let Some(encounter) = chart.encounter_of(at) {
        chart.state.during.entry(encounter.position).or_default().push(at.position);
        chart.state.grouped.insert(at.position);
    }
}

/// Finds the diagnoses that only the encounter names, and that do not name the encounter.
fn gather_diagnoses(chart: &mut Chart, at: At) {
    let Resource::Encounter(encounter) = &at.entry.resource else { return };
    for found in encounter.diagnoses().filter_map(|reference| chart.find(at, reference)).collect::<Vec<_>>() {
        if chart.state.grouped.contains(&found.position) {
            continue;
        }
        if let Some(during) = chart.state.during.get_mut(&at.position) {
            during.push(found.position);
            chart.state.grouped.insert(found.position);
        }
    }
}

/// Adds the items that a resource becomes.
fn add_items(chart: &mut Chart, at: At) {
    match &at.entry.resource {
        Resource::CarePlan(it) => plan::care_plan(chart, at, it),
        Resource::Communication(it) => document::communication(chart, at, it),
        Resource::Condition(_) if !chart.is_grouped(at) => chart.skip(at, SkipReason::NoEncounter),
        Resource::DiagnosticReport(it) => report::report(chart, at, it),
        Resource::DocumentReference(it) => document::document(chart, at, it),
        Resource::Encounter(it) => encounter::encounter(chart, at, it),
        Resource::Immunization(it) => done::immunization(chart, at, it),
        Resource::Invoice(it) => invoice::invoice(chart, at, it),
        Resource::MedicationRequest(it) => order::prescription(chart, at, it),
        Resource::Procedure(it) => done::procedure(chart, at, it),
        Resource::QuestionnaireResponse(it) => form::form(chart, at, it),
        Resource::ServiceRequest(it) => order::request(chart, at, it),
        // shown with others
        _ => {}
    }
}

impl<'a> Chart<'a> {
    fn at(&self, position: usize) -> Option<At<'a>> {
        let entry = self.bundle.slots.entry(position, self.desk.shelf)?;
        Some(At { position, entry })
    }

    /// The resources at these positions.
    pub fn all(&self, positions: &[usize]) -> Vec<At<'a>> {
        self.bundle.slots.fetch(positions.iter().copied(), self.desk.shelf);
        positions.iter().filter_map(|position| self.at(*position)).collect()
    }

    /// Resources of a type that belong to no patient.
    pub fn shared(&self, kind: &'static str) -> impl Iterator<Item = &'a Resource> {
        let places = self.bundle.slots.iter().zip(self.desk.owners).enumerate();
        let free = places.filter(move |(_, (slot, owner))| owner.is_none() && slot.kind == kind);
        let (bundle, shelf) = (self.bundle, self.desk.shelf);
        free.filter_map(move |(position, _)| Some(&bundle.slots.entry(position, shelf)?.resource))
    }

    /// The resources that were made during an encounter.
    pub fn during(&self, encounter: At) -> Vec<At<'a>> {
        self.all(self.state.during.get(&encounter.position).map(Vec::as_slice).unwrap_or_default())
    }

    /// Whether a resource is shown with an encounter.
    pub fn is_grouped(&self, at: At) -> bool {
        self.state.grouped.contains(&at.position)
    }

    pub fn is_reported(&self, at: At) -> bool {
        self.state.reported.contains(&at.position)
    }

    /// The entry that a reference names, if it is in the bundle and not another patient's.
    pub fn find(&self, from: At, reference: &Reference) -> Option<At<'a>> {
        self.at(self.place(from, reference)?)
    }

    /// Where the resource is that a reference names.
    fn place(&self, from: At, reference: &Reference) -> Option<usize> {
        let url = reference.reference.as_deref()?;
        let position = match url.strip_prefix('#') {
            Some(local) => self.bundle.local(from.position, local)?,
            None => self.bundle.position(from.entry.full_url.as_deref(), url)?,
        };
        let owner = self.desk.owners.get(position).copied().flatten();
        let patient = self.desk.patient;
        let is_a_patient = self.bundle.slots.get(position)?.kind == "Patient";
        let foreign = owner.is_some_and(|owner| owner != patient) || (is_a_patient && position != patient);
        (!foreign).then_some(position)
    }

    /// The entries that references name, each as [`Self::find`] gives it.
    pub fn find_all(&self, from: At, references: &[Reference]) -> Vec<At<'a>> {
        let places: Vec<usize> = references.iter().filter_map(|reference| self.place(from, reference)).collect();
        self.all(&places)
    }

    /// The encounter during which a resource was made, if it is this patient's and becomes an item.
    pub fn encounter_of(&self, at: At) -> Option<At<'a>> {
        let place = self.place(at, at.entry.resource.encounter()?)?;
        // asked first: to have the encounter may cost a query
        if self.state.during.contains_key(&place) { self.at(place) } else { None }
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
        self.state.binaries.insert(found.position);
        Some((binary, found))
    }

    /// The source within which the id of a resource is valid.
    pub fn source(&self, at: At) -> Option<String> {
        at.entry.source(self.desk.source)
    }

    pub fn skip(&mut self, at: At, reason: SkipReason) {
        self.skip_part(at, at.entry.resource.kind(), reason);
    }

    /// Counts a part of a resource, `Type.field`, as left out.
    pub fn skip_part(&mut self, at: At, what: &str, reason: SkipReason) {
        // a part that was stored before is counted with the file that brought it
        if at.entry.fresh {
            count(&mut self.state.skipped, what, reason);
        }
    }

    /// Counts a part that cannot be shown, and names it on the next item.
    pub fn lacks(&mut self, at: At, what: &str, part: Caption, reason: SkipReason) {
        self.skip_part(at, what, reason);
        self.state.making.lacking.push((part, reason));
    }

    /// Adds these to the resources that the next item is made of.
    pub fn made_of(&mut self, parts: &[At]) {
        for at in parts {
            self.state.making.fresh |= at.entry.fresh;
            // a contained resource cannot be withdrawn on its own: it came with the outer one
            if self.bundle.slots.get(at.position).is_none_or(|slot| slot.within.is_none()) {
                self.state.making.partly_withdrawn = self.state.making.partly_withdrawn.max(at.entry.withdrawn);
            }
            if at.entry.withdrawn.is_none() {
                self.leaves_out(*at);
            }
        }
    }

    /// Counts the fields of a resource that have no place in an item, and names them on the next item.
    fn leaves_out(&mut self, at: At) {
        let is_first = self.state.left_out.insert(at.position);
        for field in &at.entry.unread {
            if is_first {
                self.skip_part(at, &format!("{}.{field}", at.entry.resource.kind()), SkipReason::NotMapped);
            }
            if !self.state.making.unread.contains(field) {
                self.state.making.unread.push(field);
            }
        }
    }

    /// Sets the state of the next item, where it is made of several resources.
    pub fn stands(&mut self, standing: Vec<String>) {
        self.state.making.standing = Some(standing);
    }

    /// Notes an item of several resources that are all withdrawn.
    pub fn emptied(&mut self, parts: &[At], source_id: String) {
        let since = parts.iter().filter_map(|at| at.entry.withdrawn).max();
        if let (Some(first), Some(since)) = (parts.first(), since) {
            let source = first.entry.source(self.desk.source);
            self.state.emptied.push(Emptied { source, source_id, since });
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
        let source = at.entry.source(self.desk.source);
        if attachment.is_none() && is_bare(&body) {
            let words = at.entry.narrative.as_deref().map(narrative::paragraphs).unwrap_or_default();
            if !words.is_empty() {
                self.skip(at, SkipReason::NarrativeOnly);
                body.blocks.push(Block::Heading { text: Caption::Label(Label::Narrative) });
            }
            body.blocks.extend(words.into_iter().map(|text| Block::Paragraph { text }));
        }
        let making = std::mem::take(&mut self.state.making);
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
        self.state.items.push((at.position, item));
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
