//! The rows that are removed when a patient's record is deleted, and the statements that remove them. A test compares
//! this with the tables, so that no table that names a patient is forgotten.

use super::carry::sql_query;
use super::connection::{Conn, Tx};
use super::ids::{BlobId, PatientId};
use super::times::{Ts, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

const CONVERSATIONS: &str = "(SELECT id FROM conversations WHERE patient_id = $1)";
const NOTIFICATIONS: &str = "(SELECT id FROM notifications WHERE patient_id = $1)";
/// Also links that another chart had while this one was merged into it.
const LINKS: &str = "(SELECT id FROM portal_links WHERE patient_id = $1 \
                     OR conversation_id IN (SELECT id FROM conversations WHERE patient_id = $1) \
                     OR notification_id IN (SELECT id FROM notifications WHERE patient_id = $1))";
const SCHEDULED: &str = "(SELECT id FROM scheduled_messages WHERE patient_id = $1 \
                         OR conversation_id IN (SELECT id FROM conversations WHERE patient_id = $1))";
const MESSAGES: &str =
    "(SELECT m.id FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE c.patient_id = $1)";
const CAREGIVERS: &str = "(SELECT id FROM caregivers WHERE patient_id = $1)";
const ITEMS: &str = "(SELECT id FROM chart_items WHERE patient_id = $1)";
/// What the patient's sources sent: the patient's own resources, and files, goals and relatives without an owner that
/// only this patient's resources name.
const RESOURCES: &str = "(SELECT r.id FROM source_resources r JOIN patient_sources s \
     ON s.source = r.owner_source AND s.source_id = r.owner_id WHERE s.patient_id = $1 \
     UNION SELECT r.id FROM source_resources r WHERE r.owner_id IS NULL AND r.kind IN ('Binary', 'Goal', 'RelatedPerson') \
     AND EXISTS (SELECT 1 FROM source_mentions m JOIN patient_sources s ON s.source = m.owner_source \
         AND s.source_id = m.owner_id WHERE s.patient_id = $1 AND m.target IN (r.source || '/' || r.source_key, r.full_url)) \
     AND NOT EXISTS (SELECT 1 FROM source_mentions m WHERE m.target IN (r.source || '/' || r.source_key, r.full_url) \
         AND NOT EXISTS (SELECT 1 FROM patient_sources s WHERE s.patient_id = $1 AND s.source = m.owner_source \
             AND s.source_id = m.owner_id)))";

/// Every table with rows of a patient, and the condition for them, in the order in which they are removed: a row is
/// removed after the rows that refer to it.
fn rows() -> Vec<(&'static str, String)> {
    let of = |column: &str, set: &str| format!("{column} IN {set}");
    let of_patient = || "patient_id = $1".to_owned();
    let page_of = |folder: &str, id: &str| format!("REPLACE(page, '?', '/') || '/' LIKE '/{folder}/' || {id} || '/%'");
    vec![
        ("merge_moves", "merge_id IN (SELECT id FROM merges WHERE kept_id = $1 OR merged_id = $1)".to_owned()),
        ("merges", "kept_id = $1 OR merged_id = $1".to_owned()),
        ("distinctions", "one_id = $1 OR other_id = $1".to_owned()),
        (
            "jobs",
            format!(
                "kind = 'send_notification' AND subject_id IN {NOTIFICATIONS} \
                 OR kind = 'send_passcode' AND subject_id IN {LINKS} \
                 OR kind = 'send_scheduled' AND subject_id IN {SCHEDULED} \
                 OR kind = 'write_back' AND subject_id IN (SELECT id FROM emr_writes WHERE message_id IN {MESSAGES}) \
                 OR kind = 'see_to_promise' AND subject_id IN {CONVERSATIONS} \
                 OR kind = 'follow_up' AND subject_id IN (SELECT id FROM plan_steps WHERE conversation_id IN {CONVERSATIONS})"
            ),
        ),
        (
            "kept_forms",
            format!(
                "{} OR EXISTS (SELECT 1 FROM conversations c WHERE c.patient_id = $1 AND {})",
                page_of("patients", "CAST($1 AS TEXT)"),
                page_of("conversations", "CAST(c.id AS TEXT)")
            ),
        ),
        ("emr_writes", of("message_id", MESSAGES)),
        ("answers", format!("message_id IN (SELECT id FROM messages WHERE conversation_id IN {CONVERSATIONS})")),
        ("promises", of("conversation_id", CONVERSATIONS)),
        ("mentions", of("conversation_id", CONVERSATIONS)),
        ("attachments", of("conversation_id", CONVERSATIONS)),
        ("letters", of("conversation_id", CONVERSATIONS)),
        ("phone_calls", of("conversation_id", CONVERSATIONS)),
        ("plan_steps", of("conversation_id", CONVERSATIONS)),
        ("reply_drafts", of("conversation_id", CONVERSATIONS)),
        ("caregiver_drafts", format!("{} OR {}", of("conversation_id", CONVERSATIONS), of("caregiver_id", CAREGIVERS))),
        ("conversation_drafts", of("conversation_id", CONVERSATIONS)),
        ("participants", of("conversation_id", CONVERSATIONS)),
        ("conversation_teams", of("conversation_id", CONVERSATIONS)),
        ("conversation_events", of("conversation_id", CONVERSATIONS)),
        ("passcodes", of("link_id", LINKS)),
        ("claim_tokens", of("link_id", LINKS)),
        ("portal_links", of("id", LINKS)),
        ("notification_states", of("notification_id", NOTIFICATIONS)),
        ("notifications", of_patient()),
        // words that stand in this patient's messages only
        (
            "search_words",
            format!(
                "id IN (SELECT word_id FROM search_postings WHERE message_id IN {MESSAGES}) AND NOT EXISTS (SELECT 1 \
                 FROM search_postings o WHERE o.word_id = search_words.id AND o.message_id NOT IN {MESSAGES})"
            ),
        ),
        ("search_postings", of("message_id", MESSAGES)),
        ("messages", of("conversation_id", CONVERSATIONS)),
        ("chart_files", of("item_id", ITEMS)),
        ("chart_item_terms", of_patient()),
        ("chart_tallies", of_patient()),
        ("chart_items", of_patient()),
        ("source_files", of("resource_id", RESOURCES)),
        ("source_resources", of("id", RESOURCES)),
        (
            "source_mentions",
            "EXISTS (SELECT 1 FROM patient_sources s WHERE s.patient_id = $1 AND s.source = owner_source \
             AND s.source_id = owner_id)"
                .to_owned(),
        ),
        // also one that a record of theirs said while it was merged into another chart
        (
            "postal_addresses",
            "patient_id = $1 OR said_by IN (SELECT id FROM patient_sources WHERE patient_id = $1)".to_owned(),
        ),
        ("patient_sources", of_patient()),
        ("uploads", of_patient()),
        ("scheduled_messages", of("id", SCHEDULED)),
        ("broadcast_recipients", format!("patient_id = $1 OR conversation_id IN {CONVERSATIONS}")),
        ("drafts", of_patient()),
        ("patient_identifiers", of_patient()),
        ("patient_terms", of_patient()),
        ("sessions", of_patient()),
        ("own_words", of_patient()),
        ("caregivers", of_patient()),
        ("record_holds", of_patient()),
        ("emr_differences", of_patient()),
    ]
}

/// The tables from which [`erase`] removes rows.
pub fn tables() -> Vec<&'static str> {
    let mut tables: Vec<&str> = rows().into_iter().map(|(table, _)| table).collect();
    tables.extend(["conversations", "received_texts"]);
    tables
}

