DROP TABLE key_renewals;
