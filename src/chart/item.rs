//! The entry of a chart as it is stored and shown: its kind and its body.
//!
//! A body is stored as JSON in a TEXT column, so the tags below are a stored format: add to them, never rename them.
//! Words that Postern adds are keys ([`Label`]) that the page translates; words of the record are stored as they are.

use serde::{Deserialize, Serialize};

crate::text_enum! {
    /// What a chart item is.
    pub enum ItemKind {
        /// A visit or a contact.
        Encounter = "encounter",
        /// Results, of a laboratory or measured in the clinic.
        LabResult = "lab_result",
        /// An order: a test, a referral, a prescription.
        Requisition = "requisition",
        /// A filled-in questionnaire.
        Form = "form",
        /// Correspondence.
        Letter = "letter",
        /// Any other document.
        File = "file",
        /// A communication that came in.
        InboxItem = "inbox_item",
        /// A bill.
        Invoice = "invoice",
        /// What the patient was given to do or to read.
        Education = "education",
    }
}

crate::text_enum! {
    /// A more precise word than the kind, where the kind says too little.
    pub enum ItemSort {
        /// an order of a medicine
        Prescription = "prescription",
        /// an intervention outside a visit
        Procedure = "procedure",
        /// a vaccination outside a visit
        Immunization = "immunization",
    }
}

crate::text_enum! {
    /// The state of a chart item at its source.
    pub enum ItemState {
        /// it is valid
        Current = "current",
        /// its source has withdrawn a part of it
        PartlyWithdrawn = "partly_withdrawn",
        /// its source has withdrawn it
        Withdrawn = "withdrawn",
        /// it is now a part of another item
        Moved = "moved",
    }
}

/// The content of a chart item, top to bottom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemBody {
    /// The parts, in reading order.
    #[serde(default)]
    pub blocks: Vec<Block>,
}

impl ItemBody {
    /// All words of the record for search, one part per line: without labels (they depend on the reader's language),
    /// dates and yes/no.
    pub fn plain_text(&self) -> String {
        let mut lines: Vec<&str> = Vec::new();
        for block in &self.blocks {
            match block {
                Block::Heading { text } => lines.extend(text.text()),
                Block::Paragraph { text } => lines.push(text),
                Block::Facts { rows } => {
                    for row in rows {
                        lines.extend(row.label.text());
                        lines.extend(row.value.texts());
                    }
                }
                Block::Results { rows } => {
                    for row in rows {
                        lines.push(&row.name);
                        lines.extend(row.value.iter().chain(&row.interpretation).flat_map(Datum::texts));
                        lines.extend([&row.unit, &row.reference, &row.note].into_iter().flatten().map(String::as_str));
                    }
                }
                Block::List { items } => lines.extend(items.iter().map(String::as_str)),
            }
        }
        lines.join("\n")
    }
}

impl ItemBody {
    /// The newer body, with the parts of this one that only this one has: results are compared by name, other parts by
    /// heading.
    pub(super) fn under(&self, newer: &ItemBody) -> ItemBody {
        let names: Vec<&str> = newer
            .blocks
            .iter()
            .flat_map(|block| match block {
                Block::Results { rows } => rows.iter().map(|row| row.name.as_str()).collect(),
                Block::Facts { rows } => rows.iter().filter_map(|row| row.label.text()).collect(),
                _ => Vec::new(),
            })
            .collect();
        let headings: Vec<&Caption> = newer.blocks.iter().filter_map(Block::heading).collect();
        let mut body = newer.clone();
        let mut under: Option<&Caption> = None;
        for block in &self.blocks {
            match block {
                Block::Heading { text } => under = Some(text),
                Block::Results { rows } => {
                    let rows: Vec<ResultRow> =
                        rows.iter().filter(|row| !names.contains(&row.name.as_str())).cloned().collect();
                    body.put(under, Block::Results { rows: rows.clone() }, !rows.is_empty());
                }
                Block::Facts { rows } if under.is_some() => {
                    let only = |row: &&Fact| row.label.text().is_some_and(|name| !names.contains(&name));
                    let rows: Vec<Fact> = rows.iter().filter(only).cloned().collect();
                    body.put(under, Block::Facts { rows: rows.clone() }, !rows.is_empty());
                }
                Block::Paragraph { .. } | Block::List { .. } => {
                    let told = under.is_some_and(|heading| headings.contains(&heading));
                    body.put(under, block.clone(), under.is_some() && !told);
                }
                Block::Facts { .. } => {}
            }
        }
        body
    }

