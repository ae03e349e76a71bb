//! A session that is looked at without being used: to look at it never moves its end.

use super::open::open_of;
use super::store::Found;
use super::{Door, Holder};
use crate::db::{Conn, Ts, UserId};
use diesel::QueryResult;

/// A user's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    token: Vec<u8>,
}

impl Watched {
    /// The user's session with this [mark](super::OpenSession::mark); `None` where it has ended, or is older than marks.
    pub fn of_mark(conn: &mut Conn, now: Ts, user: UserId, mark: &str) -> QueryResult<Option<Watched>> {
        if mark.is_empty() {
            return Ok(None);
        }
        let found = open_of(conn, now, user)?.into_iter().find(|(_, one)| one.mark == mark);
        Ok(found.map(|(token, _)| Watched { token }))
    }

    /// Whose session it is, as a request would find it now; `None` where it opens nothing any more.
    pub fn holder(&self, conn: &mut Conn, now: Ts) -> QueryResult<Option<Holder>> {
        let found = Found::find(conn, self.token.clone(), now)?;
        Ok(found.filter(|found| !found.is_over(now)).and_then(|found| found.holder(Door::Clinic, now)))
    }
}
