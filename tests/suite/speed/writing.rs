//! Writes that share a commit: one that fails is rolled back alone.

use crate::on_both;
use crate::support::app::App;
use diesel::prelude::*;
use postern::db::DbError;
use postern::db::schema::list_mappings;

on_both!(a_write_that_fails_or_panics_is_taken_back_alone);

async fn a_write_that_fails_or_panics_is_taken_back_alone(app: App) {
    let now = app.state.clock.now();
    for round in 0..20 {
        let writes: Vec<_> = (0..30)
            .map(|number| {
                let db = app.state.db.clone();
                tokio::spawn(async move {
                    let write = db.write(move |tx| -> Result<_, DbError> {
                        let row = (
                            list_mappings::headers_key.eq(format!("{round}-{number}")),
                            (list_mappings::meanings.eq(""), list_mappings::dates.eq("")),
                            list_mappings::used_at.eq(now),
                        );
                        diesel::insert_into(list_mappings::table).values(row).execute(tx.conn())?;
                        // the first write, the first one after it, and others in the middle fail
                        match (number + round) % 7 {
                            0 => Err(DbError::Commit("changed its mind".into())),
                            1 => panic!("a fault of the program"),
                            2 => Ok(diesel::sql_query("SELECT * FROM no_such_table").execute(tx.conn())?),
                            _ => Ok(1),
                        }
                    });
                    write.await.is_ok()
                })
            })
            .collect();
        for (number, write) in writes.into_iter().enumerate() {
            assert_eq!(write.await.unwrap(), (number + round) % 7 > 2, "{round}-{number}");
        }
    }
    let read = app.state.db.read(|conn| -> Result<_, DbError> {
        Ok(list_mappings::table.select(list_mappings::headers_key).load::<String>(conn)?)
    });
    let mut kept = read.await.unwrap();
    kept.sort();
    let rounds = (0..20).flat_map(|round| (0..30).map(move |number| (round, number)));
    let mut wanted: Vec<String> =
        rounds.filter(|(round, number)| (round + number) % 7 > 2).map(|(r, n)| format!("{r}-{n}")).collect();
    wanted.sort();
    assert_eq!(kept, wanted);
}
