//! Ids of incoming texts are removed when no gateway would send the texts again, and not before.

use crate::on_both;
use crate::support::app::App;
use diesel::prelude::*;
use postern::db::schema::received_texts as r;
use postern::error::AppError;

on_both!(old_texts_are_forgotten);

async fn old_texts_are_forgotten(app: App) {
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        // more than one transaction removes, one on each side of the limit, and a new one
        let old = (0..1_203).map(|n| (format!("old {n}"), 31));
        for (id, days) in old.chain([("just over".into(), 30), ("just under".into(), 29), ("new".into(), 0)]) {
            let at = now.plus(-time::Duration::days(days)).plus(-time::Duration::seconds(1));
            let row = (r::gateway_id.eq(id), r::sender.eq("+16135550121"), r::word.eq("stop"), r::received_at.eq(at));
            diesel::insert_into(r::table).values(row).execute(tx.conn())?;
        }
        Ok(())
    });
    write.await.unwrap();
    postern::worker::upkeep(&app.state, now).await;
    let read = app.state.db.read(|conn| -> Result<Vec<String>, AppError> {
        Ok(r::table.order(r::gateway_id).select(r::gateway_id).load(conn)?)
    });
    assert_eq!(read.await.unwrap(), ["just under", "new"]);
}
