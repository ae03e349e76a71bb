DELETE FROM jobs WHERE kind = 'see_to_promise';
DROP TABLE absences;
