-- The keys by which Postern signs in at EMRs: one is present, those that were replaced are published for another day.
CREATE TABLE emr_keys (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  -- PKCS #8 in base64
  private_key TEXT NOT NULL,
  made_at INTEGER NOT NULL,
  replaced_at INTEGER
) STRICT;
-- What the owners decided for a source that the configuration names, and how the last test of its connection went; no row: it is off.
CREATE TABLE emr_sources (
  name TEXT PRIMARY KEY NOT NULL,
  sync_on INTEGER NOT NULL CHECK (sync_on IN (0, 1)),
  write_back_on INTEGER NOT NULL CHECK (write_back_on IN (0, 1)),
  tested_at INTEGER,
  test TEXT NOT NULL
) STRICT, WITHOUT ROWID;
