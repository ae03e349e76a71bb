-- Every combination of the Outbox's filters is a few walks along one of these, each in the order of the page.
DROP INDEX notifications_state_kind;
DROP INDEX notifications_state_channel;
CREATE INDEX notifications_kinds ON notifications (kind, channel, state, created_at, id);
CREATE INDEX notifications_users ON notifications (user_id, kind, channel, state, created_at, id);
DROP INDEX notifications_patient;
CREATE INDEX notifications_patient ON notifications (patient_id, created_at, id);
