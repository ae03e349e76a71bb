//! Tells one user by email that patients have answered: in how many conversations, and where to read them. The email
//! names no patient and quotes nothing.

use super::{finish, settings, staff_foot};
use crate::db::UserId;
use crate::delivery::{Email, Failure};
use crate::error::AppError;
use crate::outbox::{self, Job};
use crate::settings::Settings;
use crate::state::AppState;
use crate::text::Lang;
use crate::users::{self, ToTell};
use askama::Template;

#[derive(Template)]
#[template(path = "emails/staff_told.html")]
struct StaffTold<'a> {
    lang: Lang,
    clinic: &'a str,
    line: &'a str,
    link: &'a str,
    foot: &'a [String],
}

pub(super) async fn run(state: &AppState, job: Job, user: UserId) -> Result<(), AppError> {
    let found = state.db.read(move |conn| -> Result<_, AppError> {
        let Some(to_tell) = users::to_tell(conn, user)? else { return Ok(None) };
        Ok(Some((to_tell, settings(conn)?)))
    });
    let Some((to_tell, settings)) = found.await? else {
        return state.db.write(move |tx| finish(tx, &job, |_| Ok(()))).await;
    };
    let email = email(state, &settings, &to_tell)?;
    let sent = state.delivery.send_email(email).await;
    let now = state.clock.now();
    let again = outbox::back_off(now, job.attempts, &state.random);
    // after a day without success the email is given up: the next answer causes another, and the inbox shows the number
    let later = matches!(sent, Err(Failure::Transient(_) | Failure::Unknown(_)))
        && !job.task.kind().give_up().is_over(now, now, job.attempts);
    let write = state.db.write(move |tx| -> Result<(), AppError> {
        if later {
            outbox::retry(tx, &job, again)?;
            return Ok(());
        }
        finish(tx, &job, |_| Ok(()))
    });
    write.await
}

fn email(state: &AppState, settings: &Settings, to_tell: &ToTell) -> Result<Email, AppError> {
    let lang = Lang::or_english(&to_tell.language);
    let origin = state.config.origin();
    let link = format!("{origin}/inbox");
    let line = lang.t1("mail-staff-line", "count", to_tell.waiting);
    let foot = staff_foot(lang, settings, &origin);
    let html = StaffTold { lang, clinic: &settings.name, line: &line, link: &link, foot: &foot }.render()?;
    Ok(Email {
        to: to_tell.email.clone(),
        from_name: settings.name.clone(),
        subject: lang.t1("mail-staff-subject", "clinic", &settings.name),
        text: format!("{line}\n\n{link}\n\n-- \n{}\n", foot.join("\n")),
        html,
        message_uid: state.random.token().reveal().to_lowercase(),
    })
}