    /// Puts a block at the end, under its heading.
    fn put(&mut self, heading: Option<&Caption>, block: Block, is_wanted: bool) {
        if !is_wanted {
            return;
        }
        let last = self.blocks.iter().rev().find_map(Block::heading);
        if let Some(heading) = heading
            && last != Some(heading)
        {
            self.blocks.push(Block::Heading { text: heading.clone() });
        }
        self.blocks.push(block);
    }
}

impl Block {
    fn heading(&self) -> Option<&Caption> {
        match self {
            Self::Heading { text } => Some(text),
            _ => None,
        }
    }
}

/// One part of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Block {
    /// A line above the blocks that follow.
    Heading {
        /// Its words.
        text: Caption,
    },
    /// Plain text; line breaks count.
    Paragraph {
        /// Its words.
        text: String,
    },
    /// Names with their values.
    Facts {
        /// In reading order.
        rows: Vec<Fact>,
    },
    /// Measurements and findings.
    Results {
        /// In the order of the report.
        rows: Vec<ResultRow>,
    },
    /// A bulleted list.
    List {
        /// In the order of the record.
        items: Vec<String>,
    },
}

/// Words above or before something: a label that is translated, or the record's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Caption {
    /// A key that the page translates.
    #[serde(rename = "k")]
    Label(Label),
    /// As written in the record.
    #[serde(rename = "t")]
    Text(String),
}

impl Caption {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Label(_) => None,
            Self::Text(text) => Some(text),
        }
    }
}

/// One name with its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The name.
    pub label: Caption,
    /// The value.
    pub value: Datum,
}

/// A value that the page shows in the reader's language and the clinic's time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Datum {
    /// As written in the record.
    #[serde(rename = "t")]
    Text(String),
    /// A decimal with the digits of the record ("4.10"): FHIR R4 §2.24.0.1, the precision of a decimal is meaningful.
    #[serde(rename = "n")]
    Number(String),
    /// A code of the record's standard ("finished", "AMB"), for which the page may have words; else shown as it is.
    #[serde(rename = "c")]
    Code(String),
    /// Yes or no.
    #[serde(rename = "b")]
    Bool(bool),
    /// An ISO 8601 date (`YYYY`, `YYYY-MM`, `YYYY-MM-DD`) or an RFC 3339 instant, checked.
    #[serde(rename = "d")]
    When(String),
    /// Start and end, each as in [`Datum::When`]; `None` is an open end.
    #[serde(rename = "p")]
    Period(Option<String>, Option<String>),
    /// Several codes, as in [`Datum::Code`].
    #[serde(rename = "cs")]
    Codes(Vec<String>),
    /// An amount, or a number of times, in a span of time: "2 times a day", "4 g every 6 hours".
    #[serde(rename = "e")]
    Every(Every),
    /// Several values, in their order.
    #[serde(rename = "ps")]
    Parts(Vec<Datum>),
}

/// How often, or how much, in a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Every {
    /// An amount in the record's words; `None` where only `times` counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// A number, or a span ("1–2").
    pub times: String,
    /// A number of the unit, or a span ("4–6").
    pub period: String,
    /// UCUM: "s", "min", "h", "d", "wk", "mo", "a".
    pub unit: String,
}

impl Datum {
    /// Several values as one; `None` where there are none.
    pub fn all(mut values: Vec<Datum>) -> Option<Datum> {
        if values.len() <= 1 { values.pop() } else { Some(Self::Parts(values)) }
    }

    fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) | Self::Number(text) | Self::Code(text) => vec![text],
            Self::Every(every) => every.amount.as_deref().into_iter().collect(),
            Self::Parts(parts) => parts.iter().flat_map(Self::texts).collect(),
            Self::Bool(_) | Self::When(_) | Self::Period(..) | Self::Codes(_) => Vec::new(),
        }
    }
}

/// One measurement or finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultRow {
    /// What was measured.
    pub name: String,
    /// The result; `None` where the record gives only a note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Datum>,
    /// The unit of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The reference range or text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// How the value compares with the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flag: Option<Flag>,
    /// The laboratory's words for it where they are no flag: "resistant", "positive".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpretation: Option<Datum>,
    /// Its own state where that is not final: preliminary, corrected, cancelled, withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// When it was measured, where the item's results have several times; as in [`Datum::When`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// A remark on this result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How a result compares with what is expected (HL7 v3 ObservationInterpretation).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Below the range (L).
    Low,
    /// Above the range (H).
    High,
    /// Far below (LL, LU).
    CriticalLow,
    /// Far above (HH, HU).
    CriticalHigh,
    /// Not as expected, in no direction (A, AA).
    Abnormal,
    /// As expected (N).
    Normal,
}

