//! `/settings/notification-templates`: every wording, and the choices that apply to all of them.

use super::form::{Asked, SettingsForm, Typed};
use super::notification_templates::path;
use crate::access::rights;
use crate::administration::Part;
use crate::clinic::composing::plan_line::PlanLine;
use crate::clinic::guard::{User, shell};
use crate::db::{Conn, Ts};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Shell};
use crate::notifications::templates::{self, Slot};
use crate::notifications::{PlanChoice, PlanWish};
use crate::settings::{Reach, Settings};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings/notification_templates.html")]
pub struct NotificationsPage {
    shell: Shell,
    settings: Settings,
    plan: PlanLine,
    seen: Seen,
    /// each slot for a wording, and whether the clinic's own wording is in use there
    slots: Vec<(Slot, bool)>,
}

impl SettingsForm for NotificationsPage {
    type By = User<rights::Settings>;
    const PART: Part = Part::Notifications;
    const PATH: &'static str = "/settings/notification-templates";

    fn stored(settings: &Settings) -> Stored {
        Stored::default()
            .switch("notify_by_name", "notify-by-name", settings.notify_by_name)
            .switch("name_where_shared", "name-where-shared", settings.name_where_shared)
            .switch("tell_of_access", "tell-of-access", settings.tell_of_access)
            .switch("tell_of_recall", "tell-of-recall", settings.tells_of_recall())
            .text("plan_text_hours", "plan-text", settings.plan_text_hours.to_string())
            .text("plan_remind_days", "plan-remind", settings.plan_remind_days.to_string())
            .text("plan_tell_days", "plan-tell", settings.plan_tell_days.to_string())
    }

    fn read(form: &Form, settings: &mut Settings, _: Ts) -> FieldErrors {
        let plan = PlanChoice::from_settings(settings, Reach::default()).with(PlanWish::read(|name| form.get(name)));
        settings.plan_text_hours = plan.text_hours;
        settings.plan_remind_days = plan.remind_days;
        settings.plan_tell_days = plan.tell_days;
        settings.notify_by_name = form.get("notify_by_name") == "on";
        // a form without this field keeps names on, so that families can tell their notifications apart
        settings.name_where_shared = form.get("name_where_shared") != "off";
        settings.tell_of_access = form.get("tell_of_access") == "on";
        // a form without this field leaves no patient with a dead link and no word
        settings.set_tells_of_recall(form.get("tell_of_recall") != "off");
        FieldErrors::default()
    }

    fn page(conn: &mut Conn, asked: &Asked, typed: Option<Typed>) -> Result<NotificationsPage, AppError> {
        let (shell, stored) = shell(conn, &asked.head, &asked.user.0)?;
        let mut slots = Vec::new();
        for slot in Slot::all() {
            slots.push((slot, templates::in_use(conn, &stored, slot)?.1));
        }
        let (settings, seen) = match typed {
            None => (stored.clone(), NotificationsPage::stored(&stored).seen()),
            Some(typed) => (typed.settings, typed.seen),
        };
        // who is phoned is chosen on a page of its own
        let plan =
            PlanLine { choice: PlanChoice::from_settings(&settings, Reach::default()), both: true, phone: false };
        Ok(NotificationsPage { shell, settings, plan, slots, seen })
    }
}
