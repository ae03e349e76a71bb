ALTER TABLE clinic DROP COLUMN passcodes_a_day;
DROP TABLE claim_tokens;
ALTER TABLE passcodes DROP COLUMN counted_since;
ALTER TABLE passcodes DROP COLUMN asked;
ALTER TABLE passcodes DROP COLUMN wrong_tries;
