//! The line that says what happens if a message is not opened; shown with a new message and in the settings.

use crate::delivery::Channel;
use crate::http::Shell;
use crate::notifications::{Plan, PlanChoice, PlanWish};
use crate::settings::{Reach, Settings};

/// What `clinic/composing/plan_line.html` shows.
pub struct PlanLine {
    /// what is chosen
    pub choice: PlanChoice,
    /// whether the patient is reached by email and by text, so that the text can wait
    pub both: bool,
    /// whether the clinic phones patients who open nothing
    pub phone: bool,
}

impl PlanLine {
    /// The clinic's choice, with this message's own wish in its place.
    pub fn new((settings, reach): (&Settings, Reach), wish: PlanWish, plan: &Plan) -> PlanLine {
        let both = [Channel::Email, Channel::Sms].iter().all(|channel| plan.links.contains(channel));
        PlanLine { choice: PlanChoice::from_settings(settings, reach).with(wish), both, phone: reach.phone_days > 0 }
    }

    /// What follows if the message is not opened, a line for each step that there is.
    pub fn chosen(&self, shell: &Shell) -> Vec<String> {
        let text = self.hours(shell).into_iter().filter(|_| self.both).map(|choice| ("plan-text", choice));
        let days = |label: &'static str, chosen: &i64| {
            self.days(shell, chosen).into_iter().map(move |choice| (label, choice)).collect::<Vec<_>>()
        };
        let remind = days("plan-remind", &self.choice.remind_days);
        let tell = days("plan-tell", &self.choice.tell_days);
        let phone = days("plan-phone", &self.choice.phone_days);
        let all =
            text.chain(remind).chain(tell).chain(phone).filter(|(_, (value, _, is_chosen))| *is_chosen && *value > 0);
        all.map(|(label, (_, words, _))| format!("{} {words}", shell.t(label))).collect()
    }

    /// The choices for the text: hours, words, and whether this one is chosen.
    pub fn hours(&self, shell: &Shell) -> Vec<(i64, String, bool)> {
        let words =
            |n: i64| if n == 0 { shell.t("plan-text-now").to_owned() } else { shell.t1("plan-text-after", "hours", n) };
        PlanChoice::HOURS.iter().map(|n| (*n, words(*n), *n == self.choice.text_hours)).collect()
    }

    /// The choices for a reminder, or for telling the sender: days, words, and whether this one is `chosen`.
    pub fn days(&self, shell: &Shell, chosen: &i64) -> Vec<(i64, String, bool)> {
        let words = |n: i64| if n == 0 { shell.t("plan-never").to_owned() } else { shell.t1("plan-after", "days", n) };
        PlanChoice::DAYS.iter().map(|n| (*n, words(*n), n == chosen)).collect()
    }
}
