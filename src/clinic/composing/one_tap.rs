//! The answers with one tap that a form offers the patient.

use crate::conversations::{Fields, OneTap};
use crate::http::Form;

/// The answers that are ticked; a word that is none is left out.
pub fn offers(form: &Form) -> Vec<OneTap> {
    Fields(form.pairs()).offers()
}
