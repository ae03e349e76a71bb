//! Sends one user a mail about their own account. The link in it is made here: its hash is stored before the mail is
//! sent, and the link itself is only in this mail.

use super::{finish, settings, staff_foot};
use crate::access::Device;
use crate::audit::{self, ToldSeal};
use crate::db::{AccountMailId, Ts};
use crate::delivery::{Email, Failure};
use crate::error::AppError;
use crate::outbox::{self, Job};
use crate::settings::Settings;
use crate::state::AppState;
use crate::text::Lang;
use crate::users::{self, MailKind, MailState, ToSend};
use askama::Template;

#[derive(Template)]
#[template(path = "emails/account.html")]
struct AccountMail<'a> {
    lang: Lang,
    clinic: &'a str,
    lines: &'a [String],
    button: &'static str,
    link: &'a str,
    after: &'a [String],
    foot: &'a [String],
}

pub(super) async fn run(state: &AppState, job: Job, id: AccountMailId) -> Result<(), AppError> {
    let (now, token) = (state.clock.now(), state.random.token());
    let stored = token.clone();
    let ready = state.db.write(move |tx| -> Result<_, AppError> {
        let Some(mail) = users::to_send(tx, now, id)? else { return Ok(None) };
        let until = users::make_link_of(tx, &mail, &stored)?;
        let seal = match mail.kind {
            MailKind::AuditSeal => match audit::newest_seal(tx)? {
                None => return Ok(None),
                seal => seal,
            },
            _ => None,
        };
        Ok(Some((mail, (until, seal), settings(tx)?)))
    });
    let Some((mail, (until, seal), settings)) = ready.await? else {
        let over = state.db.write(move |tx| finish(tx, &job, |tx| users::settle(tx, now, id, MailState::Over)));
        return over.await;
    };
    let path = match mail.kind {
        _ if until.is_some() => format!("/password/{}", token.reveal()),
        MailKind::AuditSeal => "/settings/audit-log".to_owned(),
        MailKind::NotSent => "/inbox/scheduled".to_owned(),
        _ => "/account".to_owned(),
    };
    let link = format!("{}{path}", state.config.origin());
    let sent = state.delivery.send_email(email(state, &settings, &mail, &link, until, seal)?).await;
    let now = state.clock.now();
    let again = outbox::back_off(now, job.attempts, &state.random);
    let later = matches!(sent, Err(Failure::Transient(_) | Failure::Unknown(_)))
        && !job.task.kind().give_up().is_over(now, now, job.attempts);
    let ending = if sent.is_ok() { MailState::Sent } else { MailState::Failed };
    let write = state.db.write(move |tx| -> Result<(), AppError> {
        if later {
            outbox::retry(tx, &job, again)?;
            return Ok(());
        }
        finish(tx, &job, |tx| users::settle(tx, now, id, ending))
    });
    write.await
}

