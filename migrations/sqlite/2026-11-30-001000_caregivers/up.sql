-- Who reads and answers for a patient: with an own contact and an own proof, from one day to another.
CREATE TABLE caregivers (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  name TEXT NOT NULL,
  relation TEXT NOT NULL,
  birth_date TEXT NOT NULL,
  email TEXT,
  -- as compared, whatever its case
  email_key TEXT,
  phone TEXT,
  language TEXT NOT NULL,
  notification_method TEXT NOT NULL,
  -- they see conversations that began at or after this moment
  starts_at INTEGER NOT NULL,
  -- the last moment there is where no end is set
  ends_at INTEGER NOT NULL,
  -- who ended it before its time
  ended_by INTEGER REFERENCES users (id),
  -- grows with each change by a user: sessions from before it open nothing
  version INTEGER NOT NULL,
  -- of the form that made it: a double click adds one
  form_key TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX caregivers_patient ON caregivers (patient_id, id);
CREATE INDEX caregivers_email ON caregivers (email_key) WHERE email_key IS NOT NULL;
CREATE INDEX caregivers_phone ON caregivers (phone) WHERE phone IS NOT NULL;

-- for the patient alone: no caregiver sees it or is told of it
ALTER TABLE conversations ADD COLUMN only_patient INTEGER NOT NULL DEFAULT 0 CHECK (only_patient IN (0, 1));
-- the caregiver whom it is for, or who wrote, answered or signed in; none: the patient
ALTER TABLE notifications ADD COLUMN caregiver_id INTEGER REFERENCES caregivers (id);
CREATE INDEX notifications_caregiver ON notifications (caregiver_id) WHERE caregiver_id IS NOT NULL;
ALTER TABLE portal_links ADD COLUMN caregiver_id INTEGER REFERENCES caregivers (id);
CREATE INDEX portal_links_caregiver ON portal_links (caregiver_id) WHERE caregiver_id IS NOT NULL;
ALTER TABLE sessions ADD COLUMN caregiver_id INTEGER REFERENCES caregivers (id);
CREATE INDEX sessions_caregiver ON sessions (caregiver_id) WHERE caregiver_id IS NOT NULL;
ALTER TABLE messages ADD COLUMN caregiver_id INTEGER REFERENCES caregivers (id);
CREATE INDEX messages_caregiver ON messages (caregiver_id) WHERE caregiver_id IS NOT NULL;
-- the caregiver who opened it first; none: the patient did, or nobody
ALTER TABLE messages ADD COLUMN reader_id INTEGER REFERENCES caregivers (id);
CREATE INDEX messages_reader ON messages (reader_id) WHERE reader_id IS NOT NULL;
ALTER TABLE answers ADD COLUMN caregiver_id INTEGER REFERENCES caregivers (id);
CREATE INDEX answers_caregiver ON answers (caregiver_id) WHERE caregiver_id IS NOT NULL;
-- what a caregiver is writing: the patient does not read it, nor another caregiver
CREATE TABLE caregiver_drafts (
  conversation_id INTEGER NOT NULL REFERENCES conversations (id),
  caregiver_id INTEGER NOT NULL REFERENCES caregivers (id),
  body TEXT NOT NULL,
  saved_at INTEGER NOT NULL,
  PRIMARY KEY (conversation_id, caregiver_id)
) STRICT;
CREATE INDEX caregiver_drafts_caregiver ON caregiver_drafts (caregiver_id);
