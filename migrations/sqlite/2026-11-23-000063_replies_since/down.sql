ALTER TABLE conversations DROP COLUMN replies_since;
