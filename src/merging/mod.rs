//! FEATURE: one patient, two charts: making one chart of two.
//!
//! What belongs to the merged chart moves to the other one, and each move is written down: for a day the merge can be
//! undone, which moves back exactly that. The merged record stays, archived, and its address leads to the other one.

mod fields;
mod merge;
mod undo;

pub use fields::Field;
pub use merge::{MergeError, MergeWish, merge, seen};
pub use undo::{Merge, UNDO_WITHIN, UndoError, undo, undoable};
