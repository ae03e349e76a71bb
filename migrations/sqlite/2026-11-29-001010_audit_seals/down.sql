DROP TRIGGER audit_events_stay;
DROP TRIGGER audit_events_remain;
ALTER TABLE audit_heads DROP COLUMN seal;
