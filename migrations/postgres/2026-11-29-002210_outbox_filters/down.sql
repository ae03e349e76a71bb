DROP INDEX notifications_patient;
CREATE INDEX notifications_patient ON notifications (patient_id, id);
DROP INDEX notifications_users;
DROP INDEX notifications_kinds;
CREATE INDEX notifications_state_kind ON notifications (state, kind);
CREATE INDEX notifications_state_channel ON notifications (state, channel);
