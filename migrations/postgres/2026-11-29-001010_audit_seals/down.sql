DROP TRIGGER audit_events_stay ON audit_events;
DROP TRIGGER audit_events_remain ON audit_events;
DROP FUNCTION audit_events_refuse;
ALTER TABLE audit_heads DROP COLUMN seal;