fn email(
    state: &AppState,
    settings: &Settings,
    mail: &ToSend,
    link: &str,
    until: Option<Ts>,
    seal: Option<(ToldSeal, Ts)>,
) -> Result<Email, AppError> {
    let lang = Lang::or_english(&mail.language);
    let when = |at: Ts| lang.moment(settings.zone(), at);
    let clinic = settings.name.as_str();
    let until = until.map(|at| lang.t1("mail-account-until", "when", when(at)));
    let not_you = lang.t("mail-account-not-you").to_owned();
    let (subject, button, lines, after) = match mail.kind {
        MailKind::Invitation if state.only_provider() => {
            let line = lang.t2("mail-invitation-open-line", "name", &mail.name, "clinic", clinic);
            let provider = state.provider.as_ref().map(|provider| provider.name()).unwrap_or_default();
            let signs_in = lang.t1("provider-only", "provider", provider);
            ("mail-invitation-subject", "mail-invitation-begin", vec![line], vec![signs_in])
        }
        MailKind::Invitation => {
            let line = lang.t2("mail-invitation-line", "name", &mail.name, "clinic", clinic);
            let signs_in = lang.t1("mail-invitation-email", "email", mail.to.as_str());
            ("mail-invitation-subject", "set-password", vec![line], vec![signs_in])
        }
        MailKind::Forgotten => {
            let line = lang.t1("mail-forgotten-line", "clinic", clinic);
            ("mail-forgotten-subject", "set-password", vec![line], vec![lang.t("mail-forgotten-not-you").to_owned()])
        }
        MailKind::NewDevice => {
            let line = lang.t2("mail-new-device-line", "clinic", clinic, "when", when(mail.since));
            let device = mail.device.unwrap_or_else(|| Device::from_user_agent(""));
            ("mail-new-device-subject", "account", vec![line, device.shown(lang)], vec![not_you])
        }
        MailKind::PasswordChanged => {
            let line = lang.t2("mail-password-changed-line", "clinic", clinic, "when", when(mail.since));
            ("mail-password-changed-subject", "account", vec![line], vec![not_you])
        }
        MailKind::SecondFactorAdded => {
            let line = lang.t2("mail-second-factor-added-line", "clinic", clinic, "when", when(mail.since));
            ("mail-second-factor-added-subject", "account", vec![line], vec![not_you])
        }
        MailKind::SecondFactorRemoved => {
            let line = lang.t2("mail-second-factor-removed-line", "clinic", clinic, "when", when(mail.since));
            ("mail-second-factor-removed-subject", "account", vec![line], vec![not_you])
        }
        MailKind::SecondFactorReset => {
            let line = lang.t2("mail-second-factor-reset-line", "clinic", clinic, "when", when(mail.since));
            ("mail-second-factor-reset-subject", "account", vec![line], vec![not_you])
        }
        MailKind::ProviderLinked => {
            let line = lang.t2("mail-provider-linked-line", "clinic", clinic, "when", when(mail.since));
            ("mail-provider-linked-subject", "account", vec![line], vec![not_you])
        }
        MailKind::ProviderUnlinked => {
            let line = lang.t2("mail-provider-unlinked-line", "clinic", clinic, "when", when(mail.since));
            ("mail-provider-unlinked-subject", "account", vec![line], vec![not_you])
        }
        MailKind::RecoveryCodesMade => {
            let line = lang.t2("mail-recovery-codes-made-line", "clinic", clinic, "when", when(mail.since));
            ("mail-recovery-codes-made-subject", "account", vec![line], vec![not_you])
        }
        MailKind::RecoveryCodeUsed => {
            let line = lang.t2("mail-recovery-code-used-line", "clinic", clinic, "when", when(mail.since));
            ("mail-recovery-code-used-subject", "account", vec![line], vec![not_you])
        }
        MailKind::SecondStepGuessed => {
            let line = lang.t2("mail-second-step-guessed-line", "clinic", clinic, "when", when(mail.since));
            ("mail-second-step-guessed-subject", "account", vec![line], vec![not_you])
        }
        MailKind::AuditSeal => {
            let (seal, at) = seal.map(|(seal, at)| (seal.to_string(), when(at))).unwrap_or_default();
            let lines = vec![lang.t2("mail-audit-seal-line", "clinic", clinic, "when", at), seal];
            let keep = lang.t("mail-audit-seal-keep").to_owned();
            ("mail-audit-seal-subject", "settings-audit", lines, vec![keep])
        }
        MailKind::NotSent => {
            let line = lang.t1("mail-not-sent-line", "clinic", clinic);
            ("mail-not-sent-subject", "scheduled", vec![line], vec![lang.t("mail-not-sent-next").to_owned()])
        }
        MailKind::EmailChanged => {
            let line = lang.t2("mail-email-changed-line", "clinic", clinic, "when", when(mail.since));
            ("mail-email-changed-subject", "account", vec![line], vec![not_you])
        }
    };
    let after: Vec<String> = until.into_iter().chain(after).collect();
    let foot = staff_foot(lang, settings, &state.config.origin());
    let html = AccountMail { lang, clinic, lines: &lines, button: lang.t(button), link, after: &after, foot: &foot };
    let html = html.render()?;
    let parts = [lines.join("\n\n"), link.to_owned(), after.join("\n\n")];
    Ok(Email {
        to: mail.to.clone(),
        from_name: clinic.to_owned(),
        subject: lang.t1(subject, "clinic", clinic),
        text: format!("{}\n\n-- \n{}\n", parts.join("\n\n"), foot.join("\n")),
        html,
        message_uid: state.random.token().reveal().to_lowercase(),
    })
}
