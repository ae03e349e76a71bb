DELETE FROM jobs WHERE kind = 'send_scheduled';
-- the program before knows no such mail
DELETE FROM jobs WHERE kind = 'tell_user' AND subject_id IN (SELECT id FROM account_mails WHERE kind = 'not_sent');
DELETE FROM account_mails WHERE kind = 'not_sent';
DROP INDEX uploads_scheduled;
ALTER TABLE uploads DROP COLUMN scheduled_id;
DROP TABLE scheduled_messages;
