//! What an EMR says of a patient otherwise than the clinic's record: shown on the chart, and chosen there.

use crate::access::rights;
use crate::clinic::guard::Chart;
use crate::db::{Conn, Ts};
use crate::error::AppError;
use crate::http::{Form, Shell, see_other};
use crate::patients::Patient;
use crate::state::AppState;
use crate::sync::{self, Chosen, Field};
use crate::text::Lang;
use crate::values::{BirthDate, PhoneNumber};
use actix_web::{HttpResponse, web};

/// A difference as the chart shows it.
pub struct DifferenceRow {
    /// identity
    pub id: i64,
    /// of which moment it is, in microseconds
    pub noted: i64,
    /// the source that says so
    pub source: String,
    /// the word of the field
    pub field: &'static str,
    /// what the clinic has, as it is stored: who chooses must have seen it
    pub here: String,
    /// the same as people write it; empty where it has nothing
    pub ours: String,
    /// what the source says
    pub theirs: String,
}

/// The differences of which a user of this chart is asked.
pub fn rows(conn: &mut Conn, shell: &Shell, patient: &Patient) -> Result<Vec<DifferenceRow>, AppError> {
    let row = |one: sync::Difference| DifferenceRow {
        id: one.id,
        noted: one.noted_at.micros(),
        field: one.field.as_str(),
        here: one.field.of(&patient.demographics),
        ours: shown(shell, one.field, one.field.of(&patient.demographics)),
        theirs: shown(shell, one.field, one.theirs),
        source: one.source,
    };
    Ok(sync::differences(conn, patient.id)?.into_iter().map(row).collect())
}

/// A value as people write it.
fn shown(shell: &Shell, field: Field, value: String) -> String {
    let written = match field {
        Field::BirthDate => BirthDate::parse(&value).map(|date| shell.born(&date)),
        Field::Phone => PhoneNumber::parse(&value, "1").map(|number| number.shown()),
        Field::Language => Lang::find(&value).map(|language| language.t("language-name").to_owned()),
        _ => None,
    };
    written.unwrap_or(value)
}

/// Takes what the source says, or keeps what the clinic has.
pub async fn choose(
    state: web::Data<AppState>,
    chart: Chart<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, id) = (state.clock.now(), chart.0.patient());
    let number = |name| form.get(name).parse::<i64>().map_err(|_| AppError::BadRequest);
    let noted = Ts::from_micros(number("noted")?).ok_or(AppError::BadRequest)?;
    let asked = (number("difference")?, noted);
    let takes_theirs = match form.get("choice") {
        "theirs" => true,
        "ours" => false,
        _ => return Err(AppError::BadRequest),
    };
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        Ok(sync::choose(tx, now, &chart.0, asked, form.get("here"), takes_theirs)?)
    });
    let notice = match write.await? {
        Chosen::Done => "difference-chosen",
        Chosen::Newer => "difference-newer",
    };
    Ok(see_other(&format!("/patients/{id}?notice={notice}")))
}
