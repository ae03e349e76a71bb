-- Whether notifications show the word that was chosen with the patient. A table of its own, because the query builder limits the
-- columns of a row; without a row they show none.
CREATE TABLE own_word_settings (
  id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
  shown BOOLEAN NOT NULL
);
-- The word by which a patient knows the clinic's notifications. It stays with the record in which it was entered.
CREATE TABLE own_words (
  patient_id BIGINT NOT NULL PRIMARY KEY REFERENCES patients (id),
  agreed TEXT NOT NULL,
  changed_at TIMESTAMPTZ NOT NULL
);
