//! FEATURE: charts: all that the clinic holds on one patient, item by item.

pub mod document;
mod files;
pub mod import;
pub mod item;
mod item_terms;
mod items;
mod store_item;
mod tallies;

pub use files::{ChartFile, contents, file, file_sizes, insert_file};
pub use item::{Block, Caption, Datum, Flag, ItemBody, ItemKind, ItemSort, ItemState, Label, ResultRow};
pub use items::{Counts, Item, ItemFilter, ItemRow, MOST_CHOSEN, chosen, counts, in_order, item, item_of, items};
pub use store_item::{NewItem, Stored, renew_terms, store_item};
pub use tallies::count_anew;
