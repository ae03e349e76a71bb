-- Times are microseconds since 1970 in UTC. Columns that end in _key hold text folded in Rust, because
-- lower() and LIKE fold ASCII only here.
CREATE TABLE clinic (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  name TEXT NOT NULL,
  phone TEXT NOT NULL,
  address TEXT NOT NULL,
  time_zone TEXT NOT NULL,
  language TEXT NOT NULL,
  emergency_text TEXT NOT NULL,
  closing_text TEXT NOT NULL,
  portal_on INTEGER NOT NULL CHECK (portal_on IN (0, 1)),
  portal_for_new_patients INTEGER NOT NULL CHECK (portal_for_new_patients IN (0, 1)),
  replies_by_default INTEGER NOT NULL CHECK (replies_by_default IN (0, 1)),
  portal_idle_minutes INTEGER NOT NULL CHECK (portal_idle_minutes BETWEEN 1 AND 1440),
  portal_stay_days INTEGER NOT NULL CHECK (portal_stay_days BETWEEN 0 AND 30),
  cookie_key BLOB NOT NULL
) STRICT;

CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  email TEXT NOT NULL,
  email_key TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  language TEXT NOT NULL,
  password_hash TEXT,
  active INTEGER NOT NULL CHECK (active IN (0, 1)),
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE password_links (
  token_hash BLOB PRIMARY KEY NOT NULL,
  user_id INTEGER NOT NULL REFERENCES users (id),
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX password_links_user ON password_links (user_id);

CREATE TABLE patients (
  id INTEGER PRIMARY KEY,
  source_key TEXT UNIQUE,
  given_name TEXT NOT NULL,
  family_name TEXT NOT NULL,
  preferred_name TEXT,
  name_key TEXT NOT NULL,
  birth_date TEXT NOT NULL,
  health_number TEXT,
  health_number_key TEXT,
  email TEXT,
  phone TEXT,
  language TEXT NOT NULL,
  notification_method TEXT NOT NULL,
  portal_access INTEGER NOT NULL CHECK (portal_access IN (0, 1)),
  archived_at INTEGER,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX patients_name ON patients (name_key, id);
CREATE INDEX patients_health_number ON patients (health_number_key);

-- one row for each word that finds a patient; searched by prefix
CREATE TABLE patient_terms (
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  term TEXT NOT NULL,
  PRIMARY KEY (patient_id, term)
) STRICT, WITHOUT ROWID;
CREATE INDEX patient_terms_term ON patient_terms (term, patient_id);

CREATE TABLE chart_items (
  id INTEGER PRIMARY KEY,
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  source_key TEXT NOT NULL,
  kind TEXT NOT NULL,
  occurred_at INTEGER NOT NULL,
  title TEXT NOT NULL,
  author TEXT,
  body TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX chart_items_source ON chart_items (patient_id, source_key);
CREATE INDEX chart_items_time ON chart_items (patient_id, occurred_at, id);
CREATE INDEX chart_items_kind ON chart_items (patient_id, kind, occurred_at, id);

CREATE TABLE conversations (
  id INTEGER PRIMARY KEY,
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  number INTEGER NOT NULL,
  title TEXT NOT NULL,
  replies_allowed INTEGER NOT NULL CHECK (replies_allowed IN (0, 1)),
  started_by INTEGER NOT NULL REFERENCES users (id),
  created_at INTEGER NOT NULL,
  last_message_at INTEGER NOT NULL,
  last_author TEXT NOT NULL,
  read_by_patient_at INTEGER,
  notice_state TEXT NOT NULL,
  closed_at INTEGER,
  closed_by INTEGER REFERENCES users (id)
) STRICT;
CREATE UNIQUE INDEX conversations_number ON conversations (patient_id, number);
CREATE INDEX conversations_newest ON conversations (last_message_at, id);
CREATE INDEX conversations_patient ON conversations (patient_id, last_message_at, id);

-- last_message_at is repeated here, so that one user's inbox is one walk along an index
CREATE TABLE participants (
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  unread INTEGER NOT NULL CHECK (unread IN (0, 1)),
  done_at INTEGER,
  last_message_at INTEGER NOT NULL,
  PRIMARY KEY (conversation_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX participants_inbox ON participants (user_id, unread, last_message_at, conversation_id);

CREATE TABLE messages (
  id INTEGER PRIMARY KEY,
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  author TEXT NOT NULL,
  user_id INTEGER REFERENCES users (id),
  body_source TEXT NOT NULL,
  body_format TEXT NOT NULL,
  body_html TEXT NOT NULL,
  internal INTEGER NOT NULL CHECK (internal IN (0, 1)),
  send_key TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  read_by_patient_at INTEGER
) STRICT;
CREATE INDEX messages_conversation ON messages (conversation_id, id);

CREATE TABLE notifications (
  id INTEGER PRIMARY KEY,
  message_id INTEGER NOT NULL REFERENCES messages (id),
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  channel TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT,
  attempts INTEGER NOT NULL,
  message_uid TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  state_at INTEGER NOT NULL
) STRICT;
CREATE INDEX notifications_message ON notifications (message_id, id);
CREATE INDEX notifications_conversation ON notifications (conversation_id, id);
CREATE INDEX notifications_newest ON notifications (created_at, id);
CREATE INDEX notifications_patient ON notifications (patient_id, id);

CREATE TABLE portal_links (
  id INTEGER PRIMARY KEY,
  token_hash BLOB NOT NULL UNIQUE,
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  notification_id INTEGER NOT NULL REFERENCES notifications (id),
  channel TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended_at INTEGER
) STRICT;
CREATE INDEX portal_links_patient ON portal_links (patient_id, id);
CREATE INDEX portal_links_notification ON portal_links (notification_id);

-- at most one live passcode for each link: the row is replaced when a new one is made
CREATE TABLE passcodes (
  link_id INTEGER PRIMARY KEY REFERENCES portal_links (id),
  code_hash TEXT,
  requested_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  locked_until INTEGER,
  locks INTEGER NOT NULL,
  send_state TEXT NOT NULL,
  send_reason TEXT
) STRICT;

CREATE TABLE sessions (
  token_hash BLOB PRIMARY KEY NOT NULL,
  user_id INTEGER REFERENCES users (id),
  patient_id INTEGER REFERENCES patients (id),
  state TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  idle_until INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_patient ON sessions (patient_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE jobs (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  subject_id INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  run_at INTEGER NOT NULL,
  lease TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_due ON jobs (run_at, id);
CREATE UNIQUE INDEX jobs_subject ON jobs (kind, subject_id);

CREATE TABLE audit_events (
  id INTEGER PRIMARY KEY,
  chain INTEGER NOT NULL,
  position INTEGER NOT NULL,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  actor_id INTEGER,
  action TEXT NOT NULL,
  patient_id INTEGER,
  subject TEXT,
  subject_id INTEGER,
  detail TEXT,
  hash BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX audit_events_chain ON audit_events (chain, position);
CREATE INDEX audit_events_time ON audit_events (at, id);

-- chain 0 is the clinic's; every other is the patient's with that id
CREATE TABLE audit_heads (
  chain INTEGER PRIMARY KEY,
  position INTEGER NOT NULL,
  hash BLOB NOT NULL
) STRICT;