/// How much a record contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contents {
    /// conversations
    pub conversations: i64,
    /// messages and notes in them
    pub messages: i64,
    /// items of the chart
    pub chart_items: i64,
    /// files, attached and of the chart
    pub files: i64,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

fn count(conn: &mut Conn, patient: PatientId, from: &str) -> QueryResult<i64> {
    let query = sql_query(conn, &format!("SELECT COUNT(*) AS count FROM {from}")).bind::<BigInt, _>(patient.0);
    Ok(query.get_result::<Count>(conn)?.count)
}

/// Counts what a record holds.
pub fn contents_of(conn: &mut Conn, patient: PatientId) -> QueryResult<Contents> {
    let attached = count(conn, patient, &format!("attachments WHERE conversation_id IN {CONVERSATIONS}"))?;
    Ok(Contents {
        conversations: count(conn, patient, "conversations WHERE patient_id = $1")?,
        messages: count(conn, patient, &format!("messages WHERE conversation_id IN {CONVERSATIONS}"))?,
        chart_items: count(conn, patient, "chart_items WHERE patient_id = $1")?,
        files: attached + count(conn, patient, &format!("chart_files WHERE item_id IN {ITEMS}"))?,
    })
}

#[derive(QueryableByName)]
struct Referred {
    #[diesel(sql_type = BigInt)]
    blob_id: BlobId,
}

