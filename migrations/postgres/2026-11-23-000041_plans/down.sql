ALTER TABLE users DROP COLUMN told_of_replies;
DROP TABLE plan_steps;
ALTER TABLE clinic DROP COLUMN plan_tell_days;
ALTER TABLE clinic DROP COLUMN plan_remind_days;
ALTER TABLE clinic DROP COLUMN plan_text_hours;
