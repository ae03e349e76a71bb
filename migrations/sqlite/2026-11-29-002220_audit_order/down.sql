DROP INDEX audit_events_acts;
DROP INDEX audit_events_action;
DROP INDEX audit_events_patient;
DROP INDEX audit_events_actor;
CREATE INDEX audit_events_actor ON audit_events (actor_id, id);
CREATE INDEX audit_events_patient ON audit_events (patient_id, id);
CREATE INDEX audit_events_action ON audit_events (action, id);
