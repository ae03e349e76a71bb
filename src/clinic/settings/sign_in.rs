//! `/settings/sign-in`: which roles need a second factor.

use super::form::{Asked, SettingsForm, Typed};
use crate::access::{Role, is_named, rights};
use crate::administration::Part;
use crate::clinic::guard::{Confirmed, shell};
use crate::db::{Conn, Ts};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Shell};
use crate::settings::Settings;
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings/sign_in.html")]
pub struct SignInPage {
    shell: Shell,
    settings: Settings,
    seen: Seen,
}

impl SignInPage {
    /// Whether this role needs a second factor.
    fn needs(&self, role: &Role) -> bool {
        is_named(&self.settings.second_factor_roles, *role)
    }
}

impl SettingsForm for SignInPage {
    type By = Confirmed<rights::Settings>;
    const PART: Part = Part::SignIn;
    const PATH: &'static str = "/settings/sign-in";

    fn stored(settings: &Settings) -> Stored {
        let roles = settings.second_factor_roles.as_str();
        Stored::default().choice("second_factor", "second-factor-roles", "role", roles)
    }

    fn read(form: &Form, settings: &mut Settings, _: Ts) -> FieldErrors {
        let chosen = |role: &&Role| form.all("second_factor").any(|word| word == role.as_str());
        let words: Vec<&str> = Role::ALL.iter().filter(chosen).map(|role| role.as_str()).collect();
        settings.second_factor_roles = words.join(" ");
        FieldErrors::default()
    }

    fn page(conn: &mut Conn, asked: &Asked, typed: Option<Typed>) -> Result<SignInPage, AppError> {
        let (shell, stored) = shell(conn, &asked.head, &asked.user.0)?;
        Ok(match typed {
            None => SignInPage { shell, seen: SignInPage::stored(&stored).seen(), settings: stored },
            Some(Typed { settings, seen, .. }) => SignInPage { shell, settings, seen },
        })
    }
}