/// Deletes all that is stored of a patient, except the row of the record itself, which is emptied: its number is never
/// given to another. Gives the stored files that were referred to, once for each reference: the caller releases them.
pub fn erase(tx: &mut Tx, now: Ts, patient: PatientId) -> QueryResult<Vec<BlobId>> {
    let files = format!(
        "SELECT blob_id FROM attachments WHERE conversation_id IN {CONVERSATIONS} \
         UNION ALL SELECT page_blob_id FROM attachments WHERE page_blob_id IS NOT NULL AND conversation_id IN {CONVERSATIONS} \
         UNION ALL SELECT blob_id FROM chart_files WHERE item_id IN {ITEMS} \
         UNION ALL SELECT blob_id FROM source_files WHERE blob_id IS NOT NULL AND resource_id IN {RESOURCES} \
         UNION ALL SELECT blob_id FROM uploads WHERE patient_id = $1"
    );
    // before their jobs, as whoever cancels or sends one locks them
    super::carry::lock_scheduled(tx, patient, patient)?;
    if let Conn::Pg(conn) = tx.conn() {
        let writes = format!("SELECT 1 FROM emr_writes WHERE message_id IN {MESSAGES} ORDER BY id FOR UPDATE");
        diesel::sql_query(writes).bind::<BigInt, _>(patient.0).execute(conn)?;
    }
    let files: Vec<Referred> = sql_query(tx.conn(), &files).bind::<BigInt, _>(patient.0).load(tx.conn())?;
    run(tx, patient, &format!("UPDATE passcodes SET notification_id = NULL WHERE notification_id IN {NOTIFICATIONS}"))?;
    run(tx, patient, &format!("UPDATE uploads SET scheduled_id = NULL WHERE scheduled_id IN {SCHEDULED}"))?;
    // the texts that came from the patient's phone number or a caregiver's, unless another chart has the same number
    let texts = "DELETE FROM received_texts WHERE (sender IN (SELECT phone FROM patients WHERE id = $1) \
                 OR sender IN (SELECT phone FROM caregivers WHERE patient_id = $1)) \
                 AND sender NOT IN (SELECT phone FROM patients WHERE phone IS NOT NULL AND id <> $1) \
                 AND sender NOT IN (SELECT phone FROM caregivers WHERE phone IS NOT NULL AND patient_id <> $1)";
    run(tx, patient, texts)?;
    // while the chart was merged into another one, its caregivers may have read and written there
    for (table, column) in [
        ("messages", "caregiver_id"),
        ("messages", "reader_id"),
        ("answers", "caregiver_id"),
        ("notifications", "caregiver_id"),
    ] {
        let elsewhere = format!("UPDATE {table} SET {column} = NULL WHERE {column} IN {CAREGIVERS}");
        run(tx, patient, &elsewhere)?;
    }
    let links =
        "UPDATE portal_links SET caregiver_id = NULL, ended_at = COALESCE(ended_at, created_at) WHERE caregiver_id IN";
    run(tx, patient, &format!("{links} {CAREGIVERS}"))?;
    run(tx, patient, &format!("DELETE FROM sessions WHERE caregiver_id IN {CAREGIVERS}"))?;
    for (table, which) in rows() {
        run(tx, patient, &format!("DELETE FROM {table} WHERE {which}"))?;
    }
    run(tx, patient, "UPDATE uploads SET suspect_id = NULL, suspect_by = NULL WHERE suspect_id = $1")?;
    erase_conversations(tx, now, patient)?;
    let blank = "UPDATE patients SET given_name = '', family_name = '', preferred_name = NULL, name_key = '', \
                 birth_date = '1900-01-01', health_number = NULL, health_number_key = NULL, email = NULL, phone = NULL, \
                 language = 'en', notification_method = 'none', confirmed_email = NULL, confirmed_phone = NULL, \
                 form_key = NULL, source_key = NULL, portal_access = $3, deleted_at = $2 WHERE id = $1";
    sql_query(tx.conn(), blank)
        .bind::<BigInt, _>(patient.0)
        .bind::<Utc, _>(now)
        .bind::<diesel::sql_types::Bool, _>(false)
        .execute(tx.conn())?;
    // in one order, so that two deletions do not wait for each other
    let mut files: Vec<BlobId> = files.into_iter().map(|file| file.blob_id).collect();
    files.sort_unstable();
    Ok(files)
}

/// SQLite gives the highest id again when its row is removed, and a page that somebody still has open would then write
/// to another patient. So the conversation with the highest id stays there, emptied.
fn erase_conversations(tx: &mut Tx, now: Ts, patient: PatientId) -> QueryResult<()> {
    if matches!(tx.conn(), Conn::Sqlite(_)) {
        // the numbers of the last messages are given again too: search reads those that come
        let next = "UPDATE search_progress SET message_id = (SELECT COALESCE(MAX(id), 0) FROM messages) \
                    WHERE message_id > (SELECT COALESCE(MAX(id), 0) FROM messages)";
        diesel::sql_query(next).execute(tx.conn())?;
        let husk = "UPDATE conversations SET title = '', number = 0, replies_allowed = 0, created_at = $2, \
                    last_message_at = $2, last_author = 'user', read_by_patient_at = NULL, closed_at = $2, attention = NULL, \
                    answer = NULL, replies_since = NULL, notice_email = NULL, notice_text = NULL, waiting_since = NULL, \
                    to_do_since = NULL, recalled_at = NULL, answer_by = NULL, answer_kept = NULL, answer_due = NULL, \
                    to_do_due = NULL, only_patient = 0 \
                    WHERE patient_id = $1 AND id = (SELECT MAX(id) FROM conversations)";
        sql_query(tx.conn(), husk).bind::<BigInt, _>(patient.0).bind::<Utc, _>(now).execute(tx.conn())?;
        let others = "DELETE FROM conversations WHERE patient_id = $1 AND id < (SELECT MAX(id) FROM conversations)";
        return run(tx, patient, others);
    }
    run(tx, patient, "DELETE FROM conversations WHERE patient_id = $1")
}

fn run(tx: &mut Tx, patient: PatientId, statement: &str) -> QueryResult<()> {
    sql_query(tx.conn(), statement).bind::<BigInt, _>(patient.0).execute(tx.conn()).map(drop)
}
