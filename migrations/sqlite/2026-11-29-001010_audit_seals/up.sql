-- by the key that lies outside the database; NULL: not sealed
ALTER TABLE audit_heads ADD COLUMN seal BLOB;
-- what was done is not undone
CREATE TRIGGER audit_events_stay BEFORE UPDATE ON audit_events
BEGIN SELECT RAISE(ABORT, 'rows of the audit log do not change'); END;
CREATE TRIGGER audit_events_remain BEFORE DELETE ON audit_events
BEGIN SELECT RAISE(ABORT, 'rows of the audit log do not go'); END;
