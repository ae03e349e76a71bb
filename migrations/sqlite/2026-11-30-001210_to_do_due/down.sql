DROP INDEX participants_to_do_due;
DROP INDEX conversations_to_do_due;
ALTER TABLE participants DROP COLUMN to_do_due;
ALTER TABLE conversations DROP COLUMN to_do_due;
