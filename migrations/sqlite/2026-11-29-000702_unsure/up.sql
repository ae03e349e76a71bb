-- it may have been sent though no answer said so: the connection was cut, or the program ended
ALTER TABLE notifications ADD COLUMN unsure INTEGER NOT NULL DEFAULT 0 CHECK (unsure IN (0, 1));
