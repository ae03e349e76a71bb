-- whether letters hold the whole message, or only the notice that one waits
ALTER TABLE reach_settings ADD COLUMN letter_whole INTEGER NOT NULL DEFAULT 0 CHECK (letter_whole IN (0, 1));
-- whether this letter was printed with the whole message
ALTER TABLE letters ADD COLUMN whole INTEGER NOT NULL DEFAULT 0 CHECK (whole IN (0, 1));
