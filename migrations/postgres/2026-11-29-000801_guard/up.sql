-- what of a file the guard against another patient's could look at
ALTER TABLE uploads ADD COLUMN looked_at TEXT NOT NULL DEFAULT 'words';
