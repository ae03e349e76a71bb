-- a deleted record leaves its number and when it went, so that no other record is ever taken for it
ALTER TABLE patients ADD COLUMN deleted_at TIMESTAMPTZ;
CREATE INDEX patients_archived ON patients (archived_at, id) WHERE archived_at IS NOT NULL AND deleted_at IS NULL;

-- records that must not be deleted, whatever the periods say; note is sealed
CREATE TABLE record_holds (
  patient_id BIGINT NOT NULL PRIMARY KEY REFERENCES patients (id),
  user_id BIGINT NOT NULL REFERENCES users (id),
  held_at TIMESTAMPTZ NOT NULL,
  note TEXT NOT NULL
);

-- the proof: who deleted which record, when and why, and how much it held
CREATE TABLE deleted_records (
  patient_id BIGINT NOT NULL PRIMARY KEY REFERENCES patients (id),
  user_id BIGINT NOT NULL REFERENCES users (id),
  deleted_at TIMESTAMPTZ NOT NULL,
  reason TEXT NOT NULL,
  archived_at TIMESTAMPTZ NOT NULL,
  conversations BIGINT NOT NULL,
  messages BIGINT NOT NULL,
  chart_items BIGINT NOT NULL,
  files BIGINT NOT NULL
);
CREATE INDEX deleted_records_newest ON deleted_records (deleted_at, patient_id);

-- by which sources deleted records were known: a hash of source and id, so that what a source goes on to send of
-- somebody whose record was deleted is not kept where nobody sees it
CREATE TABLE deleted_sources (
  source_hash BYTEA NOT NULL PRIMARY KEY
);

-- four numbers with spaces between: years after archiving, by its reason (has died, has left, mistake), and the patient's
-- age before which no record is due; 0: there is none
ALTER TABLE clinic ADD COLUMN retention TEXT NOT NULL DEFAULT '0 0 0 0';
