-- the row of patient_sources whose record said this address; NULL: a user wrote it
ALTER TABLE postal_addresses ADD COLUMN said_by BIGINT;
-- whether a user took the address away: no source puts it back
ALTER TABLE postal_addresses ADD COLUMN taken_away BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX postal_addresses_said_by ON postal_addresses (said_by);
