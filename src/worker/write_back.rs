//! Writes one message, or a closed conversation as a PDF, into the record of an EMR, or marks it there as an error. An EMR that
//! does not answer is asked again for as long as it takes: users see below the message that it is not there yet.

use super::finish;
use crate::conversations::{self, OnPaper, Shown};
use crate::db::EmrWriteId;
use crate::error::AppError;
use crate::outbox::{self, Job};
use crate::patients;
use crate::settings;
use crate::state::AppState;
use crate::write_back::{self, Sent, ToWrite};
use time::Duration;

pub(super) async fn run(state: &AppState, job: Job, id: EmrWriteId) -> Result<(), AppError> {
    let (now, configured) = (state.clock.now(), state.emr.iter().map(|emr| emr.name().to_owned()).collect::<Vec<_>>());
    let claimed = job.clone();
    let begin = state.db.write(move |tx| -> Result<_, AppError> {
        let to = write_back::begin(tx, now, id, &configured)?;
        if to.is_none() {
            outbox::finish(tx, &claimed)?;
        }
        Ok(to)
    });
    let Some(to) = begin.await? else { return Ok(()) };
    let Some(emr) = state.emr.iter().find(|emr| emr.name() == to.about.source).cloned() else { return Ok(()) };
    let (about, storage, to_mark) = (to.about.clone(), state.intake.storage.clone(), to.is_taken_back);
    let (paper, to) = if about.is_paper && !to.is_taken_back { on_paper(state, to).await? } else { (None, to) };
    let asked = tokio::task::spawn_blocking(move || {
        let pdf = paper.and_then(|mut paper| {
            let lacking = paper.not_drawn();
            if !lacking.is_empty() {
                paper.warnings.push(paper.lang.t1("item-not-drawn", "characters", lacking.as_str()));
            }
            paper.document().pdf().ok()
        });
        write_back::send(&emr, &storage, &to, pdf.as_deref())
    });
    let asked = asked.await;
    let (has, sent) = asked.map_err(|_| AppError::Internal("no thread".into()))?;
    let now = state.clock.now();
    let again = outbox::back_off(now, job.attempts, &state.random);
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        // taken back while it was written: it is marked next, and not before a call whose end nobody heard of has ended
        if write_back::hold(tx, id)? && !to_mark {
            let at = if matches!(sent, Sent::Later(_, Some(_))) { now.plus(outbox::LEASE) } else { now };
            if outbox::retry(tx, &job, at)? {
                write_back::put_off(tx, now, &about, &has, None)?;
            }
            return Ok(());
        }
        if let Sent::Later(wait, why) = sent {
            let at = wait.map_or(again, |wait| now.plus(Duration::try_from(wait).unwrap_or(Duration::HOUR)));
            if outbox::retry(tx, &job, at)? {
                write_back::put_off(tx, now, &about, &has, why)?;
            }
            return Ok(());
        }
        finish(tx, &job, |tx| write_back::settle(tx, now, &about, &has, &sent))
    });
    write.await
}

/// The conversation as the print view has it: without internal notes, and in the clinic's language.
async fn on_paper(state: &AppState, to: ToWrite) -> Result<(Option<OnPaper>, ToWrite), AppError> {
    let (now, serving) = (state.clock.now(), state.intake.storage.serving());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (settings, patient) = (settings::load(conn)?, patients::patient_by_id(conn, to.about.patient)?);
        let thread = conversations::whole_for_record(conn, &to)?;
        let lang = settings.lang();
        let shown = Shown { patient: &patient, settings: &settings, lang, now, with_notes: false, serving };
        Ok((Some(OnPaper::read(conn, thread, &shown)?), to))
    });
    read.await
}
