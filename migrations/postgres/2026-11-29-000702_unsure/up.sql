-- it may have been sent though no answer said so: the connection was cut, or the program ended
ALTER TABLE notifications ADD COLUMN unsure BOOLEAN NOT NULL DEFAULT FALSE;
