DROP TABLE list_mappings;
