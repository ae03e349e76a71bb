DROP TABLE reply_drafts;
ALTER TABLE conversations DROP COLUMN answer;
DROP TABLE answers;
ALTER TABLE messages DROP COLUMN offers;
