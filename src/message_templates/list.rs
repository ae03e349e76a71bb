//! Reading templates: the clinic's, and the user's own. Another user's personal template is treated as missing.

use super::Replies;
use crate::access::{Right, SignedInUser};
use crate::db::schema::{message_template_versions as old, message_templates as t, users};
use crate::db::{Conn, MultiBackend, TemplateId, Ts, UserId};
use diesel::prelude::*;

/// The most templates that one user can see: nobody could look through more. Adding stops there.
pub const MOST: i64 = 400;

/// A template as it is stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = t, check_for_backend(MultiBackend))]
pub struct Template {
    /// identity
    pub id: TemplateId,
    /// the user whose own it is; `None`: it is the clinic's
    pub owner_id: Option<UserId>,
    /// what it is called
    pub name: String,
    /// category; may be empty
    pub category: String,
    /// language of its text
    pub language: String,
    /// the message's title
    pub title: String,
    /// the message, clean
    pub body_html: String,
    /// the reply box
    pub replies: Replies,
    /// the version's number: 1, 2, …
    pub version: i64,
    /// when it got this version
    pub changed_at: Ts,
    /// since when it is not offered any more
    pub retired_at: Option<Ts>,
}

/// The clinic's templates and the user's own, by name; with `retired`, those that are not offered any more.
pub fn readable<R: Right>(conn: &mut Conn, user: &SignedInUser<R>, retired: bool) -> QueryResult<Vec<Template>> {
    let all = t::table.filter(t::owner_id.is_null().or(t::owner_id.eq(user.id()))).into_boxed::<MultiBackend>();
    let wanted = match retired {
        true => all.filter(t::retired_at.is_not_null()),
        false => all.filter(t::retired_at.is_null()),
    };
    wanted.order((t::name_key, t::id)).limit(2 * MOST).select(Template::as_select()).load(conn)
}

/// A template as a list to choose from shows it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = t, check_for_backend(MultiBackend))]
pub struct TemplateName {
    /// identity
    pub id: TemplateId,
    /// what it is called
    pub name: String,
    /// language of its text
    pub language: String,
}

/// What a user can choose from: the clinic's templates and their own, by name.
pub fn names<R: Right>(conn: &mut Conn, user: &SignedInUser<R>) -> QueryResult<Vec<TemplateName>> {
    let all = t::table.filter(t::owner_id.is_null().or(t::owner_id.eq(user.id()))).filter(t::retired_at.is_null());
    all.order((t::name_key, t::id)).limit(2 * MOST).select(TemplateName::as_select()).load(conn)
}

/// One of the clinic's templates, or of the user's own.
pub fn template<R: Right>(conn: &mut Conn, user: &SignedInUser<R>, id: TemplateId) -> QueryResult<Option<Template>> {
    let mine = t::table.find(id).filter(t::owner_id.is_null().or(t::owner_id.eq(user.id())));
    mine.select(Template::as_select()).first(conn).optional()
}

/// A template that the user may change: their own, or with the right one of the clinic's.
pub fn own_template<R: Right>(
    conn: &mut Conn,
    user: &SignedInUser<R>,
    id: TemplateId,
) -> QueryResult<Option<Template>> {
    let found = template(conn, user, id)?;
    Ok(found.filter(|template| template.owner_id.is_some() || user.role().may(crate::access::Action::Templates)))
}

/// An earlier version.
#[derive(Debug, Clone, Queryable)]
pub struct VersionRow {
    /// the version's number: 1, 2, …
    pub version: i64,
    /// what it was called
    pub name: String,
    /// the message's title
    pub title: String,
    /// the message, clean
    pub body_html: String,
    /// when it got this version
    pub changed_at: Ts,
    /// the name of the user who changed it; `None`: it came with Postern
    pub changed_by: Option<String>,
}

/// The versions of a template, newest first, the present one included: the last 50.
pub fn versions(conn: &mut Conn, template: &Template) -> QueryResult<Vec<VersionRow>> {
    let all = old::table.left_join(users::table.on(old::changed_by.eq(users::id.nullable())));
    all.filter(old::template_id.eq(template.id))
        .order(old::version.desc())
        .limit(50)
        .select((old::version, old::name, old::title, old::body_html, old::changed_at, users::name.nullable()))
        .load(conn)
}
