DROP TABLE returned_mail;
