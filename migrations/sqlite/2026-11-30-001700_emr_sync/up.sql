-- How far a source's records are read: one round reads all of them, or what has changed since the round before.
CREATE TABLE emr_rounds (
  -- the name of the source, as imports know it
  source TEXT PRIMARY KEY NOT NULL,
  -- of whoever works at the round, and until when it holds
  lease TEXT,
  lease_until INTEGER,
  is_full INTEGER NOT NULL CHECK (is_full IN (0, 1)),
  -- what somebody has asked for since the round began
  wanted TEXT,
  begun_at INTEGER,
  -- empty while the round is under way
  ended_at INTEGER,
  -- when the last round that came to its end began: the charts are as they were then
  as_of INTEGER,
  -- when a round of all records came to its end
  full_at INTEGER,
  next_at INTEGER,
  failures INTEGER NOT NULL,
  trouble TEXT,
  -- where the source tells of the export that the round reads
  export TEXT,
  trouble_at INTEGER
) STRICT;
-- The same for each type of record.
CREATE TABLE emr_progress (
  source TEXT NOT NULL,
  kind TEXT NOT NULL,
  is_done INTEGER NOT NULL CHECK (is_done IN (0, 1)),
  next_page TEXT,
  -- what has changed since then is asked for
  since INTEGER,
  -- the same for the round after this one
  since_next INTEGER,
  page_size INTEGER NOT NULL,
  seen INTEGER NOT NULL,
  total INTEGER,
  -- whether the round has asked how many there are
  is_counted INTEGER NOT NULL CHECK (is_counted IN (0, 1)),
  PRIMARY KEY (source, kind)
) STRICT, WITHOUT ROWID;
-- What the last round left out, by type and reason.
CREATE TABLE emr_left_out (
  source TEXT NOT NULL,
  what TEXT NOT NULL,
  why TEXT NOT NULL,
  times INTEGER NOT NULL,
  PRIMARY KEY (source, what, why)
) STRICT, WITHOUT ROWID;
-- Patients whose records are stored, and whose chart is still to be made of them.
CREATE TABLE emr_waiting_charts (
  source TEXT NOT NULL,
  owner_source TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  PRIMARY KEY (source, owner_source, owner_id)
) STRICT, WITHOUT ROWID;
-- Patients of whom nothing is taken until a user has decided who they are.
CREATE TABLE emr_refused (
  source TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (source, owner_id)
) STRICT, WITHOUT ROWID;
