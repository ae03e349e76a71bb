-- An older program knows of no calls: what a call was asked for stays in the list as a message that is not opened.
UPDATE conversations SET attention = 'unopened' WHERE attention = 'phone';
UPDATE participants SET attention = 'unopened' WHERE attention = 'phone';
DELETE FROM jobs WHERE kind = 'follow_up' AND subject_id IN (SELECT id FROM plan_steps WHERE step = 'phone');
UPDATE address_blocks SET kind = 'bad' WHERE kind = 'wrong';
DROP TABLE phone_calls;
DELETE FROM plan_steps WHERE step = 'phone';
DROP TABLE reach_settings;
