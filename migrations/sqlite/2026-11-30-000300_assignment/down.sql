DROP TABLE conversation_events;
DROP INDEX participants_assigned;
DROP INDEX participants_assignee;
ALTER TABLE participants DROP COLUMN assigned_until;
