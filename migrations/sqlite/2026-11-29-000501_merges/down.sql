DROP INDEX patients_birth;
DROP TABLE merge_moves;
DROP TABLE merges;
