-- What came from a source is kept resource by resource, so that a later file adds and corrects only what it names, and
-- charts are the same in whatever order and pieces the files come.
CREATE TABLE source_resources (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  source_key TEXT NOT NULL,
  full_url TEXT,
  kind TEXT NOT NULL,
  owner_source TEXT,
  owner_id TEXT,
  json TEXT NOT NULL,
  updated_at INTEGER,
  delivery INTEGER NOT NULL,
  withdrawn_at INTEGER
) STRICT;
CREATE UNIQUE INDEX source_resources_key ON source_resources (source, source_key);
CREATE INDEX source_resources_owner ON source_resources (owner_source, owner_id);
CREATE INDEX source_resources_url ON source_resources (full_url);

-- the files that such a resource holds; they lie in storage
CREATE TABLE source_files (
  resource_id INTEGER NOT NULL REFERENCES source_resources (id),
  number INTEGER NOT NULL,
  blob_id INTEGER REFERENCES blobs (id),
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  flaw TEXT,
  PRIMARY KEY (resource_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX source_files_blob ON source_files (blob_id);

-- what the resources of a patient name besides each other: whose chart reads otherwise when that changes
CREATE TABLE source_mentions (
  target TEXT NOT NULL,
  owner_source TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  PRIMARY KEY (target, owner_source, owner_id)
) STRICT, WITHOUT ROWID;

-- which source an item is made from, what became of it there, and what it said before sources were kept
ALTER TABLE chart_items ADD COLUMN state TEXT NOT NULL DEFAULT 'current';
ALTER TABLE chart_items ADD COLUMN state_at INTEGER;
ALTER TABLE chart_items ADD COLUMN origin_id INTEGER REFERENCES patient_sources (id);
ALTER TABLE chart_items ADD COLUMN former_body TEXT;
-- its state there where that matters to a reader, and how much of its date is known: a year, a month
ALTER TABLE chart_items ADD COLUMN status TEXT;
ALTER TABLE chart_items ADD COLUMN date_only TEXT;

-- who says that a record is only kept: a user, or else its source
ALTER TABLE patients ADD COLUMN archived_by INTEGER REFERENCES users (id);
