ALTER TABLE participants DROP COLUMN seen_id;
