//! Where the database fails, a signed-in user gets a page that says what to do, with the headers of every page.

use crate::on_both;
use crate::support::app::App;
use postern::access::Role;
use postern::error::AppError;

on_both!(a_dead_table_is_a_page);

async fn a_dead_table_is_a_page(app: App) {
    use diesel::RunQueryDsl;
    let staff = app.user(Role::Staff).await;
    let missing = staff.get("/patients/999999").await;
    assert!(missing.status == 404 && !missing.page().has_text("give this number"), "nobody's fault");
    let write = app.state.db.write(|tx| -> Result<_, AppError> {
        Ok(diesel::sql_query("ALTER TABLE sessions RENAME TO gone").execute(tx.conn())?)
    });
    write.await.unwrap();
    let answer = staff.get("/inbox").await;
    assert_eq!(answer.status, 500);
    assert!(answer.page().has_text("Something went wrong on our side"), "{}", answer.body);
    assert!(answer.headers.contains_key("content-security-policy"));
    // whoever asks for help can say which request it was
    let id = answer.headers["x-request-id"].to_str().unwrap();
    assert!(answer.page().has_text(id), "{id} in {}", answer.body);
}
