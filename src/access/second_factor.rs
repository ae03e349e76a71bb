//! Whether a user has a second factor, and whether their role needs one. Asked again at each request, so that an
//! owner's decision applies at once.

use super::Role;
use crate::db::schema::{authenticator_apps, clinic, passkeys};
use crate::db::{Conn, UserId};
use diesel::prelude::*;

/// Whether signing in asks this user for more than the password.
pub fn has_second_factor(conn: &mut Conn, user: UserId) -> QueryResult<bool> {
    let app = authenticator_apps::table.find(user).select(authenticator_apps::user_id);
    if app.first::<UserId>(conn).optional()?.is_some() {
        return Ok(true);
    }
    let passkey = passkeys::table.filter(passkeys::user_id.eq(user)).select(passkeys::user_id);
    Ok(passkey.first::<UserId>(conn).optional()?.is_some())
}

/// Whether the clinic lets users of this role in only with a second factor.
pub fn needs_second_factor(conn: &mut Conn, role: Role) -> QueryResult<bool> {
    let roles: String = clinic::table.find(1).select(clinic::second_factor_roles).first(conn)?;
    Ok(is_named(&roles, role))
}

/// Whether a role is among these words, which are separated by spaces.
pub fn is_named(roles: &str, role: Role) -> bool {
    roles.split(' ').any(|word| word == role.as_str())
}
