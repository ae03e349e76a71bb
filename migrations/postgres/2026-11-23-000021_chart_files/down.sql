DROP INDEX patients_birth_date;
DROP TABLE chart_files;
