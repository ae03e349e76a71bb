ALTER TABLE clinic DROP COLUMN notices;
ALTER TABLE conversations DROP COLUMN recalled_at;
DROP INDEX messages_corrects;
ALTER TABLE messages DROP COLUMN corrects_id;
ALTER TABLE messages DROP COLUMN recalled_by;
ALTER TABLE messages DROP COLUMN recalled_at;
ALTER TABLE messages DROP COLUMN listed_at;
