//! What was committed, in this process or in another one, is heard of at once: outside the pools, and without a look at the
//! tables.
//!
//! PostgreSQL passes words on (LISTEN and NOTIFY), over one connection of this process that is opened again where it is lost.
//! Words are sent after the commit and from that connection: with a NOTIFY of its own every transaction would wait for the
//! commits of all others. SQLite passes nothing on: a connection looks a few times a second whether anybody has changed the
//! file (`PRAGMA data_version`, a number in memory that the processes share).
//!
//! Nothing relies on hearing: a word can be lost with a connection or a process. Whoever follows the log looks at it from
//! time to time besides.

use super::connection::{Conn, DatabaseUrl, Use, open};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What has happened somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// these words were told: lines, in their order
    Words(String),
    /// something was committed; what, is not known
    Changed,
    /// hearing has begun, or begun again: what happened before was not heard
    Began,
}

enum Order {
    Tell(String),
    Hear(UnboundedSender<Heard>),
}

/// How often a connection is looked at while somebody hears.
const EVERY: Duration = Duration::from_millis(100);
/// How long a connection to PostgreSQL may be silent before it is asked whether it still works.
const SILENCE: Duration = Duration::from_secs(15);
/// How long nothing is tried after a connection was lost: longer each time, to this length at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// The most words that wait for a connection; the oldest go first.
const MOST_WAITING: usize = 1_000;
/// PostgreSQL refuses a notice of 8,000 bytes.
const LONGEST: usize = 7_000;

/// The ear of a database. Its thread begins at the first use, and ends with the last copy of the database.
pub(super) struct Hearing {
    url: DatabaseUrl,
    orders: OnceLock<Sender<Order>>,
}

impl Hearing {
    pub fn new(url: &DatabaseUrl) -> Hearing {
        Hearing { url: url.clone(), orders: OnceLock::new() }
    }

    /// Tells these words, one line, to everybody who hears, in this process too.
    pub fn tell(&self, words: String) {
        self.order(Order::Tell(words));
    }

    /// Hears from now on.
    pub fn hear(&self) -> UnboundedReceiver<Heard> {
        let (to, heard) = unbounded_channel();
        self.order(Order::Hear(to));
        heard
    }

    fn order(&self, order: Order) {
        let orders = self.orders.get_or_init(|| {
            let (sender, receiver) = channel();
            let mut ear = Ear::new(self.url.clone());
            let thread = std::thread::Builder::new().name("db-hearing".into());
            if let Err(cause) = thread.spawn(move || ear.serve(&receiver)) {
                tracing::error!(%cause, "changes are not heard of");
            }
            sender
        });
        // without the thread nobody hears
        let _ = orders.send(order);
    }
}

struct Ear {
    url: DatabaseUrl,
    conn: Option<Conn>,
    /// who hears
    to: Option<UnboundedSender<Heard>>,
    /// what is not told yet
    waiting: VecDeque<String>,
    /// when the connection last gave an answer
    answered_at: Instant,
    /// SQLite's number of the file's content
    version: i64,
    /// nothing is heard, and the log says so
    is_deaf: bool,
    pause: Duration,
    try_at: Instant,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = BigInt)]
    data_version: i64,
}

impl Ear {
    fn new(url: DatabaseUrl) -> Ear {
        let now = Instant::now();
        let (conn, to, waiting, version) = (None, None, VecDeque::new(), 0);
        Ear { url, conn, to, waiting, answered_at: now, version, is_deaf: false, pause: PAUSES.0, try_at: now }
    }

