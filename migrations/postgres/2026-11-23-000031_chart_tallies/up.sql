-- How many items of each kind a chart has in each month (UTC, as 202603), so that no page counts them one by one.
CREATE TABLE chart_tallies (
  patient_id BIGINT NOT NULL REFERENCES patients (id),
  kind TEXT NOT NULL,
  month BIGINT NOT NULL,
  items BIGINT NOT NULL,
  PRIMARY KEY (patient_id, kind, month)
);
INSERT INTO chart_tallies (patient_id, kind, month, items)
  SELECT patient_id, kind, to_char(occurred_at AT TIME ZONE 'UTC', 'YYYYMM')::bigint, count(*) FROM chart_items GROUP BY 1, 2, 3;
