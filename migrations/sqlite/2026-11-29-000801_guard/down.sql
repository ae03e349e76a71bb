ALTER TABLE uploads DROP COLUMN looked_at;
