-- one row for each word that finds a chart item; searched by prefix within one chart
CREATE TABLE chart_item_terms (
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  term TEXT NOT NULL,
  item_id INTEGER NOT NULL REFERENCES chart_items (id),
  PRIMARY KEY (patient_id, term, item_id)
) STRICT, WITHOUT ROWID;
