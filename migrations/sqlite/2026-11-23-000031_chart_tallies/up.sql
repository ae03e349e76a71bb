-- How many items of each kind a chart has in each month (UTC, as 202603), so that no page counts them one by one.
CREATE TABLE chart_tallies (
  patient_id INTEGER NOT NULL REFERENCES patients (id),
  kind TEXT NOT NULL,
  month INTEGER NOT NULL,
  items INTEGER NOT NULL,
  PRIMARY KEY (patient_id, kind, month)
) STRICT, WITHOUT ROWID;
INSERT INTO chart_tallies (patient_id, kind, month, items)
  SELECT patient_id, kind, CAST(strftime('%Y%m', occurred_at / 1000000, 'unixepoch') AS INTEGER), count(*) FROM chart_items GROUP BY 1, 2, 3;
