-- the row of patient_sources whose record said this address; NULL: a user wrote it
ALTER TABLE postal_addresses ADD COLUMN said_by INTEGER;
-- whether a user took the address away: no source puts it back
ALTER TABLE postal_addresses ADD COLUMN taken_away INTEGER NOT NULL DEFAULT 0 CHECK (taken_away IN (0, 1));
CREATE INDEX postal_addresses_said_by ON postal_addresses (said_by);