    fn serve(&mut self, orders: &Receiver<Order>) {
        loop {
            let is_idle = self.to.is_none() && self.waiting.is_empty();
            match orders.recv_timeout(if is_idle { SILENCE } else { EVERY }) {
                Ok(order) => self.take(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            orders.try_iter().take(MOST_WAITING).for_each(|order| self.take(order));
            if self.to.as_ref().is_some_and(UnboundedSender::is_closed) {
                (self.to, self.conn) = (None, None);
            }
            match self.work() {
                // one that opens and then fails each time is tried less and less often too
                Ok(()) if self.conn.is_some() => (self.is_deaf, self.pause) = (false, PAUSES.0),
                Ok(()) => {}
                Err(cause) => {
                    self.conn = None;
                    // once, and not with each new try
                    if !self.is_deaf {
                        tracing::warn!(%cause, "there is no connection that hears of changes; it is tried again");
                    }
                    self.is_deaf = true;
                    self.try_at = Instant::now() + self.pause;
                    self.pause = (self.pause * 2).min(PAUSES.1);
                }
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Tell(words) => {
                if self.waiting.len() >= MOST_WAITING {
                    self.waiting.pop_front();
                }
                self.waiting.push_back(words);
            }
            // a connection that only told is opened anew, to listen
            Order::Hear(to) => (self.to, self.conn) = (Some(to), None),
        }
    }

    fn say(&self, heard: Heard) {
        if let Some(to) = &self.to {
            let _ = to.send(heard);
        }
    }

    /// Tells what waits, and passes on what came.
    fn work(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        if (self.to.is_none() && self.waiting.is_empty()) || (self.conn.is_none() && Instant::now() < self.try_at) {
            return Ok(());
        }
        if self.conn.is_none() {
            self.begin()?;
        }
        match &mut self.conn {
            Some(Conn::Pg(conn)) => {
                while let Some(words) = joined(&self.waiting) {
                    diesel::sql_query("SELECT pg_notify('postern', $1)").bind::<Text, _>(&words.0).execute(conn)?;
                    self.waiting.drain(..words.1);
                    self.answered_at = Instant::now();
                }
                if self.answered_at.elapsed() > SILENCE {
                    conn.batch_execute("SELECT 1")?;
                    self.answered_at = Instant::now();
                }
                // the first error ends it: on a lost connection it would come again without end
                let came = conn.notifications_iter().collect::<QueryResult<Vec<_>>>()?;
                came.into_iter().for_each(|notice| self.say(Heard::Words(notice.payload)));
            }
            Some(Conn::Sqlite(conn)) => {
                let version = version(conn)?;
                if version != self.version {
                    self.version = version;
                    self.say(Heard::Changed);
                }
                // whoever hears in another process has the file alone
                while let Some(words) = self.waiting.pop_front() {
                    self.say(Heard::Words(words));
                }
            }
            None => {}
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let purpose = if self.url.is_postgres() { Use::Write } else { Use::Read };
        let mut conn = open(&self.url, purpose)?;
        match &mut conn {
            Conn::Pg(conn) => {
                // a notice is nothing that must survive a power cut
                conn.batch_execute("SET synchronous_commit = off")?;
                if self.to.is_some() {
                    conn.batch_execute("LISTEN postern")?;
                }
            }
            Conn::Sqlite(conn) => self.version = version(conn)?,
        }
        self.conn = Some(conn);
        self.answered_at = Instant::now();
        self.say(Heard::Began);
        Ok(())
    }
}

fn version(conn: &mut SqliteConnection) -> QueryResult<i64> {
    Ok(diesel::sql_query("PRAGMA data_version").get_result::<Version>(conn)?.data_version)
}

/// As many of the words as one notice takes, as lines, and how many they are.
fn joined(waiting: &VecDeque<String>) -> Option<(String, usize)> {
    let mut lines = waiting.front()?.clone();
    let mut count = 1;
    for words in waiting.iter().skip(1) {
        if lines.len() + 1 + words.len() > LONGEST {
            break;
        }
        lines.push('\n');
        lines.push_str(words);
        count += 1;
    }
    Some((lines, count))
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, joined};
    use std::collections::VecDeque;

    #[test]
    fn a_notice_takes_as_many_words_as_fit() {
        assert_eq!(joined(&VecDeque::new()), None);
        let some = VecDeque::from(["row 1".to_owned(), "row 2".to_owned()]);
        assert_eq!(joined(&some), Some(("row 1\nrow 2".to_owned(), 2)));
        let many: VecDeque<String> = (0..2_000).map(|at| format!("row {at}")).collect();
        let (lines, count) = joined(&many).unwrap();
        assert!(lines.len() <= LONGEST && count < 2_000 && lines.lines().count() == count, "{count}");
    }
}
