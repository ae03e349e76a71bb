-- where two patients have one address, a notification says for whom it is
ALTER TABLE clinic ADD COLUMN name_where_shared INTEGER NOT NULL DEFAULT 1 CHECK (name_where_shared IN (0, 1));