impl Flag {
    /// The stored name, also the translation key.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::High => "high",
            Self::CriticalLow => "critical_low",
            Self::CriticalHigh => "critical_high",
            Self::Abnormal => "abnormal",
            Self::Normal => "normal",
        }
    }
}

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident = $key:literal),* $(,)?) => {
        /// The words that Postern puts into bodies; the page translates them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Label {
            $($(#[$doc])* #[serde(rename = $key)] $name,)*
        }

        impl Label {
            /// Every label, for the test that each has a translation.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stored key, also the translation key.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $key,)* }
            }
        }
    };
}

labels! {
    /// Since when a condition is over.
    Abatement = "abatement",
    /// What the patient is asked to do.
    Activities = "activities",
    /// What the source says besides.
    AlsoAtSource = "also_at_source",
    /// To be taken when needed.
    AsNeeded = "as_needed",
    /// Who wrote it.
    Author = "author",
    /// The category in the record.
    Category = "category",
    /// The setting of a visit (ambulatory, emergency, …).
    Class = "class",
    /// Who saw the patient.
    Clinician = "clinician",
    /// What went wrong.
    Complications = "complications",
    /// The conclusion of a report.
    Conclusion = "conclusion",
    /// Health conditions.
    Conditions = "conditions",
    /// For how long a medicine is to be taken.
    Course = "course",
    /// How much a day.
    DailyAmount = "daily_amount",
    /// On which days of the week.
    Days = "days",
    /// Details of an order.
    Details = "details",
    /// Where the patient went after a stay.
    Discharge = "discharge",
    /// The order says that this must NOT be done.
    DoNotPerform = "do_not_perform",
    /// How to take it.
    Dosage = "dosage",
    /// How much of a vaccine.
    Dose = "dose",
    /// Which dose of a series.
    DoseNumber = "dose_number",
    /// When it is to be done.
    Due = "due",
    /// Until when a vaccine may be used.
    Expires = "expires",
    /// A file without a name.
    File = "file",
    /// What is to come after.
    FollowUp = "follow_up",
    /// Goals.
    Goals = "goals",
    /// Vaccinations.
    Immunizations = "immunizations",
    /// Words to the patient.
    Instructions = "instructions",
    /// Proposal, plan, order, …
    Intent = "intent",
    /// When a report was released.
    Issued = "issued",
    /// Who sends the bill.
    Issuer = "issuer",
    /// Lines of a bill.
    LineItems = "line_items",
    /// Where it took place.
    Location = "location",
    /// Lot number of a vaccine.
    LotNumber = "lot_number",
    /// Who made a vaccine.
    Manufacturer = "manufacturer",
    /// No more than this.
    MaxDose = "max_dose",
    /// By which way it came.
    Medium = "medium",
    /// The source's own page.
    Narrative = "narrative",
    /// A vaccine that does not count as a dose.
    NotFullStrength = "not_full_strength",
    /// What is not shown, and why.
    NotShown = "not_shown",
    /// Remarks.
    Notes = "notes",
    /// The number of a bill or an order.
    Number = "number",
    /// Since when a condition is there.
    Onset = "onset",
    /// The organization that was responsible.
    Organization = "organization",
    /// When and how to pay.
    PaymentTerms = "payment_terms",
    /// Who is to do it, or did it.
    Performer = "performer",
    /// From and to.
    Period = "period",
    /// Prescribed medicines.
    Prescriptions = "prescriptions",
    /// Routine, urgent, …
    Priority = "priority",
    /// Procedures.
    Procedures = "procedures",
    /// How much.
    Quantity = "quantity",
    /// Why.
    Reason = "reason",
    /// Who got it.
    Recipients = "recipients",
    /// How often a prescription may be repeated.
    Repeats = "repeats",
    /// Who ordered it.
    Requester = "requester",
    /// Measurements and findings.
    Results = "results",
    /// By which way it is given.
    Route = "route",
    /// Who sent it.
    Sender = "sender",
    /// Where on the body.
    Site = "site",
    /// What was examined.
    Specimen = "specimen",
    /// The state in the record.
    Status = "status",
    /// Why it stands as it does.
    StatusReason = "status_reason",
    /// Which of several dosages that follow each other.
    Step = "step",
    /// Whether another product may be given.
    Substitution = "substitution",
    /// For how long it lasts.
    Supply = "supply",
    /// What a goal is measured by.
    Target = "target",
    /// At which times of the day.
    TimesOfDay = "times_of_day",
    /// The total with taxes.
    TotalGross = "total_gross",
    /// The total without taxes.
    TotalNet = "total_net",
    /// From when to when an order holds.
    Validity = "validity",
}
