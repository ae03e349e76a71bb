//! The columns that `conversations` and `participants` keep for the views of the inbox follow from the other rows: the
//! migration that fills them for an existing clinic gives the same as the verbs.

use super::work_list::{desk, patient_writes};
use crate::on_both;
use crate::support::app::App;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use postern::db::schema::{conversations, participants};
use postern::db::{Conn, ConversationId, Ts, UserId};
use postern::error::AppError;

on_both!(what_is_kept_is_what_follows_from_the_rows);

type Kept = (ConversationId, Option<Ts>, Option<Ts>, Option<Ts>);
type Place = ((ConversationId, UserId), Ts, Option<Ts>, Option<Ts>, Option<String>, Option<Ts>, Option<Ts>);

fn kept(conn: &mut Conn) -> QueryResult<(Vec<Kept>, Vec<Place>)> {
    use conversations as c;
    use participants as p;
    let columns = (
        (p::conversation_id, p::user_id),
        p::last_message_at,
        p::closed_at,
        p::waiting_since,
        p::attention,
        p::to_do_since,
        p::to_do_due,
    );
    Ok((
        c::table.order(c::id).select((c::id, c::waiting_since, c::to_do_since, c::to_do_due)).load(conn)?,
        p::table.order((p::conversation_id, p::user_id)).select(columns).load(conn)?,
    ))
}

async fn what_is_kept_is_what_follows_from_the_rows(app: App) {
    let desk = desk(&app).await;
    app.state.clock.advance(time::Duration::minutes(1));
    patient_writes(&app, &desk.told).await;
    let page = desk.other.get(&desk.told).await.ok();
    desk.other.submit(&page, "Send", &[("body", "We call you")]).await.redirect();
    desk.me.post(&format!("{}/closure", desk.answered), &[]).await.redirect();
    let tree = if app.state.db.is_postgres() { "postgres" } else { "sqlite" };
    let mut updates: Vec<String> = Vec::new();
    for (step, count) in [("2026-11-29-002200_work_list", 3), ("2026-11-30-001210_to_do_due", 2)] {
        let step = format!("{}/migrations/{tree}/{step}/up.sql", env!("CARGO_MANIFEST_DIR"));
        let step = std::fs::read_to_string(step).unwrap();
        let found = step.split(";\n").map(str::trim).filter(|one| one.starts_with("UPDATE")).map(str::to_owned);
        let before = updates.len();
        updates.extend(found);
        assert_eq!(updates.len() - before, count);
    }
    let compare = app.state.db.write(move |tx| -> Result<_, AppError> {
        // `patient_writes` writes no message row, from which the migration could tell the time: it takes the last one's
        let made = kept(tx.conn())?;
        let conn = tx.conn();
        conn.batch_execute("UPDATE conversations SET waiting_since = NULL, to_do_since = NULL, to_do_due = NULL")?;
        conn.batch_execute(
            "UPDATE participants SET closed_at = NULL, waiting_since = NULL, attention = NULL, to_do_since = NULL, \
             to_do_due = NULL",
        )?;
        updates.iter().try_for_each(|update| conn.batch_execute(update))?;
        Ok((made, kept(conn)?))
    });
    let (made, anew) = compare.await.unwrap();
    assert_eq!(made, anew);
    assert!(made.0.iter().any(|(_, waiting, ..)| waiting.is_some()) && made.1.iter().any(|place| place.6.is_some()));
}
