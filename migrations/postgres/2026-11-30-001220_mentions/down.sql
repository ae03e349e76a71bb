DROP INDEX participants_mentioned;
ALTER TABLE participants DROP COLUMN mentioned_at;
DROP TABLE mentions;
