//! Tells one user by email that patients have answered, and that colleagues have mentioned them: in how many conversations, and where to
//! read them. The email names nobody and quotes nothing.

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
    lines: Vec<String>,
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
    let said = [("mail-staff-line", to_tell.waiting), ("mail-staff-mentioned", to_tell.mentioned)];
    let said = said.into_iter().filter(|(_, count)| *count > 0);
    let lines: Vec<String> = said.map(|(key, count)| lang.t1(key, "count", count)).collect();
    let subject = if to_tell.waiting > 0 { "mail-staff-subject" } else { "mail-staff-subject-mentioned" };
    let foot = staff_foot(lang, settings, &origin);
    let text = format!("{}\n\n{link}\n\n-- \n{}\n", lines.join("\n"), foot.join("\n"));
    let html = StaffTold { lang, clinic: &settings.name, lines, link: &link, foot: &foot }.render()?;
    Ok(Email {
        to: to_tell.email.clone(),
        from_name: settings.name.clone(),
        subject: lang.t1(subject, "clinic", &settings.name),
        text,
        html,
        message_uid: state.random.token().reveal().to_lowercase(),
    })
}
