-- Two charts of one person made one, and what moved: for a day it moves back when the merge is undone.
CREATE TABLE merges (
  id INTEGER PRIMARY KEY,
  kept_id INTEGER NOT NULL REFERENCES patients (id),
  merged_id INTEGER NOT NULL REFERENCES patients (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  merged_at INTEGER NOT NULL,
  undone_at INTEGER,
  undone_by INTEGER REFERENCES users (id),
  kept_before TEXT NOT NULL,
  merged_portal_access INTEGER NOT NULL CHECK (merged_portal_access IN (0, 1)),
  merged_archived_at INTEGER,
  merged_archive_reason TEXT,
  identifiers TEXT NOT NULL,
  drafts TEXT NOT NULL
) STRICT;
CREATE INDEX merges_kept ON merges (kept_id, id);
CREATE INDEX merges_merged ON merges (merged_id, id);
CREATE INDEX merges_age ON merges (merged_at, id);

-- place is a table's name; was is what made the row unique in its old chart
CREATE TABLE merge_moves (
  merge_id INTEGER NOT NULL REFERENCES merges (id),
  place TEXT NOT NULL,
  row_id INTEGER NOT NULL,
  was TEXT,
  PRIMARY KEY (merge_id, place, row_id)
) STRICT, WITHOUT ROWID;

-- likely doubles are found along these
CREATE INDEX patients_birth ON patients (birth_date, name_key);
