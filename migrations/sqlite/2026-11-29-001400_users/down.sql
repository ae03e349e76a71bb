ALTER TABLE users DROP COLUMN signed_in_at;
