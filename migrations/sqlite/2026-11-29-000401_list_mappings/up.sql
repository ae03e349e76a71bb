-- what the columns of a list were taken for, for the next list with the same headers
CREATE TABLE list_mappings (
  headers_key TEXT NOT NULL PRIMARY KEY,
  meanings TEXT NOT NULL,
  dates TEXT NOT NULL,
  used_at INTEGER NOT NULL
) STRICT;
