-- How far a source's records are read: one round reads all of them, or what has changed since the round before.
CREATE TABLE emr_rounds (
  -- the name of the source, as imports know it
  source TEXT PRIMARY KEY,
  -- of whoever works at the round, and until when it holds
  lease TEXT,
  lease_until TIMESTAMPTZ,
  is_full BOOLEAN NOT NULL,
  -- what somebody has asked for since the round began
  wanted TEXT,
  begun_at TIMESTAMPTZ,
  -- empty while the round is under way
  ended_at TIMESTAMPTZ,
  -- when the last round that came to its end began: the charts are as they were then
  as_of TIMESTAMPTZ,
  -- when a round of all records came to its end
  full_at TIMESTAMPTZ,
  next_at TIMESTAMPTZ,
  failures BIGINT NOT NULL,
  trouble TEXT,
  -- where the source tells of the export that the round reads
  export TEXT,
  trouble_at TIMESTAMPTZ
);
-- The same for each type of record.
CREATE TABLE emr_progress (
  source TEXT NOT NULL,
  kind TEXT NOT NULL,
  is_done BOOLEAN NOT NULL,
  next_page TEXT,
  -- what has changed since then is asked for
  since TIMESTAMPTZ,
  -- the same for the round after this one
  since_next TIMESTAMPTZ,
  page_size BIGINT NOT NULL,
  seen BIGINT NOT NULL,
  total BIGINT,
  -- whether the round has asked how many there are
  is_counted BOOLEAN NOT NULL,
  PRIMARY KEY (source, kind)
);
-- What the last round left out, by type and reason.
CREATE TABLE emr_left_out (
  source TEXT NOT NULL,
  what TEXT NOT NULL,
  why TEXT NOT NULL,
  times BIGINT NOT NULL,
  PRIMARY KEY (source, what, why)
);
-- Patients whose records are stored, and whose chart is still to be made of them.
CREATE TABLE emr_waiting_charts (
  source TEXT NOT NULL,
  owner_source TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  PRIMARY KEY (source, owner_source, owner_id)
);
-- Patients of whom nothing is taken until a user has decided who they are.
CREATE TABLE emr_refused (
  source TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (source, owner_id)
);
