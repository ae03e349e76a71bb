//! A clinic of any size with all the rows that a real one has, written by statements that both databases understand, a
//! table at a time: notifications with their states and links, steps, plans, jobs, audit rows, drafts, attachments.
//! Three of a hundred conversations are open. The rows that an operation needs have places of their own: [`Places`].

use super::base::Base;
use diesel::connection::SimpleConnection;
use postern::db::Conn;
use std::ops::Range;

/// The size of a clinic.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// conversations, each with its rows
    pub conversations: i64,
    /// items of the largest chart
    pub items: i64,
    /// messages of the longest conversation
    pub long: i64,
    /// for the patient with many conversations: how many, and the messages of each
    pub many: (i64, i64),
    /// patients who may answer, and conversations in which they may
    pub answering: i64,
}

impl Size {
    /// The size that is measured, with this many conversations.
    pub fn of(conversations: i64) -> Size {
        Size { conversations, items: 20_000, long: 500, many: (30, 400), answering: 400 }
    }

    fn patients(&self) -> i64 {
        (self.conversations / 2).max(100)
    }
}

/// The ids of the rows that operations need.
#[derive(Debug, Clone)]
pub struct Places {
    /// the conversation with twenty messages, and its patient
    pub twenty: (i64, i64),
    /// the conversation with many messages
    pub long: i64,
    /// the patient with many conversations of many messages
    pub many: i64,
    /// the patient with the large chart
    pub chart: i64,
    /// patients who may answer
    pub answering: Range<i64>,
    /// the first of their conversations; the others follow in order
    pub answered: i64,
}

/// Users, the owner among them.
const USERS: i64 = 12;
const GIVEN: &str = "Anna    Benoit  Chloe   David   Elise   Felix   Gabriel Helene  Isabel  Jacques Karine  Louis   Marie   Nadia   Olivier Pierre  \
                     Rachel  Samuel  Teresa  Xavier  ";
const FAMILY: &str = "Abbott  Bouchar Cote    Dubois  Emond   Fortin  Gagnon  Hebert  Iqbal   Jones   Kowalsk Lavoie  Morin   Nguyen  Ouellet \
                      Pelleti Quirion Roy     Simard  Tremlay Underwd Vachon  Wong    Young   Zhang   ";

/// One word of a list of words that are eight characters apart, chosen by a number.
fn word(list: &str, number: &str) -> String {
    let count = list.len() / 8;
    format!("trim(substr('{list}', CAST(1 + 8 * (({number}) % {count}) AS INTEGER), 8))")
}

/// Fills a database that has one user, the owner, and nothing else.
pub fn fill(base: &Base, size: Size) -> Places {
    let conn = &mut base.connect();
    let mut clinic = Clinic { conn, patients: size.patients(), now: now(), step: 0 };
    // they are spread over three years
    clinic.step = 94_608_000_000_000 / size.conversations.max(1);
    clinic.run("@prepare");
    clinic.people(size);
    let places = clinic.conversations(size);
    clinic.charts(size, &places);
    clinic.finish();
    places
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

struct Clinic<'a> {
    conn: &'a mut Conn,
    patients: i64,
    /// microseconds since 1970
    now: i64,
    /// microseconds between two conversations
    step: i64,
}

