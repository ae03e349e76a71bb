-- an older program takes an empty address for one
DELETE FROM postal_addresses WHERE taken_away = 1;
DROP INDEX postal_addresses_said_by;
ALTER TABLE postal_addresses DROP COLUMN taken_away;
ALTER TABLE postal_addresses DROP COLUMN said_by;
