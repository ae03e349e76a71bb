//! Invoice (R4 §13.10).

use super::SkipReason;
use super::body::Body;
use super::chart::{At, Chart, Draft};
use super::types::{Annotation, CodeableConcept, Decimal, Identifier, Money, Reference, first_words, notes, types};
use crate::chart::item::{Caption, Datum, ItemKind, Label};

types! {
    struct PriceComponent {
        r#type: Option<String>,
        code: Option<CodeableConcept>,
        factor: Option<Decimal>,
        amount: Option<Money>,
    }
    struct LineItem {
        charge_item_reference: Option<Reference>,
        charge_item_codeable_concept: Option<CodeableConcept>,
        price_component: Vec<PriceComponent>,
    }
    struct InvoiceParticipant { actor: Option<Reference> }
    struct Invoice {
        identifier: Vec<Identifier>,
        status: Option<String>,
        cancelled_reason: Option<String>,
        r#type: Option<CodeableConcept>,
        recipient: Option<Reference>,
        date: Option<String>,
        participant: Vec<InvoiceParticipant>,
        issuer: Option<Reference>,
        line_item: Vec<LineItem>,
        total_price_component: Vec<PriceComponent>,
        total_net: Option<Money>,
        total_gross: Option<Money>,
        payment_terms: Option<String>,
        note: Vec<Annotation>,
    }
}

impl PriceComponent {
    /// `12.50 CAD`, with the factor before it where there is one: `2 × 12.50 CAD`.
    fn to_text(&self) -> Option<String> {
        let amount = self.amount.as_ref()?.to_text()?;
        Some(match &self.factor {
            Some(factor) => format!("{} × {amount}", factor.0),
            None => amount,
        })
    }

    /// The component's name: its coded words, else its type (`base`, `tax`, `discount`, …).
    fn name(&self) -> Option<String> {
        self.code.as_ref().and_then(CodeableConcept::to_text).or_else(|| first_words([self.r#type.as_ref()]))
    }
}

/// A line's amount: the base price alone, further components with their names.
fn price(components: &[PriceComponent]) -> Option<String> {
    let parts: Vec<String> = components
        .iter()
        .filter_map(|component| {
            let amount = component.to_text()?;
            let name = component.name().filter(|_| component.r#type.as_deref() != Some("base"));
            Some(name.map_or(amount.clone(), |name| format!("{name}: {amount}")))
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Invoice → invoice.
pub(super) fn invoice(chart: &mut Chart, at: At, it: &Invoice) {
    let Some(when) = chart.date(at, [it.date.as_ref()]) else { return chart.skip(at, SkipReason::NoDate) };
    let issuer = it.issuer.as_ref().and_then(|issuer| chart.name(at, issuer));
    let people = chart.names(at, it.participant.iter().filter_map(|participant| participant.actor.as_ref()));
    let number = first_words(it.identifier.iter().map(|identifier| identifier.value.as_ref()));
    let mut body = Body::default();
    body.text(Label::Number, number.clone());
    body.code(Label::Status, it.status.as_ref());
    body.text(Label::StatusReason, it.cancelled_reason.clone());
    body.text(Label::Issuer, issuer.clone());
    body.texts(Label::Performer, people.clone());
    body.text(Label::Recipients, it.recipient.as_ref().and_then(|recipient| chart.name(at, recipient)));
    let mut lines = Vec::new();
    for (line, number) in it.line_item.iter().zip(1_u32..) {
        let coded = line.charge_item_codeable_concept.as_ref().and_then(CodeableConcept::to_text);
        let referred = line.charge_item_reference.as_ref().and_then(|reference| chart.name(at, reference));
        let name = coded.or(referred).unwrap_or_else(|| number.to_string());
        lines.push((Caption::Text(name), price(&line.price_component).map(Datum::Text)));
    }
    body.rows(Label::LineItems, lines);
    for component in &it.total_price_component {
        if let Some(name) = component.name() {
            body.row(Caption::Text(name), component.to_text().map(Datum::Text));
        }
    }
    body.text(Label::TotalNet, it.total_net.as_ref().and_then(Money::to_text));
    body.text(Label::TotalGross, it.total_gross.as_ref().and_then(Money::to_text));
    body.paragraphs(Label::PaymentTerms, it.payment_terms.iter().cloned().collect());
    body.paragraphs(Label::Notes, notes(&it.note));
    let title = it.r#type.as_ref().and_then(CodeableConcept::to_text).or(number);
    let author = issuer.or_else(|| people.into_iter().next());
    chart.add(at, Draft { title, author, body: body.finish(), ..Draft::new(ItemKind::Invoice, when) });
}
