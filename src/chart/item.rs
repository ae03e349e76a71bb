//! placeholder until the import branch lands
use crate::text_enum;
use serde::{Deserialize, Serialize};
text_enum! {
    /// Kinds of chart items.
    pub enum ItemKind { Encounter = "encounter", LabResult = "lab_result", Requisition = "requisition", Form = "form", Letter = "letter", File = "file", InboxItem = "inbox_item", Invoice = "invoice", Education = "education" }
}
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ItemBody { pub blocks: Vec<Block> }
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Block { Heading { text: String }, Paragraph { text: String }, Facts { rows: Vec<(Label, String)> }, Results { rows: Vec<ResultRow> }, List { items: Vec<String> } }
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Label { Reason }
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResultRow { pub name: String, pub value: String, pub unit: String, pub reference: String, pub flag: Option<Flag>, pub note: String }
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Flag { Low, High }
impl ItemBody { pub fn stored(json: &str) -> ItemBody { serde_json::from_str(json).unwrap_or_default() } }
