//! The uploads and chart items that a form names, and what is wrong with them.

use crate::access::{ChartAccess, rights};
use crate::attachments::{AttachError, Picks};
use crate::conversations::Fields;
use crate::db::UploadId;
use crate::error::AppError;
use crate::http::Form;
use crate::http::form::{FieldError, FieldErrors};
use crate::state::AppState;
use crate::storage::StorageError;

/// The uploads that the user confirmed although they name another patient.
pub fn confirmed(form: &Form) -> Vec<UploadId> {
    Fields(form.pairs()).confirmed()
}

/// Notes files that were chosen and never added: sending the form would lose them.
pub fn check(form: &Form, errors: &mut FieldErrors) {
    if form.all("files").any(|name| !name.is_empty()) {
        errors.add("files", FieldError::FilesNotAdded);
    }
}

/// Why files could not be attached, as a form's error.
///
/// # Errors
/// Failures of the database, which are no error of the form.
pub fn why_not(cause: AttachError) -> Result<FieldError, AppError> {
    match cause {
        AttachError::Gone => Ok(FieldError::FilesGone),
        AttachError::OtherPatient => Ok(FieldError::FilesOtherPatient),
        AttachError::TooMuch => Ok(FieldError::FilesTooMuch),
        AttachError::TooLarge => Ok(FieldError::FilesTooLarge),
        AttachError::Infected => Ok(FieldError::FilesInfected),
        AttachError::Db(cause) => Err(cause.into()),
    }
}

/// What a form names in `upload` and `chart_item`, ready to be attached: chart items are frozen now. `None` where an
/// item is not in this chart or the storage takes none: that is noted as an error of the form, which keeps its words.
pub async fn picks(
    state: &AppState,
    chart: &ChartAccess<rights::Send>,
    form: &Form,
    errors: &mut FieldErrors,
) -> Result<Option<Picks>, AppError> {
    let fields = Fields(form.pairs());
    let when = (state.clock.now(), &state.random);
    let named = (fields.uploads(), fields.items());
    match state.intake.picks(&state.db, when, chart, named, fields.confirmed()).await {
        Ok(Some(picks)) => Ok(Some(picks)),
        Ok(None) => {
            errors.add("files", FieldError::FilesGone);
            Ok(None)
        }
        Err(StorageError::Db(cause)) => Err(cause.into()),
        Err(cause) => {
            tracing::error!(%cause, "a chart item could not be attached");
            let full = matches!(cause, StorageError::Full);
            errors.add("files", if full { FieldError::FilesFull } else { FieldError::FilesAway });
            Ok(None)
        }
    }
}
