-- whether letters hold the whole message, or only the notice that one waits
ALTER TABLE reach_settings ADD COLUMN letter_whole BOOLEAN NOT NULL DEFAULT FALSE;
-- whether this letter was printed with the whole message
ALTER TABLE letters ADD COLUMN whole BOOLEAN NOT NULL DEFAULT FALSE;
