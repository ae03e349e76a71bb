-- how far the audit log had come, hour by hour: one line each, of which the seal is told outside the database
CREATE TABLE audit_seals (
  id INTEGER NOT NULL PRIMARY KEY,
  sealed_at INTEGER NOT NULL,
  line TEXT NOT NULL
) STRICT;
