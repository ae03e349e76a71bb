ALTER TABLE clinic DROP COLUMN name_where_shared;
