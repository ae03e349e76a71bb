ALTER TABLE letters DROP COLUMN whole;
ALTER TABLE reach_settings DROP COLUMN letter_whole;
