DROP TABLE caregiver_ages;
