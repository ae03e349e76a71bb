//! Whether a user has a second factor, and whether their role needs one. Asked again at each request, so that an
//! owner's decision applies at once.

use super::Role;
use crate::db::schema::{authenticator_apps, clinic, passkeys, users};
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

/// The active users whose role needs a second factor and who have none yet. At most 1,000, as many as a list of users
/// holds.
pub fn lacking_second_factor(conn: &mut Conn) -> QueryResult<Vec<UserId>> {
    let roles: String = clinic::table.find(1).select(clinic::second_factor_roles).first(conn)?;
    let needing: Vec<Role> = Role::ALL.iter().copied().filter(|role| is_named(&roles, *role)).collect();
    if needing.is_empty() {
        return Ok(Vec::new());
    }
    let apps = authenticator_apps::table.select(authenticator_apps::user_id);
    let keys = passkeys::table.select(passkeys::user_id);
    let lacking = users::table.filter(users::active.eq(true).and(users::role.eq_any(needing)));
    let lacking = lacking.filter(users::id.ne_all(apps).and(users::id.ne_all(keys)));
    lacking.order(users::id).limit(1_000).select(users::id).load(conn)
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
