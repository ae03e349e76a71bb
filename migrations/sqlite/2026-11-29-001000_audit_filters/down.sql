DROP INDEX audit_events_actor;
DROP INDEX audit_events_patient;
DROP INDEX audit_events_action;
