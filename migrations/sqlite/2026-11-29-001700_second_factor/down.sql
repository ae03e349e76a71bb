DROP TABLE pending_sign_ins;
DROP TABLE second_step_tries;
DROP TABLE recovery_codes;
DROP TABLE authenticator_setups;
DROP TABLE authenticator_apps;
ALTER TABLE clinic DROP COLUMN second_factor_roles;
