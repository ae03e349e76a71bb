-- whether the keys of the clinic's pages do something for this user
ALTER TABLE users ADD COLUMN keys_on INTEGER NOT NULL DEFAULT 1 CHECK (keys_on IN (0, 1));