impl Clinic<'_> {
    /// Runs a statement in which `@(…)` is a moment given in microseconds, `#(…)` 32 bytes made of a number, and `n(…)`
    /// at its beginning the numbers from 0, as `i`.
    fn run(&mut self, statement: &str) {
        let is_postgres = matches!(self.conn, Conn::Pg(_));
        let statement = match (statement, is_postgres) {
            ("@prepare", true) => "SET statement_timeout = 0; SET synchronous_commit = off; SET session_replication_role = replica".into(),
            ("@prepare", false) => {
                "PRAGMA busy_timeout = 10000; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -400000".into()
            }
            (statement, true) => replaced(statement, "@(", "to_timestamp((", ")::double precision / 1e6)")
                .pipe(|s| replaced(&s, "#(", "sha256((", ")::text::bytea)")),
            (statement, false) => replaced(statement, "@(", "(", ")")
                .pipe(|s| replaced(&s, "#(", "CAST(printf('%032d', ", ") AS BLOB)")),
        };
        self.conn.batch_execute(&statement).unwrap_or_else(|e| panic!("{e}: {statement}"));
    }

    /// Inserts rows into `table`, one for each `i` below `count`: `columns` are names with expressions of `i`;
    /// `condition` leaves some rows out.
    fn rows(&mut self, table: &str, columns: &[(&str, &str)], count: i64, condition: &str) {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let values: Vec<&str> = columns.iter().map(|(_, value)| *value).collect();
        let condition = if condition.is_empty() { String::new() } else { format!(" WHERE {condition}") };
        self.run(&format!(
            "WITH RECURSIVE n(i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count}) \
             INSERT INTO {table} ({}) SELECT {} FROM n{condition}",
            names.join(", "),
            values.join(", "),
        ));
    }

    fn people(&mut self, size: Size) {
        let now = self.now;
        let created = format!("@({now} - 94608000000000)");
        self.rows(
            "users",
            &[
                ("id", "i + 2"),
                ("email", "'user' || (i + 2) || '@example.org'"),
                ("email_key", "'user' || (i + 2) || '@example.org'"),
                ("name", "'User ' || (i + 2)"),
                ("role", "CASE i % 3 WHEN 0 THEN 'owner' WHEN 1 THEN 'clinician' ELSE 'staff' END"),
                ("language", "'en'"),
                ("active", "TRUE"),
                ("created_at", &created),
            ],
            USERS - 1,
            "",
        );
        let (given, family) = (word(GIVEN, "i"), word(FAMILY, "i / 20"));
        let patients = self.patients + size.answering + 4;
        let key = format!("lower({family}) || ' ' || lower({given})");
        self.rows(
            "patients",
            &[
                ("id", "i + 1"),
                ("given_name", &given),
                ("family_name", &family),
                ("name_key", &key),
                ("birth_date", BIRTH),
                ("health_number", "CAST(4000000000 + i * 7 AS TEXT)"),
                ("health_number_key", "CAST(4000000000 + i * 7 AS TEXT)"),
                ("email", "'patient' || i || '@example.org'"),
                ("phone", "'+1' || (5140000000 + i * 13)"),
                ("language", "CASE i % 3 WHEN 0 THEN 'fr' ELSE 'en' END"),
                ("notification_method", "'both'"),
                ("portal_access", "TRUE"),
                ("created_at", &created),
            ],
            patients,
            "",
        );
        let (given, family) = (format!("lower({given})"), format!("lower({family})"));
        let together = (format!("{given} || {family}"), format!("{family} || {given}"));
        for term in [
            given.as_str(),
            &family,
            &together.0,
            &together.1,
            BIRTH,
            "CAST(4000000000 + i * 7 AS TEXT)",
            "'patient' || i || '@example.org'",
            "'1' || (5140000000 + i * 13)",
            "CAST(5140000000 + i * 13 AS TEXT)",
        ] {
            self.rows("patient_terms", &[("patient_id", "i + 1"), ("term", term)], patients, "");
        }
    }

    fn conversations(&mut self, size: Size) -> Places {
        let count = size.conversations;
        let at = format!("{} - ({count} - i) * {}", self.now, self.step);
        let patient = format!("(1 + i % {})", self.patients);
        let number = format!("(1 + i / {})", self.patients);
        self.block(&Block { first: 1, count, patient, number, at, messages: 2, open: "i % 100 < 3" });
        // the rows of `Places` come after the others, with patients who have none of the others
        let special = self.patients + 1;
        let mut first = count + 1;
        let mut place = |clinic: &mut Clinic, patient: i64, conversations: i64, messages: i64, each: bool| {
            let of = if each { format!("({patient} + i)") } else { patient.to_string() };
            let number = if each { "1".to_owned() } else { "(1 + i)".to_owned() };
            let at = format!("{} - ({conversations} - i) * 60000000 - 3600000000", clinic.now);
            clinic.block(&Block { first, count: conversations, patient: of, number, at, messages, open: "TRUE" });
            first += conversations;
            first - conversations
        };
        let twenty = (place(self, special, 1, 20, false), special);
        let long = place(self, special + 1, 1, size.long, false);
        place(self, special + 2, size.many.0, size.many.1, false);
        let answered = place(self, special + 4, size.answering, 2, true);
        let answering = special + 4..special + 4 + size.answering;
        Places { twenty, long, many: special + 2, chart: special + 3, answering, answered }
    }

    /// Writes conversations of one shape with all rows that refer to them.
    fn block(&mut self, block: &Block) {
        let Block { first, count, patient, number, at, messages, open } = block;
        let (first, count, messages) = (*first, *count, *messages);
        let (id, when) = (format!("{first} + i"), format!("@({at})"));
        let started = format!("@({at} - 86400000000)");
        let closed = format!("CASE WHEN {open} THEN NULL ELSE @({at} + 1000000) END");
        let author = "CASE i % 3 WHEN 0 THEN 'patient' ELSE 'user' END";
        let waiting = format!("CASE WHEN i % 3 = 0 THEN {when} END");
        let due = format!("CASE WHEN ({open}) AND i % 3 = 0 THEN {when} END");
        let to_do = format!("CASE WHEN ({open}) AND (i % 3 = 0 OR i % 10 = 1) THEN {when} END");
        let attention = format!("CASE WHEN ({open}) AND i % 10 = 1 THEN 'failed' END");
        self.rows(
            "conversations",
            &[
                ("id", &id),
                ("patient_id", patient),
                ("number", number),
                ("title", "'Your results of visit ' || i"),
                ("replies_allowed", "TRUE"),
                ("started_by", "1"),
                ("created_at", &started),
                ("last_message_at", &when),
                ("last_author", author),
                ("read_by_patient_at", &format!("CASE WHEN i % 10 = 1 THEN NULL ELSE {when} END")),
                ("closed_at", &closed),
                ("closed_by", &format!("CASE WHEN {open} THEN NULL ELSE 1 END")),
                ("attention", &attention),
                ("replies_since", &started),
                ("notice_email", "CASE WHEN i % 100 = 1 THEN 'failed' ELSE 'sent' END"),
                ("notice_text", "'delivered'"),
                ("waiting_since", &waiting),
                ("to_do_since", &to_do),
                ("answer_due", &due),
                ("to_do_due", &to_do),
            ],
            count,
            "",
        );
        // the owner takes part in every fourth conversation, and one of the other users in each
        for (user, unread, done, condition) in [
            ("1", "(i % 400 = 0)", format!("CASE WHEN i % 200 = 4 THEN {when} END"), "i % 4 = 0"),
            ("2 + i % 11", "(i % 300 = 7)", format!("CASE WHEN i % 100 < 95 THEN {when} END"), ""),
        ] {
            let mine = format!(
                "CASE WHEN ({open}) AND ({done}) IS NULL AND (i % 3 = 0 OR i % 10 = 1 OR {unread}) THEN {when} END"
            );
            let columns = [
                ("conversation_id", id.as_str()),
                ("user_id", user),
                ("unread", unread),
                ("done_at", &done),
                ("last_message_at", &when),
                ("closed_at", &closed),
                ("waiting_since", &waiting),
                ("attention", &attention),
                ("to_do_since", &mine),
                ("answer_due", &due),
                ("to_do_due", &mine),
            ];
            self.rows("participants", &columns, count, condition);
        }
        // from here on `i` counts messages
        let c = format!("(i / {messages})");
        let of = |text: &str| of_conversation(text, &c);
        let conversation = format!("{first} + {c}");
        let at_message = format!("{} - ({messages} - 1 - i % {messages}) * 1000000", of(at));
        let when_message = format!("@({at_message})");
        let total = count * messages;
        let message = format!("(({first} + {c}) * 1000 + i % {messages})");
        let theirs = "(i % 2 = 1)";
        let body = "'<p>Your results are <strong>normal</strong>; take 5 mg of it twice a day with food, and come back in ' || (2 + i % 9) \
                    || ' weeks. The laboratory sends the second part of the panel tomorrow.</p><ul><li>morning</li><li>evening</li></ul>'";
        self.rows(
            "messages",
            &[
                ("id", &message),
                ("conversation_id", &conversation),
                ("author", &format!("CASE WHEN {theirs} THEN 'patient' ELSE 'user' END")),
                ("user_id", &format!("CASE WHEN {theirs} THEN NULL ELSE 1 END")),
                (
                    "body_source",
                    "'Your results are **normal**; take 5 mg of it twice a day with food, and come back soon.'",
                ),
                ("body_format", "'markdown'"),
                ("body_html", body),
                ("internal", "(i % 40 = 38)"),
                ("send_key", &format!("'filled:' || {message}")),
                ("created_at", &when_message),
                ("read_by_patient_at", &when_message),
            ],
            total,
            "",
        );
        // three words of the index that every message has, which is the most that a search can meet, and the mark that it was read
        self.run(
            "INSERT INTO search_words (term) VALUES ('normal'), ('laboratory'), ('evening') ON CONFLICT DO NOTHING",
        );
        self.run(
            "INSERT INTO search_postings (word_id, message_id, parts) SELECT w.id, m.id, w.parts FROM messages m, \
             (SELECT 0 AS id, 0 AS parts UNION ALL SELECT id, 2 FROM search_words \
             WHERE term IN ('normal', 'laboratory', 'evening')) w WHERE true ON CONFLICT DO NOTHING",
        );
        let ours = "NOT (i % 2 = 1)";
        for (road, state, offset) in [
            ("email", "CASE i % 100 WHEN 0 THEN 'failed' WHEN 2 THEN 'bounced' ELSE 'sent' END", 0),
            ("sms", "CASE i % 100 WHEN 4 THEN 'failed' WHEN 6 THEN 'stopped' ELSE 'delivered' END", 1),
        ] {
            let notification = format!("({message} * 2 + {offset})");
            self.rows(
                "notifications",
                &[
                    ("id", &notification),
                    ("message_id", &message),
                    ("conversation_id", &conversation),
                    ("patient_id", &of(patient)),
                    ("channel", &format!("'{road}'")),
                    ("state", state),
                    ("reason", "NULL"),
                    ("attempts", "1"),
                    ("message_uid", &format!("'filled' || {notification}")),
                    ("created_at", &when_message),
                    ("state_at", &when_message),
                    ("kind", "CASE WHEN i % 12 = 0 THEN 'reminder' ELSE 'message_waiting' END"),
                    ("sent_to", "'patient@example.org'"),
                    ("user_id", "1"),
                ],
                total,
                ours,
            );
            for (number, state) in [(0, "'sending'"), (1, state)] {
                let columns = [
                    ("id", &*format!("({notification} * 2 + {number})")),
                    ("notification_id", &notification),
                    ("state", state),
                    ("at", &when_message),
                ];
                self.rows("notification_states", &columns, total, ours);
            }
            self.rows(
                "portal_links",
                &[
                    ("id", &notification),
                    ("token_hash", &format!("#({notification})")),
                    ("patient_id", &of(patient)),
                    ("conversation_id", &conversation),
                    ("notification_id", &notification),
                    ("channel", &format!("'{road}'")),
                    ("created_at", &when_message),
                    ("expires_at", &format!("@({at_message} + 2592000000000)")),
                ],
                total,
                ours,
            );
        }
        let due = format!("@({at_message} + 172800000000)");
        for (number, step) in [(0, "remind"), (1, "tell")] {
            let columns = [
                ("id", &*format!("({message} * 2 + {number})")),
                ("message_id", &message),
                ("conversation_id", &conversation),
                ("step", &format!("'{step}'")),
                ("due_at", &due),
                ("state", &format!("CASE WHEN {} THEN 'waiting' ELSE 'opened' END", of(open))),
                ("state_at", &when_message),
            ];
            self.rows("plan_steps", &columns, total, ours);
        }
        let later = format!("@({} + 864000000000)", self.now);
        self.rows(
            "jobs",
            &[
                ("kind", "'follow_up'"),
                ("subject_id", &format!("{message} * 2")),
                ("attempts", "0"),
                ("run_at", &later),
                ("created_at", &when_message),
                ("lane", "'plans'"),
            ],
            total,
            &format!("{ours} AND ({})", of(open)),
        );
        let acts =
            [("conversation_viewed", "user", "1"), ("message_sent", "user", "1"), ("message_read", "patient", patient)];
        for (turn, (action, actor, by)) in acts.into_iter().enumerate() {
            let (by, position) = (of(by), format!("(({}) * {messages} + i % {messages}) * 3 + {turn}", of(number)));
            let columns = [
                ("chain", &*of(patient)),
                ("position", &position),
                ("at", &when_message),
                ("actor", &format!("'{actor}'")),
                ("actor_id", &by),
                ("action", &format!("'{action}'")),
                ("patient_id", &of(patient)),
                ("subject", "'conversation'"),
                ("subject_id", &conversation),
                ("hash", "#(i)"),
            ];
            self.rows("audit_events", &columns, total, "");
        }
        let columns = [
            ("user_id", "2"),
            ("conversation_id", &id),
            ("writing", "'reply'"),
            ("version", "3"),
            ("form", "CASE WHEN i % 100 = 0 THEN '[[\"body\",\"Please call us\"]]' END"),
            ("saved_at", &when),
        ];
        self.rows("conversation_drafts", &columns, count, "i % 3 = 0");
        let columns = [("conversation_id", &*id), ("body", "'Thank you'"), ("saved_at", &when)];
        self.rows("reply_drafts", &columns, count, "i % 50 = 49");
        let blob = format!("{first} + i");
        let columns = [
            ("id", &*blob),
            ("sha256", &format!("#({blob})")),
            ("size", "48000"),
            ("name", &format!("'filled' || ({blob})")),
            ("scan", "'not_scanned'"),
            ("refs", "1"),
            ("created_at", &when),
        ];
        self.rows("blobs", &columns, count, "i % 5 = 0");
        let columns = [
            ("message_id", &*format!("({first} + i) * 1000")),
            ("conversation_id", &id),
            ("number", "1"),
            ("blob_id", &blob),
            ("file_name", "'results.pdf'"),
            ("media_type", "'application/pdf'"),
            ("size", "48000"),
            ("created_at", &when),
        ];
        self.rows("attachments", &columns, count, "i % 5 = 0");
    }

    fn charts(&mut self, size: Size, places: &Places) {
        let (all, large) = (self.patients * 4, places.chart);
        // four items in each chart, from the last two years, and the large chart from ten years
        let blocks = [
            (0, all, "(1 + i / 4)".to_owned(), format!("{} - (i % 730) * 86400000000", self.now)),
            (all, size.items, large.to_string(), format!("{} - i * 15768000000", self.now)),
        ];
        for (first, count, patient, at) in blocks {
            let when = format!("@({at})");
            self.rows(
                "chart_items",
                &[
                    ("id", &format!("{first} + i + 1")),
                    ("patient_id", &patient),
                    ("source_key", &format!("'filled' || ({first} + i)")),
                    ("kind", "CASE i % 4 WHEN 0 THEN 'encounter' WHEN 1 THEN 'lab_result' WHEN 2 THEN 'letter' ELSE 'form' END"),
                    ("occurred_at", &when),
                    ("title", "'Complete blood count ' || i"),
                    ("author", "'Dr. Fortin'"),
                    ("body", "'{}'"),
                    ("created_at", &when),
                ],
                count,
                "",
            );
            for term in ["'complete'", "'blood'", "CAST(i AS TEXT)"] {
                let id = format!("{first} + i + 1");
                self.rows(
                    "chart_item_terms",
                    &[("patient_id", &*patient), ("term", term), ("item_id", &id)],
                    count,
                    "",
                );
            }
        }
        let month = match self.conn {
            Conn::Pg(_) => "CAST(to_char(occurred_at AT TIME ZONE 'UTC', 'YYYYMM') AS BIGINT)",
            Conn::Sqlite(_) => "CAST(strftime('%Y%m', occurred_at / 1000000, 'unixepoch') AS INTEGER)",
        };
        self.run(&format!(
            "INSERT INTO chart_tallies (patient_id, kind, month, items) \
             SELECT patient_id, kind, {month}, count(*) FROM chart_items GROUP BY 1, 2, 3"
        ));
    }

    /// Writes the ends of the audit chains, and on PostgreSQL sets the sequences of identities.
    fn finish(&mut self) {
        self.run(
            "INSERT INTO audit_heads (chain, position, hash) SELECT chain, max(position), #(0) FROM audit_events \
             WHERE chain > 0 GROUP BY chain",
        );
        if matches!(self.conn, Conn::Pg(_)) {
            self.run(
                "DO $$ DECLARE one record; BEGIN FOR one IN SELECT table_name FROM information_schema.columns \
                 WHERE table_schema = 'public' AND column_name = 'id' AND is_identity = 'YES' LOOP \
                 EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, ''id''), (SELECT COALESCE(max(id), 1) FROM %I))', \
                 one.table_name, one.table_name); END LOOP; END $$; ANALYZE",
            );
        } else {
            self.run("PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }
}

/// Conversations of one shape: expressions of `i`, which counts them from 0.
struct Block<'a> {
    first: i64,
    count: i64,
    patient: String,
    number: String,
    at: String,
    messages: i64,
    open: &'a str,
}

/// An expression of the conversation's number `i`, by another expression of that number.
fn of_conversation(text: &str, number: &str) -> String {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let (mut out, mut before) = (String::new(), None);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            'i' if !is_word(before) && !is_word(rest.peek().copied()) => out.push_str(number),
            c => out.push(c),
        }
        before = Some(c);
    }
    out
}

/// The day on which a patient was born.
const BIRTH: &str = "(1930 + i % 80) || '-' || (10 + i % 3) || '-' || (10 + i % 18)";

trait Pipe: Sized {
    fn pipe<T>(self, next: impl FnOnce(Self) -> T) -> T {
        next(self)
    }
}
impl Pipe for String {}

/// Writes `begin` and `end` around what stands in the brackets that `mark` opens.
fn replaced(text: &str, mark: &str, begin: &str, end: &str) -> String {
    let Some((before, rest)) = text.split_once(mark) else { return text.to_owned() };
    let mut depth = 1;
    let close = rest.char_indices().find(|(_, c)| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    });
    let at = close.expect("a bracket that closes").0;
    let (within, after) = (rest.get(..at).unwrap(), rest.get(at + 1..).unwrap());
    format!("{before}{begin}{}{end}{}", replaced(within, mark, begin, end), replaced(after, mark, begin, end))
}
