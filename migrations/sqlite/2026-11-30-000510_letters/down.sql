-- An older program knows of no letters: what one was asked for stays in the list as a message that is not opened.
UPDATE conversations SET attention = 'unopened' WHERE attention = 'letter';
UPDATE participants SET attention = 'unopened' WHERE attention = 'letter';
DELETE FROM jobs WHERE kind = 'follow_up' AND subject_id IN (SELECT id FROM plan_steps WHERE step = 'letter');
DROP TABLE letters;
DROP TABLE postal_addresses;
DELETE FROM plan_steps WHERE step = 'letter';
ALTER TABLE reach_settings DROP COLUMN letter_days;
