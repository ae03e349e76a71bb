-- whether the keys of the clinic's pages do something for this user
ALTER TABLE users ADD COLUMN keys_on BOOLEAN NOT NULL DEFAULT TRUE;
