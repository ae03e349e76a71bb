-- where two patients have one address, a notification says for whom it is
ALTER TABLE clinic ADD COLUMN name_where_shared BOOLEAN NOT NULL DEFAULT TRUE;
