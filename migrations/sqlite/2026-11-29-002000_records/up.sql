-- a deleted record leaves its number and when it went, so that no other record is ever taken for it
ALTER TABLE patients ADD COLUMN deleted_at INTEGER;
CREATE INDEX patients_archived ON patients (archived_at, id) WHERE archived_at IS NOT NULL AND deleted_at IS NULL;

-- records that must not be deleted, whatever the periods say; note is sealed
CREATE TABLE record_holds (
  patient_id INTEGER NOT NULL PRIMARY KEY REFERENCES patients (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  held_at INTEGER NOT NULL,
  note TEXT NOT NULL
) STRICT;

-- the proof: who deleted which record, when and why, and how much it held
CREATE TABLE deleted_records (
  patient_id INTEGER NOT NULL PRIMARY KEY REFERENCES patients (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  deleted_at INTEGER NOT NULL,
  reason TEXT NOT NULL,
  archived_at INTEGER NOT NULL,
  conversations INTEGER NOT NULL,
  messages INTEGER NOT NULL,
  chart_items INTEGER NOT NULL,
  files INTEGER NOT NULL
) STRICT;
CREATE INDEX deleted_records_newest ON deleted_records (deleted_at, patient_id);

-- by which sources deleted records were known: a hash of source and id, so that what a source goes on to send of
-- somebody whose record was deleted is not kept where nobody sees it
CREATE TABLE deleted_sources (
  source_hash BLOB NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- four numbers with spaces between: years after archiving, by its reason (has died, has left, mistake), and the patient's
-- age before which no record is due; 0: there is none
ALTER TABLE clinic ADD COLUMN retention TEXT NOT NULL DEFAULT '0 0 0 0';
