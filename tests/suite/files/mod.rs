//! Files: storage, uploads, attachments.

/// Runs a test, which starts its own clinic with what it needs, on SQLite and on PostgreSQL.
macro_rules! on_each {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use $crate::support::{app::On, peers};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name(On::Sqlite).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if peers::postgres_url().is_some() {
                    super::$name(On::Postgres).await;
                }
            }
        }
    )+};
}

mod another_patient;
mod browser;
mod bucket;
mod commands;
mod crash;
mod from_chart;
mod guard_in_browser;
mod limits;
mod opened;
mod ranges;
mod samples;
mod scan;
mod storage;
mod uploads;
mod words;
