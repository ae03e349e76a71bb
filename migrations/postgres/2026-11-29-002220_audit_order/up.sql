-- The audit log is read by time, whatever it is narrowed by: also that of an old month, and of one user's one kind of act.
DROP INDEX audit_events_actor;
DROP INDEX audit_events_patient;
DROP INDEX audit_events_action;
CREATE INDEX audit_events_actor ON audit_events (actor_id, at, id);
CREATE INDEX audit_events_patient ON audit_events (patient_id, at, id);
CREATE INDEX audit_events_action ON audit_events (action, at, id);
CREATE INDEX audit_events_acts ON audit_events (actor_id, action, at, id);
